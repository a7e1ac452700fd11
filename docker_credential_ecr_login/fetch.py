"""A token that is not in the cache: one call to AWS for any number of callers."""

import time

from .cache import storage
from .cache.recall import FAILURE_MEMORY, recall, remember_failure
from .cache.tokens import Cache
from .deadline import Deadline, answer_timeout
from .identity import configured_identity
from .process import complete_python
from .registry import identify
from .request import NO_SETTINGS, Request
from .turn import Turn

TYPE_CHECKING = False  # of typing, whose import would cost more than what waiters do
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .aws.client import AuthorizationToken
    from .cache.tokens import Entry


def fetch(
    request: Request, started: float, limit: float = float("inf"), *, may_ask: bool = True
) -> "Entry":
    """Return a token, from AWS unless another process was faster.

    The time limit counts from ``started`` on (of `time.monotonic`), and is at most ``limit``
    (seconds). A person is asked for an MFA code only if this ``may_ask``. Raises `HelperError`.
    """
    deadline = Deadline(min(limit, answer_timeout(request)), started)
    cache = _writable_cache(request)
    with Turn(cache, request, deadline) as turn:

        def recalled() -> "Entry | None":
            found = recall(cache, request, time.time()) if cache else None
            if found and request.logs_answers:
                from .log import logger

                logger(request.environ).debug("%s: answered with the %s", request.host, found[1])
            return found[0] if found else None

        if entry := turn.wait(recalled):
            return entry
        entry = _ask(turn, may_ask=may_ask).entry
        if cache:
            _keep(cache, request, entry)
        return entry


def refresh(request: Request) -> None:
    """Replace a token that is past its refresh time. Raises `HelperError`."""
    cache = _writable_cache(request)
    if cache is None:
        return

    def is_done() -> bool | None:
        old = cache.token(request)
        # It was erased, or another process was faster.
        return old is None or old.young(time.time()) or None

    with Turn(cache, request, Deadline(answer_timeout(request))) as turn:
        if turn.wait(is_done):
            return
        entry = _ask(turn, may_ask=False).entry
        if cache.token(request) is not None:  # unless `docker logout` has removed it meanwhile
            _keep(cache, request, entry)


def fetch_all(
    general: Request,
    requests: "Sequence[Request]",
    resolve: "Callable[[str], Request | None]",
    timeout: float,
    *,
    with_own: bool,
) -> "tuple[set[str], list[tuple[Request, Exception]]]":
    """Return the hosts for which there is a token now, and what failed for others.

    All ``requests`` are made at once, within ``timeout`` (seconds), without asking a person. With
    ``with_own``, the caller's own registry in the configured region is added. If no region is
    configured, ECR Public is left out: there may be no AWS account. ``general`` is a request for
    no registry; ``resolve`` returns the request for a name, None if no token is the answer.
    """
    complete_python()
    from concurrent.futures import ThreadPoolExecutor

    started = time.monotonic()
    deadline = Deadline(min(timeout, answer_timeout(general)), started)
    found: set[str] = set()
    failures: list[tuple[Request, Exception]] = []
    own = None
    if with_own:
        try:
            own = _own_request(general, None, deadline)
        except Exception as error:
            failures.append((general, error))
    if (
        not own or own.ecr.partition != "aws"
    ):  # ECR Public does not know principals of other partitions
        requests = [each for each in requests if each.signer or not each.ecr.is_public]

    def ask(request: Request) -> None:
        same = [each for each in requests if each.scope == request.scope]
        try:
            hosts: set[str] = set()
            if request is own:
                hosts = _fetch_default(request, resolve, Deadline(deadline.seconds, started))
            if same and not hosts:
                fetch(same[0], started, deadline.seconds, may_ask=False)
            found.update(hosts, (each.host for each in same))
        except Exception as error:
            failures.append((request, error))

    each_scope = {each.scope: each for each in (*requests, *([own] if own else []))}
    try:
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(ask, each_scope.values()))
    except RuntimeError as error:  # no further thread can be started
        failures += [(request, error) for request in each_scope.values()]
    return found, failures


def _fetch_default(
    request: Request, resolve: "Callable[[str], Request | None]", deadline: Deadline
) -> set[str]:
    """Return the hosts that the token of the caller's own registry opens, as far as is known."""
    cache = _writable_cache(request)
    with Turn(cache, request, deadline) as turn:

        def answerable() -> set[str] | None:
            known = filter(None, map(resolve, cache.hosts() if cache else ()))
            same = [each for each in known if each.scope == request.scope]
            return cache.answerable(same, time.time()) or None if cache else None

        found = turn.wait(answerable)
        if found is None:
            own = _fetch_own(turn, resolve, may_ask=False)
            found = {own[0].host} if own else set()
        return found


def fetch_own(
    general: Request, resolve: "Callable[[str], Request | None]", region: str
) -> "tuple[Request, Entry] | None":
    """Fetch the token of the caller's own registry in ``region``; return its request, too.

    None if the config file names other credentials for that one. ``general`` and ``resolve`` are
    as for `fetch_all`. Raises `HelperError`.
    """
    deadline = Deadline(answer_timeout(general))
    request = _own_request(general, region, deadline)
    if request is None:
        return None
    with Turn(_writable_cache(request), request, deadline) as turn:
        turn.wait(lambda: None)
        return _fetch_own(turn, resolve, may_ask=True)


def _own_request(general: Request, region: str | None, deadline: Deadline) -> Request | None:
    """Return the request for the caller's own registry, whose account and host are not known.

    No settings of a registry apply to it. None if no region is configured.
    """
    complete_python()
    from .aws.session import default_registry
    from .aws.worker import Worker

    registry = Worker(deadline).run(lambda: default_registry(general.environ, region))
    return (
        Request("", registry, NO_SETTINGS, general.environ, general.identity) if registry else None
    )


def _fetch_own(
    turn: Turn, resolve: "Callable[[str], Request | None]", *, may_ask: bool
) -> "tuple[Request, Entry] | None":
    """Return the request for the caller's own registry, and its token, which is fetched now."""
    token = _ask(turn, may_ask=may_ask)
    registry, host = identify(token.proxy_host)
    own = resolve(host) if registry else None
    if own is None or own.scope != turn.request.scope:
        return None  # the config file names other credentials for that one
    if turn.cache:
        _keep(turn.cache, own, token.entry)
    return own, token.entry


def _ask(turn: Turn, *, may_ask: bool) -> "AuthorizationToken":
    """Ask AWS, and if this ``may_ask``, a person for an MFA code. Raises `HelperError`."""
    complete_python()
    from .aws.worker import Worker
    from .errors import HelperError, MfaCodeNeeded, MfaCodeRefused
    from .log import logger

    request, worker = turn.request, Worker(turn.deadline)

    def ask() -> "AuthorizationToken":
        from .aws.client import get_authorization_token

        return get_authorization_token(request, worker, turn, may_ask=may_ask)

    started = time.monotonic()
    try:
        token = worker.run(ask)
    except HelperError as error:
        if turn.cache is None or (isinstance(error, MfaCodeNeeded) and not may_ask):
            raise  # the next caller may be allowed to ask for a code
        # A mistyped code can be typed again at once; only those who already wait get the failure.
        memory = 0 if isinstance(error, MfaCodeRefused) else FAILURE_MEMORY
        try:
            remember_failure(turn.cache, request, str(error), time.time() + memory)
        except OSError:
            pass
        raise
    logger(request.environ).info(
        "%s: a new token from AWS in %.0f ms, credentials from %s, expires in %.0f s",
        request.host or request.scope,
        (time.monotonic() - started) * 1000,
        token.credential_source,
        token.entry.expires_at - time.time(),
    )
    return token


def _writable_cache(request: Request) -> Cache | None:
    if storage.is_disabled(request.environ):
        return None
    directory = storage.writable_directory(request.environ)
    return Cache(directory, request.identity) if directory else None


def _keep(cache: Cache, request: Request, entry: "Entry") -> None:
    if configured_identity(request.environ) != cache.identity:
        return  # the configuration changed while AWS was asked: whose token it is, is not known
    try:
        cache.store_token(request, entry)
        cache.store_settings(request.host, request.settings)
    except OSError as error:
        from .log import logger

        logger(request.environ).warning("%s: the token cannot be cached: %s", request.host, error)
    if complaint := storage.complaint(request.environ, cache.directory):
        from .log import logger

        logger(request.environ).warning("%s", complaint)
    from .cache.removal import sweep

    try:
        sweep(cache.directory, time.time())
    except OSError:
        pass
