"""The checks of ``doctor`` from the credentials to the registry."""

import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from .. import actions
from ..cache.tokens import Entry, open_cache
from ..deadline import answer_timeout
from ..errors import EndpointUnreachable, HelperError, NoCredentials
from ..identity import named_profile
from ..protocol import NAME, USERNAME
from ..registry import Registry
from ..request import NO_SETTINGS, Request
from .arguments import configured_regions, hosts
from .findings import CheckContext, Finding
from .output import iso_time

if TYPE_CHECKING:
    from ..aws.registry_api import RegistryApi

_SDK_REGION = "us-east-1"  # to ask STS in, where no region is configured
_NO_PROFILE = "the profile cannot be used"
_NO_REGISTRY = "no registry is named or configured: name one"
_OK, _UNAUTHORIZED, _FORBIDDEN = 200, 401, 403


def profile(context: CheckContext) -> Iterator[Finding]:
    """Say which profile is in effect."""
    from ..aws.caller import Caller

    context.region = _region(context)
    request = _request(context)
    caller = Caller(request, answer_timeout(request))
    named = caller.open()
    message = named if "(" in named else f"none is named, so {named} applies, if it exists"
    yield Finding("profile", "passed", message)
    context.caller = caller


def credentials(context: CheckContext) -> Iterator[Finding]:
    """Say which provider of the chain has credentials."""
    if context.caller is None or not context.network:
        yield _skipped("credentials", context, _NO_PROFILE)
        return
    try:
        found = context.caller.find_credentials()
    except NoCredentials as error:
        if context.registry is None or context.registry.registry_id:
            raise
        remedy = "public pulls work without them; AWS_ECR_PUBLIC_ANONYMOUS=true silences this"
        yield Finding("credentials", "warned", error.message, remedy)
        return
    context.has_credentials = True
    yield Finding("credentials", "passed", found)
    named = named_profile(context.environ)
    if named and found.startswith("env:"):
        yield Finding(
            "credentials",
            "warned",
            f'the keys in the environment win over AWS_PROFILE, which names "{named}"',
            "unset AWS_ACCESS_KEY_ID to use the profile",
        )


def principal(context: CheckContext) -> Iterator[Finding]:
    """Say which principal of AWS these credentials belong to."""
    if context.caller is None or not context.has_credentials:
        yield _skipped("principal", context, "there are no credentials")
        return
    try:
        account, arn = context.caller.identity()
        context.principal = arn
    except EndpointUnreachable as error:
        yield Finding("principal", "warned", f"not known: {error.message}", "pulls do not need it")
        return
    if context.host is None and context.region:
        (host,) = hosts([account], lambda: [context.region or ""], public=False)
        context.ask_about(host)
    registry = context.registry
    message = f"{arn} of account {account}"
    if registry and registry.registry_id not in (None, account):
        message += f"; the repository policies of account {registry.registry_id} must allow it"
    yield Finding("principal", "passed", message)


def endpoint(context: CheckContext) -> Iterator[Finding]:
    """Say where tokens come from."""
    registry = context.registry
    if context.caller is None or registry is None:
        yield Finding("endpoint", "skipped", _NO_REGISTRY if context.caller else _NO_PROFILE)
        return
    url, reason = context.caller.endpoint()
    message = f"region {registry.region}, {url}"
    yield Finding("endpoint", "passed", f"{message} ({reason})" if reason else message)


def token(context: CheckContext) -> Iterator[Finding]:
    """Say whether there is a usable token, and until when it is valid."""
    request = context.request
    if request is None or request.registry is None:
        reason = "config.toml must be corrected first" if context.registry else _NO_REGISTRY
        yield Finding("token", "skipped", reason)
        return
    if request.is_anonymous:
        yield Finding("token", "skipped", "the registry is configured for use without credentials")
        return
    entry, origin = _kept(request)
    if entry is None:
        if not context.has_credentials:
            yield _skipped("token", context, "none is cached, and there are no AWS credentials")
            return
        entry, origin = actions.token(request), "new from AWS"
    context.secret = entry.secret
    yield Finding("token", "passed", f"{origin}, expires {iso_time(entry.expires_at)}")


def registry(context: CheckContext) -> Iterator[Finding]:
    """Say whether the registry accepts the token."""
    if context.registry is None or context.caller is None or not context.network:
        yield _skipped("registry", context, _NO_REGISTRY if context.caller else _NO_PROFILE)
        return
    from ..aws.proxies import way

    request = _request(context)
    status = registry_api(context).ask("GET", "/v2/").status
    url = f"https://{request.host}/v2/"
    if context.secret and status == _OK:
        context.takes_token = True
        yield Finding("registry", "passed", f"{url} takes the token")
    elif context.secret and status in (_UNAUTHORIZED, _FORBIDDEN):
        yield Finding(
            "registry",
            "failed",
            f"{url}{way(url)} refuses the token (HTTP {status})",
            f"get a new one: {NAME} logout {request.host}"
            if status == _UNAUTHORIZED
            else "check the policies of the VPC endpoint, of the registry and of the proxy",
        )
    elif status in (_OK, _UNAUTHORIZED):
        context.takes_token = context.registry.is_public
        yield Finding("registry", "passed", f"{url} answers; there is no token to try")
    else:
        yield Finding(
            "registry",
            "failed",
            f"{url}{way(url)} answers with HTTP {status}, unlike a registry",
            "check the name, and HTTPS_PROXY",
        )


def registry_api(context: CheckContext) -> "RegistryApi":
    """Return the API of the registry, to ask with the token if there is one."""
    from ..aws.registry_api import RegistryApi

    request = _request(context)
    basic = b64encode(f"{USERNAME}:{context.secret}".encode()).decode()
    authorization = f"Basic {basic}" if context.secret else None
    return RegistryApi(request, authorization, answer_timeout(request))


def _region(context: CheckContext) -> str | None:
    """Return the region that is configured, or that of the registry."""
    if context.registry:
        return context.registry.region
    if context.region:
        return context.region
    with suppress(HelperError):
        return next(iter(configured_regions(context.environ)), None)
    return None


def _request(context: CheckContext) -> Request:
    """Return the request for the registry, as far as it is known."""
    if context.request and context.request.registry:
        return context.request
    registry = context.registry or Registry("", "", context.region or _SDK_REGION, "aws")
    return Request(context.host or "", registry, NO_SETTINGS, context.environ, "")


def _kept(request: Request) -> tuple[Entry | None, str]:
    """Return the token that ``get`` would answer without AWS, if any, and where it is from."""
    cache = open_cache(request)
    if cache is None:
        return None, ""
    found = ((cache.login(request), "stored by docker login"), (cache.token(request), "cached"))
    usable = (each for each in found if each[0] and each[0].usable(time.time()))
    return next(usable, (None, ""))


def _skipped(check: str, context: CheckContext, reason: str) -> Finding:
    return Finding(check, "skipped", reason if context.network else "this needs the network")
