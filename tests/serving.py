"""Servers of a test's own, each in a thread."""

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Self


class Served:
    """Runs ``server``, on this machine, from the beginning of a block to its end."""

    def __init__(self, server: TCPServer) -> None:
        self._server = server
        self.address = f"127.0.0.1:{server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class ServedAnswers(Served):
    """The same over HTTP: each GET is answered by ``answer``; ``url`` is that of the server."""

    def __init__(self) -> None:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = served.answer(self.path, self.headers["Authorization"])
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Write no log."""

        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        self.url = f"http://{self.address}"

    def answer(
        self, target: str, authorization: str | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body for a request, whose ``target`` is path and query."""
        raise NotImplementedError
