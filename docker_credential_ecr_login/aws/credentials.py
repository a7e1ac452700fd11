"""The credentials that sign: boto3's provider chain, and the role that our config file names."""

from contextlib import suppress
from functools import partial
from typing import Any

from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleProvider,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.session import Session

from ..cache.storage import is_disabled
from ..deadline import Deadline
from .attempt import Attempt
from .mfa import LookAgain, MfaCodes, Turn
from .no_credentials import no_credentials
from .providers import credential_chain
from .session_policy import session_policy
from .sessions import SessionCache
from .throttling import retry_throttling
from .worker import Worker


def sign_in(session: Session, attempt: Attempt, worker: Worker, turn: Turn | None) -> None:
    """Give the session the credentials to ask with, and note in the ``attempt`` whose they are.

    Throttling is tried again until the deadline of the ``worker``, by which this runs. ``turn`` is
    where processes meet that ask a person, None if they cannot. Raises `HelperError` and whatever
    botocore raises.
    """
    attempt.phase = "credentials"
    retry_throttling(session, worker.deadline)
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
        key: Any = credentials.get_frozen_credentials()
    except LookAgain:
        _find_credentials(session, attempt, codes, deadline)
        return
    attempt.method = credentials.method
    attempt.access_key = key.access_key
    session.set_credentials(key.access_key, key.secret_key, key.token)


class _Source:
    """Credentials to assume a role with: not looked for where there is a session of the role."""

    def __init__(self, credentials: Credentials, attempt: Attempt) -> None:
        self._credentials = credentials
        self._attempt = attempt

    def get_frozen_credentials(self) -> Any:
        """Return them; what fails from then on is to assume the role."""
        key: Any = self._credentials.get_frozen_credentials()
        self._attempt.access_key = key.access_key
        self._attempt.phase = "role"
        return key


def _role_credentials(session: Session, source: Any, attempt: Attempt) -> Credentials:
    """Return those of the role that the config file names; ``source`` can assume it."""
    registry, settings = attempt.request.ecr, attempt.settings
    cache: Any = SessionCache(keep=not is_disabled(attempt.environ))
    if registry.is_public and "{registry_id}" in settings.role_arn:
        raise attempt.no_account()
    arguments = {
        "ExternalId": settings.external_id,
        "Policy": session_policy(attempt.request),
        "RoleSessionName": settings.role_session_name,
    }
    fetcher = AssumeRoleCredentialFetcher(
        partial(session.create_client, region_name=registry.region),
        source,
        attempt.request.role_arn,
        extra_args={name: value for name, value in arguments.items() if value},
        cache=cache,
    )
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, AssumeRoleProvider.METHOD)
