"""Tokens in the cache of a helper, read and put there without AWS."""

import base64
import json
import time
from collections.abc import Mapping

from docker_credential_ecr_login.cache.tokens import Cache, Entry
from docker_credential_ecr_login.identity import configured_identity
from docker_credential_ecr_login.request import NO_SETTINGS, Request, unconfigured
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess, Outcome

HOUR = 3600


def password(expires_in: float, payload: str = "x" * 40) -> str:
    """A registry password of ECR's shape that expires in so many seconds."""
    content = {"payload": payload, "version": "2", "expiration": int(time.time() + expires_in)}
    return base64.b64encode(json.dumps(content).encode()).decode()


def asked(host: str = HOST, environ: Mapping[str, str] | None = None) -> Request:
    """The request for a host, without a config file."""
    return unconfigured(host, environ or {})


def cache_of(helper: HelperProcess) -> Cache:
    """The cache that the helper uses."""
    return Cache(str(helper.cache_directory), configured_identity(helper.environment()))


def issued_to(aws: AwsEmulator, outcome: Outcome) -> str | None:
    """Return the principal to whom the answered token was issued."""
    issued = aws.issued(outcome.secret)
    assert issued
    return issued.principal


def principals(aws: AwsEmulator) -> list[str | None]:
    """Return who asked for tokens, in the order of their calls."""
    return [call.principal for call in aws.calls if call.operation == "GetAuthorizationToken"]


def kept_tokens(helper: HelperProcess) -> list[str]:
    """The names of the tokens and logins in the default cache."""
    directory = helper.cache_directory
    paths = [*directory.glob("tokens/*/*.ecr"), *directory.glob("logins/*")]
    return sorted(path.name for path in paths)


def stored(helper: HelperProcess) -> tuple[Cache, Entry]:
    """The cache that the helper uses, and the token in it."""
    cache = cache_of(helper)
    entry = cache.token(asked())
    assert entry is not None
    return cache, entry


def keep_token(aws: AwsEmulator, helper: HelperProcess, *, refresh_in: int) -> str:
    """Put a token of AWS that lives for hours into the cache, and return its password.

    It belongs to the configuration of the helper as it is now, and is due for a refresh
    after so many seconds.
    """
    secret, _ = aws.issue_password(None, "ecr", asked().ecr.region)
    cache = cache_of(helper)
    now = int(time.time())
    cache.store_token(asked(), Entry(secret, now + 6 * HOUR, now + refresh_in))
    cache.store_settings(HOST, NO_SETTINGS)
    return secret
