"""The one call: GetAuthorizationToken of ECR or ECR Public."""

import base64
import time
from typing import Any, NamedTuple

from ..cache.tokens import MAX_TOKEN_LIFETIME, Entry
from ..errors import unusable_answer
from ..protocol import USERNAME, is_plain
from ..request import Request
from ..turn import Turn
from .ahead import send_ahead
from .worker import Worker

_REFRESH_AGE = 3600  # seconds, where the identity can change without the configuration
_CHANGEABLE_SOURCES = frozenset({"container-role", "custom-process", "iam-role"})


class AuthorizationToken(NamedTuple):
    """What AWS answered.

    ``proxy_host`` is the host of the caller's own registry, empty for ECR Public;
    ``credential_source`` is botocore's name of the provider that won.
    """

    entry: Entry
    proxy_host: str
    credential_source: str


def get_authorization_token(
    request: Request, worker: Worker, turn: Turn, *, may_ask: bool
) -> AuthorizationToken:
    """Ask AWS for a token that opens a registry; called in a thread of the ``worker``.

    Throttled calls are repeated until its deadline. If this ``may_ask``, a person is asked for an
    MFA code, by one process at a time of those that share the ``turn``. Raises `HelperError`.
    """
    sent = send_ahead(request)  # before botocore is imported
    from .attempt import Attempt

    attempt = Attempt(request, may_ask=may_ask)
    if sent and (answer := sent.answer(attempt, worker.deadline)):
        return _token(answer, attempt.method or "", time.time())

    from .credentials import sign_in
    from .session import create_client, explained, open_session

    with explained(attempt):
        session = open_session(attempt)
        if sent:
            events = session.get_component("event_emitter")
            events.register("before-send.ecr.GetAuthorizationToken", sent.take)
        sign_in(session, attempt, worker, turn)
        answer = create_client(session, request).get_authorization_token()
    return _token(answer, attempt.method or "", time.time())


def _token(answer: Any, source: str, now: float) -> AuthorizationToken:
    """Return the checked answer. Raises `UnusableAnswer`."""
    try:
        data = answer["authorizationData"]
        if isinstance(data, list):
            data = data[0]
        pair = base64.b64decode(data["authorizationToken"], validate=True).decode()
        user, _, secret = pair.partition(":")
        expires_at = int(data["expiresAt"].timestamp())
        host = str(data.get("proxyEndpoint", "")).removeprefix("https://")
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError):
        raise unusable_answer("it holds no authorization token") from None
    if user != USERNAME or not secret or not is_plain(secret):
        raise unusable_answer("its authorization token is not one of ECR")
    if expires_at <= now:
        raise unusable_answer("its token has expired already; is this machine's clock right?")
    expires_at = min(expires_at, int(now) + MAX_TOKEN_LIFETIME)
    lifetime = expires_at - now
    refresh_in = min(lifetime / 2, _REFRESH_AGE) if source in _CHANGEABLE_SOURCES else lifetime / 2
    return AuthorizationToken(Entry(secret, expires_at, int(now + refresh_in)), host, source)
