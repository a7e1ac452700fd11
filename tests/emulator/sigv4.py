"""Check the signature of a request: AWS Signature Version 4, written from its specification.

Source: IAM User Guide, "Create a signed AWS API request". Nothing here comes from an SDK, so an
SDK (or whoever drives it) that signs wrongly is found out. Everything is pure; time comes in as
an argument.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import gmtime, strftime, strptime
from urllib.parse import quote, unquote, urlsplit

from tests.emulator.model import AwsError, Request

MAX_SKEW = 5 * 60
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+"
    r"Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]*)/(?P<service>[^/,\s]*)"
    r"/aws4_request\s*,\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+)\s*,\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Authorization:
    """The parts of an `Authorization` header; date, region and service are the credential scope."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """The credential scope in one string."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def parse_authorization(value: str | None) -> Authorization:
    """Take the header apart; AwsError if it is missing or not of this signature version."""
    if value is None:
        raise AwsError(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
    match = _AUTHORIZATION.fullmatch(value.strip())
    if match is None:
        raise AwsError(
            400,
            "IncompleteSignatureException",
            "Authorization header is not a valid AWS4-HMAC-SHA256 signature.",
        )
    return Authorization(
        access_key_id=match["key"],
        date=match["date"],
        region=match["region"],
        service=match["service"],
        signed_headers=tuple(match["headers"].split(";")),
        signature=match["signature"],
    )


def verify(
    request: Request, authorization: Authorization, secret_access_key: str, now: float
) -> None:
    """Return if `request` was signed with that key within 5 minutes of `now`, else AwsError."""
    timestamp = _timestamp(request)
    _check_time(timestamp, now)
    if not timestamp.startswith(authorization.date):
        raise _invalid(
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: "
            f"{timestamp}"
        )
    _check_signed_headers(request, authorization.signed_headers)
    payload_hash = hashlib.sha256(request.body).hexdigest()
    if request.header("x-amz-content-sha256") not in {None, payload_hash}:
        raise _invalid(
            "The value of x-amz-content-sha256 does not match the payload of the request."
        )
    canonical = canonical_request(request, authorization.signed_headers, payload_hash)
    text = string_to_sign(timestamp, authorization.scope, canonical)
    if not hmac.compare_digest(
        sign(secret_access_key, authorization, text), authorization.signature
    ):
        raise _invalid(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. "
            "Consult the service documentation for details."
        )


def canonical_request(request: Request, signed_headers: tuple[str, ...], payload_hash: str) -> str:
    """Step 1: the request in the one spelling that both sides can agree on.

    The path is encoded once more than it was sent, as every service but S3 wants it.
    """
    headers = "".join(f"{name}:{_canonical_value(request, name)}\n" for name in signed_headers)
    return "\n".join(
        [
            request.method,
            quote(urlsplit(request.target).path or "/", safe="/-_.~"),
            _canonical_query(request.query),
            headers,
            ";".join(signed_headers),
            payload_hash,
        ]
    )


def string_to_sign(timestamp: str, scope: str, canonical: str) -> str:
    """Steps 2 and 3: what the signature is computed over."""
    return "\n".join(
        ["AWS4-HMAC-SHA256", timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )


def sign(secret_access_key: str, authorization: Authorization, text: str) -> str:
    """Steps 4 and 5: derive the key of the scope, and return the signature in hexadecimal."""
    key = f"AWS4{secret_access_key}".encode()
    for part in (authorization.date, authorization.region, authorization.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _canonical_value(request: Request, name: str) -> str:
    return ",".join(" ".join(value.split()) for value in request.header_values(name))


def _canonical_query(query: str) -> str:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    encoded = sorted((_encode(name), _encode(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encode(part: str) -> str:
    return quote(unquote(part), safe="-_.~")


def _timestamp(request: Request) -> str:
    """Return the time of signing as "20300102T030405Z", from X-Amz-Date or else from Date."""
    stamp = request.header("x-amz-date")
    try:
        if stamp is None:
            date = parsedate_to_datetime(request.header("date") or "")
            return strftime(_TIMESTAMP, date.utctimetuple())
        strptime(stamp, _TIMESTAMP)
    except (TypeError, ValueError):
        raise AwsError(
            400,
            "IncompleteSignatureException",
            "Authorization header requires a valid 'X-Amz-Date' or 'Date' header.",
        ) from None
    return stamp


def _check_time(timestamp: str, now: float) -> None:
    signed_at = timegm(strptime(timestamp, _TIMESTAMP))
    clock = strftime(_TIMESTAMP, gmtime(now))
    if signed_at < now - MAX_SKEW:
        limit = strftime(_TIMESTAMP, gmtime(now - MAX_SKEW))
        raise _invalid(
            f"Signature expired: {timestamp} is now earlier than {limit} ({clock} - 5 min.)"
        )
    if signed_at > now + MAX_SKEW:
        limit = strftime(_TIMESTAMP, gmtime(now + MAX_SKEW))
        raise _invalid(
            f"Signature not yet current: {timestamp} is still later than {limit} ({clock} + 5 min.)"
        )


def _check_signed_headers(request: Request, signed: tuple[str, ...]) -> None:
    """Demand that `Host` and every `x-amz-*` header is covered, by a list in canonical order."""
    if list(signed) != sorted({name.lower() for name in signed}):
        raise _invalid("SignedHeaders must be sorted, in lower case and without repetition.")
    present = {name.lower() for name, _ in request.headers}
    missing = ({"host"} | {name for name in present if name.startswith("x-amz-")}) - set(signed)
    if missing:
        raise _invalid(f"'{min(missing)}' must be a 'SignedHeader' in the AWS Authorization.")


def _invalid(message: str) -> AwsError:
    return AwsError(400, "InvalidSignatureException", message)
