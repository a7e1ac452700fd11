"""botocore's session, with the profile, region and endpoint in effect, and its clients."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import handlers
from botocore.config import Config
from botocore.configprovider import ConstantProvider
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from ..errors import HelperError, is_lack_of_resources
from ..identity import PROFILE_VARIABLES, named_profile
from ..protocol import NAME, __version__
from ..registry import Registry
from ..request import Request, unconfigured
from .attempt import Attempt, configured_region, leaves_config_unread
from .http import HttpSession, ca_bundle, replace_session
from .models import create_loader
from .wire import CONNECT_TIMEOUT, READ_TIMEOUT

# botocore's setting -> its variable and default
_FILES = {
    "config_file": ("AWS_CONFIG_FILE", "~/.aws/config"),
    "credentials_file": ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
}

_SERVICES = frozenset({"*", "ecr", "ecr-public", "signin", "sso", "sso-oidc", "sts"})

ATTEMPTS = 3
"""Tries by botocore's standard retry mode, which waits with full jitter in between."""


@contextmanager
def explained(attempt: Attempt) -> Iterator[None]:
    """Raise `HelperError` for whatever fails within, in words that fit the ``attempt``.

    An error from a lack of resources passes unchanged: it concerns only this process.
    """
    try:
        yield
    except HelperError:
        raise
    except Exception as error:  # botocore also raises those of processes and parsers
        if is_lack_of_resources(error):
            raise
        from .failures import explain  # for which there is much to import

        raise explain(error, attempt) from error


def open_session(attempt: Attempt) -> Session:
    """Return a session with the profile in effect, and note that in the ``attempt``.

    Raises what botocore raises.
    """
    session = _opened(attempt, attempt.settings.profile)
    attempt.profile = session.get_config_variable("profile")
    return session


def _opened(attempt: Attempt, profile: str) -> Session:
    session = _session(attempt.environ, profile)
    attempt.profiles = session.full_config.get("profiles", {})
    attempt.others = session.full_config.keys()
    return session


def default_registry(
    environ: Mapping[str, str], region: str | None = None, profile: str = ""
) -> Registry | None:
    """Return the caller's own registry in ``region`` or the configured one, its account unknown.

    ``profile`` wins over the profile of the environment. None if no region is configured. Raises
    `HelperError`.
    """
    attempt = Attempt(unconfigured("", environ))
    with explained(attempt):
        session = _opened(attempt, profile)
        region = region or configured_region(session, environ)
        if not region:
            return None
        partition = session.get_partition_for_region(region)
    return Registry("", "", region, partition)


def check_profile(environ: Mapping[str, str], profile: str) -> bool:
    """Say whether the AWS configuration has any profiles.

    Raises `HelperError` if it has some, but not this one: with the message that a request for a
    token would give.
    """
    attempt = Attempt(unconfigured("", environ))
    with explained(attempt):
        session = _opened(attempt, profile)
        if attempt.profiles:
            session.get_scoped_config()
    return bool(attempt.profiles)


def known_regions() -> list[str]:
    """Return the regions with ECR, of all partitions, that botocore knows."""
    session = Session()
    return [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ecr", partition)
    ]


def takes_keys_from_environment(environ: Mapping[str, str], profile: str) -> bool:
    """Say whether a profile assumes a role with the keys in the environment."""
    try:
        profiles = _session(environ, profile).full_config.get("profiles", {})
    except BotoCoreError:  # a request for a token will report it
        return False
    attempt = Attempt(unconfigured("", environ), profile=profile, profiles=profiles)
    return attempt.takes_keys_from_environment


def configured_endpoint(session: Session, request: Request) -> str | None:
    """Return the endpoint URL that the environment or the profile names for the service asked.

    The order of the AWS SDKs and Tools Reference Guide, "Service-specific
    endpoints": the service's variable, the general one, the service in the
    profile's services section, the profile.
    """
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    environ, key = request.environ, request.ecr.service.replace("-", "_")
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
    """botocore's session, but its clients send their requests by an `HttpSession`."""

    environ: Mapping[str, str]

    def create_client(self, *arguments: Any, **options: Any) -> Any:
        """Return a client; as in botocore."""
        bundle, _ = ca_bundle(self.environ, self.get_scoped_config())
        options["verify"] = bundle or True  # botocore refuses an empty variable
        client: Any = super().create_client(*arguments, **options)
        session = HttpSession(bundle, (CONNECT_TIMEOUT, READ_TIMEOUT))
        replace_session(self.environ, session, client, "_endpoint", "http_session")
        return client


def _session(environ: Mapping[str, str], profile: str) -> Session:
    """Return a session with the ``profile`` of a registry, or if "", that of the environment."""
    session = _Session(include_builtin_handlers=False, profile=profile or None)
    session.environ = environ
    _register_handlers(session)
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


def _register_handlers(session: Session) -> None:
    """Register botocore's event handlers, except nine in ten, which are for other services."""
    events = session.get_component("event_emitter")
    register = {
        (): events.register,
        (handlers.REGISTER_FIRST,): events.register_first,
        (handlers.REGISTER_LAST,): events.register_last,
    }
    for name, handler, *place in handlers.BUILTIN_HANDLERS:
        event, service = (*name.split("."), "*")[:2]
        if event != "docs" and service in _SERVICES:
            register[tuple(place)](name, handler)


def create_client(session: Session, request: Request) -> Any:
    """Return the client of the service that authorises for a registry, at the endpoint in effect.

    Raises what botocore raises.
    """
    registry = request.ecr
    endpoint_url = request.settings.endpoint_url or configured_endpoint(session, request)
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
