"""HTTP answers that are whole, and no larger than an answer of AWS can be, by the right way.

botocore takes what came before a connection broke off for an answer, and reads one that does not
end for as long as there is memory.
"""

import re
from collections.abc import Iterator, Mapping
from http.client import OK, HTTPException
from typing import Any

import botocore
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, SSLError

from ..errors import HelperError, UnusableAnswer
from ..log import logger
from .proxies import Proxies, proxy_for, socks_manager

MAX_SIZE = 1024 * 1024
"""Bytes of a body: the largest are some kilobytes, those of an error page perhaps some more."""

_PAGE = (b"<!doctype html", b"<html")


def ca_bundle(environ: Mapping[str, str], profile: Mapping[str, Any]) -> tuple[str, str]:
    """Return the file of the certificates to trust, and what names it; "" twice for those at hand.

    ``profile`` holds the settings of the profile. As in botocore, but that empty is unset.
    """
    names = ("AWS_CA_BUNDLE", "ca_bundle", "REQUESTS_CA_BUNDLE")
    for name in names:
        path = str((profile if name == "ca_bundle" else environ).get(name, "")).strip()
        if path:
            return path, name
    return "", ""


class CheckedSession:
    """Sends requests as the HTTP session of botocore's that it stands for.

    ``proxy`` is through which the last request went, None if through none; ``status`` is that of
    the last answer, None if there was none.
    """

    def __init__(self, session: Any) -> None:
        self.proxy: str | None = None
        self.status: int | None = None
        self._session = session
        # There is no public way to it.
        session._proxy_config = Proxies(proxies_settings=session._proxy_config.settings)  # noqa: SLF001

    def send(self, request: Any) -> AWSResponse:
        """Return the whole answer.

        Raises what botocore raises, and tries again, if it breaks off, `UnusableAnswer` if it is
        too large or a web page, and `BadConfiguration` if the proxy cannot be used.
        """
        self.proxy = proxy_for(request.url)
        managers = self._session._proxy_managers  # noqa: SLF001 - those that botocore cannot make
        if self.proxy and not re.match("https?:", self.proxy) and self.proxy not in managers:
            options = self._session._get_pool_manager_kwargs()  # noqa: SLF001 - likewise
            managers[self.proxy] = socks_manager(self.proxy, **options)
        request.stream_output = True  # or else it is read there
        try:
            answer = self._session.send(request)
        except SSLError:
            if self._session._verify is not True:  # noqa: SLF001 - somebody chose a bundle
                raise
            # The system's certificates count, too, as for docker: to load them takes its time.
            manager = self._session._get_connection_manager(request.url, self.proxy)  # noqa: SLF001
            manager.connection_pool_kw["ssl_context"].load_default_certs()
            answer = self._session.send(request)
        self.status = answer.status_code
        whole = AWSResponse(answer.url, answer.status_code, answer.headers, _Body(answer.raw))
        try:
            _ = whole.content  # which is read now, and kept
        except HelperError:
            raise
        except Exception as error:  # as botocore has it, too
            raise ConnectionClosedError(
                error=error, request=request, endpoint_url=request.url
            ) from error
        # As of a portal, or of a proxy that wants somebody to sign in.
        if whole.status_code == OK and whole.content.lstrip()[:14].lower().startswith(_PAGE):
            raise unusable_answer("it is a web page")
        return whole

    def close(self) -> None:
        """End all connections."""
        self._session.close()


def check_answers(environ: Mapping[str, str], owner: Any, *path: str) -> CheckedSession | None:
    """Have the HTTP session at the ``path`` of attributes of ``owner`` replaced by a checked one.

    They are botocore's own business: where a release to come has it elsewhere, answers are read
    as botocore reads them, and the log says so. Returns the new session, None if there is none.
    """
    *way, last = path
    try:
        for name in way:
            owner = getattr(owner, name)
        session = CheckedSession(getattr(owner, last))
    except AttributeError:
        logger(environ).warning(
            "botocore %s has no %s: answers of AWS are read whatever their size",
            botocore.__version__,
            ".".join(path),
        )
        return None
    setattr(owner, last, session)
    return session


class _Body:
    """The body of an answer, which urllib3 gives as ``raw``."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def stream(self) -> Iterator[bytes]:
        """Yield its parts. Raises what is said at `CheckedSession.send`."""
        size = 0
        for part in self._raw.stream():
            size += len(part)
            if size > MAX_SIZE:
                self._raw.close()
                raise unusable_answer(f"it is larger than {MAX_SIZE // 1024**2} MiB")
            yield part
        if self._raw.length_remaining:
            raise HTTPException("the answer broke off")


def unusable_answer(reason: str) -> UnusableAnswer:
    """Return what to say of an answer that is none of AWS, or not one to use."""
    return UnusableAnswer(
        f"AWS's answer makes no sense: {reason}",
        "check AWS_ENDPOINT_URL and the proxy settings, and try again",
    )
