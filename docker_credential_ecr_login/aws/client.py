"""boto3's session and the one call: GetAuthorizationToken of ECR or ECR Public."""

import base64
import os
import random
import ssl  # noqa: F401 - first: urllib3 takes one that there is no memory for as one that is missing
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.config import Config
from botocore.configprovider import ConstantProvider
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
    create_credential_resolver,
)
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from .. import __version__
from ..cache import MAX_TOKEN_LIFETIME, Cache, Entry, is_disabled
from ..errors import HelperError, is_for_want_of_resources
from ..identity import PROFILE_VARIABLES, named_profile
from ..protocol import NAME, USERNAME, is_plain
from ..registry import Registry
from .answers import CheckedSession
from .credential_process import end_in_time
from .failures import (
    Circumstances,
    explain,
    is_throttling,
    leaves_config_unread,
    unusable_answer,
)
from .limit import Limit
from .mfa import LookAgain, MfaCodes
from .models import create_loader
from .sessions import SessionCache, share_sessions

# botocore's setting -> its variable and default
_FILES = {
    "config_file": ("AWS_CONFIG_FILE", "~/.aws/config"),
    "credentials_file": ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
}

CONNECT_TIMEOUT = 3
"""Seconds to connect, for each try."""

READ_TIMEOUT = 5
"""Seconds between two bytes of an answer, for each try."""

ATTEMPTS = 3
"""Tries by botocore's standard retry mode, which waits with full jitter in between."""

_PAUSE_GROWTH = 1.5  # per try; with 2, the last of 400 hosts wait half as long again
_PAUSE_STEPS = 8  # to 26 seconds, so that nobody sleeps on long after the rush is over
_CALL_DURATION = 0.5  # seconds that a call takes at most, as a rule
_THROTTLED_SERVICES = ("ecr", "ecr-public", "sso", "sts")

# botocore's name of a provider -> its attribute that asks by HTTP, without a client
_METADATA_FETCHERS = {"container-role": "_fetcher", "iam-role": "_role_fetcher"}

_REFRESH_AGE = 3600  # seconds, where the identity can change without the configuration
_CHANGEABLE_SOURCES = frozenset({"container-role", "custom-process", "iam-role"})


@dataclass(frozen=True)
class AuthorizationToken:
    """What AWS answered.

    ``proxy_host`` is the host of the caller's own registry, empty for ECR Public;
    ``credential_source`` is botocore's name of the provider that won.
    """

    entry: Entry
    proxy_host: str
    credential_source: str


def get_authorization_token(
    registry: Registry,
    environ: Mapping[str, str],
    limit: Limit,
    cache: Cache | None,
    *,
    may_ask: bool,
) -> AuthorizationToken:
    """Ask AWS for a token that opens ``registry``.

    Throttling is tried again until the ``limit``. A person is asked for an MFA code if
    they ``may_ask``, one at a time of all who use ``cache``. Raises `HelperError`.
    """
    circumstances = Circumstances(registry, environ, may_ask=may_ask)
    with explained(circumstances):
        session = open_session(circumstances)
        sign_in(session, registry, circumstances, limit, cache)
        answer = create_client(session, registry, environ).get_authorization_token()
    return _token(answer, circumstances.method or "", time.time())


@contextmanager
def explained(circumstances: Circumstances) -> Iterator[None]:
    """Raise `HelperError` for whatever fails within, in words that fit the ``circumstances``.

    But for what this process alone lacks: that is to be told to no other.
    """
    try:
        yield
    except HelperError:
        raise
    except Exception as error:  # botocore lets others' through, of processes and parsers
        if is_for_want_of_resources(error):
            raise
        raise explain(error, circumstances) from error


def open_session(circumstances: Circumstances) -> Session:
    """Return a session with the profile in effect, and note that among the ``circumstances``.

    Raises what botocore raises.
    """
    session = _session(circumstances.environ, circumstances.settings.get("profile"))
    circumstances.profile = session.get_config_variable("profile")
    circumstances.profiles = session.full_config.get("profiles", {})
    return session


def sign_in(
    session: Session,
    registry: Registry,
    circumstances: Circumstances,
    limit: Limit,
    cache: Cache | None,
) -> None:
    """Give the session the credentials to ask with, and note whose among the ``circumstances``.

    As `get_authorization_token` says. Raises `HelperError` and whatever botocore raises.
    """
    circumstances.phase = "credentials"
    _retry_throttling(session, limit)
    with MfaCodes(registry, circumstances, limit, cache) as codes:
        _find_credentials(session, registry, circumstances, codes, limit)
    circumstances.phase = "call"


def _find_credentials(
    session: Session,
    registry: Registry,
    circumstances: Circumstances,
    codes: MfaCodes,
    limit: Limit,
) -> None:
    chain = _credential_chain(session, registry.region, circumstances, codes)
    end_in_time(chain, session, limit)
    try:
        credentials = chain.load_credentials()
        if credentials is None:
            raise circumstances.no_credentials()
        circumstances.method = credentials.method
        if registry.role_arn:
            source = _Source(credentials, circumstances)
            credentials = _role_credentials(session, registry, source, circumstances)
        key: Any = credentials.get_frozen_credentials()
    except LookAgain:
        _find_credentials(session, registry, circumstances, codes, limit)
        return
    circumstances.method = credentials.method
    circumstances.access_key = key.access_key
    session.set_credentials(key.access_key, key.secret_key, key.token)


class _Source:
    """Credentials to assume a role with: not looked for where there is a session of the role."""

    def __init__(self, credentials: Credentials, circumstances: Circumstances) -> None:
        self._credentials = credentials
        self._circumstances = circumstances

    def get_frozen_credentials(self) -> Any:
        """Return them; what fails from then on is to assume the role."""
        key: Any = self._credentials.get_frozen_credentials()
        self._circumstances.access_key = key.access_key
        self._circumstances.phase = "role"
        return key


def _role_credentials(
    session: Session, registry: Registry, source: Any, circumstances: Circumstances
) -> Credentials:
    """Return those of the role that the config file names; ``source`` can assume it."""
    role_arn = registry.role_arn or ""
    cache: Any = SessionCache(keep=not is_disabled(circumstances.environ))
    if not registry.registry_id and "{registry_id}" in registry.settings["role_arn"]:
        raise circumstances.no_account()
    names = {"ExternalId": "external_id", "RoleSessionName": "role_session_name"}
    fetcher = AssumeRoleCredentialFetcher(
        partial(session.create_client, region_name=registry.region),
        source,
        role_arn,
        extra_args={
            name: registry.settings[setting]
            for name, setting in names.items()
            if setting in registry.settings
        },
        cache=cache,
    )
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, AssumeRoleProvider.METHOD)


def default_registry(
    environ: Mapping[str, str], region: str | None = None, profile: str | None = None
) -> Registry | None:
    """Return the caller's own registry in ``region`` or the configured one, its account unknown.

    ``profile`` wins over that of the environment. None where no region is configured. Raises
    `HelperError`.
    """
    try:
        session = _session(environ, profile)
        region = region or configured_region(session, environ)
        if not region:
            return None
        partition = session.get_partition_for_region(region)
    except BotoCoreError as error:
        raise explain(error, Circumstances(None, environ)) from error
    return Registry("", "", region, partition, fips=False, dual_stack=False)


def takes_keys_from_environment(environ: Mapping[str, str], profile: str) -> bool:
    """Say whether a profile assumes a role with the keys in the environment."""
    try:
        profiles = _session(environ, profile).full_config.get("profiles", {})
    except BotoCoreError:  # which who asks for a token is told
        return False
    circumstances = Circumstances(None, environ, profile=profile, profiles=profiles)
    return circumstances.takes_keys_from_environment


def configured_region(session: Session, environ: Mapping[str, str]) -> str | None:
    """Return the region in effect: AWS_REGION, as all SDKs but boto3 have it, or boto3's."""
    return environ.get("AWS_REGION") or session.get_config_variable("region")


def configured_endpoint(session: Session, service: str, environ: Mapping[str, str]) -> str | None:
    """Return the endpoint URL for ``service`` that the environment or the profile names.

    The order of the AWS SDKs and Tools Reference Guide, "Service-specific
    endpoints": the service's variable, the general one, the service in the
    profile's services section, the profile.
    """
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    key = service.replace("-", "_")
    profile = session.get_scoped_config()
    services = session.full_config.get("services", {}).get(profile.get("services"), {})
    of_service = services.get(key, {})
    return (
        environ.get(f"AWS_ENDPOINT_URL_{key.upper()}")
        or environ.get("AWS_ENDPOINT_URL")
        or (of_service.get("endpoint_url") if isinstance(of_service, dict) else None)
        or profile.get("endpoint_url")
        or None
    )


class _Session(Session):
    """botocore's, whose clients take no other answers than `CheckedSession` gives."""

    def create_client(self, *arguments: Any, **options: Any) -> Any:
        """Return a client; as in botocore."""
        client: Any = super().create_client(*arguments, **options)
        endpoint = client._endpoint  # noqa: SLF001 - no public way to it
        endpoint.http_session = CheckedSession(endpoint.http_session)
        return client


def _session(environ: Mapping[str, str], profile: str | None = None) -> Session:
    """Return a session with the profile of a registry, or else with that of the environment."""
    session = _Session(profile=profile)
    # Empty is unset: `AWS_PROFILE=${AWS_PROFILE}` in a compose file makes it so.
    for name, (variable, default) in _FILES.items():
        if environ.get(variable) == "":
            session.set_config_variable(name, default)
    if not profile and "" in (environ.get(name) for name in PROFILE_VARIABLES):
        named = named_profile(environ) or None
        store = session.get_component("config_store")
        store.set_config_provider("profile", ConstantProvider(named))
    session.lazy_register_component(
        "data_loader", lambda: create_loader(session.get_config_variable("data_path"))
    )
    if leaves_config_unread(environ):
        session.set_config_variable("config_file", os.devnull)
    session.set_default_client_config(
        Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            user_agent_extra=f"{NAME}/{__version__}",
        )
    )
    return session


def _credential_chain(
    session: Session, region: str, circumstances: Circumstances, codes: MfaCodes
) -> CredentialResolver:
    """Return boto3's credential provider chain, fit for a process without standard input.

    Its STS is that of the registry's ``region``, as in boto3, where the region of
    the first client decides.
    """
    chain = create_credential_resolver(session, region_name=region)
    roles: Any = chain.get_provider("assume-role")
    # botocore would ask for an MFA code on stdin, which carries the protocol.
    roles._prompter = codes  # noqa: SLF001 - no public way to replace it
    for method, fetcher_name in _METADATA_FETCHERS.items():
        fetcher = getattr(chain.get_provider(method), fetcher_name)
        fetcher._session = CheckedSession(fetcher._session)  # noqa: SLF001 - likewise
        if method == "iam-role":
            circumstances.metadata = fetcher._session  # noqa: SLF001
    codes.sessions = share_sessions(chain, keep=not is_disabled(circumstances.environ))
    if circumstances.takes_keys_from_environment:
        # Keys in the environment win over AWS_PROFILE, but not over a profile that
        # is made to start from them: its role would never be assumed.
        with suppress(ValueError):  # a registry's own profile wins over them anyway
            chain.remove("env")
    return chain


def create_client(session: Session, registry: Registry, environ: Mapping[str, str]) -> Any:
    """Return the client of the service that authorises for ``registry``, at the endpoint in effect.

    Raises what botocore raises.
    """
    endpoint_url = registry.settings.get("endpoint_url") or configured_endpoint(
        session, registry.service, environ
    )
    if endpoint_url:  # botocore refuses both a custom endpoint and a variant
        variant = Config(use_fips_endpoint=False, use_dualstack_endpoint=False)
    else:
        # None leaves it to AWS_USE_FIPS_ENDPOINT and its like.
        variant = Config(
            use_fips_endpoint=registry.fips or None,
            use_dualstack_endpoint=registry.dual_stack or None,
        )
    return session.create_client(
        registry.service,
        region_name=registry.region,
        endpoint_url=endpoint_url,
        config=variant,
    )


def _retry_throttling(session: Session, limit: Limit) -> None:
    """Let all clients of the session try again until the ``limit`` when AWS throttles them.

    STS and SSO have limits of their own, which a fleet that starts cold meets too.
    """
    events = session.get_component("event_emitter")
    for service in _THROTTLED_SERVICES:
        events.register_first(f"needs-retry.{service}", partial(_throttling_pause, limit))


def _throttling_pause(
    limit: Limit,
    *,
    response: tuple[object, dict[str, Any]] | None,
    attempts: int,
    operation: Any,
    **_others: object,
) -> float | None:
    """Answer botocore's needs-retry event: the seconds to wait before the next try.

    None leaves the decision to the standard mode, for all that is not throttling.
    Raises ClientError when the time is over.
    """
    if response is None or not is_throttling(response[1]):
        return None
    pause = throttling_pause(attempts, limit.left(), random.random)
    if pause is None:
        raise ClientError(response[1], operation.name)  # type: ignore[arg-type]
    return pause


def throttling_pause(attempts: int, left: float, rand: Callable[[], float]) -> float | None:
    """Return the seconds to wait after as many throttled ``attempts``, None to give up.

    ``left`` are the seconds until the time limit, ``rand`` returns a number in [0, 1).
    A fleet that starts cold has to spread itself over the time that it has, without
    knowing its size: pauses grow, none is close to nothing, and the last try is as
    late as can be. tests/bench/fleet.py has what comes of it for 100 to 10,000 hosts.
    """
    left -= _CALL_DURATION
    if left <= 0:
        return None
    longest = _PAUSE_GROWTH ** min(attempts - 1, _PAUSE_STEPS)
    return min(longest * (0.25 + 0.75 * rand()), left)


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
