"""`get`, `store` and `erase` of the protocol: from the content of stdin to an answer.

An answer is what goes to stdout, a remark for stderr or "", and the exit code. Nothing here
writes to a stream. ``frame`` is all of stdin. Unless its docstring says otherwise, an action
raises a `HelperError` that says why there is no answer.
"""

import time

from . import process, protocol
from . import registry as registry_names
from .cache import storage
from .cache.recall import REFRESH_PAUSE, claim_refresh, recall, stored_login
from .cache.tokens import MAX_TOKEN_LIFETIME, Cache, open_cache
from .request import Request, unconfigured
from .resolve import resolve

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .cache.tokens import Entry


def get(frame: bytes, environ: "Mapping[str, str]") -> tuple[str, str, int]:
    """Answer with the credentials for a registry.

    A failure is an answer, too: by default "not found", after which the caller tries what it has
    otherwise, and the remark says why. Raises `BadInput`.
    """
    url = protocol.server_url(frame)
    request = None
    try:
        request = resolve(url, environ)
        if request.fallback and not request.is_anonymous:
            return _pass_on(request, "get", frame)
        if request.registry is None or request.is_anonymous:
            answer = f"{protocol.CREDENTIALS_NOT_FOUND}\n"
            _keep_answer(request, environ, frame, answer)
            return answer, "", 1
        entry = token(request)
        answer = protocol.get_answer(url, entry.secret)
        _keep_answer(request, environ, frame, answer, entry)
        return answer, "", 0
    except Exception as error:
        return _failure(request or unconfigured(url, environ), url, error)


def _failure(request: Request, url: str, error: Exception) -> tuple[str, str, int]:
    """Answer that there are no credentials, and say why."""
    line = remark_on(error, request, url)
    is_strict = not _is_public(request) and request.is_set("AWS_ECR_STRICT")
    return f"{line if is_strict else protocol.CREDENTIALS_NOT_FOUND}\n", line, 1


def remark_on(error: Exception, request: Request, url: str) -> str:
    """Return the line that says why there are no credentials for ``url``; it is logged."""
    from .log import failure_line
    from .redaction import one_line

    subject = request.host if request.registry else one_line(url)
    line = f"{subject}: {failure_line(error, subject, request.environ)}"
    return line + protocol.PUBLIC_GOES_ON if _is_public(request) else line


def _is_public(request: Request) -> bool:
    """Say whether the registry is ECR Public, which also allows pulls without credentials."""
    return request.registry is not None and request.registry.is_public


def _pass_on(request: Request, action: str, frame: bytes) -> tuple[str, str, int]:
    """Let another helper answer."""
    from .deadline import answer_timeout
    from .fallback import ask

    answer, status = ask(request.fallback, action, frame, answer_timeout(request))
    return answer, "", status


def token(request: Request) -> "Entry":
    """Return the token for a registry of ECR.

    The order: a token that ``docker login`` stored, the cached token, AWS.
    Raises `HelperError`.
    """
    started = time.monotonic()
    cache = open_cache(request)
    now = time.time()
    found = recall(cache, request, now) if cache else None
    if cache is None or found is None:
        from .fetch import fetch

        return fetch(request, started)
    entry, kind = found
    if not entry.young(now) and claim_refresh(cache, request, now):
        if request.web_identity:
            _refresh_now(request)
            entry = cache.token(request) or entry
        else:
            _start_refresh(request)
    if request.logs_answers:
        from .log import logger

        logger(request.environ).debug("%s: answered with the %s", request.host, kind)
    return entry


def _start_refresh(request: Request) -> None:
    """Replace a token in the background."""
    from .background import start_process, start_thread

    if process.is_ours:
        start_process(request)
    else:
        from .fetch import refresh

        start_thread(request, refresh)


def _refresh_now(request: Request) -> None:
    """Replace a token, if possible, with the help of a caller's token that is not there later."""
    from .fetch import refresh

    try:
        refresh(request)
    except Exception as error:  # the old one is still valid
        from .log import failure_line

        failure_line(error, request.host, request.environ)


def good_until(entry: "Entry", now: int) -> int:
    """Return until when an answer with a token can be repeated (epoch seconds).

    That is until the token is due for a refresh, so that a newer one is answered soon.
    """
    # When the refresh of an older one, which was started just now, may be started again.
    due = entry.refresh_at if entry.young(now) else now + REFRESH_PAUSE
    return min(due, entry.usable_between[1])


def _keep_answer(
    request: Request,
    environ: "Mapping[str, str]",
    frame: bytes,
    line: str,
    entry: "Entry | None" = None,
) -> None:
    """Let the launcher answer ``line`` to the same question: ``frame`` on stdin, in ``environ``.

    ``entry`` is the token in it; without one, the line says that there are no credentials.
    """
    cache = open_cache(request)
    if cache is None or request.logs_answers:
        return
    from .cache.records import keep_record, login_elsewhere

    now = int(time.time())
    if entry is None:
        times = (0, now + MAX_TOKEN_LIFETIME)
        names = (registry_names.__file__,)  # another version may know more of them
        keep_record(cache, environ, frame, line, status=1, times=times, sources=names)
        return

    def still_holds() -> bool:
        found = stored_login(cache, request, now) or cache.token(request)
        return found is not None and found.secret == entry.secret

    keep_record(
        cache,
        environ,
        frame,
        line,
        status=0,
        times=(entry.usable_between[0], good_until(entry, now)),
        sources=(cache.login_path(request.host), cache.token_path(request)),
        # Else the answer would also depend on whether the cache can be written.
        absent=(login_elsewhere(cache, request.host, environ),),
        still_holds=still_holds,
    )


def store(frame: bytes, environ: "Mapping[str, str]") -> tuple[str, str, int]:
    """Keep the token that ``docker login`` gives for its registry.

    Raises `HelperError` if the registry is not ECR, the user name not AWS, or the token expired.
    """
    url, username, secret = protocol.credentials(frame)
    request = resolve(url, environ)
    if request.fallback:
        return _pass_on(request, "store", frame)
    if _ignores_storage(request):
        return "", "", 0
    from .errors import BadConfiguration
    from .password import stored_entry

    entry = stored_entry(request, url, username, secret, time.time())
    if storage.is_disabled(request.environ):
        remark = "the cache is disabled by AWS_ECR_DISABLE_CACHE: the login is not kept"
        return "", remark, 0
    directory = storage.writable_directory(request.environ)
    if directory is None:
        reason = storage.complaint(request.environ, None)
        raise BadConfiguration(f"the login cannot be kept: {reason}")
    cache = Cache(directory, request.identity)
    own = cache.token(request)
    if own and own.secret == secret:
        # `docker login` without a password stores what it was just answered. As a login
        # it would outlive a change of the profile, and hide it.
        return "", "", 0
    if request.access:
        raise BadConfiguration(
            f"{request.host}: {request.settings.config_file} restricts access to {request.access}, "
            "which a login might exceed",
            "leave out docker login: docker gets restricted tokens by itself",
        )
    try:
        cache.store_login(request, entry)
    except OSError as error:
        raise BadConfiguration(f"the login cannot be kept: {error}") from None
    if request.is_anonymous:
        remark = f"{request.host} is configured for use without credentials: the login is not used"
        return "", remark, 0
    return "", storage.complaint(request.environ, directory), 0


def erase(frame: bytes, environ: "Mapping[str, str]") -> tuple[str, str, int]:
    """Forget the login and the cached tokens of a registry."""
    request = resolve(protocol.server_url(frame), environ)
    if request.fallback:
        return _pass_on(request, "erase", frame)
    if request.registry and not _ignores_storage(request):
        forget(request, environ)
    return "", "", 0


def _ignores_storage(request: Request) -> bool:
    """Say whether ``docker login`` and ``docker logout`` are to do nothing."""
    return request.is_set("AWS_ECR_IGNORE_CREDS_STORAGE")


def forget(request: Request | None, environ: "Mapping[str, str]") -> tuple[int, int]:
    """Forget the login and the cached tokens of a registry of ECR, or of all if it is None.

    Returns how many logins and tokens there were. Raises `HelperError` if something cannot be
    removed; everything else is removed then.
    """
    from .cache import removal

    logins = tokens = 0
    failure = None
    for directory in storage.directories(environ):
        try:
            erased = removal.erase(directory, request)
        except OSError as error:
            failure = error
        else:
            logins, tokens = logins + erased[0], tokens + erased[1]
    if failure:
        from .errors import BadConfiguration

        raise BadConfiguration(f"the login cannot be removed: {failure}")
    return logins, tokens
