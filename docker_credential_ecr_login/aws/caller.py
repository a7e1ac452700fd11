"""Who asks AWS, for the command ``doctor``: profile, credentials, principal, endpoint, questions.

It uses the same session, provider chain and client as a request for a token.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from botocore.exceptions import ClientError

from ..deadline import Deadline
from ..errors import HelperError
from ..redaction import redact
from ..request import Request
from .attempt import Attempt
from .credentials import sign_in
from .proxies import way
from .replies import NO_ANSWER, Reply
from .session import configured_endpoint, create_client, explained, open_session
from .worker import Result, Worker

_SEARCH_TIME = 5.0  # seconds: a network may let nothing through to other regions


class Caller:
    """Who would ask AWS for a token. Each step raises `HelperError` if it fails.

    ``timeout`` are the seconds that a step may take. A person may be asked for an MFA code.
    """

    def __init__(self, request: Request, timeout: float) -> None:
        self._request = request
        self._timeout = timeout
        self._attempt = Attempt(request, may_ask=True)
        self._session: Any = None
        self._client: Any = None

    def open(self) -> str:
        """Return the profile in effect, and what named it. Reads files only."""
        with explained(self._attempt):
            self._session = open_session(self._attempt)
            self._session.get_scoped_config()  # which finds a profile that does not exist
        return self._attempt.named_profile

    def find_credentials(self) -> str:
        """Return which provider gives the credentials, and whose they are; after `open`."""

        def find(worker: Worker) -> None:
            sign_in(self._session, self._attempt, worker, None)

        self._in_time(find)
        return f"{self._attempt.method}: {self._attempt.source}"

    def identity(self) -> tuple[str, str]:
        """Return account and ARN of the principal, by STS; after `find_credentials`."""

        def ask(_: Worker) -> tuple[str, str]:
            client = self._session.create_client("sts", region_name=self._request.ecr.region)
            answer = client.get_caller_identity()
            return answer["Account"], answer["Arn"]

        return self._in_time(ask)

    def endpoint(self) -> tuple[str, str]:
        """Return the endpoint for tokens, and what chose it or the way to it; after `open`.

        Reads files only.
        """
        with explained(self._attempt):
            session = open_session(self._attempt)
            # Without any, the client would look for some, with programs and the network perhaps.
            session.set_credentials("unused", "unused")
            url: str = create_client(session, self._request).meta.endpoint_url
            chosen = self._chosen_by()
        return redact(url), redact(", ".join(filter(None, (chosen, way(url).strip()))))

    def ask(self, operation: str, **parameters: Any) -> Reply:
        """Return what the registry's API answers; after `find_credentials`.

        The ``operation`` has botocore's name. A refusal by AWS is a reply, too; without any answer,
        the reply has the code `NO_ANSWER`.
        """

        def ask(_: Worker) -> Reply:
            self._client = self._client or create_client(self._session, self._request)
            return _call(self._client, operation, parameters)

        try:
            return self._in_time(ask)
        except HelperError as error:
            return Reply(NO_ANSWER, error.message)

    def regions_where(self, operation: str, **parameters: Any) -> list[str]:
        """Return the other regions of the partition in which the ``operation`` succeeds.

        Those that do not answer in time are left out.
        """
        registry, answers = self._request.ecr, SimpleQueue[str]()

        def ask(region: str, client: Any) -> None:
            try:
                found = not _call(client, operation, parameters).code
            except Exception:  # the service does not exist there, or cannot be reached
                found = False
            answers.put(region if found else "")

        regions = self._session.get_available_regions(registry.service, registry.partition)
        others = [region for region in regions if region != registry.region]
        for region in others:
            request = self._request.replaced(registry=registry.authorized_in(region))
            client = create_client(self._session, request)
            Thread(target=ask, args=(region, client), daemon=True).start()
        deadline, found = Deadline(_SEARCH_TIME), []
        for _ in others:
            try:
                found.append(answers.get(timeout=deadline.left()))
            except Empty:
                break
        return sorted(filter(None, found))

    def _chosen_by(self) -> str:
        settings, environ = self._request.settings, self._request.environ
        service = self._request.ecr.service
        if settings.endpoint_url:
            return f"from {settings.config_file}"
        if not configured_endpoint(self._session, self._request):
            return ""
        service = service.replace("-", "_").upper()
        names = (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL")
        named = next((name for name in names if environ.get(name)), None)
        return f"from {named or self._attempt.named_profile}"

    def _in_time(self, function: Callable[[Worker], Result]) -> Result:
        worker = Worker(Deadline(self._timeout))
        with explained(self._attempt):
            return worker.run(lambda: function(worker))


def _call(client: Any, operation: str, parameters: dict[str, Any]) -> Reply:
    """Return what AWS answers, an error included. Raises what botocore raises otherwise."""
    try:
        return Reply(content=getattr(client, operation)(**parameters))
    except ClientError as error:
        said = error.response.get("Error", {})
        return Reply(str(said.get("Code", "")) or "error", str(said.get("Message", "")))
