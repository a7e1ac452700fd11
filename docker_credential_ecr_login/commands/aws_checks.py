"""The checks of ``doctor`` from the credentials to the registry."""

import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress

from .. import cache, helper
from ..cache import Cache, Entry
from ..errors import EndpointUnreachable, HelperError, NoCredentials
from ..identity import named_profile
from ..protocol import NAME, USERNAME
from ..registry import Registry
from ..turn import answer_timeout
from .findings import Finding, Patient
from .output import iso_time
from .registries import configured_regions, hosts

_SDK_REGION = "us-east-1"  # to ask STS in, where no region is configured
_NO_PROFILE = "the profile cannot be used"
_NO_REGISTRY = "no registry is known: name one"
_OK, _UNAUTHORIZED, _FORBIDDEN = 200, 401, 403


def profile(patient: Patient) -> Iterator[Finding]:
    """Say which profile is in effect."""
    from ..aws.caller import Caller

    patient.region = _region(patient)
    registry = patient.registry or Registry(
        "", "", patient.region or _SDK_REGION, "aws", fips=False, dual_stack=False
    )
    environ = patient.question.environ if patient.question else patient.environ
    caller = Caller(registry, environ, answer_timeout(environ))
    named = caller.open()
    message = named if "(" in named else f"none is named; {named} counts, if there is one"
    yield Finding("profile", "passed", message)
    patient.caller = caller


def credentials(patient: Patient) -> Iterator[Finding]:
    """Say which provider of the chain has credentials."""
    if patient.caller is None or not patient.network:
        yield _skipped("credentials", patient, _NO_PROFILE)
        return
    try:
        found = patient.caller.find_credentials()
    except NoCredentials as error:
        if patient.registry is None or patient.registry.registry_id:
            raise
        remedy = "public pulls go on without; AWS_ECR_PUBLIC_ANONYMOUS=true has that silent"
        yield Finding("credentials", "warned", error.message, remedy)
        return
    patient.has_credentials = True
    yield Finding("credentials", "passed", found)
    named = named_profile(patient.environ)
    if named and found.startswith("env:"):
        yield Finding(
            "credentials",
            "warned",
            f'the keys in the environment win over AWS_PROFILE, which names "{named}"',
            "unset AWS_ACCESS_KEY_ID to use the profile",
        )


def principal(patient: Patient) -> Iterator[Finding]:
    """Say who that is for AWS."""
    if patient.caller is None or not patient.has_credentials:
        yield _skipped("principal", patient, "there are no credentials")
        return
    try:
        account, arn = patient.caller.identity()
    except EndpointUnreachable as error:
        yield Finding("principal", "warned", f"not known: {error.message}", "no pull needs this")
        return
    if patient.host is None and patient.region:
        (host,) = hosts([account], lambda: [patient.region or ""], public=False)
        patient.ask_about(host)
    registry = patient.registry
    message = f"{arn} of account {account}"
    if registry and registry.registry_id not in (None, account):
        message += f"; the repository policies of account {registry.registry_id} must allow it"
    yield Finding("principal", "passed", message)


def endpoint(patient: Patient) -> Iterator[Finding]:
    """Say where tokens come from."""
    registry = patient.registry
    if patient.caller is None or registry is None:
        yield Finding("endpoint", "skipped", _NO_REGISTRY if patient.caller else _NO_PROFILE)
        return
    url, reason = patient.caller.endpoint()
    message = f"region {registry.region}, {url}"
    yield Finding("endpoint", "passed", f"{message} ({reason})" if reason else message)


def token(patient: Patient) -> Iterator[Finding]:
    """Say whether there is a token that can be used, and how long."""
    registry, question = patient.registry, patient.question
    if registry is None or question is None:
        reason = "the config file has to be corrected first" if registry else _NO_REGISTRY
        yield Finding("token", "skipped", reason)
        return
    environ = question.environ
    if helper.is_anonymous(registry, environ):
        yield Finding("token", "skipped", "it is used without credentials, by the configuration")
        return
    entry, origin = _kept(registry, question)
    if entry is None:
        if not patient.has_credentials:
            yield _skipped("token", patient, "none is cached, and there are no credentials")
            return
        entry, origin = helper.token(registry, environ, question.identity), "new from AWS"
    patient.secret = entry.secret
    yield Finding("token", "passed", f"{origin}, expires {iso_time(entry.expires_at)}")


def registry(patient: Patient) -> Iterator[Finding]:
    """Say whether the registry takes the token."""
    target = patient.registry
    if target is None or not patient.network:
        yield _skipped("registry", patient, _NO_REGISTRY)
        return
    from ..aws.registry_api import status_of

    environ = patient.question.environ if patient.question else patient.environ
    basic = b64encode(f"{USERNAME}:{patient.secret}".encode()).decode()
    authorization = f"Basic {basic}" if patient.secret else None
    status = status_of(target, authorization, environ, answer_timeout(environ))
    url = f"https://{target.host}/v2/"
    if authorization and status == _OK:
        yield Finding("registry", "passed", f"{url} takes the token")
    elif authorization and status in (_UNAUTHORIZED, _FORBIDDEN):
        yield Finding(
            "registry",
            "failed",
            f"{url} refuses the token (HTTP {status})",
            f"get a new one: {NAME} logout {target.host}"
            if status == _UNAUTHORIZED
            else "check the policies of the VPC endpoint and of the registry",
        )
    elif status in (_OK, _UNAUTHORIZED):
        yield Finding("registry", "passed", f"{url} answers; there is no token to try")
    else:
        yield Finding(
            "registry",
            "failed",
            f"{url} answers with HTTP {status}, unlike a registry",
            "check the name, and HTTPS_PROXY",
        )


def _region(patient: Patient) -> str | None:
    """Return the region that is configured, or that of the registry."""
    if patient.registry:
        return patient.registry.region
    if patient.region:
        return patient.region
    with suppress(HelperError):
        return next(iter(configured_regions(patient.environ)), None)
    return None


def _kept(registry: Registry, question: helper.Question) -> tuple[Entry | None, str]:
    """Return the token that ``get`` would answer without AWS, if any, and where it is from."""
    if cache.is_disabled(question.environ):
        return None, ""
    tokens = Cache(cache.default_directory(question.environ), question.identity)
    found = ((tokens.login(registry), "stored by docker login"), (tokens.token(registry), "cached"))
    usable = (each for each in found if each[0] and each[0].usable(time.time()))
    return next(usable, (None, ""))


def _skipped(check: str, patient: Patient, reason: str) -> Finding:
    return Finding(check, "skipped", reason if patient.network else "it needs the network")
