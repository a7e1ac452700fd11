"""What the arguments of ``configure`` ask for."""

import argparse
import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from ..config_values import REGISTRY, checked
from ..errors import BadInput
from ..redaction import one_line
from ..registry import PUBLIC_HOSTS, parse
from .arguments import check_region, configured_regions, hosts, own_name, regions
from .installed import REGISTRIES_CONF

_IS_ACCOUNT = re.compile(r"(?:^|[\s,])[0-9]+(?:$|[\s,])")


class Plan(NamedTuple):
    """What is to be done: the arguments, understood."""

    hosts: tuple[str, ...]
    who: dict[str, str]  # profile, role_arn and access, if given
    for_all: bool = False
    remove: bool = False
    clean: bool = False
    disable_logins: bool = False
    all_ours: bool = False  # every table of our config file that was written here


def planned(
    options: argparse.Namespace, environ: Mapping[str, str], ours: Collection[str] = ()
) -> Plan:
    """Return what the arguments ask for. Raises `HelperError`.

    ``ours`` are further names that can be removed, whether they are valid or not.
    """
    if options.all:
        return _removal(options, ours)
    who = _who(options)
    named = regions(options.region)
    own: list[str] = []  # names in front of ECR

    def of_ones_own(name: str) -> str:
        own.append(name if name in ours else own_name(name, environ))
        return own[-1]

    found = hosts(
        options.registries,
        lambda: named or configured_regions(environ, options.profile),
        public=False,
        own_name=of_ones_own,
    )
    if options.public:
        found += PUBLIC_HOSTS
    if not found and not options.for_all:
        raise BadInput(
            "no registry is named",
            "give its host, its account ID and --region, --public, or --global for all",
        )
    if named and not any(map(_IS_ACCOUNT.search, options.registries)):
        raise BadInput("--region is only for registries that are named by an account ID")
    if who and not found:
        raise BadInput(
            "--profile and --role-arn apply to registries, and none is named",
            'name one, or write a table with match = "*" into config.toml',
        )
    if who and own:
        raise BadInput(
            f"{one_line(own[0])} has its own table in config.toml",
            "write profile or role_arn there",
        )
    if options.for_all and options.podman:
        raise BadInput(
            "podman has no credsStore, which --global would set",
            REGISTRIES_CONF,
        )
    if not options.remove:
        _check_existence(found, who)
    return Plan(
        tuple(dict.fromkeys(found)),
        who,
        options.for_all,
        options.remove,
        options.clean,
        options.disable_logins,
    )


def _who(options: argparse.Namespace) -> dict[str, str]:
    """Return the profile, role_arn and access that are given. Raises `HelperError`."""
    given = {"profile": options.profile, "role_arn": options.role_arn, "access": options.access}
    who = {
        key: checked(value, REGISTRY[key], f"--{key.replace('_', '-')}")
        for key, value in given.items()
        if value is not None
    }
    if "access" in who and "role_arn" not in who:
        raise BadInput("--access restricts a role, and none is given", "add --role-arn")
    return who


def _removal(options: argparse.Namespace, ours: Iterable[str]) -> Plan:
    """Return the plan to remove ``ours`` and all else that `configure` wrote. Raises `BadInput`."""
    if not options.remove:
        raise BadInput("--all needs --remove")
    if options.registries or options.public or options.profile or options.role_arn:
        raise BadInput("--remove --all removes everything", "name no registry")
    return Plan(tuple(ours), {}, for_all=True, remove=True, clean=options.clean, all_ours=True)


def _check_existence(hosts: Iterable[str], who: Mapping[str, str]) -> None:
    """Refuse registries and roles that cannot give a token. Raises `BadInput`."""
    registries = [registry for registry in map(parse, hosts) if registry]
    for registry in registries:
        check_region(registry.region)
    if "{registry_id}" in who.get("role_arn", "") and any(each.is_public for each in registries):
        raise BadInput("--role-arn contains {registry_id}, which ECR Public does not have")
