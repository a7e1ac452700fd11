"""A registry that checks passwords, under names of ECR: over TLS, behind a proxy."""

import json
import ssl
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import trustme

from tests.connect_proxy import ConnectProxy
from tests.helper_process import PUBLIC, HelperProcess


@contextmanager
def registry_under_its_own_name(
    helper: HelperProcess,
    accepts: Callable[[str], bool],
    *names: str,
    status: int = 200,
    challenge: str = 'Basic realm="ecr"',
) -> Iterator[list[str]]:
    """Serve registries with these ``names`` to the helper, until the block ends.

    One that ``accepts`` a password answers with ``status``. ECR Public sends clients to its token
    server first, as the real one does; the others answer ``challenge`` to what they refuse.
    Yields the paths that were asked for.
    """
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        challenges: ClassVar = {
            True: f'Bearer realm="https://{PUBLIC}/token/",service="{PUBLIC}",scope="aws"',
            False: challenge,
        }

        def do_GET(self) -> None:
            paths.append(self.path)
            is_public = self.headers["Host"] == PUBLIC
            _, _, pair = (self.headers["Authorization"] or "").partition(" ")
            user, _, secret = b64decode(pair).decode().partition(":")
            wants_token = is_public and not self.path.startswith("/token/?")
            if user == "AWS" and accepts(secret) and not wants_token:
                self.send_response(status)
            else:
                self.send_response(401)
                self.send_header("WWW-Authenticate", self.challenges[is_public])
            content = json.dumps({}).encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing: it would go to the tests' stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        bundle = helper.home / "registry-ca.pem"
        authority.cert_pem.write_to_path(bundle)
        with ConnectProxy(("127.0.0.1", server.server_address[1])) as proxy:
            helper.environ |= {"HTTPS_PROXY": proxy.url, "AWS_CA_BUNDLE": str(bundle)}
            yield paths
        server.shutdown()
