"""What fails on the way to AWS and back: the network, TLS, proxies."""

import re
import socket
import ssl
from collections.abc import Iterator
from errno import ENETUNREACH
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from ..errors import BadConfiguration, EndpointUnreachable, HelperError, unusable_answer
from ..redaction import one_line
from .attempt import Attempt, Explanation
from .http import ca_bundle
from .proxies import way

_OUT_OF_DATE = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED of OpenSSL


def _tls_failed(error: Any, attempt: Attempt, server: str = "") -> HelperError:
    bundle, name = ca_bundle(attempt.environ, attempt.settings_of_profile)
    name = f"{name} of {attempt.named_profile}" if name == "ca_bundle" else name
    causes, endpoint, said = list(_causes(error)), server or _endpoint(error), _innermost(error)
    refusals = [cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)]
    if refusals:
        return EndpointUnreachable(
            f"the certificate of {endpoint} is not trusted: {said}",
            "check the clock of this machine; if it is right, the certificate must be renewed"
            if refusals[0].verify_code in _OUT_OF_DATE
            else f"add the CA of the proxy or endpoint to {name} ({bundle})"
            if bundle
            else "behind a proxy that inspects TLS, set AWS_CA_BUNDLE to its certificates",
        )
    if bundle and any(_is_about_bundle(cause) for cause in causes):
        return BadConfiguration(
            f"the certificates of {name} cannot be read: {bundle}: {said}",
            "correct the path or the file",
        )
    return EndpointUnreachable(  # a certificate of another host is among these
        f"TLS with {endpoint} failed: {said}",
        "check the endpoint, AWS_CA_BUNDLE and the proxy settings",
    )


def _is_about_bundle(cause: BaseException) -> bool:
    """Say whether a file of certificates could not be read, or holds none."""
    if isinstance(cause, ssl.SSLError):
        return "CERTIFICATE_OR_CRL" in (cause.reason or "")
    return isinstance(cause, OSError) and cause.errno is not None


def _proxy_unreachable(error: Any, attempt: Attempt) -> HelperError:
    proxy = one_line(str(error.kwargs.get("proxy_url")))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
        return _tls_failed(error, attempt, f"the proxy {proxy}")
    return EndpointUnreachable(
        f"the proxy {proxy} cannot be used: {_innermost(error)}", "check HTTPS_PROXY and NO_PROXY"
    )


def _endpoint_unreachable(error: Any, attempt: Attempt) -> HelperError:
    endpoint, causes = _endpoint(error), list(_causes(error))
    is_configured = any(name.startswith("AWS_ENDPOINT_URL") for name in attempt.environ)
    hint = f"check {'AWS_ENDPOINT_URL, ' if is_configured else ''}the network and HTTPS_PROXY"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return EndpointUnreachable(
            f"the name of {endpoint} cannot be resolved", f"{hint}, and the region in the host name"
        )
    if any(getattr(cause, "errno", None) == ENETUNREACH for cause in causes):
        hint += "; where there is only IPv6, set AWS_USE_DUALSTACK_ENDPOINT=true"
    return EndpointUnreachable(f"{endpoint} cannot be reached: {_innermost(error)}", hint)


def answer_unusable(error: Exception, _attempt: Attempt) -> HelperError:
    """Explain an answer that broke off, or that AWS did not give."""
    # Python's message about a wrong type would not help; it is in the log.
    said = str(error) if isinstance(error, boto.BotoCoreError | ResponseParserError) else ""
    return unusable_answer(one_line(said) or "it cannot be read")


def _endpoint(error: Any) -> str:
    """Return scheme and host of the endpoint in a botocore error, and the way there."""
    url = urlsplit(str(error.kwargs.get("endpoint_url", "")))
    if not url.netloc:
        return "AWS"
    endpoint = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
    return f"{endpoint}{way(endpoint)}"


def _causes(error: Any) -> Iterator[BaseException]:
    """Yield the chain of errors below a botocore error, which keeps the first as an argument."""
    cause: BaseException | None = error.kwargs.get("error")
    while isinstance(cause, BaseException):
        yield cause
        inner = (each for each in cause.args if isinstance(each, BaseException))  # of urllib3
        cause = cause.__cause__ or cause.__context__ or next(inner, None)


def _innermost(error: Any) -> str:
    """Return what the system, OpenSSL or HTTP said, at the bottom of a chain of errors."""
    text = str(error.kwargs.get("error") or error)
    for cause in _causes(error):
        if isinstance(cause, OSError) and (said := cause.strerror or str(cause)):
            text = said
        elif isinstance(cause, HTTPException):  # an answer that broke off
            text = str(cause)
    return one_line(re.sub(r"^\[\w+: \w+\] | \(_ssl\.c:\d+\)$", "", text))


# The first that matches applies: derived classes come before their bases.
EXPLANATIONS: tuple[Explanation, ...] = (
    (boto.SSLError, _tls_failed),
    (boto.ProxyConnectionError, _proxy_unreachable),
    (
        (
            ResponseParserError,
            boto.ResponseStreamingError,
            boto.IncompleteReadError,
            boto.ChecksumError,
        ),
        answer_unusable,
    ),
    ((boto.ConnectionError, boto.HTTPClientError), _endpoint_unreachable),
)
