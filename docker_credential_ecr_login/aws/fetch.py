"""A token that the cache does not have: one call to AWS for however many callers.

The file lock is taken before botocore is imported; callers of ``get`` queue before
filelock is, too, in `turn`, so that those who wait for another's call are light.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from filelock import Timeout

from ..cache import FAILURE_MEMORY, Cache, Entry, is_disabled, writable_directory
from ..errors import HelperError, MfaCodeNeeded, MfaCodeRefused
from ..helper import cached, raise_remembered
from ..identity import configured_identity
from ..log import logger
from ..registry import Registry, parse
from ..turn import answer_timeout, circumstances
from .limit import Limit
from .locks import own_lock

if TYPE_CHECKING:
    from filelock import FileLock

    from .client import AuthorizationToken

_POLL_INTERVAL = 0.02  # seconds between two tries for a lock that another process holds


def fetch(registry: Registry, environ: Mapping[str, str], identity: str, started: float) -> Entry:
    """Return a token for ``registry``, from AWS unless another process was faster.

    In time for a call that ``started`` then (of `time.monotonic`). Raises `HelperError`.
    """
    limit = Limit(answer_timeout(environ), started)
    cache = _open_cache(environ, identity)
    with _held(cache, registry, limit):
        if cache and (entry := cached(cache, registry, environ)):
            return entry
        entry = _ask_once(cache, registry, environ, limit, may_ask=True).entry
        if cache:
            _keep(cache, registry, entry, environ)
        return entry


def refresh(registry: Registry, environ: Mapping[str, str], identity: str) -> None:
    """Replace the token for ``registry`` if it is past its refresh time. Raises `HelperError`."""
    limit = Limit(answer_timeout(environ))
    cache = _open_cache(environ, identity)
    if cache is None:
        return
    with _held(cache, registry, limit):
        old = cache.token(registry)
        if old is None or old.young(time.time()):  # erased, or another process was faster
            return
        entry = _ask_once(cache, registry, environ, limit, may_ask=False).entry
        if cache.token(registry) is not None:  # `docker logout` meanwhile means it
            _keep(cache, registry, entry, environ)


def _ask_once(
    cache: Cache | None,
    registry: Registry,
    environ: Mapping[str, str],
    limit: Limit,
    *,
    may_ask: bool,
) -> "AuthorizationToken":
    """Ask AWS, unless that failed some seconds ago. Raises `HelperError`."""
    if cache is None:
        return _ask(registry, environ, limit, None, may_ask=may_ask)
    raise_remembered(cache, registry, environ, time.time() - limit.elapsed())
    try:
        return _ask(registry, environ, limit, cache, may_ask=may_ask)
    except HelperError as error:
        if isinstance(error, MfaCodeNeeded) and not may_ask:
            raise  # of the next one, who may, a code can be had
        # Who mistyped a code is to type it again at once; it is those who wait that are answered.
        memory = 0 if isinstance(error, MfaCodeRefused) else FAILURE_MEMORY
        with suppress(OSError):
            until = time.time() + memory
            cache.store_failure(registry, circumstances(environ), str(error), until)
        raise


def fetch_default(
    environ: Mapping[str, str],
    identity: str,
    resolve: Callable[[str], Registry | None],
    timeout: float,
) -> list[str]:
    """Return the hosts that ``get`` answers from the cache, or else from the token fetched here.

    That is the one of the caller's own registry in the configured region, if there is one.
    ``resolve`` says which registry a name means. ``timeout`` is in seconds. Raises
    `HelperError`.
    """
    limit = Limit(min(timeout, answer_timeout(environ)))
    cache = _open_cache(environ, identity)
    registry = limit.run(lambda: _default_registry(environ, None))
    if registry is None:
        return []
    with _held(cache, registry, limit, for_a_person=False):
        if cache and (hosts := cache.hosts(resolve, time.time())):
            return hosts
        own = _fetch_own(cache, registry, environ, resolve, limit, may_ask=False)
        return [own.host] if own else []


def fetch_own(
    environ: Mapping[str, str],
    identity: str,
    resolve: Callable[[str], Registry | None],
    region: str,
) -> str | None:
    """Fetch the token of the caller's own registry in ``region``, and return its host.

    None if the config file wants others to ask for that one. ``resolve`` says which registry a
    name means. Raises `HelperError`.
    """
    limit = Limit(answer_timeout(environ))
    cache = _open_cache(environ, identity)
    registry = limit.run(lambda: _default_registry(environ, region))
    if registry is None:
        return None
    with _held(cache, registry, limit):
        own = _fetch_own(cache, registry, environ, resolve, limit, may_ask=True)
        return own.host if own else None


def _default_registry(environ: Mapping[str, str], region: str | None) -> Registry | None:
    from .client import default_registry

    return default_registry(environ, region)


def _fetch_own(
    cache: Cache | None,
    registry: Registry,
    environ: Mapping[str, str],
    resolve: Callable[[str], Registry | None],
    limit: Limit,
    *,
    may_ask: bool,
) -> Registry | None:
    token = _ask_once(cache, registry, environ, limit, may_ask=may_ask)
    own = parse(token.proxy_host)
    own = resolve(own.host) if own else None
    if own is None or own.scope != registry.scope:
        return None  # by the config file, others are to ask for that one
    if cache:
        _keep(cache, own, token.entry, environ)
    return own


def _open_cache(environ: Mapping[str, str], identity: str) -> Cache | None:
    if is_disabled(environ):
        return None
    directory = writable_directory(environ)
    return Cache(directory, identity) if directory else None


@contextmanager
def _held(
    cache: Cache | None, registry: Registry, limit: Limit, *, for_a_person: bool = True
) -> Iterator[None]:
    """Hold the lock of ``registry``'s scope, or none without a cache or where locks do not work.

    Who types an MFA code meanwhile is waited for beyond the limit, ``for_a_person``.
    """
    lock = None
    if cache is None:
        yield
        return
    try:
        lock = own_lock(cache.lock_path(registry))
        while not _acquired(lock, limit):
            if not (for_a_person and cache.is_prompting(registry)):
                raise limit.exceeded()
            limit.extend(limit.seconds)  # somebody is about to type an MFA code
        cache.set_prompting(registry, on=False)  # who was asked, and killed, left this on
    except (OSError, NotImplementedError):
        lock = None  # a call too many is better than none
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _acquired(lock: "FileLock", limit: Limit) -> bool:
    try:
        lock.acquire(timeout=limit.left(), poll_interval=_POLL_INTERVAL)
    except Timeout:
        return False
    return True


def _ask(
    registry: Registry,
    environ: Mapping[str, str],
    limit: Limit,
    cache: Cache | None,
    *,
    may_ask: bool,
) -> "AuthorizationToken":
    def ask() -> "AuthorizationToken":
        from .client import get_authorization_token

        return get_authorization_token(registry, environ, limit, cache, may_ask=may_ask)

    started = time.monotonic()
    token = limit.run(ask)
    logger(environ).info(
        "%s: a new token from AWS in %.0f ms, credentials by %s, expires in %.0f s",
        registry.host or registry.scope,
        (time.monotonic() - started) * 1000,
        token.credential_source,
        token.entry.expires_at - time.time(),
    )
    return token


def _keep(cache: Cache, registry: Registry, entry: Entry, environ: Mapping[str, str]) -> None:
    if configured_identity(environ) != cache.identity:
        return  # the configuration changed while AWS was asked: nobody knows whose token it is
    try:
        cache.store_token(registry, entry)
        cache.store_settings(registry.host, registry.settings)
    except OSError as error:
        logger(environ).warning("%s: the token cannot be cached: %s", registry.host, error)
    with suppress(OSError):
        cache.sweep(time.time())
