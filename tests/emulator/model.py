"""The values that pass between the parts of the emulator: no behaviour beyond reading them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from tests.emulator.policy import allows

if TYPE_CHECKING:
    from collections.abc import Mapping


_LOCAL_SERVICES = frozenset({"imds", "container"})


def iso8601(moment: float) -> str:
    """Write epoch seconds the way AWS does: "2030-01-02T03:04:05Z"."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Principal:
    """Somebody who can sign requests: an IAM user, or one session of a role.

    `deny` holds IAM actions ("ecr:GetAuthorizationToken") that are refused to them. `role_arn` is
    the role behind a session, which is what a trust policy names; `session_policy` the one that
    the session was restricted by.
    """

    arn: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    expires_at: float | None = None
    deny: frozenset[str] = frozenset()
    role_arn: str | None = None
    session_policy: str | None = None

    def denial(self, action: str, resource: str = "*") -> str | None:
        """Return AWS's message if that is denied to them, None if it is allowed."""
        kind = "identity-based" if action in self.deny else "session"
        if kind == "session" and (
            self.session_policy is None or allows(self.session_policy, action, resource)
        ):
            return None
        return (
            f"User: {self.arn} is not authorized to perform: {action} on resource: {resource} "
            f"because no {kind} policy allows the {action} action"
        )

    @property
    def account_id(self) -> str:
        """The account that the ARN names."""
        return self.arn.split(":")[4]

    @property
    def session_name(self) -> str | None:
        """The RoleSessionName of a session, None for a user."""
        return self.arn.rpartition("/")[2] if ":assumed-role/" in self.arn else None

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables with which an SDK signs as this principal."""
        variables = {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }
        if self.session_token is not None:
            variables["AWS_SESSION_TOKEN"] = self.session_token
        return variables


@dataclass(frozen=True)
class Role:
    """An IAM role and the conditions of its trust policy; None means "no such condition".

    Without a `web_identity_token` the role cannot be assumed with a web identity.
    """

    arn: str
    trusted: frozenset[str] | None = None
    external_id: str | None = None
    mfa_serial: str | None = None
    mfa_code: str | None = None
    web_identity_token: str | None = None
    deny: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SsoSession:
    """One person's sign-in at IAM Identity Center, with the one role it opens."""

    start_url: str
    region: str
    access_token: str
    expires_at: float
    account_id: str
    role_name: str
    refresh_token: str | None
    client_id: str
    client_secret: str
    deny: frozenset[str] = frozenset()

    def cache_file(self, session_name: str | None = None) -> tuple[str, str]:
        """Return name and text of the file that `aws sso login` would leave in ~/.aws/sso/cache.

        The name is the SHA-1 of the sso-session's name, or of the start URL in the older form
        without a session (`SSOTokenLoader` in botocore/utils.py).
        """
        key = session_name if session_name is not None else self.start_url
        entry = {
            "startUrl": self.start_url,
            "region": self.region,
            "accessToken": self.access_token,
            "expiresAt": iso8601(self.expires_at),
        }
        if self.refresh_token is not None:
            entry |= {
                "clientId": self.client_id,
                "clientSecret": self.client_secret,
                "registrationExpiresAt": iso8601(self.expires_at + 90 * 86400),
                "refreshToken": self.refresh_token,
            }
        name = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
        return f"{name}.json", json.dumps(entry)


@dataclass(frozen=True)
class IssuedToken:
    """What the emulator remembers of a registry password it handed out.

    `principal` is None for `AwsEmulator.password`, which belongs to nobody; `holder` is who has
    that ARN.
    """

    principal: str | None
    service: str
    region: str
    expires_at: float
    holder: Principal | None = None


@dataclass(frozen=True)
class Call:
    """One request that reached the emulator, and what became of it.

    `status` is the HTTP status answered, 0 where the connection was dropped or left hanging.
    `region` comes from the credential scope; for an unsigned API from the host name, if that is a
    name of AWS, else it is "". `principal` is the ARN of the signer, None if the API is unsigned
    or the signature was refused. `session_name` is the RoleSessionName asked for, and for every
    other operation the name of the signer's session. `headers` have lower-case names and lack
    those that carry a secret; `body` is what came in. `time` is the arrival in epoch seconds.
    """

    service: str
    operation: str
    region: str
    host: str
    principal: str | None
    access_key_id: str | None
    session_name: str | None
    user_agent: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    time: float


@dataclass(frozen=True)
class Fault:
    """What goes wrong instead of the genuine answer.

    `status` and `error` answer an AWS error in the form of the API that was called (400 and
    "InternalFailure" if only the other is given); `body` answers these bytes, with status 200
    unless another is given. `drop` closes the connection "before" the first byte of an answer, or
    "mid", half-way through its body; "reset" does so there with a TCP reset. `hang` never answers.
    `endless` goes on with blanks after the answer: a "flood", or a "drip" each half second.
    `delay` is slept first, in seconds, and alone leaves the answer as it is.
    """

    status: int | None = None
    error: str | None = None
    message: str = ""
    delay: float = 0.0
    body: bytes | None = None
    content_type: str | None = None
    drop: Literal["before", "mid", "reset"] | None = None
    hang: bool = False
    endless: Literal["flood", "drip"] | None = None


@dataclass(frozen=True)
class Operation:
    """Which operation of which service a request asks for; both are "unknown" if none."""

    service: str
    name: str

    @property
    def is_local(self) -> bool:
        """Whether the machine itself serves it, and no AWS endpoint does."""
        return self.service in _LOCAL_SERVICES


@dataclass(frozen=True)
class Request:
    """An HTTP request as it was received: `target` is the raw path and query."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    time: float

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> str:
        """The query, as it was sent."""
        return urlsplit(self.target).query

    def header_values(self, name: str) -> list[str]:
        """Return all headers of that name, whatever its case."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """Return the first header of that name, whatever its case, or None."""
        return next(iter(self.header_values(name)), None)


@dataclass(frozen=True)
class Response:
    """An HTTP answer; `Content-Length` and `Date` are added when it is sent."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class AwsError(Exception):
    """An error that AWS answers on purpose: HTTP status, error code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
