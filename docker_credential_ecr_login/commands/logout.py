"""``logout``: forget tokens, those that were fetched and those that ``docker login`` stored."""

import argparse
from collections.abc import Mapping
from typing import Any

from .. import actions
from ..cache.storage import default_directory
from ..errors import BadInput, HelperError
from ..registry import Registry
from ..resolve import resolve
from .arguments import add_registries_to, chosen_hosts


def add_to(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    parser = commands.add_parser(
        "logout",
        help="forget tokens, including those of docker login",
        description="Forget the token of each REGISTRY, and what docker login stored for it. One "
        "token serves all registries of a region, so the others lose it, too; the next pull gets "
        "a new one. It is no error if there is nothing to forget.",
    )
    add_registries_to(parser)
    parser.add_argument("--all", action="store_true", help="all registries and all profiles")
    parser.examples = (
        "logout 123456789012.dkr.ecr.us-east-1.amazonaws.com",
        "logout --all",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, str, int]:
    """Return a line for each registry, the failures, and the exit code. Raises `HelperError`."""
    if options.all:
        if options.registries or options.public:
            raise BadInput("--all covers all registries", "name none")
        removed = _removed(actions.forget(None, environ), "all registries")
        return f"{default_directory(environ)}: {removed}\n", "", 0
    hosts = chosen_hosts(options, environ)
    if not hosts:
        raise BadInput("no registry is named", "name one, or add --all for all of them")
    lines, failures = [], []
    for host in hosts:
        try:
            request = resolve(host, environ)
            if request.registry:
                forgotten = actions.forget(request, request.environ)
                lines.append(f"{host}: {_removed(forgotten, _shared_by(request.registry))}\n")
        except HelperError as error:
            failures.append(f"{host}: {error}")
    return "".join(lines), "\necr-login: ".join(failures), 1 if failures else 0


def _shared_by(registry: Registry) -> str:
    return f"all registries of {registry.region}" if registry.registry_id else "ECR Public"


def _removed(erased: tuple[int, int], scope: str) -> str:
    logins, tokens = erased
    found = [f"{_counted(tokens, 'cached token')} for {scope}"] if tokens else []
    found += [_counted(logins, "stored login")] if logins else []
    return f"removed {' and '.join(found)}" if found else "there was nothing to remove"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"
