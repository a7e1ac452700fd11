"""Signing in at IAM Identity Center, as ``aws sso login`` does: a person confirms a code.

The device flow of RFC 8628. The session is kept where and how the AWS CLI keeps it, so each can use
the other's. Of this, botocore itself has only a part; the CLI's copy of it has all.
"""

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.utils import JSONFileCache, SSOTokenLoader

from ..cache.storage import is_disabled, is_guest
from ..errors import BadConfiguration, CredentialsRefused
from ..protocol import NAME
from ..redaction import one_line
from ..request import unconfigured
from .attempt import SSO_DIRECTORY, Attempt
from .session import explained, open_session
from .sessions import written_sign_in

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL = 5  # seconds between two requests if AWS names none, and by how much to slow down
_DEFAULT_SCOPE = "sso:account:access"  # without one, AWS gives nothing to renew a session with


class Prompt(NamedTuple):
    """What a person is to do in a browser: confirm the ``code`` at ``url``, in so many seconds.

    At ``complete_url`` it is already typed in. ``profile`` says in words what this is for.
    """

    profile: str
    url: str
    complete_url: str
    code: str
    seconds: int


class _Settings(NamedTuple):
    start_url: str
    region: str
    session_name: str | None  # None in the older form, without a section of its own
    scopes: list[str]


def sign_in_to_sso(
    environ: Mapping[str, str],
    ask: Callable[[Prompt], None],
    wait: Callable[[float], None] = time.sleep,
) -> tuple[str, datetime]:
    """Sign in the profile in effect, or the one that it starts from; say which, and until when.

    ``ask`` shows a person what to do, and does not wait for it. Raises `HelperError`.
    """
    attempt = Attempt(unconfigured("", environ))
    if is_disabled(environ):
        raise BadConfiguration(
            "AWS_ECR_DISABLE_CACHE is set: the session could not be kept", "unset it"
        )
    if is_guest(environ):
        raise BadConfiguration(
            "this home directory belongs to another user, who could not use a session of root",
            "run it without sudo",
        )
    with explained(attempt):
        session = open_session(attempt)
        session.get_scoped_config()  # which finds a profile that does not exist
        settings = _settings(session, attempt)
        client: Any = session.create_client(
            "sso-oidc", region_name=settings.region, config=Config(signature_version=UNSIGNED)
        )
        attempt.phase = "call"
        registration = client.register_client(
            clientName=NAME,
            clientType="public",
            **({"scopes": settings.scopes} if settings.session_name else {}),
        )
        keys = {name: registration[name] for name in ("clientId", "clientSecret")}
        device = client.start_device_authorization(**keys, startUrl=settings.start_url)
        ask(
            Prompt(
                attempt.named_origin,
                device["verificationUri"],
                device["verificationUriComplete"],
                device["userCode"],
                device["expiresIn"],
            )
        )
        answer = _confirmed(client, keys, device, wait)
        expires_at = datetime.now(UTC) + timedelta(seconds=answer["expiresIn"])
        until = datetime.fromtimestamp(registration["clientSecretExpiresAt"], UTC)
        _keep(
            settings,
            {
                "startUrl": settings.start_url,
                "region": settings.region,
                "accessToken": answer["accessToken"],
                "expiresAt": expires_at,
                **keys,
                "registrationExpiresAt": until,
                **{name: answer[name] for name in ("refreshToken",) if name in answer},
            },
        )
    return attempt.named_origin, expires_at


def _settings(session: Session, attempt: Attempt) -> _Settings:
    name = attempt.origin_settings.get("sso_session")
    found: Mapping[str, Any] = attempt.origin_settings
    section = attempt.named_origin
    if name:
        found = session.full_config.get("sso_sessions", {}).get(name, {})
        section = f"[sso-session {one_line(name)}]"
    missing = [key for key in ("sso_start_url", "sso_region") if not found.get(key)]
    if len(missing) == 2 and not name:
        raise BadConfiguration(
            f"{section} is not for SSO: it has neither sso_session nor sso_start_url",
            f"name one for SSO with --profile, or run: aws configure sso{attempt.option}",
        )
    if missing:
        raise BadConfiguration(
            f"{section} has no {' and no '.join(missing)}", f"add it in {attempt.config_file}"
        )
    scopes = found.get("sso_registration_scopes", "").replace(",", " ").split()
    return _Settings(
        found["sso_start_url"], found["sso_region"], name or None, scopes or [_DEFAULT_SCOPE]
    )


def _confirmed(
    client: Any, keys: Mapping[str, str], device: Mapping[str, Any], wait: Callable[[float], None]
) -> Mapping[str, Any]:
    """Return what AWS gives as soon as a person has confirmed the code."""
    interval = device.get("interval", _INTERVAL)
    until = time.monotonic() + device["expiresIn"]
    while time.monotonic() < until:
        wait(interval)
        try:
            answer: Mapping[str, Any] = client.create_token(
                **keys, grantType=_GRANT_TYPE, deviceCode=device["deviceCode"]
            )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code == "SlowDownException":
                interval += _INTERVAL
            elif code == "AccessDeniedException":
                raise CredentialsRefused("the code was rejected in the browser") from None
            elif code == "ExpiredTokenException":
                break
            elif code != "AuthorizationPendingException":
                raise
        else:
            return answer
    raise CredentialsRefused("nobody confirmed the code in time", "try again")


def _keep(settings: _Settings, token: Any) -> None:
    directory = os.path.expanduser(SSO_DIRECTORY)
    cache = JSONFileCache(directory, dumps_func=written_sign_in)
    try:
        SSOTokenLoader(cache).save_token(settings.start_url, token, settings.session_name)
    except OSError as error:
        reason = one_line(error.strerror or str(error))
        raise BadConfiguration(
            f"the session cannot be kept in {directory}: {reason}", "make it writable"
        ) from None
