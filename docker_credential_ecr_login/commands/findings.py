"""What ``doctor`` finds, and what its checks know from the earlier ones.

A check yields findings, or raises `HelperError` for a failure; the next checks run all the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..redaction import one_line
from ..registry import Registry, parse
from ..request import Request
from ..resolve import resolve
from .images import Image

if TYPE_CHECKING:
    from ..aws.caller import Caller

_SHOWN = 3  # entries of a list that can be long

Status = Literal["passed", "failed", "warned", "skipped"]


class Finding(NamedTuple):
    """What a check found; ``remedy`` is what to do about it, or empty."""

    check: str
    status: Status
    message: str
    remedy: str = ""


@dataclass
class CheckContext:
    """What is checked, and what earlier checks have found out about it.

    ``host`` is the registry, None until it is known; ``environ`` has the general settings of
    the config file once that was read. ``secret`` is the password for the registry, or empty;
    ``takes_token`` is whether the registry accepted it, or lets everybody in. ``image`` is the one
    to pull or push, if one was named; ``principal`` the ARN of who asks AWS, or empty.
    """

    environ: Mapping[str, str]
    host: str | None
    network: bool
    request: Request | None = None
    region: str | None = None
    caller: "Caller | None" = None
    has_credentials: bool = False
    secret: str = ""
    principal: str = ""
    takes_token: bool = False
    image: Image | None = None
    push: bool = False

    @property
    def registry(self) -> Registry | None:
        """The registry, with the settings of the config file if that could be read."""
        if self.request:
            return self.request.registry
        return parse(self.host) if self.host else None

    def ask_about(self, host: str) -> None:
        """Look at the registry ``host`` from now on. Raises `HelperError`."""
        self.host = host
        self.request = resolve(host, self.environ)


Check = Callable[[CheckContext], Iterator[Finding]]


def listed(names: Sequence[str]) -> str:
    """Return the first entries of a list on one line, and how many more there are."""
    shown = [one_line(name) for name in names[:_SHOWN]]
    others = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join(shown + others)
