"""The arguments that several commands have: registries, and the profile to work with."""

import argparse
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches

from .. import config
from ..errors import BadInput
from ..identity import PROFILE_OPTION, config_file
from ..redaction import one_line
from ..registry import PUBLIC_HOST, SUFFIXES, is_region, parse, partition_of
from ..request import unconfigured
from ..resolve import under

_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
)
_ACCOUNT_LENGTH = 12
# AWS adds areas and numbers, but no points of the compass.
_REGION = re.compile(
    r"[a-z]+(?:-[a-z]+)?-(?:central|(?=[nsew])(?:north|south)?(?:east|west)?)-[0-9]+"
)
_ACCOUNT_OF_HOST = re.compile(r"(?:https?://)?([0-9]+)\.dkr[.-]ecr", re.IGNORECASE)


def add_registries_to(parser: argparse.ArgumentParser, *, public: str = "also ECR Public") -> None:
    """Add the arguments that name registries; ``public`` is the help for --public."""
    parser.add_argument(
        "registries",
        metavar="REGISTRY",
        nargs="*",
        help="host of an ECR registry, account ID of 12 digits, or domain name for ECR that "
        "config.toml lists; several with spaces or commas",
    )
    parser.add_argument("--public", action="store_true", help=public)
    parser.add_argument(
        "--region",
        action="append",
        default=[],
        help="region of the accounts, or several with commas (default: the configured one)",
    )


def chosen_hosts(options: argparse.Namespace, environ: Mapping[str, str]) -> list[str]:
    """Return the hosts that those arguments name, each once. Raises `HelperError`."""
    named = regions(options.region)
    return hosts(
        options.registries,
        lambda: named or configured_regions(environ),
        public=options.public,
        own_name=lambda name: own_name(name, environ),
    )


def own_name(name: str, environ: Mapping[str, str]) -> str:
    """Return a ``name`` in its canonical form if config.toml lists it as one of ECR, else "".

    Raises `BadConfiguration`.
    """
    path, plain = config_file(environ), unconfigured(name, environ)
    if path and plain.host and under(config.load(path).settings(plain.host), plain).registry:
        return plain.host
    return ""


def configured_regions(environ: Mapping[str, str], profile: str = "") -> list[str]:
    """Return the region that the environment or the profile names, if any.

    ``profile`` wins over the profile of the environment. Raises `HelperError`.
    """
    from ..aws.session import default_registry

    registry = default_registry(environ, profile=profile)
    return [registry.region] if registry else []


def hosts(
    arguments: Iterable[str],
    regions: Callable[[], Sequence[str]],
    *,
    public: bool,
    own_name: Callable[[str], str] = lambda _: "",
) -> list[str]:
    """Return the hosts that are meant, each once.

    An argument is a host, or an account ID of 12 digits, which means its registry in each of the
    ``regions``; or several of these, separated by commas or white space. ``own_name`` returns the
    canonical form of a domain name that stands for ECR, and "" for others. Raises `BadInput`.
    """
    found = []
    for name in " ".join(arguments).replace(",", " ").split():
        if name.isascii() and name.isdecimal():
            found += (accounts := [_host(name, region) for region in regions()])
            if not accounts:
                raise BadInput(
                    f"no region is configured for account {name}",
                    "add --region, or set AWS_REGION",
                )
        elif registry := parse(name):
            found.append(registry.host)
        elif own := own_name(name):
            found.append(own)
        else:
            if account := _ACCOUNT_OF_HOST.match(name):
                _check_account(account[1])
            raise BadInput(
                f"{one_line(name)!r} is neither the host of an ECR registry nor an account ID of "
                f"{_ACCOUNT_LENGTH} digits"
            )
    if public:
        found.append(PUBLIC_HOST)
    return list(dict.fromkeys(found))


def regions(arguments: Iterable[str]) -> list[str]:
    """Return the regions of options, which can be lists with commas. Raises `BadInput`."""
    found = " ".join(arguments).replace(",", " ").split()
    for name in found:
        if not is_region(name):
            raise BadInput(
                f"{one_line(name)!r} is not a region", "a region is, for example, eu-west-1"
            )
    return list(dict.fromkeys(found))


def check_region(region: str) -> None:
    """Raise `BadInput` for a misspelt region of AWS, but for none that AWS could add."""
    if _REGION.fullmatch(region):
        return
    from ..aws.session import known_regions

    if near := get_close_matches(region, known_regions()):
        raise BadInput(f"there is no region {region}", f"did you mean {' or '.join(near)}?")


def _host(account: str, region: str) -> str:
    _check_account(account)
    partition = partition_of(region)
    owner = "aws" if partition == "aws-us-gov" else partition
    suffix = next(
        name for name, (each, dual_stack) in SUFFIXES.items() if each == owner and not dual_stack
    )
    return f"{account}.dkr.ecr.{region}.{suffix}"


def _check_account(account: str) -> None:
    if len(account) != _ACCOUNT_LENGTH:
        lost = len(account) < _ACCOUNT_LENGTH
        raise BadInput(
            f"an account ID has {_ACCOUNT_LENGTH} digits, but {account} has {len(account)}",
            f"if it is {account.zfill(_ACCOUNT_LENGTH)}, its leading zeros got lost: "
            "put it in quotes, in YAML too"
            if lost
            else "",
        )


def with_profile(profile: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``environ`` with the ``profile`` of an option in effect, also for botocore."""
    from ..aws.session import takes_keys_from_environment

    keys = () if takes_keys_from_environment(environ, profile) else _KEYS
    dropped = ("AWS_DEFAULT_PROFILE", *keys)
    others = {name: value for name, value in environ.items() if name not in dropped}
    chosen = with_environment({**others, "AWS_PROFILE": profile})
    return {**chosen, PROFILE_OPTION: profile}  # for our own messages: no variable has such a name


def with_environment(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``environ``, which is that of botocore now, too."""
    os.environ.clear()
    os.environ.update(environ)
    return environ
