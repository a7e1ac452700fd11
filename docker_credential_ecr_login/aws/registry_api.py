"""The registry itself, over HTTPS: whether it takes a password.

Source: "API Version Check" of the OCI distribution specification, and "Token Authentication"
of the distribution project, which ECR Public uses.
"""

from urllib.parse import urlencode, urlsplit, urlunsplit
from urllib.request import parse_http_list, parse_keqv_list

from botocore.awsrequest import AWSRequest

from ..deadline import Deadline
from ..errors import UnusableAnswer
from ..redaction import one_line
from ..registry import PUBLIC_HOSTS
from ..request import Request
from .attempt import Attempt
from .http import HttpSession, ca_bundle
from .session import explained, open_session
from .wire import CONNECT_TIMEOUT, READ_TIMEOUT
from .worker import Worker


def status_of(request: Request, authorization: str | None, timeout: float) -> int:
    """Return the HTTP status with which a registry answers ``GET /v2/``, within ``timeout``.

    It is asked by the same proxies, and with the same trust, as AWS is asked for a token.
    ``authorization`` is the value of the header of that name, ``timeout`` is in seconds.
    Raises `HelperError` if there is no answer.
    """
    environ = request.environ
    # The endpoint is another one.
    others = {name: environ[name] for name in environ if not name.startswith("AWS_ENDPOINT_URL")}
    asked = Request(request.host, request.registry, request.settings, others, request.identity)
    attempt = Attempt(asked, phase="call")

    def ask() -> int:
        open_session(attempt)  # whose profile may name the certificates
        bundle, _ = ca_bundle(environ, attempt.settings_of_profile)
        session = HttpSession(bundle, (CONNECT_TIMEOUT, READ_TIMEOUT))
        url = f"https://{request.host}/v2/"
        status, challenge = _get(session, url, authorization)
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
        url = urlunsplit((scheme, host, path, query, ""))
        return _get(session, url, authorization)[0]

    with explained(attempt):
        return Worker(Deadline(timeout)).run(ask)


def _get(session: HttpSession, url: str, authorization: str | None) -> tuple[int, str]:
    """Return status and WWW-Authenticate of an answer."""
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = session.send(AWSRequest("GET", url, headers).prepare())
    return answer.status_code, answer.headers.get("WWW-Authenticate", "")
