"""A token that the cache does not have: one call to AWS for however many callers.

The file lock is taken before botocore is imported; callers of ``get`` queue before
filelock is, too, in `turn`, so that those who wait for another's call are light.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock, Timeout

from ..cache import Cache, Entry, is_disabled, writable_directory
from ..errors import EndpointUnreachable, HelperError
from ..helper import cached, raise_remembered
from ..identity import configured_identity
from ..log import logger
from ..ready import prepare_get
from ..registry import Registry, parse
from ..turn import answer_timeout, circumstances

if TYPE_CHECKING:
    from .client import AuthorizationToken

Result = TypeVar("Result")

_POLL_INTERVAL = 0.02  # seconds between two tries for a lock that another process holds


def fetch(registry: Registry, environ: Mapping[str, str], identity: str, started: float) -> Entry:
    """Return a token for ``registry``, from AWS unless another process was faster.

    In time for a call that ``started`` then (of `time.monotonic`). Raises `HelperError`.
    """
    limit = _Limit(answer_timeout(environ), started)
    cache = _open_cache(environ, identity)
    if cache is None:
        return _ask(registry, environ, limit).entry
    with _held(cache, registry, limit):
        if entry := cached(cache, registry, environ):
            return entry
        entry = _ask_once(cache, registry, environ, limit).entry
        _keep(cache, registry, entry, environ)
        return entry


def refresh(registry: Registry, environ: Mapping[str, str], identity: str) -> None:
    """Replace the token for ``registry`` if it is past its refresh time. Raises `HelperError`."""
    limit = _Limit(answer_timeout(environ))
    cache = _open_cache(environ, identity)
    if cache is None:
        return
    with _held(cache, registry, limit):
        old = cache.token(registry)
        if old is None or old.young(time.time()):  # erased, or another process was faster
            return
        entry = _ask_once(cache, registry, environ, limit).entry
        if cache.token(registry) is not None:  # `docker logout` meanwhile means it
            _keep(cache, registry, entry, environ)


def _ask_once(
    cache: Cache, registry: Registry, environ: Mapping[str, str], limit: "_Limit"
) -> "AuthorizationToken":
    """Ask AWS, unless that failed some seconds ago. Raises `HelperError`."""
    raise_remembered(cache, registry, environ)
    try:
        return _ask(registry, environ, limit)
    except HelperError as error:
        with suppress(OSError):
            cache.store_failure(registry, circumstances(environ), str(error), time.time())
        raise


def fetch_default(environ: Mapping[str, str], identity: str, timeout: float) -> list[str]:
    """Fetch the token of the caller's own registry in the configured region.

    Returns the hosts that ``get`` now answers: none where no region is configured.
    ``timeout`` is in seconds. Raises `HelperError`.
    """
    limit = _Limit(min(timeout, answer_timeout(environ)))
    cache = _open_cache(environ, identity)

    def configured() -> Registry | None:
        from .client import default_registry

        return default_registry(environ)

    registry = _within(limit, configured)
    if registry is None:
        return []
    if cache is None:
        own = parse(_ask(registry, environ, limit).proxy_host)
        return [own.host] if own else []
    with _held(cache, registry, limit):
        if hosts := cache.hosts(time.time()):
            return list(hosts)
        token = _ask_once(cache, registry, environ, limit)
        own = parse(token.proxy_host)
        if own is None:
            return []
        _keep(cache, own, token.entry, environ)
        return [own.host]


class _Limit:
    """A span of time (seconds) and the moment when it is over."""

    def __init__(self, seconds: float, started: float | None = None) -> None:
        self.seconds = seconds
        self.deadline = (time.monotonic() if started is None else started) + seconds

    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def exceeded(self) -> EndpointUnreachable:
        return EndpointUnreachable(
            f"no answer within {self.seconds:g} seconds",
            "check the network, the proxy and credential_process, or set AWS_ECR_TIMEOUT to more",
        )


def _open_cache(environ: Mapping[str, str], identity: str) -> Cache | None:
    if is_disabled(environ):
        return None
    directory = writable_directory(environ)
    return Cache(directory, identity) if directory else None


@contextmanager
def _held(cache: Cache, registry: Registry, limit: _Limit) -> Iterator[None]:
    """Hold the lock of ``registry``'s scope, or none where locks do not work."""
    lock = None
    try:
        lock = FileLock(cache.lock_path(registry), mode=0o600)
        lock.acquire(timeout=limit.left(), poll_interval=_POLL_INTERVAL)
    except Timeout:
        raise limit.exceeded() from None
    except (OSError, NotImplementedError):
        lock = None  # a call too many is better than none
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _ask(registry: Registry, environ: Mapping[str, str], limit: _Limit) -> "AuthorizationToken":
    def ask() -> "AuthorizationToken":
        from .client import get_authorization_token

        return get_authorization_token(registry, environ, limit.deadline)

    started = time.monotonic()
    token = _within(limit, ask)
    logger(environ).info(
        "%s: a new token from AWS in %.0f ms, credentials by %s, expires in %.0f s",
        registry.host or registry.scope,
        (time.monotonic() - started) * 1000,
        token.credential_source,
        token.entry.expires_at - time.time(),
    )
    return token


def _within(limit: _Limit, function: Callable[[], Result]) -> Result:
    """Return what ``function`` returns, or raise, in time: even if it hangs.

    It is left behind in its thread then, and ends with the process.
    """
    results: list[Result] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(function())
        except Exception as error:  # handed to the waiting thread
            errors.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit.left())
    if errors:
        raise errors[0]
    if not results:
        raise limit.exceeded()
    return results[0]


def _keep(cache: Cache, registry: Registry, entry: Entry, environ: Mapping[str, str]) -> None:
    if configured_identity(environ) != cache.identity:
        return  # the configuration changed while AWS was asked: nobody knows whose token it is
    try:
        cache.store_token(registry, entry)
        cache.add_to_list(registry)
        prepare_get(cache, registry, entry, environ, time.time())
    except OSError as error:
        logger(environ).warning("%s: the token cannot be cached: %s", registry.host, error)
    with suppress(OSError):
        cache.sweep(time.time())
