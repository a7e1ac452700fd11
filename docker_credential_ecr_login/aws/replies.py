"""What a registry, its API or its storage answered, and which policy a denial names."""

import json
import re
from typing import Any, NamedTuple

from ..redaction import one_line

NO_ANSWER = "no answer"
"""The code of a reply if there was no answer, because of the network, a proxy or TLS."""

_DENIAL = re.compile(
    r"User: (\S+) is not authorized to perform: ([\w-]+:\w+)(?: on resource: (\S+))?(.*)", re.DOTALL
)
_POLICY = re.compile(
    r"(?:identity-based|resource-based|session|(?:service|resource) control|VPC endpoint) policy"
    r"|permissions boundary"
)
_IN_XML = re.compile(r"<(Code|Message)>([^<]*)</")


class Reply(NamedTuple):
    """An answer; ``code`` names the error, and is empty where there was none.

    ``message`` is the server's, and must not be printed as it is.
    """

    code: str = ""
    message: str = ""
    content: Any = None

    @property
    def words(self) -> str:
        """The error in the server's words, without secrets, on one line."""
        return one_line(f"{self.code}: {self.message}" if self.message else self.code)


class Denial(NamedTuple):
    """AWS's message for a denial. ``reason`` begins with a space; older messages have none."""

    principal: str
    action: str
    resource: str
    reason: str

    @property
    def policy(self) -> str:
        """The kind of the policy that denies or does not allow it, or empty."""
        found = _POLICY.search(self.reason)
        return found[0] if found else ""

    @property
    def is_explicit(self) -> bool:
        """Whether a policy denies it; else, none allows it."""
        return "explicit deny" in self.reason


def denial_in(message: str) -> Denial | None:
    """Return the denial that a ``message`` of AWS tells of, if it does.

    The forms are those of "Troubleshoot access denied error messages" in the IAM User Guide.
    """
    found = _DENIAL.match(message)
    return Denial(*(part or "" for part in found.groups())) if found else None


def http_reply(status: int, body: bytes) -> Reply:
    """Return what an HTTP answer says: that of a registry is JSON, that of S3 is XML."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if status < 400:
        return Reply(content=content)
    try:
        error = content["errors"][0]
        return Reply(str(error["code"]), str(error.get("message") or ""))
    except (TypeError, LookupError, AttributeError):
        said = dict(_IN_XML.findall(body.decode("utf-8", "replace")))
        return Reply(said.get("Code") or f"HTTP {status}", said.get("Message", ""))
