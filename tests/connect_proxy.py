"""AWS under its own names: a proxy that tunnels them to the emulator."""

import select
import socket
import socketserver
import ssl
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import trustme

from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess
from tests.serving import Served

NOBODY = "http://127.0.0.1:1"
"""A URL that refuses every connection."""


class ConnectProxy(Served):
    """An HTTP proxy that tunnels every host to one address, and notes which hosts were asked for.

    ``headers`` holds the header lines of each CONNECT.
    """

    scheme = "http"

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.hosts: list[str] = []
        self.headers: list[str] = []
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(EOFError, OSError):
                    opened = proxy.asked(self.request)
                    with socket.create_connection(upstream) as tunnel:
                        self.request.sendall(opened)
                        _copy(self.request, tunnel)

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.block_on_close = False
        super().__init__(server)
        self.url = f"{self.scheme}://{self.address}"

    def asked(self, client: socket.socket) -> bytes:
        """Note what a client asks for; return the answer that the tunnel is open."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _received(client, 1)
        line, _, headers = head.decode().partition("\r\n")
        self.hosts.append(line.split()[1])
        self.headers.append(headers)
        return b"HTTP/1.1 200 Connection established\r\n\r\n"


class SocksProxy(ConnectProxy):
    """The same with SOCKS 5 (RFC 1928), for clients with a user and a password (RFC 1929).

    ``headers`` holds these two, with a colon between them.
    """

    scheme = "socks5"

    def asked(self, client: socket.socket) -> bytes:
        """Note what a client asks for; return the answer that the tunnel is open."""
        _received(client, _received(client, 2)[1])
        client.sendall(b"\5\2")
        _received(client, 1)
        user, password = (_received(client, _received(client, 1)[0]).decode() for _ in range(2))
        self.headers.append(f"{user}:{password}")
        client.sendall(b"\1\0")
        assert _received(client, 4) == b"\5\1\0\3", "no name was asked for"
        host = _received(client, _received(client, 1)[0]).decode()
        self.hosts.append(f"{host}:{int.from_bytes(_received(client, 2))}")
        return b"\5\0\0\1" + bytes(6)


def _received(client: socket.socket, size: int) -> bytes:
    """Return as many bytes. Raises EOFError."""
    received = client.recv(size, socket.MSG_WAITALL)
    if len(received) < size:
        raise EOFError
    return received


def _copy(client: socket.socket, server: socket.socket) -> None:
    """Pass on what either side sends, until one of them ends."""
    other = {client: server, server: client}
    while True:
        for ready in select.select(list(other), [], [])[0]:
            received = ready.recv(65536)
            if not received:
                return
            other[ready].sendall(received)


def serve_under_own_names(
    aws: AwsEmulator, names: Iterable[str], bundle: Path, kind: type[ConnectProxy] = ConnectProxy
) -> ConnectProxy:
    """Serve the emulator by names of AWS, over TLS and through the proxy that is returned.

    The certificate of who vouches for these names is written to ``bundle``.
    """
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    authority.cert_pem.write_to_path(bundle)
    port = int(aws.listen("127.0.0.1", ssl_context=context).rpartition(":")[2])
    return kind(("127.0.0.1", port))


def aws_under_its_own_names(
    aws: AwsEmulator,
    helper: HelperProcess,
    *names: str,
    kind: type[ConnectProxy] = ConnectProxy,
) -> ConnectProxy:
    """Let the helper reach the emulator by names of AWS, over TLS and through a proxy.

    No custom endpoint is set then, so AWS's own names are what botocore calls.
    """
    bundle = helper.home / "ca.pem"
    proxy = serve_under_own_names(aws, names, bundle, kind)
    helper.environ.pop("AWS_ENDPOINT_URL", None)
    helper.environ |= {"HTTPS_PROXY": proxy.url, "AWS_CA_BUNDLE": str(bundle)}
    return proxy
