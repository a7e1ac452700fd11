"""What ECR does before its registry: it asks whether who signed in may do that there.

Which action a request needs is what "IAM permissions for pushing an image" and "Actions, resources,
and condition keys for Amazon ECR" say of pulls and pushes; that HEAD on a layer is
BatchCheckLayerAvailability, and the form of a refusal, is assumed.
"""

import json
import re
import ssl
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from docker_credential_ecr_login.registry import parse
from tests.clients.network import Authority
from tests.emulator import AwsEmulator

_ACTIONS = (
    ("GET|HEAD", "manifests/.*", "BatchGetImage"),
    ("GET", "blobs/[^/]*", "GetDownloadUrlForLayer"),
    ("HEAD", "blobs/[^/]*", "BatchCheckLayerAvailability"),
    ("POST", "blobs/uploads/", "InitiateLayerUpload"),
    ("PATCH|GET", "blobs/uploads/.*", "UploadLayerPart"),
    ("PUT", "blobs/uploads/.*", "CompleteLayerUpload"),
    ("PUT", "manifests/.*", "PutImage"),
)
_OURS = ("connection", "content-length", "keep-alive", "transfer-encoding")


def needed(method: str, host: str, path: str) -> tuple[str, str] | None:
    """Return the action and the ARN that a request is about, None if it is for everybody."""
    registry, path = parse(host), path.partition("?")[0]
    for methods, rest, action in _ACTIONS:
        found = re.fullmatch(f"/v2/(.+?)/{rest}", path)
        if registry and found and re.fullmatch(methods, method):
            start = f"arn:{registry.partition}:ecr:{registry.region}:{registry.registry_id}"
            return f"ecr:{action}", f"{start}:repository/{found[1]}"
    return None


@contextmanager
def gate(address: str, behind: str, authority: Authority, aws: AwsEmulator) -> Iterator[None]:
    """Serve at an ``address`` what a registry ``behind`` it has, to who may have it."""
    with _Gate(address, behind, str(authority.ca_bundle), aws) as server:
        server.socket = authority.server_context().wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield
        server.shutdown()


class _Gate(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: str, behind: str, ca_bundle: str, aws: AwsEmulator) -> None:
        super().__init__((address, 443), _Handler)
        self.behind, self.ca_bundle, self.aws = behind, ca_bundle, aws


class _Handler(BaseHTTPRequestHandler):
    server: "_Gate"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body, host = self._body(), self.headers["Host"]
        pair = b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        use = needed(self.command, host, self.path)
        reason = self.server.aws.denial(pair.partition(":")[2], *use) if use else None
        if reason:
            error = {"errors": [{"code": "DENIED", "message": reason}]}
            self._answer(403, {"Content-Type": "application/json"}, json.dumps(error).encode())
            return
        context = ssl.create_default_context(cafile=self.server.ca_bundle)
        context.check_hostname = False  # it has the names of the private registries, too
        connection = HTTPSConnection(self.server.behind, context=context, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True)
        for name, value in self.headers.items():  # of which some stand there twice
            if _passes(name):
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        headers = {name: value for name, value in answer.getheaders() if _passes(name)}
        if self.command == "HEAD":
            headers["Content-Length"] = answer.headers["Content-Length"]
        self._answer(answer.status, headers, answer.read())
        connection.close()

    do_HEAD = do_POST = do_PATCH = do_PUT = do_GET  # noqa: N815 - as http.server has it

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the registry has a log."""


def _passes(name: str) -> bool:
    return name.lower() not in _OURS
