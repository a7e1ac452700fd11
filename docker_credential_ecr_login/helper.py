"""The four actions: answer from the cache, else hand over to `aws`.

Nothing here writes to a stream: each action returns its answer, or raises a
`HelperError` that says why there is none.
"""

import sys
import time

from . import cache as token_cache
from . import protocol
from .cache import Cache, Entry
from .identity import configured_identity
from .ready import prepare_get, prepare_list
from .registry import Registry, parse

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Mapping

LIST_TIMEOUT = 3
"""Seconds that ``list`` may take: docker-py and classic builds wait for it each time."""


def get(registry: Registry, url: str, environ: "Mapping[str, str]") -> str:
    """Return the line that answers ``get`` for the ECR host ``registry``, asked as ``url``.

    The order: a token that ``docker login`` stored, the cached token, AWS.
    Raises `HelperError`.
    """
    started = time.monotonic()
    identity = configured_identity(environ)
    if token_cache.is_disabled(environ):
        entry = _fetch(registry, environ, identity, started)
    else:
        cache = Cache(token_cache.default_directory(environ), identity)
        entry = cached(cache, registry, environ) or _wait(cache, registry, environ, started)
    return protocol.get_answer(url, entry.secret)


def _wait(cache: Cache, registry: Registry, environ: "Mapping[str, str]", started: float) -> Entry:
    """Return the token that another process gets, or when it is our turn, get it."""
    from .turn import Turn, answer_timeout

    def look() -> Entry | None:
        entry = cached(cache, registry, environ)
        if entry is None:
            raise_remembered(cache, registry, environ)
        return entry

    deadline = started + answer_timeout(environ)
    if not token_cache.is_writable(cache.directory):
        return _fetch(registry, environ, cache.identity, started)
    with Turn(cache.turn_path(registry)) as turn:
        return turn.wait(deadline, look) or _fetch(registry, environ, cache.identity, started)


def _fetch(
    registry: Registry, environ: "Mapping[str, str]", identity: str, started: float
) -> Entry:
    complete_python()
    from .aws.fetch import fetch

    return fetch(registry, environ, identity, started)


def store(frame: bytes, environ: "Mapping[str, str]") -> str:
    """Keep the token that ``docker login`` gives in ``frame`` for its registry.

    Returns a warning for the user, or the empty string. Raises `HelperError` if
    the registry is not ECR, the user name is not AWS, or the token has expired.
    """
    url, username, secret = protocol.credentials(frame)
    if is_true(environ, "AWS_ECR_IGNORE_CREDS_STORAGE"):
        return ""
    from .login import stored_entry

    registry, entry = stored_entry(url, username, secret, time.time())
    if token_cache.is_disabled(environ):
        return "the cache is disabled by AWS_ECR_DISABLE_CACHE: the login is not kept"
    from .errors import BadConfiguration

    directory = token_cache.writable_directory(environ)
    if directory is None:
        raise BadConfiguration(
            "no cache directory can be written, so the login cannot be kept",
            "set AWS_ECR_CACHE_DIR to a directory of yours",
        )
    cache = Cache(directory, configured_identity(environ))
    own = cache.token(registry)
    if own and own.secret == secret:
        # `docker login` without a password stores what it was just answered. As a login
        # it would outlive a change of the profile, and hide it.
        return ""
    try:
        cache.store_login(registry, entry)
    except OSError as error:
        raise BadConfiguration(f"the login cannot be kept: {error}") from None
    return ""


def erase(url: str, environ: "Mapping[str, str]") -> None:
    """Forget the login and the cached tokens of the registry ``url``, if it is ECR.

    Raises `HelperError` if there is something that cannot be removed.
    """
    registry = parse(url)
    if registry is None or is_true(environ, "AWS_ECR_IGNORE_CREDS_STORAGE"):
        return
    for directory in _directories(environ):
        try:
            Cache(directory, "").erase(registry)
        except OSError as error:
            from .errors import BadConfiguration

            raise BadConfiguration(f"the login cannot be removed: {error}") from None


def list_hosts(environ: "Mapping[str, str]") -> list[str]:
    """Return the registries that ``get`` would answer without asking AWS.

    Where there is none and a region is configured, the default registry's token
    is fetched first, within 3 seconds. Raises `HelperError`.
    """
    now = time.time()
    identity = configured_identity(environ)
    if not token_cache.is_disabled(environ):
        for directory in _directories(environ):
            cache = Cache(directory, identity)
            hosts = {
                host: until
                for host, until in cache.hosts(now).items()
                if (registry := parse(host)) and not is_anonymous(registry, environ)
            }
            if hosts:
                prepare_list(cache, hosts, environ, now)
                return list(hosts)
    complete_python()
    from .aws.fetch import fetch_default

    return fetch_default(environ, identity, LIST_TIMEOUT)


def refresh(registry: Registry, environ: "Mapping[str, str]") -> None:
    """Replace a token that is past its refresh time; runs in a process of its own.

    Raises `HelperError`.
    """
    complete_python()
    from .aws.fetch import refresh as refresh_from_aws

    refresh_from_aws(registry, environ, configured_identity(environ))


def is_anonymous(registry: Registry, environ: "Mapping[str, str]") -> bool:
    """Say whether ``registry`` is of ECR Public and to be pulled from without credentials."""
    return registry.registry_id is None and is_true(environ, "AWS_ECR_PUBLIC_ANONYMOUS")


def is_true(environ: "Mapping[str, str]", name: str) -> bool:
    """Say whether a variable is set to one of 1, t, true, y, yes, on, in any case."""
    return environ.get(name, "").lower() in ("1", "t", "true", "y", "yes", "on")


def complete_python() -> None:
    """Give a Python that was started with -S all its site directories.

    The launcher leaves them out because a cached answer needs none. From here
    on other people's code runs, whose warnings must not reach the client, and
    which makes so much that stays that looking for garbage would only take time.
    """
    import gc
    import warnings

    gc.disable()
    warnings.simplefilter("ignore")
    if sys.flags.no_site:
        import site

        site.main()


def cached(cache: Cache, registry: Registry, environ: "Mapping[str, str]") -> Entry | None:
    """Return the token to answer without asking AWS, if there is one."""
    now = time.time()
    login = cache.login(registry)
    if login and login.usable(now):
        _note_hit(registry, "stored login", environ)
        return login
    entry = cache.token(registry)
    if entry is None or not entry.usable(now):
        return None
    if not cache.is_listed(registry):
        try:
            cache.add_to_list(registry)
        except OSError:
            pass  # list will not show it, which is no reason to fail a pull
    if not entry.young(now) and cache.claim_refresh(registry, now):
        from .background import start_refresh

        start_refresh(registry, environ)
    prepare_get(cache, registry, entry, environ, now)
    _note_hit(registry, "cached token", environ)
    return entry


def raise_remembered(cache: Cache, registry: Registry, environ: "Mapping[str, str]") -> None:
    """Raise `RememberedFailure` if asking AWS failed some seconds ago."""
    from .turn import circumstances

    if line := cache.failure(registry, lambda: circumstances(environ), time.time()):
        from .errors import RememberedFailure

        raise RememberedFailure(line)


def _note_hit(registry: Registry, source: str, environ: "Mapping[str, str]") -> None:
    if environ.get("AWS_ECR_LOG_LEVEL", "").lower() == "debug":
        from .log import logger

        logger(environ).debug("%s: answered with the %s", registry.host, source)


def _directories(environ: "Mapping[str, str]") -> list[str]:
    """Return the cache directories that can hold something, the default one first."""
    default = token_cache.default_directory(environ)
    writable = token_cache.writable_directory(environ)
    return [default] if writable in (None, default) else [default, writable]
