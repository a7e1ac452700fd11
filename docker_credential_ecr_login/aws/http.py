"""Sends botocore's requests: by the right proxy, with the right certificates, for a whole answer.

botocore's own HTTP session accepts what arrived before a connection broke off as an answer, and
reads one without end until there is no memory left. It knows neither SOCKS nor docker's forms of
NO_PROXY, and loads the certificates for each client, which takes longer than a handshake.
"""

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from http.client import OK, HTTPException
from io import BytesIO
from typing import Any

import botocore
import urllib3.exceptions as http
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import create_urllib3_context, get_cert_path
from urllib3 import HTTPResponse, Timeout

from ..errors import HelperError, unusable_answer
from ..log import logger
from .proxies import pool_manager, proxy_for
from .wire import MAX_SIZE, roots_of_aws

# urllib3's exceptions -> botocore's; the first that matches applies.
_BOTOCORES: dict[type[Exception], type[Exception]] = {
    http.SSLError: SSLError,
    http.NewConnectionError: EndpointConnectionError,
    http.ProxyError: ProxyConnectionError,
    http.ConnectTimeoutError: ConnectTimeoutError,
    http.ReadTimeoutError: ReadTimeoutError,
    http.ProtocolError: ConnectionClosedError,
    OSError: SSLError,  # of a file of certificates
}
_PAGE = (b"<!doctype html", b"<html")

# Where systems keep all certificates that they trust.
_OF_SYSTEMS = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian and its derivatives
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL, Fedora, Amazon Linux
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)


def ca_bundle(environ: Mapping[str, str], profile: Mapping[str, Any]) -> tuple[str, str]:
    """Return the file of the certificates to trust, and what names it; "" twice for the default.

    ``profile`` holds the settings of the profile. As in botocore, but an empty name counts as none.
    """
    names = ("AWS_CA_BUNDLE", "ca_bundle", "REQUESTS_CA_BUNDLE")
    for name in names:
        path = str((profile if name == "ca_bundle" else environ).get(name, "")).strip()
        if path:
            return path, name
    return "", ""


class _Trust:
    """The certificates to trust, shared by all sessions with the same ``bundle``.

    Loading all of botocore's takes 15 ms, and AWS needs five of them: those come first, then the
    others if they do not suffice, and finally the system's, as in docker. A bundle that somebody
    chose is trusted alone. ``more`` loads, one after the other, what is not trusted yet. Raises
    OSError.
    """

    def __init__(self, bundle: str) -> None:
        self.context: ssl.SSLContext = create_urllib3_context()
        path = bundle or str(get_cert_path(True))
        self.more: list[Callable[[], None]] = [
            partial(self.context.load_verify_locations, path),
            *([] if bundle else [self._load_systems]),
        ]
        if roots := roots_of_aws(path):
            self.context.load_verify_locations(cadata=roots)
        else:
            self.more.pop(0)()

    def _load_systems(self) -> None:
        """Load the certificates that the system trusts, or those that SSL_CERT_FILE names.

        OpenSSL only looks for them where they are on the system that it was built for. The
        OpenSSL of the standalone build was built for another one.
        """
        self.context.load_default_certs()
        for path in () if "SSL_CERT_FILE" in os.environ else _OF_SYSTEMS:
            with suppress(OSError):
                self.context.load_verify_locations(path)
                break


_trust = cache(_Trust)


def _is_about_trust(error: BaseException) -> bool:
    """Say whether a certificate, of a server or a proxy, is the cause of an error of urllib3."""
    return isinstance(error, ssl.SSLCertVerificationError) or any(
        _is_about_trust(each) for each in error.args if isinstance(each, BaseException)
    )


class HttpSession:
    """Sends requests of botocore's, in place of its `URLLib3Session`.

    ``bundle`` is the file of the certificates to trust, "" for the default: botocore's, and if
    these do not suffice, the system's. ``timeout`` is in seconds, to connect and between two bytes
    of an answer. ``proxy`` is the one that the last request went through, None if it used none;
    ``status`` is that of the last answer, None if there was none.
    """

    def __init__(self, bundle: str, timeout: tuple[float, float]) -> None:
        self.proxy: str | None = None
        self.status: int | None = None
        self._bundle = bundle
        self._timeout = Timeout(connect=timeout[0], read=timeout[1])
        self._managers: dict[str | None, Any] = {}

    def send(self, request: Any) -> AWSResponse:
        """Return the whole answer.

        Raises what botocore's session raises, for botocore to try again or not, `UnusableAnswer`
        for an answer that is too large or a web page, and `BadConfiguration` for a proxy that
        cannot be used.
        """
        self.proxy = proxy_for(request.url)
        try:
            raw = self._send(request)
        except HelperError:
            raise
        except Exception as error:
            raise self._as_botocores(error, request) from error
        self.status = raw.status
        return _whole_answer(raw, request)

    def _as_botocores(self, error: Exception, request: Any) -> Exception:
        kinds = (kind for cause, kind in _BOTOCORES.items() if isinstance(error, cause))
        kind: Any = next(kinds, HTTPClientError)
        explained: Exception = kind(
            error=error, request=request, endpoint_url=request.url, proxy_url=self.proxy
        )
        return explained

    def _send(self, request: Any) -> Any:
        """Return the answer, its body unread. Raises what urllib3 raises, and OSError."""
        trust = _trust(self._bundle)
        manager = self._managers.get(self.proxy)
        if manager is None:
            manager = pool_manager(self.proxy, trust.context, self._timeout)
            self._managers[self.proxy] = manager
        while True:
            more = trust.more[:]
            try:
                return manager.urlopen(
                    request.method,
                    request.url,
                    body=request.body,
                    headers=request.headers,
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                    enforce_content_length=False,  # `_Body` does
                )
            except http.HTTPError as error:
                if not more or not _is_about_trust(error):
                    raise
                more[0]()
                trust.more = more[1:]

    def close(self) -> None:
        """End all connections."""
        for manager in self._managers.values():
            manager.clear()


def replace_session(
    environ: Mapping[str, str], session: HttpSession, owner: Any, *path: str
) -> None:
    """Put a ``session`` in place of botocore's, at the ``path`` of attributes of ``owner``.

    They are private: if a later release does not have them, botocore uses its own session, and
    the log says so.
    """
    *way, last = path
    try:
        for name in way:
            owner = getattr(owner, name)
        getattr(owner, last)
    except AttributeError:
        logger(environ).warning(
            "botocore %s has no %s: its own HTTP session asks AWS, without a limit on answers",
            botocore.__version__,
            ".".join(path),
        )
    else:
        setattr(owner, last, session)


def received(result: tuple[int, dict[str, str], bytes] | Exception, request: Any) -> AWSResponse:
    """Return or raise, as `HttpSession.send` does, the result of a request sent earlier."""
    if isinstance(result, Exception):
        kind = ReadTimeoutError if isinstance(result, TimeoutError) else ConnectionClosedError
        raise kind(error=result, request=request, endpoint_url=request.url) from result
    status, headers, body = result
    return _whole_answer(
        HTTPResponse(BytesIO(body), headers, status, preload_content=False, decode_content=False),
        request,
    )


def _whole_answer(raw: Any, request: Any) -> AWSResponse:
    """Return the answer that urllib3 gives as ``raw``, its body read and looked at."""
    answer = AWSResponse(request.url, raw.status, raw.headers, _Body(raw))
    try:
        content = answer.content  # reads it
    except HelperError:
        raise
    except Exception as error:  # as in botocore
        raise ConnectionClosedError(
            error=error, request=request, endpoint_url=request.url
        ) from error
    # From a captive portal, or a proxy that wants somebody to sign in.
    if raw.status == OK and content.lstrip()[:14].lower().startswith(_PAGE):
        raise unusable_answer("it is a web page")
    return answer


class _Body:
    """The body of an answer, which urllib3 gives as ``raw``."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def stream(self) -> Iterator[bytes]:
        """Yield its parts. Raises what is said at `HttpSession.send`."""
        size = 0
        for part in self._raw.stream():
            size += len(part)
            if size > MAX_SIZE:
                self._raw.close()
                raise unusable_answer(f"it is larger than {MAX_SIZE // 1024**2} MiB")
            yield part
        if self._raw.length_remaining:
            raise HTTPException("the answer broke off")
