"""``doctor``: check everything that an answer depends on, and say what to do.

It continues after a failure, and prints each finding at once, because some checks take long.
"""

import argparse
import errno
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import BadInput, HelperError, printable
from ..redaction import one_line
from . import aws_checks, client_checks, machine_checks
from .arguments import configured_regions, hosts, own_name, regions, with_profile
from .findings import Check, CheckContext, Finding
from .images import Image, split

_OWN_REGISTRY = "your own, in the configured region"
_COLOURS = {"passed": "32", "failed": "31", "warned": "33", "skipped": "2"}  # ECMA-48, SGR

CHECKS: tuple[tuple[str, Check], ...] = (
    ("version", machine_checks.version),
    ("program", machine_checks.program),
    ("docker", client_checks.docker),
    ("clients", client_checks.clients),
    ("logins", client_checks.logins),
    ("config", machine_checks.own_config),
    ("cache", machine_checks.stored),
    ("log", machine_checks.log),
    ("profile", aws_checks.profile),
    ("credentials", aws_checks.credentials),
    ("principal", aws_checks.principal),
    ("endpoint", aws_checks.endpoint),
    ("token", aws_checks.token),
    ("registry", aws_checks.registry),
)
"""The checks in their order; later ones use what earlier ones found."""


def add_to(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    parser = commands.add_parser(
        "doctor",
        help="find out why a pull fails",
        description="Check everything that a pull from REGISTRY depends on, from the program on "
        "PATH to the registry itself, and say what to do about each problem. With an IMAGE, also "
        "check whether it can be pulled, or pushed, and if not, say which policy or rule denies "
        "it. Without either, check the first ECR registry in Docker's configuration, or your own "
        "registry in the configured region.",
        epilog="The exit code is 0 if nothing failed.",
    )
    parser.add_argument(
        "registry",
        metavar="REGISTRY|IMAGE",
        nargs="?",
        help="host of an ECR registry, account ID of 12 digits, or an image in a registry",
    )
    parser.add_argument(
        "--push",
        action="store_true",
        help="check whether IMAGE can be pushed: an upload is started and cancelled",
    )
    parser.add_argument("--region", help="region of the account (default: the configured one)")
    parser.add_argument("--profile", help="profile of the AWS configuration to check")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--no-network", action="store_true", help="skip the checks that need AWS or the registry"
    )
    parser.examples = (
        "doctor 123456789012.dkr.ecr.us-east-1.amazonaws.com",
        "doctor --push 123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:1.4",
        "doctor --no-network --json",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, str, int]:
    """Print the findings; return what is left to print, a remark, and the exit code.

    Raises `BadInput`.
    """
    if options.profile:
        environ = with_profile(options.profile, environ)
    region = next(iter(regions([options.region or ""])), None)
    name, repository, reference = split(options.registry or "")
    host = _host(name if options.registry is not None else None, region, environ)
    image = Image(host, repository, reference) if host and repository else None
    if options.push and image is None:
        raise BadInput("--push needs an image", "name one, with its registry")
    context = CheckContext(
        environ,
        host,
        network=not options.no_network,
        region=region,
        image=image,
        push=options.push,
    )
    findings = []
    if not options.json:
        subject = f"Image: {image}" if image else f"Registry: {host or _OWN_REGISTRY}"
        _print(f"{subject}\n")
    for finding in _findings(context):
        findings.append(finding)
        if not options.json:
            _print(_lines(finding, colour=_is_coloured(environ)))
    numbers = Counter(finding.status for finding in findings)
    if options.json:
        checks = [finding._asdict() for finding in findings]
        named = {"registry": context.host} | ({"image": str(image)} if image else {})
        _print(json.dumps({**named, "checks": checks}, indent=2) + "\n")
    else:
        _print(", ".join(f"{number} {status}" for status, number in numbers.items()) + "\n")
    return "", "", 1 if numbers["failed"] else 0


def _host(name: str | None, region: str | None, environ: Mapping[str, str]) -> str | None:
    if name is None:
        return None if region else client_checks.first_host(environ)
    found = hosts(
        [name],
        lambda: [region] if region else configured_regions(environ),
        public=False,
        own_name=lambda name: own_name(name, environ),
    )
    if len(found) != 1:
        raise BadInput("doctor checks one registry at a time", "name one")
    return found[0]


def _findings(context: CheckContext) -> Iterator[Finding]:
    checks = [*CHECKS]
    if context.image:
        from .image_checks import image

        checks.append(("image", image))
    for name, check in checks:
        try:
            yield from check(context)
        except HelperError as error:
            yield Finding(name, "failed", error.message, error.hint)
        except Exception as error:
            message = one_line(f"internal error, please report it: {type(error).__name__}: {error}")
            yield Finding(name, "failed", message)


def _lines(finding: Finding, *, colour: bool) -> str:
    status = f"{finding.status:8}"
    if colour:
        status = f"\x1b[{_COLOURS[finding.status]}m{status}\x1b[0m"
    remedy = f"{'':8}-> {printable(finding.remedy)}\n" if finding.remedy else ""
    return f"{status}{finding.check}: {printable(finding.message)}\n{remedy}"


def _is_coloured(environ: Mapping[str, str]) -> bool:
    """Say whether to print in colour; see https://no-color.org."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and os.isatty(1)


def _print(text: str) -> None:
    """Print at once. Raises BrokenPipeError if nobody reads the output, and `HelperError`."""
    try:
        with open(1, "wb", closefd=False) as stdout:  # sys.stdout is None if it was closed
            stdout.write(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        if error.errno in (errno.EBADF, errno.EPIPE):
            raise BrokenPipeError from None
        raise HelperError(f"the findings cannot be printed: {error.strerror}") from None
