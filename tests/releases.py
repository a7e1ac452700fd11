"""A server for the files of a release, like GitHub's, with a build for this machine."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from docker_credential_ecr_login import __version__
from docker_credential_ecr_login.building.standalone import tree
from tests.installation import NAME
from tests.serving import ServedAnswers


def build_name() -> str:
    """Return the name of the build for this machine: of its directory, and of the file with it."""
    return tree().name


def archive_of(executable: Path) -> bytes:
    """Return a build in which an executable stands for the one that needs no Python."""
    script = f"#!/bin/sh\nexec '{executable}' \"$@\"\n".encode()
    member = tarfile.TarInfo(f"{build_name()}/bin/{NAME}")
    member.size, member.mode = len(script), 0o755
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        archive.addfile(member, io.BytesIO(script))
    return written.getvalue()


class Releases(ServedAnswers):
    """Serves the release of this version in a repository.

    ``files`` has contents by names; ``asked`` are the paths that were asked for.
    """

    def __init__(self, repository: str, archive: bytes) -> None:
        super().__init__()
        checksum = hashlib.sha256(archive).hexdigest()
        self.files = {
            f"{build_name()}.tar.gz": archive,
            "SHA256SUMS": f"{checksum}  {build_name()}.tar.gz\n".encode(),
        }
        self.asked: list[str] = []
        self._prefix = f"/{repository}/releases/download/v{__version__}/"

    def answer(self, target: str, _: str | None) -> tuple[int, Mapping[str, str], bytes]:
        """Return a file; GitHub has the files themselves on another host."""
        self.asked.append(target)
        if target.startswith(self._prefix):
            return 302, {"Location": f"/elsewhere/{target.removeprefix(self._prefix)}"}, b""
        body = self.files.get(target.removeprefix("/elsewhere/"), b"")
        return 200 if target.startswith("/elsewhere/") and body else 404, {}, body
