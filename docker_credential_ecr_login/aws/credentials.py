"""The credentials that sign: boto3's provider chain, and the role that our config file names."""

from contextlib import suppress
from functools import partial
from typing import Any

from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleProvider,
    AssumeRoleWithWebIdentityCredentialFetcher,
    AssumeRoleWithWebIdentityProvider,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.session import Session

from ..cache.storage import is_disabled
from ..deadline import Deadline
from ..web_identity import WebIdentity
from .attempt import Attempt
from .mfa import LookAgain, MfaCodes, Turn
from .no_credentials import no_credentials
from .providers import credential_chain
from .session_policy import session_policy
from .sessions import SessionCache
from .throttling import retry_throttling
from .worker import Worker

_SESSION_NAME = "ecr-credential-provider"  # of a service account: that of kubelet's own provider


def sign_in(session: Session, attempt: Attempt, worker: Worker, turn: Turn | None) -> None:
    """Give the session the credentials to ask with, and note in the ``attempt`` whose they are.

    Throttled calls are repeated until the deadline of the ``worker``, in whose thread this runs.
    ``turn`` is shared by processes that ask a person, None if there are no others. Raises
    `HelperError` and whatever botocore raises.
    """
    attempt.phase = "credentials"
    retry_throttling(session, worker.deadline)
    if identity := attempt.request.web_identity:
        _sign_by(session, _service_account_credentials(session, attempt, identity), attempt)
    else:
        with MfaCodes(attempt, worker, turn) as codes:
            _find_credentials(session, attempt, codes, worker.deadline)
    attempt.phase = "call"


def _find_credentials(
    session: Session, attempt: Attempt, codes: MfaCodes, deadline: Deadline
) -> None:
    chain, codes.sessions = credential_chain(session, attempt, codes, deadline)
    if attempt.takes_keys_from_environment:
        # Keys in the environment win over AWS_PROFILE, but not over a profile that
        # is made to start from them: its role would never be assumed.
        with suppress(ValueError):  # a registry's own profile wins over them anyway
            chain.remove("env")
    try:
        credentials = chain.load_credentials()
        if credentials is None:
            raise no_credentials(attempt)
        attempt.method = credentials.method
        if attempt.request.role_arn:
            credentials = _role_credentials(session, _Source(credentials, attempt), attempt)
        _sign_by(session, credentials, attempt)
    except LookAgain:
        _find_credentials(session, attempt, codes, deadline)


def _sign_by(session: Session, credentials: Credentials, attempt: Attempt) -> None:
    key: Any = credentials.get_frozen_credentials()
    attempt.method = credentials.method
    attempt.access_key = key.access_key
    session.set_credentials(key.access_key, key.secret_key, key.token)


class _Source:
    """Credentials to assume a role with; not loaded if there is a valid session of the role."""

    def __init__(self, credentials: Credentials, attempt: Attempt) -> None:
        self._credentials = credentials
        self._attempt = attempt

    def get_frozen_credentials(self) -> Any:
        """Return them; a later failure is one of assuming the role."""
        key: Any = self._credentials.get_frozen_credentials()
        self._attempt.access_key = key.access_key
        self._attempt.phase = "role"
        return key


def _role_credentials(session: Session, source: Any, attempt: Attempt) -> Credentials:
    """Return those of the role that config.toml names; ``source`` can assume it."""
    settings = attempt.settings
    cache: Any = SessionCache(keep=not is_disabled(attempt.environ))
    fetcher = AssumeRoleCredentialFetcher(
        partial(session.create_client, region_name=attempt.request.ecr.region),
        source,
        _role_arn(attempt),
        extra_args=_arguments(
            attempt, ExternalId=settings.external_id, RoleSessionName=settings.role_session_name
        ),
        cache=cache,
    )
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, AssumeRoleProvider.METHOD)


def _service_account_credentials(
    session: Session, attempt: Attempt, identity: WebIdentity
) -> Credentials:
    """Return those of a service account's role. They are not kept: the token can get new ones."""
    attempt.method = AssumeRoleWithWebIdentityProvider.METHOD
    attempt.phase = "role"
    fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
        partial(session.create_client, region_name=attempt.request.ecr.region),
        lambda: identity.token,
        _role_arn(attempt),
        extra_args=_arguments(
            attempt, RoleSessionName=attempt.settings.role_session_name or _SESSION_NAME
        ),
    )
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, attempt.method)


def _arguments(attempt: Attempt, **named: str) -> dict[str, str]:
    """Return the arguments other than the role: those of ``named`` that are set, and a policy.

    Raises `BadConfiguration`.
    """
    arguments = {**named, "Policy": session_policy(attempt.request)}
    return {name: value for name, value in arguments.items() if value}


def _role_arn(attempt: Attempt) -> str:
    """Return the role to assume. Raises `BadConfiguration` if a placeholder in it is left."""
    role_arn = attempt.request.role_arn
    if "{" in role_arn:
        raise attempt.left_open()
    return role_arn
