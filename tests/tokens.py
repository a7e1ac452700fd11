"""Tokens in the cache of a helper, read and put there without AWS."""

import base64
import json
import time

from docker_credential_ecr_login.cache import Cache, Entry
from docker_credential_ecr_login.identity import configured_identity
from docker_credential_ecr_login.registry import Registry, parse
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess

HOUR = 3600


def password(expires_in: float, payload: str = "x" * 40) -> str:
    """A registry password of ECR's shape that expires in so many seconds."""
    content = {"payload": payload, "version": "2", "expiration": int(time.time() + expires_in)}
    return base64.b64encode(json.dumps(content).encode()).decode()


def registry() -> Registry:
    """Return the registry that tests ask for."""
    found = parse(HOST)
    assert found is not None
    return found


def stored(helper: HelperProcess) -> tuple[Cache, Entry]:
    """The cache that the helper uses, and the token in it."""
    cache = Cache(str(helper.cache_directory), configured_identity(helper.environment()))
    entry = cache.token(registry())
    assert entry is not None
    return cache, entry


def keep_token(aws: AwsEmulator, helper: HelperProcess, *, refresh_in: int) -> str:
    """Put a token of AWS that lives for hours into the cache, and return its password.

    It belongs to the configuration of the helper as it is now, and is due for a refresh
    after so many seconds.
    """
    secret, _ = aws.issue_password(None, "ecr", registry().region)
    cache = Cache(str(helper.cache_directory), configured_identity(helper.environment()))
    now = int(time.time())
    cache.store_token(registry(), Entry(secret, now + 6 * HOUR, now + refresh_in))
    cache.store_settings(HOST, {})
    return secret
