"""The emulator itself: HTTP on a socket, faults, and a record of every call."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys
import time
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Self

from tests.emulator import services, sigv4
from tests.emulator.model import (
    AwsError,
    Call,
    Fault,
    Operation,
    Principal,
    Request,
    Response,
)
from tests.emulator.partitions import service_and_region
from tests.emulator.state import AwsState

_SECRET_HEADERS = frozenset(
    {
        "authorization",
        "x-amz-security-token",
        "x-amz-sso_bearer_token",
        "x-aws-ec2-metadata-token",
    }
)


@dataclass
class _PlannedFault:
    operation: str
    fault: Fault
    times: int | None


class AwsEmulator(AwsState):
    """Emulated AWS endpoints on one port, over HTTP or (with an `ssl_context`) over HTTPS.

        with AwsEmulator() as aws:
            user = aws.add_user()
            environ = {**user.environ, "AWS_ENDPOINT_URL": aws.url, "AWS_REGION": "us-east-1"}
            ...                                     # run what is to be tested
            assert aws.count("GetAuthorizationToken") == 1

    Requests are served in threads of their own from the first moment; leaving the `with` block, or
    `close`, ends them all and closes their connections. `delay` is slept before each answer of an
    AWS API (not of the metadata and container endpoints, which are local to a machine) and may be
    changed at any time.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        delay: float = 0.0,
    ) -> None:
        super().__init__()
        self.delay = delay
        self._calls: list[Call] = []
        self._faults: list[_PlannedFault] = []
        self._closing = Event()
        self._servers: list[_Server] = []
        self._silent: list[socket.socket] = []
        self.url = self.listen(host, port, ssl_context)

    def listen(self, host: str, port: int = 0, ssl_context: ssl.SSLContext | None = None) -> str:
        """Serve the same AWS at one more address, and return its URL.

        Metadata and container credentials have addresses of their own, without TLS.
        """
        server = _Server((host, port), self, ssl_context)
        self._servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
        scheme = "http" if ssl_context is None else "https"
        return f"{scheme}://{host}:{server.server_address[1]}"

    def listen_silently(self, host: str = "127.0.0.1") -> str:
        """Accept connections at one more address and never answer there; return host:port."""
        self._silent.append(socket.create_server((host, 0)))
        return f"{host}:{self._silent[-1].getsockname()[1]}"

    def unreachable_address(self, host: str = "127.0.0.1") -> str:
        """Have one more address to which nobody gets through, as if packets were dropped (Linux).

        Returns host:port.
        """
        listener = socket.create_server((host, 0), backlog=0)
        waiting = socket.create_connection(listener.getsockname()[:2])  # no more can wait
        self._silent += [listener, waiting]
        return f"{host}:{listener.getsockname()[1]}"

    def close(self) -> None:
        """Stop serving: hanging requests and idle connections are cut."""
        self._closing.set()
        for listener in self._silent:
            listener.close()
        for server in self._servers:
            server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What was called

    @property
    def calls(self) -> list[Call]:
        """Every call until now, in the order in which they were judged; a copy.

        A call is recorded before it is answered (and before `delay`), so a client that has its
        answer finds its call here.
        """
        with self._lock:
            return list(self._calls)

    def count(self, operation: str) -> int:
        """Return how many calls of that operation arrived, whatever became of them."""
        return sum(call.operation == operation for call in self.calls)

    # What goes wrong

    def fail(self, operation: str, fault: Fault, times: int | None = None) -> None:
        """Let the next `times` calls of an operation ("*": of any) meet a fault; None is for ever.

        Faults of one operation come in the order in which they were planned. The operations are
        GetAuthorizationToken, AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity,
        GetRoleCredentials, RegisterClient, StartDeviceAuthorization, CreateToken, GetMetadataToken,
        ListInstanceRoles, GetInstanceRoleCredentials, GetInstanceIdentityDocument and
        GetContainerCredentials.
        """
        with self._lock:
            self._faults.append(_PlannedFault(operation, fault, times))

    def clear_faults(self) -> None:
        """Let everything succeed again."""
        with self._lock:
            self._faults.clear()

    def _take_fault(self, operation: str) -> Fault | None:
        with self._lock:
            for planned in self._faults:
                if planned.operation in {operation, "*"} and planned.times != 0:
                    if planned.times is not None:
                        planned.times -= 1
                    return planned.fault
        return None

    # One request

    def answer(self, request: Request) -> tuple[Response, Fault] | None:
        """Answer one request: the response, and the fault that it is to be sent with.

        None means: close the connection without a word.
        """
        operation = services.identify(request, self.container.path if self.container else None)
        fault = self._take_fault(operation.name) or Fault()
        principal, response = self._outcome(operation, request, fault)
        silent = fault.hang or fault.drop == "before"
        with self._lock:
            self._calls.append(
                _call(operation, request, principal, 0 if silent else response.status)
            )
        self._closing.wait(fault.delay + (0 if operation.is_local else self.delay))
        if fault.hang:
            self._closing.wait()
        if silent:
            return None
        return response, fault

    def pause(self, seconds: float) -> bool:
        """Wait, and say whether the server is still running."""
        return not self._closing.wait(seconds)

    def _outcome(
        self, operation: Operation, request: Request, fault: Fault
    ) -> tuple[Principal | None, Response]:
        """Say who asks and what the answer is: the fault's if it has one, else the genuine one."""
        principal = None
        prescribed = _fault_response(operation, fault)
        try:
            if services.is_signed(operation):
                principal = services.authenticate(self, operation, request)
            response = prescribed or services.perform(self, operation, principal, request)
        except AwsError as error:
            response = prescribed or services.error_response(operation, error)
        return principal, response


def _fault_response(operation: Operation, fault: Fault) -> Response | None:
    """Return the answer that a fault prescribes, None if it leaves the answer alone."""
    if fault.body is not None:
        return Response(
            fault.status or 200, fault.content_type or "application/octet-stream", fault.body
        )
    if fault.status is not None or fault.error is not None:
        error = AwsError(fault.status or 400, fault.error or "InternalFailure", fault.message)
        return services.error_response(operation, error)
    return None


def _call(operation: Operation, request: Request, principal: Principal | None, status: int) -> Call:
    """Write down a request and its outcome."""
    host = request.header("host") or ""
    region, access_key_id = "", None
    with contextlib.suppress(AwsError):
        authorization = sigv4.parse_authorization(request.header("authorization"))
        region, access_key_id = authorization.region, authorization.access_key_id
    if not region:
        _, region = service_and_region(host) or ("", "")
    return Call(
        service=operation.service,
        operation=operation.name,
        region=region,
        host=host,
        principal=None if principal is None else principal.arn,
        access_key_id=access_key_id,
        session_name=services.requested_session_name(operation, request)
        or (None if principal is None else principal.session_name),
        user_agent=request.header("user-agent") or "",
        status=status,
        headers={
            name.lower(): value
            for name, value in request.headers
            if name.lower() not in _SECRET_HEADERS
        },
        body=request.body,
        time=request.time,
    )


class _Server(ThreadingHTTPServer):
    """Listens on one address; every connection has its thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(
        self, address: tuple[str, int], aws: AwsEmulator, ssl_context: ssl.SSLContext | None
    ) -> None:
        self.aws = aws
        self._ssl_context = ssl_context
        self._connections: set[socket.socket] = set()
        self._connections_lock = Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name that HTTPServer adds: it can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection; its TLS handshake is left to its own thread."""
        connection, address = self.socket.accept()
        if self._ssl_context is not None:
            connection = self._ssl_context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._connections_lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: object) -> None:
        """Close a connection, and forget it."""
        assert isinstance(request, socket.socket)
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close(self) -> None:
        """Stop listening, and cut the connections that are open."""
        self.shutdown()
        self.server_close()
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away; anything else is a bug of the emulator."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    """Reads requests off one connection and writes their answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def _serve(self) -> None:
        body = self._body()
        request = Request(self.command, self.path, tuple(self.headers.items()), body, time.time())
        answer = self.server.aws.answer(request)
        if answer is None:
            self.close_connection = True
            return
        response, fault = answer
        self.send_response_only(response.status)
        for name, value in {**response.headers, "Content-Type": response.content_type}.items():
            self.send_header(name, value)
        self.send_header("Date", formatdate(self.server.aws.now(), usegmt=True))
        if not fault.endless:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        half = len(response.body) // 2 if fault.drop else None
        if self.command != "HEAD":
            self.wfile.write(response.body[:half])
        if fault.drop or fault.endless:
            self.close_connection = True
        if fault.endless:
            self._go_on(b" " if fault.endless == "drip" else b" " * 65536, fault.endless == "drip")
        if fault.drop == "reset":
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()  # before it is shut down, which would end it in good order

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _go_on(self, block: bytes, slowly: bool) -> None:
        while self.server.aws.pause(0.5 if slowly else 0):
            self.wfile.write(block)
            self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 (the names that http.server calls)
    do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (named there)
        """Write no access log."""
