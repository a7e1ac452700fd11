"""The registry itself, over HTTPS: whether it takes a password.

Source: "API Version Check" of the OCI distribution specification, and "Token Authentication"
of the distribution project, which ECR Public uses.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit
from urllib.request import parse_http_list, parse_keqv_list

from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from ..deadline import Deadline
from ..errors import UnusableAnswer
from ..redaction import one_line
from ..registry import PUBLIC_HOSTS
from ..request import NO_SETTINGS, Request
from .attempt import Attempt
from .http import CheckedSession, ca_bundle
from .session import CONNECT_TIMEOUT, READ_TIMEOUT, explained
from .worker import Worker


def status_of(request: Request, authorization: str | None, timeout: float) -> int:
    """Return the HTTP status with which a registry answers ``GET /v2/``, within ``timeout``.

    ``authorization`` is the value of the header of that name, ``timeout`` is in seconds.
    Raises `HelperError` if there is no answer.
    """
    registry, environ = request.registry, request.environ
    others = {name: environ[name] for name in environ if not name.startswith("AWS_ENDPOINT_URL")}
    # The endpoint is another one.
    asked = Request(request.host, registry, NO_SETTINGS, others, request.identity)
    attempt = Attempt(asked, phase="call")

    def ask() -> int:
        url = f"https://{request.host}/v2/"
        status, challenge = _get(url, authorization, environ)
        scheme, _, parameters = challenge.partition(" ")
        if status != 401 or authorization is None or scheme.lower() != "bearer":
            return status
        try:
            wanted = parse_keqv_list(parse_http_list(parameters))
            realm = wanted.pop("realm", "")
            scheme, host, path, query, _ = urlsplit(realm)
        except (ValueError, IndexError):  # it makes no sense
            return status
        allowed = PUBLIC_HOSTS if request.ecr.is_public else ()
        if scheme != "https" or host.lower().removesuffix(":443") not in (request.host, *allowed):
            raise UnusableAnswer(
                f"{url} sends clients with the password to {one_line(realm) or 'nowhere'}, "
                "which got none from here",
                "check the name, and HTTPS_PROXY",
            )
        query = "&".join(filter(None, (query, urlencode(wanted))))
        return _get(urlunsplit((scheme, host, path, query, "")), authorization, environ)[0]

    with explained(attempt):
        return Worker(Deadline(timeout)).run(ask)


def _get(url: str, authorization: str | None, environ: Mapping[str, str]) -> tuple[int, str]:
    """Return status and WWW-Authenticate of an answer."""
    bundle: Any = ca_bundle(environ, {})[0] or True
    timeout: Any = (CONNECT_TIMEOUT, READ_TIMEOUT)
    session = CheckedSession(URLLib3Session(verify=bundle, timeout=timeout))
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = session.send(AWSRequest("GET", url, headers).prepare())
    return answer.status_code, answer.headers.get("WWW-Authenticate", "")
