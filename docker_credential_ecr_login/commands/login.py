"""``login``: get tokens into the cache, and hand them to other programs.

A person runs it, and may therefore be asked for an MFA code.
"""

import argparse
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from .. import actions
from ..cache.storage import complaint, is_disabled, writable_directory
from ..cache.tokens import Entry
from ..config_values import ACCESS
from ..errors import BadConfiguration, BadInput, HelperError
from ..fetch import fetch_own, refresh
from ..identity import configured_identity, named_profile
from ..log import logger
from ..protocol import NAME
from ..request import Request, unconfigured
from ..resolve import resolve
from . import output, sso
from .arguments import (
    add_registries_to,
    chosen_hosts,
    configured_regions,
    regions,
    with_environment,
    with_profile,
)
from .output import IssuedToken

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")
_FORMS: dict[str, Callable[[list[IssuedToken]], str]] = {
    "text": output.text,
    "json": output.as_json,
    "env": output.env,
    "dotenv": output.dotenv,
    "docker-config": output.docker_config,
}
_OF_ONE: dict[str, Callable[[IssuedToken], str]] = {
    "password": lambda login: f"{login.secret}\n",
    "authorization": lambda login: f"Basic {login.basic}\n",
}


def add_to(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    parser = commands.add_parser(
        "login",
        help="get tokens, for the cache or for other programs",
        description="Get a token for each REGISTRY and put it into the cache, where docker and "
        "other clients find it. If the profile requires an MFA code, ask for it at the terminal. "
        "Without a REGISTRY, get the token of your own registry in the configured region.",
        epilog="One call to AWS serves all registries of a region.",
    )
    add_registries_to(parser)
    parser.add_argument(
        "--sso",
        action="store_true",
        help="first sign in to SSO (IAM Identity Center) in a browser, as aws sso login does; "
        "without a REGISTRY and --output, do only that",
    )
    parser.add_argument("--profile", help="profile of the AWS configuration to use")
    parser.add_argument(
        "--access",
        choices=ACCESS,
        help="restrict the tokens to pull, or to push and pull, if config.toml names a role for "
        "the registries (experimental)",
    )
    parser.add_argument("--proxy", metavar="URL", help="proxy for requests to AWS")
    parser.add_argument(
        "--output",
        default="text",
        choices=[*_FORMS, "github", "kubernetes", *_OF_ONE],
        help="what to print: a table (text, json), lines for $GITHUB_OUTPUT (github), a shell "
        "(env) or GitLab (dotenv), a Docker configuration, the manifest of a Kubernetes Secret, "
        "only the password, or the value of an HTTP Authorization header (default: text)",
    )
    parser.add_argument("--no-mask", action="store_true", help="github: do not mask passwords")
    parser.add_argument("--name", default="ecr-login", help="kubernetes: name of the Secret")
    parser.add_argument(
        "--show-secrets", action="store_true", help="print passwords even to a terminal"
    )
    parser.examples = (
        "login 123456789012 210987654321 --region us-east-1,eu-west-1",
        "login --profile prod 123456789012.dkr.ecr.us-east-1.amazonaws.com --output password",
        "login --sso --profile dev",
        "login --output kubernetes --name ecr | kubectl apply -f -",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, str, int]:
    """Return what to print, the failures, and the exit code. Raises `HelperError`."""
    has_secrets = options.output not in (*output.WITHOUT_SECRETS, "github")
    if has_secrets and not options.show_secrets and os.isatty(1):
        raise BadInput(
            f"--output {options.output} prints passwords, and this is a terminal",
            "send it to a file or a pipe, or add --show-secrets",
        )
    if options.output == "github" and not environ.get("GITHUB_OUTPUT"):
        raise BadConfiguration(
            "GITHUB_OUTPUT is not set", "use --output github in a step of GitHub Actions"
        )
    if options.proxy:
        environ = with_environment({**environ, **dict.fromkeys(_PROXIES, options.proxy)})
    if options.sso:
        signed_in = sso.sign_in(options.profile, environ)
        names_nothing = not (options.registries or options.public or options.region)
        if names_nothing and options.output == "text":
            return signed_in, "", 0
    if options.registries or options.public:
        tokens, failures = _tokens(options, environ)
    else:
        tokens, failures = _own_tokens(options, environ), []
    # A script must not continue with only some of the tokens that it asked for.
    is_for_people = options.output in output.WITHOUT_SECRETS
    is_whole = tokens and (is_for_people or not failures)
    remarks = _unkept(environ) if is_for_people else []
    printed = _printed(options, tokens, environ) if is_whole else ""
    return printed, "\necr-login: ".join([*failures, *remarks]), 1 if failures else 0


def _unkept(environ: Mapping[str, str]) -> list[str]:
    """Return a remark if tokens are not kept, or not in the default directory."""
    if is_disabled(environ):
        return ["AWS_ECR_DISABLE_CACHE is set: the tokens are not kept"]
    return list(filter(None, [complaint(environ, writable_directory(environ))]))


def _tokens(
    options: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[list[IssuedToken], list[str]]:
    """Return tokens for the registries that are named, and why there are none for others.

    Raises `HelperError`.
    """
    # The profile can have a region.
    chosen = with_profile(options.profile, environ) if options.profile else environ
    tokens, failures = [], []
    for host in chosen_hosts(options, chosen):
        try:
            tokens.append(_issued(host, options, environ))
        except HelperError as error:
            logger(environ).error("%s: %s", host, error)
            failures.append(f"{host}: {error}")
    return tokens, failures


def _own_tokens(options: argparse.Namespace, environ: Mapping[str, str]) -> list[IssuedToken]:
    """Fetch a token for the caller's own registry in each region. Raises `HelperError`.

    Not where the config file names other credentials for that registry.
    """
    if options.access:
        raise BadInput("--access needs a registry with a role", "name the registry")
    if options.profile:
        environ = with_profile(options.profile, environ)
    general = unconfigured("", environ, configured_identity(environ))
    found = [
        fetch_own(general, lambda host: _with_token(resolve(host, environ)), region)
        for region in regions(options.region) or configured_regions(environ)
    ]
    if not any(found):
        raise BadInput(
            "no registry is named, and no region is configured",
            "name a registry, or set --region or AWS_REGION",
        )
    return [_as_issued(*own) for own in found if own]


def _issued(host: str, options: argparse.Namespace, environ: Mapping[str, str]) -> IssuedToken:
    """Return a token for ``host``, a new one if it is due for a refresh. Raises `HelperError`."""
    request = _request(host, options.profile, environ)
    if options.access:
        request = _restricted(request, options.access)
    request = _with_token(request)
    with suppress(HelperError):  # then the old one is used, if there is one
        refresh(request)
    return _as_issued(request, actions.token(request))


def _with_token(request: Request) -> Request:
    """Return the request, if it is answered by a token; else raises `BadConfiguration`."""
    if request.registry is None or request.is_anonymous:
        raise BadConfiguration("the registry is configured for use without credentials")
    return request


def _as_issued(request: Request, entry: Entry) -> IssuedToken:
    used = request.settings.profile or named_profile(request.environ)
    return IssuedToken(request.host, used, entry.expires_at, entry.secret)


def _request(host: str, profile: str | None, environ: Mapping[str, str]) -> Request:
    """Return what ``host`` means with ``profile`` in effect, also for botocore's environment.

    Raises `BadConfiguration` if the config file names another profile.
    """
    request = resolve(host, with_environment(environ))
    settings = request.settings
    if profile is None or (request.registry and profile == settings.profile):
        return request
    if request.registry and settings.profile:
        raise BadConfiguration(
            f'{settings.config_file} sets its profile to "{settings.profile}"',
            "leave out --profile, or change it there",
        )
    return resolve(host, with_profile(profile, environ))


def _restricted(request: Request, access: str) -> Request:
    """Return the request for a token that is restricted to an ``access``.

    Raises `BadConfiguration` if there is no role to restrict, or it is restricted further already.
    """
    settings = request.settings
    if not settings.role_arn:
        raise BadConfiguration(
            "--access restricts a role from config.toml, which has none for this registry",
            f"add one: {NAME} configure {request.host} --role-arn ...",
        )
    if (settings.access, access) == ("pull", "push"):
        raise BadConfiguration(
            f"{settings.config_file} sets its access to pull",
            "leave out --access, or change it there",
        )
    return request.replaced(access=access)


def _printed(
    options: argparse.Namespace, tokens: list[IssuedToken], environ: Mapping[str, str]
) -> str:
    if options.output == "github":
        text = output.github_outputs(tokens, f"ecr-login-{secrets.token_hex(16)}")
        try:
            with open(environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise BadConfiguration(
                f"the file that GITHUB_OUTPUT names cannot be written: {error}"
            ) from None
        return "" if options.no_mask else output.github_masks(tokens)
    if options.output == "kubernetes":
        return output.kubernetes(tokens, options.name)
    if of_one := _OF_ONE.get(options.output):
        if len({token.secret for token in tokens}) > 1:
            raise BadInput(
                f"--output {options.output} prints one password, and these registries have several",
                "name one at a time",
            )
        return of_one(tokens[0])
    return _FORMS[options.output](tokens)
