"""AWS under its own names: an HTTP proxy that tunnels them to the emulator."""

import select
import socket
import socketserver
import ssl
from contextlib import suppress
from threading import Thread
from typing import Self

import trustme

from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess

NOBODY = "http://127.0.0.1:1"
"""A URL that refuses every connection."""


class ConnectProxy:
    """An HTTP proxy that tunnels every host to one address, and notes which hosts were asked for.

    ``headers`` holds the header lines of each CONNECT.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.hosts: list[str] = []
        self.headers: list[str] = []
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    received = self.request.recv(1)
                    if not received:
                        return
                    head += received
                line, _, headers = head.decode().partition("\r\n")
                proxy.hosts.append(line.split()[1])
                proxy.headers.append(headers)
                with socket.create_connection(upstream) as tunnel, suppress(OSError):
                    self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    _copy(self.request, tunnel)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.address}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _copy(client: socket.socket, server: socket.socket) -> None:
    """Pass on what either side sends, until one of them ends."""
    other = {client: server, server: client}
    while True:
        for ready in select.select(list(other), [], [])[0]:
            received = ready.recv(65536)
            if not received:
                return
            other[ready].sendall(received)


def aws_under_its_own_names(aws: AwsEmulator, helper: HelperProcess, *names: str) -> ConnectProxy:
    """Let the helper reach the emulator by names of AWS, over TLS and through a proxy.

    No custom endpoint is set then, so AWS's own names are what botocore calls.
    """
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    port = int(aws.listen("127.0.0.1", ssl_context=context).rpartition(":")[2])
    bundle = helper.home / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    helper.environ.pop("AWS_ENDPOINT_URL", None)
    proxy = ConnectProxy(("127.0.0.1", port))
    helper.environ |= {"HTTPS_PROXY": proxy.url, "AWS_CA_BUNDLE": str(bundle)}
    return proxy
