"""``login``: get tokens into the cache, with a person at hand who can be asked for an MFA code."""

import argparse
import os
import time
from collections.abc import Mapping
from typing import Any

from .. import helper
from ..errors import HelperError, NotAnEcrRegistry, one_line

_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
)


def add_to(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    parser = commands.add_parser(
        "login",
        help="get tokens for registries into the cache",
        description="Get a token for each registry into the cache, asking for an MFA code at the "
        "terminal if the profile wants one.",
    )
    parser.add_argument("registry", nargs="+", help="host of an ECR registry")
    parser.add_argument("--profile", help="profile of the AWS configuration to use")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, str, int]:
    """Return a table of what is cached now, the failures, and the exit code.

    Raises `NotAnEcrRegistry` if one of the registries is none of ECR.
    """
    helper.complete_python()
    rows = [("REGISTRY", "EXPIRES")]
    failures = []
    for host in options.registry:
        question = _question(host, options.profile, environ)
        registry = question.registry
        if registry is None:
            raise NotAnEcrRegistry(f"{one_line(host)!r} is not a registry of Amazon ECR")
        try:
            entry = helper.token(registry, question.environ, question.identity)
        except HelperError as error:
            failures.append(f"{registry.host}: {error}")
        else:
            moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(entry.expires_at))
            rows.append((registry.host, moment))
    width = max(len(name) for name, _ in rows)
    table = "".join(f"{name:{width}}  {expiry}\n" for name, expiry in rows if len(rows) > 1)
    return table, "\necr-login: ".join(failures), 1 if failures else 0


def _question(host: str, profile: str | None, environ: Mapping[str, str]) -> helper.Question:
    """Return what ``host`` means with ``profile`` in effect, also for botocore's environment."""
    question = helper.resolve(host, environ)
    registry = question.registry
    if not profile or registry is None or registry.settings.get("profile") == profile:
        return question
    from ..aws.client import takes_keys_from_environment

    keys = () if takes_keys_from_environment(environ, profile) else _KEYS
    dropped = ("AWS_DEFAULT_PROFILE", *keys)
    environ = {name: value for name, value in environ.items() if name not in dropped}
    environ = {**environ, "AWS_PROFILE": profile}
    os.environ.clear()
    os.environ.update(environ)
    return helper.resolve(host, environ)
