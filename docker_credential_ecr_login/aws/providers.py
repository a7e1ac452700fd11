"""boto3's credential providers, adapted to a process that answers in time and has no stdin.

botocore makes the chain. Providers that send requests, run programs or keep sessions are replaced
by others of the same class, which get ours through the arguments of its constructor. That needs no
private names of botocore, which any release may change.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.credentials import (
    AssumeRoleProvider,
    CanonicalNameCredentialSourcer,
    ContainerProvider,
    CredentialProvider,
    CredentialResolver,
    EnvProvider,
    ProcessProvider,
    ProfileProviderBuilder,
    create_credential_resolver,
)
from botocore.utils import ContainerMetadataFetcher, get_login_token_cache_directory

from ..cache.storage import is_disabled
from ..deadline import Deadline
from .attempt import SSO_DIRECTORY, Attempt, configured_region
from .credential_process import Program
from .http import HttpSession, ca_bundle, replace_session
from .sessions import SessionCache, SignIns, WebIdentitySessions

if TYPE_CHECKING:
    from botocore.session import Session


def credential_chain(
    session: "Session", attempt: Attempt, prompter: Callable[[str], str], deadline: Deadline
) -> tuple[CredentialResolver, SessionCache]:
    """Return boto3's credential provider chain, and where its roles keep their sessions.

    The ``prompter`` gives MFA codes, and programs end within the ``deadline``. STS is asked in the
    registry's region, as in boto3, where the region of the first client decides.
    """
    region, profile = attempt.request.ecr.region, attempt.profile or "default"
    # Others get the region with each call; the provider of `aws login` reads the configured one.
    session.set_config_variable("region", configured_region(session, attempt.environ) or region)
    chain = create_credential_resolver(session, region_name=region)
    instance = chain.get_provider("iam-role")
    bundle, _ = ca_bundle(attempt.environ, attempt.settings_of_profile)
    seconds = float(session.get_config_variable("metadata_service_timeout"))
    attempt.metadata = HttpSession(bundle, (seconds, seconds))
    replace_session(attempt.environ, attempt.metadata, instance, "_role_fetcher", "_session")
    seconds = ContainerMetadataFetcher.TIMEOUT_SECONDS
    http: Any = HttpSession(bundle, (seconds, seconds))
    fetcher: Any = ContainerMetadataFetcher(session=http)
    container = ContainerProvider(fetcher=fetcher)
    of_profiles = _ProfileProviders(session, attempt, deadline)
    sessions: Any = SessionCache(keep=not is_disabled(attempt.environ))
    roles = AssumeRoleProvider(
        load_config=lambda: session.full_config,
        client_creator=partial(session.create_client, region_name=region),
        cache=sessions,
        profile_name=profile,
        # botocore would ask for an MFA code on stdin, which carries the protocol.
        prompter=prompter,
        credential_sourcer=CanonicalNameCredentialSourcer([EnvProvider(), container, instance]),
        profile_provider_builder=of_profiles,
    )
    is_named = session.instance_variables().get("profile") is not None
    ours = {
        provider.METHOD: provider
        for provider in (roles, container, *of_profiles.providers(profile, is_named))
    }
    chain.providers = [ours.get(each.METHOD, each) for each in chain.providers]
    return chain, sessions


class _ProfileProviders:
    """What botocore uses of a `ProfileProviderBuilder`."""

    def __init__(self, session: "Session", attempt: Attempt, deadline: Deadline) -> None:
        self._session = session
        self._attempt = attempt
        sso_tokens: Any = SignIns(os.path.expanduser(SSO_DIRECTORY), attempt.environ)
        self._builder = ProfileProviderBuilder(
            session,
            region_name=attempt.request.ecr.region,
            sso_token_cache=sso_tokens,
            login_token_cache=SignIns(get_login_token_cache_directory(), attempt.environ),
        )
        self._popen: Any = partial(Program, deadline)

    def providers(
        self,
        profile_name: str,
        disable_env_vars: bool = False,  # noqa: FBT001, FBT002 - as botocore has it
    ) -> list[CredentialProvider]:
        """Return those of a profile: of the one in effect, or of one that it starts from."""
        environ = self._attempt.environ
        programs = ProcessProvider(
            profile_name, lambda: self._session.full_config, popen=self._popen
        )
        found: list[Any] = self._builder.providers(profile_name, disable_env_vars)
        for each in found:
            if each.METHOD == "assume-role-with-web-identity":
                each.cache = WebIdentitySessions(
                    self._attempt.profiles.get(profile_name, {}),
                    {} if disable_env_vars else environ,
                    keep=not is_disabled(environ),
                )
        return [programs if each.METHOD == programs.METHOD else each for each in found]
