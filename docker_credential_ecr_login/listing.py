"""``list``: the registries for which ``get`` has an answer."""

import time

from . import protocol
from .cache import storage
from .cache.recall import claim_refresh
from .cache.tokens import Cache
from .identity import config_file, configured_identity
from .registry import PUBLIC_HOST
from .request import Request, unconfigured
from .resolve import under

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LIST_TIMEOUT = 3
"""Seconds that ``list`` may take: docker-py and classic builds wait for it each time."""

_MAX_FETCHES = 16  # by `list`, which is over in seconds


def list_all(environ: "Mapping[str, str]") -> tuple[str, str, int]:
    """Answer with the registries that ``get`` would answer without asking AWS.

    Those that the fallback helper lists are added, if there is one; AWS is then asked only in the
    time that is left. The remark says what is missing, and why.
    """
    started = time.monotonic()
    identity, path = configured_identity(environ), config_file(environ)
    if path is None:

        def asked(url: str) -> Request:
            return unconfigured(url, environ, identity)

        hosts, remark = _list_hosts(asked, (), LIST_TIMEOUT)
        return protocol.list_answer(hosts), remark, 0
    from .config import load

    config = load(path)

    def configured(url: str) -> Request:
        plain = unconfigured(url, environ, identity)
        return under(config.settings(plain.host), plain)

    general = configured("")
    if not general.fallback:
        hosts, remark = _list_hosts(configured, config.hosts, LIST_TIMEOUT)
        return protocol.list_answer(hosts), remark, 0
    from .fallback import list_registries

    found, failure = list_registries(general.fallback, general.environ, LIST_TIMEOUT)
    others = {url: user for url, user in found.items() if _is_for_fallback(configured(url))}
    left = max(0.0, started + LIST_TIMEOUT - time.monotonic())
    hosts, remark = _list_hosts(configured, config.hosts, left)
    return protocol.merged_list_answer(others, hosts), failure or remark, 0


def _is_for_fallback(request: Request) -> bool:
    return request.registry is None and not request.settings.anonymous


def _list_hosts(
    resolve: "Callable[[str], Request]", named: "Sequence[str]", timeout: float
) -> tuple[list[str], str]:
    """Return the registries that ``get`` would answer without asking AWS, and a remark or "".

    These are the registries that were used before, and those that the config file has ``named``.
    As long as there is none, ECR Public and the caller's own registry in the configured region are
    added, because some clients use only what is listed. Missing tokens are fetched first, within
    ``timeout`` (seconds); but once there is something to list, not those that are likely to be
    refused again.
    """

    def listed(host: str) -> Request | None:
        request = resolve(host)
        return None if request.registry is None or request.is_anonymous else request

    now, general, cache = time.time(), resolve(""), None
    names, found = dict.fromkeys(named), set[str]()
    if not storage.is_disabled(general.environ):
        for directory in storage.directories(general.environ):
            cache = Cache(directory, general.identity)
            names |= dict.fromkeys(sorted(cache.hosts()))
            found |= cache.answerable(filter(None, map(listed, names)), now)
            if storage.is_writable(directory):
                break  # no other is in use
    with_own = not found
    if with_own:
        names[PUBLIC_HOST] = None
    missing = [each for each in filter(None, map(listed, names)) if each.host not in found]
    scopes = {each.scope: each for each in missing}
    due = {
        scope
        for scope, each in list(scopes.items())[:_MAX_FETCHES]
        if with_own or cache is None or claim_refresh(cache, each, now)
    }
    wanted = [each for each in missing if each.scope in due]
    if not timeout or not (wanted or with_own):
        return sorted(found), ""
    from .fetch import fetch_all
    from .log import failure_line

    fetched, failures = fetch_all(general, wanted, listed, timeout, with_own=with_own)
    remarks = []
    for request, error in failures:
        name = f"list: {request.host or 'your own registry'}"
        line = failure_line(error, name, request.environ)
        if request.host != PUBLIC_HOST:  # which also allows pulls without credentials
            remarks.append(f"{name}: {line}")
    return sorted(found | fetched), next(iter(remarks), "")
