"""What ``docker login`` may store: an ECR token that is alive, under the user name AWS."""

from . import protocol
from .cache.tokens import MAX_TOKEN_LIFETIME, MIN_LIFETIME, Entry
from .errors import BadInput, NotAnEcrRegistry
from .redaction import one_line
from .request import Request


def _not_ecr(url: str) -> NotAnEcrRegistry:
    """Return the error for a login to the registry ``url``, which is not ECR."""
    return NotAnEcrRegistry(
        f"{protocol.NAME} keeps logins of Amazon ECR only, and {one_line(url)!r} is another "
        "registry",
        'name a helper for all others in config.toml: fallback = "<helper>"; or name this one '
        "in Docker's config.json for ECR only: "
        '{"credHelpers": {"<account>.dkr.ecr.<region>.amazonaws.com": "ecr-login"}}',
    )


def stored_entry(request: Request, url: str, username: str, secret: str, now: float) -> Entry:
    """Return the entry to keep for the registry that a client calls ``url``.

    ``now`` is in epoch seconds. Raises `NotAnEcrRegistry`, and `BadInput` if the user name is not
    AWS, the secret cannot be an ECR password, or its token has expired.
    """
    registry = request.registry
    if registry is None:
        raise _not_ecr(url)
    command = f"aws {registry.service} get-login-password --region {registry.region}"
    if username != protocol.USERNAME:
        raise BadInput(
            f"{request.host}: the user name must be {protocol.USERNAME}, not {username!r}",
            f"the password is the output of: {command}",
        )
    if not secret or not protocol.is_plain(secret):
        raise BadInput(
            f"{request.host}: this is not an ECR password",
            f"the password is the output of: {command}",
        )
    expires_at = password_expiration(secret)
    latest = int(now) + MAX_TOKEN_LIFETIME
    expires_at = latest if expires_at is None else min(expires_at, latest)
    if expires_at - now < MIN_LIFETIME:
        raise BadInput(
            f"{request.host}: the token has expired",
            f"get a new one: {command}",
        )
    # Only another login can replace it, so it is never refreshed early.
    return Entry(secret, expires_at, refresh_at=expires_at)


def password_expiration(secret: str) -> int | None:
    """Return when an ECR password expires (epoch seconds), or None if it does not say.

    The password is base64 of a JSON object with the member ``expiration``, as
    ``GetAuthorizationToken`` hands it out.
    """
    import base64
    import json

    try:
        expiration = json.loads(base64.b64decode(secret, validate=True))["expiration"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return expiration if type(expiration) is int and expiration > 0 else None
