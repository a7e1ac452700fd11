"""The four actions: answer from the cache, else hand over to `aws`.

Nothing here writes to a stream: each action returns its answer, or raises a
`HelperError` that says why there is none.
"""

import sys
import time

from . import cache as token_cache
from . import protocol
from . import registry as registry_names
from .cache import Cache, Entry
from .identity import config_file, configured_identity
from .registry import Registry, canonical_name, configured, parse

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Resolve = Callable[[str], Registry | None]

process_is_ours = False
"""Whether the process does nothing but answer; `__main__` says so. Else it is that of a Python
program, whose warnings, garbage and children are its own business."""

# The settings of the config file that are defaults of environment variables.
_GENERAL = {
    "log_level": "AWS_ECR_LOG_LEVEL",
    "strict": "AWS_ECR_STRICT",
    "timeout": "AWS_ECR_TIMEOUT",
}

LIST_TIMEOUT = 3
"""Seconds that ``list`` may take: docker-py and classic builds wait for it each time."""


class Question:
    """A registry that a client asks about, and what the configuration says of it.

    ``name`` is its canonical name, if there is a config file. ``registry`` is None if it is not
    of ECR; ``fallback`` is the helper to ask then, if there is one. ``anonymous`` is whether the
    config file wants no credentials for it, ECR or not. ``environ`` has the general
    settings of the config file where it has none of its own. ``identity`` is the configured one
    from before that file was read: what follows from its content is kept under no other, even
    if it is changed meanwhile.
    """

    __slots__ = ("anonymous", "environ", "fallback", "identity", "name", "registry")

    def __init__(
        self,
        name: str | None,
        registry: Registry | None,
        environ: "Mapping[str, str]",
        identity: str,
        fallback: str | None = None,
        *,
        anonymous: bool = False,
    ) -> None:
        self.name = name
        self.registry = registry
        self.environ = environ
        self.identity = identity
        self.fallback = fallback
        self.anonymous = anonymous


def resolve(url: str, environ: "Mapping[str, str]") -> Question:
    """Return which registry a client means by ``url``, under the config file if there is one.

    The file is read for a name that was not asked for since it was changed. Raises
    `BadConfiguration` if that cannot be done.
    """
    identity = configured_identity(environ)
    path = config_file(environ)
    if path is None:
        return Question(None, parse(url), environ, identity)
    name, cache, settings = canonical_name(url), None, None
    if name and not token_cache.is_disabled(environ):
        cache = Cache(token_cache.default_directory(environ), identity)
        settings = cache.settings(name)
    if settings is None:
        from .config import load

        settings = load(path).settings(name or "")
        if cache and name:
            _note(cache, name, settings)
    registry = configured(name, settings) if name else None
    fallback = None if registry else settings.get("fallback")
    return Question(
        name,
        registry,
        with_defaults(environ, settings),
        identity,
        fallback,
        anonymous="anonymous" in settings,
    )


def with_defaults(
    environ: "Mapping[str, str]", settings: "Mapping[str, str]"
) -> "Mapping[str, str]":
    """Return ``environ`` with what the config file says in general, where it says nothing."""
    names = [name for name in _GENERAL if name in settings and not environ.get(_GENERAL[name])]
    return {**environ, **{_GENERAL[name]: settings[name] for name in names}}


def token(registry: Registry, environ: "Mapping[str, str]", identity: str) -> Entry:
    """Return the token for ``registry`` under the configured ``identity``.

    The order: a token that ``docker login`` stored, the cached token, AWS.
    Raises `HelperError`.
    """
    started = time.monotonic()
    if token_cache.is_disabled(environ):
        return _fetch(registry, environ, identity, started)
    cache = Cache(token_cache.default_directory(environ), identity)
    return cached(cache, registry, environ) or _wait(cache, registry, environ, started)


def keep_answer(
    question: Question,
    environ: "Mapping[str, str]",
    frame: bytes,
    line: str,
    entry: Entry | None = None,
) -> None:
    """Let the launcher answer ``line`` to who asks the same: ``frame`` on stdin, in ``environ``.

    ``entry`` is the token that is in it; without one, it says that there are no credentials.
    """
    if token_cache.is_disabled(environ) or _is_debug(question.environ):
        return  # at level debug, each answer is to be logged
    from .records import keep_record

    cache = Cache(token_cache.default_directory(environ), question.identity)
    registry, now = question.registry, int(time.time())
    if entry is None or registry is None:
        times = (0, now + token_cache.MAX_TOKEN_LIFETIME)
        names = (registry_names.__file__,)  # another version may know more of them
        keep_record(cache, environ, frame, line, status=1, times=times, sources=names)
        return

    def still_holds() -> bool:
        found = _login(cache, registry, environ, now) or cache.token(registry)
        return found is not None and found.secret == entry.secret

    # When the refresh of an older one, which was started just now, may be started again.
    due = entry.refresh_at if entry.young(now) else now + token_cache.REFRESH_PAUSE
    since, until = entry.usable_between
    keep_record(
        cache,
        environ,
        frame,
        line,
        status=0,
        times=(since, min(due, until)),
        sources=(cache.login_path(registry.host), cache.token_path(registry)),
        # Else the answer would also depend on whether the cache can be written.
        absent=(cache.login_elsewhere(registry.host, environ),),
        still_holds=still_holds,
    )


def _wait(cache: Cache, registry: Registry, environ: "Mapping[str, str]", started: float) -> Entry:
    """Return the token that another process gets, or when it is our turn, get it."""
    from .turn import Turn, answer_timeout

    def look() -> Entry | None:
        entry = cached(cache, registry, environ)
        if entry is None:
            raise_remembered(cache, registry, environ, since)
        return entry

    since = time.time()
    deadline = started + answer_timeout(environ)
    if not token_cache.is_writable(cache.directory):
        return _fetch(registry, environ, cache.identity, started)

    def is_prompting() -> bool:
        return cache.is_prompting(registry)

    with Turn(cache.turn_path(registry)) as turn:
        entry = turn.wait(deadline, look, is_prompting)
        return entry or _fetch(registry, environ, cache.identity, started + turn.paused)


def _fetch(
    registry: Registry, environ: "Mapping[str, str]", identity: str, started: float
) -> Entry:
    complete_python()
    from .aws.fetch import fetch

    return fetch(registry, environ, identity, started)


def store(question: Question, frame: bytes) -> str:
    """Keep the token that ``docker login`` gives in ``frame`` for its registry.

    Returns a warning for the user, or the empty string. Raises `HelperError` if
    the registry is not ECR, the user name is not AWS, or the token has expired.
    """
    url, username, secret = protocol.credentials(frame)
    registry, environ = question.registry, question.environ
    if ignores_storage(environ):
        return ""
    from .login import not_ecr, stored_entry

    if registry is None:
        raise not_ecr(url)
    entry = stored_entry(registry, username, secret, time.time())
    if token_cache.is_disabled(environ):
        return "the cache is disabled by AWS_ECR_DISABLE_CACHE: the login is not kept"
    from .errors import BadConfiguration

    directory = token_cache.writable_directory(environ)
    if directory is None:
        raise BadConfiguration(
            "no cache directory can be written, so the login cannot be kept",
            "set AWS_ECR_CACHE_DIR to a directory of yours",
        )
    cache = Cache(directory, question.identity)
    own = cache.token(registry)
    if own and own.secret == secret:
        # `docker login` without a password stores what it was just answered. As a login
        # it would outlive a change of the profile, and hide it.
        return ""
    try:
        cache.store_login(registry, entry)
    except OSError as error:
        raise BadConfiguration(f"the login cannot be kept: {error}") from None
    if is_anonymous(registry, environ):
        return f"{registry.host} is used without credentials here: the login is not"
    return ""


def erase(registry: Registry | None, environ: "Mapping[str, str]") -> tuple[int, int]:
    """Forget the login and the cached tokens of ``registry``, or of all if it is None.

    Returns how many logins and tokens there were. Raises `HelperError` if there is something
    that cannot be removed; the rest is gone then.
    """
    logins = tokens = 0
    failure = None
    for directory in token_cache.directories(environ):
        try:
            erased = Cache(directory, "").erase(registry)
        except OSError as error:
            failure = error
        else:
            logins, tokens = logins + erased[0], tokens + erased[1]
    if failure:
        from .errors import BadConfiguration

        raise BadConfiguration(f"the login cannot be removed: {failure}")
    return logins, tokens


def list_answer(environ: "Mapping[str, str]") -> str:
    """Return the line that answers ``list``: what ``get`` would answer without asking AWS.

    And what the fallback helper lists, if there is one; then AWS is asked only in what that
    leaves of the time. Raises `HelperError`.
    """
    started = time.monotonic()
    identity = configured_identity(environ)
    path = config_file(environ)
    if path is None:
        return protocol.list_answer(_list_hosts(environ, identity, parse))
    from .config import load

    config = load(path)
    environ = with_defaults(environ, config.general)

    def resolve_host(host: str) -> Registry | None:
        return configured(host, config.settings(host))

    def is_for_fallback(url: str) -> bool:
        name = canonical_name(url)
        settings = config.settings(name or "")
        return not ((name and configured(name, settings)) or "anonymous" in settings)

    if fallback := config.general.get("fallback"):
        from .errors import HelperError
        from .fallback import list_registries
        from .log import logger

        found = list_registries(fallback, environ, LIST_TIMEOUT)
        others = {url: user for url, user in found.items() if is_for_fallback(url)}
        left = max(0.0, started + LIST_TIMEOUT - time.monotonic())
        try:
            own = _list_hosts(environ, identity, resolve_host, timeout=left)
        except HelperError as error:
            logger(environ).error("list: %s", error)
            own = []  # which is no reason to leave out the others
        return protocol.merged_list_answer(others, own)
    return protocol.list_answer(_list_hosts(environ, identity, resolve_host))


def _list_hosts(
    environ: "Mapping[str, str]",
    identity: str,
    resolve_host: "Resolve",
    *,
    timeout: float = LIST_TIMEOUT,
) -> list[str]:
    """Return the registries that ``get`` would answer without asking AWS.

    Where there is none and a region is configured, the default registry's token is fetched
    first, within ``timeout`` (seconds).
    """

    def listed(host: str) -> Registry | None:
        registry = resolve_host(host)
        return None if registry is None or is_anonymous(registry, environ) else registry

    now = time.time()
    if not token_cache.is_disabled(environ):
        for directory in token_cache.directories(environ):
            cache = Cache(directory, identity)
            if hosts := cache.hosts(listed, now):
                return hosts
            if token_cache.is_writable(directory):
                break  # no other is in use
    complete_python()
    from .aws.fetch import fetch_default

    return fetch_default(environ, identity, listed, timeout)


def refresh(registry: Registry, environ: "Mapping[str, str]", identity: str) -> None:
    """Replace a token that is past its refresh time; runs in a process of its own.

    Raises `HelperError`.
    """
    complete_python()
    from .aws.fetch import refresh as refresh_from_aws

    refresh_from_aws(registry, environ, identity)


def own_host(environ: "Mapping[str, str]", region: str) -> str | None:
    """Fetch the token of the caller's own registry in ``region``, and return its host.

    None if the config file wants others to ask for that one. Raises `HelperError`.
    """
    from .aws.fetch import fetch_own

    def resolve_host(host: str) -> Registry | None:
        return resolve(host, environ).registry

    return fetch_own(environ, configured_identity(environ), resolve_host, region)


def is_anonymous(registry: Registry, environ: "Mapping[str, str]") -> bool:
    """Say whether ``registry`` is to be pulled from without credentials."""
    is_public = registry.registry_id is None
    return registry.is_anonymous or (is_public and is_true(environ, "AWS_ECR_PUBLIC_ANONYMOUS"))


def ignores_storage(environ: "Mapping[str, str]") -> bool:
    """Say whether ``docker login`` and ``docker logout`` are to do nothing."""
    return is_true(environ, "AWS_ECR_IGNORE_CREDS_STORAGE")


def is_true(environ: "Mapping[str, str]", name: str) -> bool:
    """Say whether a variable is set to one of 1, t, true, y, yes, on, in any case."""
    return environ.get(name, "").lower() in ("1", "t", "true", "y", "yes", "on")


def complete_python() -> None:
    """Give a Python that was started with -S all its site directories.

    The launcher leaves them out because a cached answer needs none. From here
    on other people's code runs, whose warnings must not reach the client, and
    which makes so much that stays that looking for garbage would only take time.
    """
    if not process_is_ours:
        return
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
    if login := _login(cache, registry, environ, now):
        _note_hit(registry, "stored login", environ)
        return login
    entry = cache.token(registry)
    if entry is None or not entry.usable(now):
        return None
    if cache.settings(registry.host) is None:
        _note(cache, registry.host, registry.settings)
    if not entry.young(now) and cache.claim_refresh(registry, now):
        from .background import start_refresh, start_refresh_in_thread

        if process_is_ours:
            start_refresh(registry, environ)
        else:
            start_refresh_in_thread(registry, environ, cache.identity)
    _note_hit(registry, "cached token", environ)
    return entry


def _login(
    cache: Cache, registry: Registry, environ: "Mapping[str, str]", now: float
) -> Entry | None:
    """Return what ``docker login`` stored, if it is usable at ``now`` (epoch seconds)."""
    login = cache.login(registry)
    if login is None and not token_cache.is_writable(cache.directory):
        # Then `store` puts it elsewhere.
        directories = token_cache.directories(environ)
        found = (Cache(each, cache.identity).login(registry) for each in directories)
        login = next((each for each in found if each), None)
    return login if login and login.usable(now) else None


def _note(cache: Cache, host: str, settings: "Mapping[str, str]") -> None:
    try:
        cache.store_settings(host, settings)
    except OSError:
        pass  # list will not show it, which is no reason to fail a pull


def raise_remembered(
    cache: Cache, registry: Registry, environ: "Mapping[str, str]", since: float
) -> None:
    """Raise `RememberedFailure` if asking AWS failed some seconds ago, or ``since`` then."""
    from .turn import circumstances

    if line := cache.failure(registry, lambda: circumstances(environ), since, time.time()):
        from .errors import RememberedFailure

        raise RememberedFailure(line)


def _note_hit(registry: Registry, source: str, environ: "Mapping[str, str]") -> None:
    if _is_debug(environ):
        from .log import logger

        logger(environ).debug("%s: answered with the %s", registry.host, source)


def _is_debug(environ: "Mapping[str, str]") -> bool:
    return environ.get("AWS_ECR_LOG_LEVEL", "").lower() == "debug"
