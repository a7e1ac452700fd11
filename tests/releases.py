"""Where GitHub has the files of a release: a server with a build for this machine."""

import hashlib
import io
import platform
import sys
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Self

from docker_credential_ecr_login import __version__
from tests.installation import NAME

_SYSTEMS = {"darwin": "macos"}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def build_name() -> str:
    """Return the name of the build for this machine: of its directory, and of the file with it."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    libc = "" if platform.libc_ver()[0] or sys.platform != "linux" else "-musl"
    return f"{NAME}-{__version__}-{_SYSTEMS.get(sys.platform, sys.platform)}-{machine}{libc}"


def archive_of(executable: Path) -> bytes:
    """Return a build in which an executable stands for the one that needs no Python."""
    script = f"#!/bin/sh\nexec '{executable}' \"$@\"\n".encode()
    member = tarfile.TarInfo(f"{build_name()}/bin/{NAME}")
    member.size, member.mode = len(script), 0o755
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        archive.addfile(member, io.BytesIO(script))
    return written.getvalue()


class Releases:
    """Serves the release of this version in a repository; ``url`` is that of the server.

    ``files`` has contents by names; ``asked`` are the paths that were asked for.
    """

    def __init__(self, repository: str, archive: bytes) -> None:
        checksum = hashlib.sha256(archive).hexdigest()
        self.files = {
            f"{build_name()}.tar.gz": archive,
            "SHA256SUMS": f"{checksum}  {build_name()}.tar.gz\n".encode(),
        }
        self.asked: list[str] = []
        releases = self
        prefix = f"/{repository}/releases/download/v{__version__}/"

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                releases.asked.append(self.path)
                body = releases.files.get(self.path.removeprefix("/elsewhere/"), b"")
                if self.path.startswith("/elsewhere/") and body:
                    self.send_response(200)
                elif self.path.startswith(prefix):
                    self.send_response(302)  # GitHub has the files themselves on another host
                    self.send_header("Location", f"/elsewhere/{self.path.removeprefix(prefix)}")
                    body = b""
                else:
                    self.send_response(404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Write no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
