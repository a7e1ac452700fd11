"""The registry itself, over HTTPS: asked as clients ask it.

Source: the OCI distribution specification, and "Token Authentication" of the distribution
project, which ECR Public uses.
"""

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit
from urllib.request import parse_http_list, parse_keqv_list

from botocore.awsrequest import AWSRequest

from ..deadline import Deadline
from ..errors import UnusableAnswer
from ..redaction import one_line
from ..registry import PUBLIC_HOSTS
from ..request import Request
from .attempt import Attempt
from .http import HttpSession, ca_bundle
from .replies import Reply, http_reply
from .session import explained, open_session
from .wire import CONNECT_TIMEOUT, READ_TIMEOUT
from .worker import Worker


class Answer(NamedTuple):
    """The answer to one request: ``location`` is where a redirect leads, or an upload is."""

    status: int
    challenge: str
    location: str
    body: bytes

    @property
    def reply(self) -> Reply:
        """What it says."""
        return http_reply(self.status, self.body)


class RegistryApi:
    """Asks a registry through the same proxies, with the same certificates, as AWS is asked.

    ``authorization`` is the value of that header, None for none. It goes to the registry, and to
    the token server of ECR Public, and nowhere else. An answer may take ``timeout`` seconds. All
    methods raise `HelperError` if there is no answer.
    """

    def __init__(self, request: Request, authorization: str | None, timeout: float) -> None:
        environ = request.environ
        # The endpoint is another one.
        others = {name: environ[name] for name in environ if not name.startswith("AWS_ENDPOINT_")}
        self._request = request.replaced(environ=others)
        self._authorization = authorization
        self._timeout = timeout

    def ask(self, method: str, path: str, **headers: str) -> Answer:
        """Return what the registry answers, and follow no redirect."""
        url = f"https://{self._request.host}{path}"
        return self._in_time(lambda session: self._ask(session, method, url, headers))

    def fetch(self, url: str, **headers: str) -> Answer:
        """Return what is elsewhere, where a redirect of the registry leads."""
        if urlsplit(url).scheme != "https":
            raise UnusableAnswer(
                f"the registry sends clients to {one_line(url) or 'nowhere'}, without TLS",
                "check the name, and HTTPS_PROXY",
            )
        return self._in_time(lambda session: _send(session, "GET", url, headers))

    def _in_time(self, function: Callable[[HttpSession], Answer]) -> Answer:
        attempt = Attempt(self._request, phase="call")

        def run() -> Answer:
            open_session(attempt)  # whose profile may name the certificates
            bundle, _ = ca_bundle(self._request.environ, attempt.settings_of_profile)
            return function(HttpSession(bundle, (CONNECT_TIMEOUT, READ_TIMEOUT)))

        with explained(attempt):
            return Worker(Deadline(self._timeout)).run(run)

    def _ask(
        self, session: HttpSession, method: str, url: str, headers: Mapping[str, str]
    ) -> Answer:
        own = {} if self._authorization is None else {"Authorization": self._authorization}
        # ECR Public answers a password with 400: it first has to say where to get a token.
        first = {} if self._request.ecr.is_public else own
        answer = _send(session, method, url, {**headers, **first})
        if answer.status != 401:
            return answer
        token_url = self._token_url(url, answer)
        if not token_url:
            return answer if first == own else _send(session, method, url, {**headers, **own})
        answer = _send(session, "GET", token_url, own)
        try:
            token = json.loads(answer.body)["token"]
        except (ValueError, TypeError, KeyError):
            return answer
        return _send(session, method, url, {**headers, "Authorization": f"Bearer {token}"})

    def _token_url(self, url: str, answer: Answer) -> str:
        """Return where clients are sent for a token, empty if nowhere. Raises `UnusableAnswer`."""
        scheme, _, parameters = answer.challenge.partition(" ")
        if scheme.lower() != "bearer":
            return ""
        try:
            wanted = parse_keqv_list(parse_http_list(parameters))
            realm = wanted.pop("realm", "")
            scheme, host, path, query, _ = urlsplit(realm)
        except (ValueError, IndexError):  # it makes no sense
            return ""
        allowed = PUBLIC_HOSTS if self._request.ecr.is_public else ()
        names = (self._request.host, *allowed)
        if scheme != "https" or host.lower().removesuffix(":443") not in names:
            raise UnusableAnswer(
                f"{url} tells clients to send the password to {one_line(realm) or 'nowhere'}, "
                "which was not done",
                "check the name, and HTTPS_PROXY",
            )
        query = "&".join(filter(None, (query, urlencode(wanted))))
        return urlunsplit((scheme, host, path, query, ""))


def _send(session: HttpSession, method: str, url: str, headers: Mapping[str, str]) -> Answer:
    answer = session.send(AWSRequest(method, url, dict(headers)).prepare())
    location = answer.headers.get("Location", "")
    return Answer(
        answer.status_code,
        answer.headers.get("WWW-Authenticate", ""),
        urljoin(url, location) if location else "",
        answer.content,
    )
