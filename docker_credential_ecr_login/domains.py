"""Whether all names below a domain have one owner, or anybody can get one."""

import os

from .registry import SUFFIXES

LIST = os.path.join(os.path.dirname(__file__), "public_suffixes.txt")
"""The Public Suffix List, as `building.public_suffixes` makes it."""


def is_anybodys(domain: str) -> bool:
    """Say whether anybody can get a name below ``domain``, or below one of its subdomains."""
    parent = domain.partition(".")[2]
    if not parent or is_of_aws(domain):
        return True
    with open(LIST, encoding="ascii") as file:
        rules = file.read()
    # The algorithm of https://publicsuffix.org/list/: "!" makes an exception of "*".
    if f"\n!{domain}\n" in rules:
        return False
    return any(f"{end}\n" in rules for end in (f"\n{domain}", f"\n*.{parent}", f".{domain}"))


def is_of_aws(domain: str) -> bool:
    """Say whether it is a domain in which AWS gives names to what its customers create."""
    return f".{domain}".endswith(tuple(f".{suffix}" for suffix in (*SUFFIXES, "aws")))
