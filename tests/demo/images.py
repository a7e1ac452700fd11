"""A real push and pull, where the programs for it are installed.

The registry is ``docker-registry`` on loopback, which demands a password of the
emulated AWS. Its name must be one of ECR, so the clients run in a mount namespace of
their own, in which /etc/hosts sends that name to loopback. No root is needed for that:
a user namespace will do, where the system lets users make one.
"""

import contextlib
import ctypes
import gzip
import hashlib
import io
import json
import os
import secrets
import shutil
import string
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess

_TIMEOUT = 60  # seconds for one command
_TAG = "hello"
_CLIENT_DIRECTORIES = ("/dev/shm", "/etc/cni", "/run", "/var/lib")  # noqa: S108 - not used as such


class LeftOut(Exception):
    """Says why no image can be pushed and pulled here."""


@dataclass(frozen=True)
class Transfer:
    """One push or pull: the command for people to read, and what became of it."""

    command: str
    output: str
    status: int
    whole: bool


@dataclass
class Registry:
    """A registry that runs, an image, and the client that moves it."""

    client: str
    repository: str
    directory: Path
    digest: str
    namespace: Sequence[str]
    environ: dict[str, str]

    def push(self) -> Transfer:
        """Copy the image to the registry."""
        if self.client == "skopeo":
            return self._skopeo(f"oci:image:{_TAG}", f"docker://{self.repository}")
        self._run(self._podman("pull", "--quiet", f"oci:image:{_TAG}"))
        self._run(self._podman("tag", self._podman_image(), self.repository))
        return self._shown("push", "--tls-verify=false", "--quiet", self.repository)

    def pull(self) -> Transfer:
        """Copy the image back."""
        if self.client == "skopeo":
            return self._skopeo(f"docker://{self.repository}", f"oci:pulled:{_TAG}")
        self._run(self._podman("rmi", "--all", "--force"))
        return self._shown("pull", "--tls-verify=false", "--quiet", self.repository)

    def _skopeo(self, source: str, destination: str) -> Transfer:
        options = ["--src-tls-verify=false", "--dest-tls-verify=false", "--quiet"]
        completed = self._run(
            ["skopeo", "--insecure-policy", "copy", *options, source, destination]
        )
        if destination.startswith("oci:"):
            index = self.directory / "pulled" / "index.json"
            whole = index.exists() and self.digest in index.read_text()
        else:
            repository = f"{self.directory}/registry/docker/registry/v2/repositories/{_TAG}"
            algorithm, _, digits = self.digest.partition(":")
            whole = os.path.exists(f"{repository}/_manifests/revisions/{algorithm}/{digits}/link")
        return Transfer(
            f"skopeo copy {source} {destination}", completed.stdout, completed.returncode, whole
        )

    def _shown(self, action: str, *arguments: str) -> Transfer:
        completed = self._run(self._podman(action, *arguments))
        return Transfer(
            f"podman {action} {self.repository}",
            completed.stdout,
            completed.returncode,
            self._podman_image() != "",
        )

    def _podman_image(self) -> str:
        return self._run(self._podman("images", "--quiet", "--no-trunc")).stdout.strip()

    def _podman(self, *arguments: str) -> list[str]:
        storage = f"{self.directory}/storage"
        return [
            *("podman", "--root", storage, "--runroot", f"{storage}-run"),
            *("--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"),
            *("--events-backend", "none", *arguments),
        ]

    def _run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self.namespace, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self.environ,
            cwd=self.directory,
            timeout=_TIMEOUT,
            check=False,
        )


@contextlib.contextmanager
def registry(helper: HelperProcess, aws: AwsEmulator) -> Iterator[Registry]:
    """Start a registry that takes the passwords of ``aws``. Raises `LeftOut`."""
    program = shutil.which("docker-registry")
    client = next(filter(shutil.which, ("skopeo", "podman")), None)
    if sys.platform != "linux":
        raise LeftOut("It needs the namespaces of Linux.")
    if program is None or client is None:
        raise LeftOut(
            "It needs docker-registry, and skopeo or podman. (A docker engine cannot be "
            "told about a registry like this without root; `make clients` does that.)"
        )
    directory = helper.home.parent / "images"
    directory.mkdir()
    namespace = _namespace(directory, (str(helper.executable), sys.executable, client))
    (directory / "htpasswd").write_text(f"AWS:{_bcrypt(aws.password)}\n")
    (directory / "registry.json").write_text(json.dumps(_configuration(directory)))
    digest = _write_image(directory / "image")
    with _started([program, "serve", "registry.json"], directory) as port:
        host = f"{HOST}:{port}"
        docker_config = helper.home / ".docker" / "config.json"
        docker_config.parent.mkdir()
        docker_config.write_text(json.dumps({"credHelpers": {host: "ecr-login"}}))
        environ = helper.environment()
        environ["TMPDIR"] = str(directory)
        environ["PATH"] = f"{helper.executable.parent}:{environ['PATH']}"
        yield Registry(client, f"{host}/{_TAG}", directory, digest, namespace, environ)


def _namespace(directory: Path, programs: Iterable[str]) -> list[str]:
    """Return the beginning of a command line for the clients. Raises `LeftOut`.

    What it runs sees the registry's name in /etc/hosts, and memory in place of the
    directories in which clients that run as root keep things.
    """
    hosts = directory / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {HOST}\n")
    hidden = [path for path in _CLIENT_DIRECTORIES if os.path.isdir(path)]
    needed = [str(directory), *(os.path.realpath(shutil.which(name) or name) for name in programs)]
    for path in hidden:
        if any(name.startswith(f"{path}/") for name in needed):
            raise LeftOut(f"What it needs is in {path}, which has to be hidden from the client.")
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-r", "--mount"]
    mounts = "".join(f"mount -t tmpfs tmpfs {path} && " for path in hidden)
    script = f'mount --bind "$0" /etc/hosts && {mounts}exec "$@"'
    prefix = [*unshare, "sh", "-c", script, str(hosts)]
    try:
        tried = subprocess.run(
            [*prefix, "cat", "/etc/hosts"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise LeftOut("It needs unshare, of util-linux.") from None
    if tried.stdout != hosts.read_text():
        raise LeftOut("This system does not let its users make namespaces.")
    return prefix


@contextlib.contextmanager
def _started(command: Sequence[str], directory: Path) -> Iterator[int]:
    """Run the registry until the end of the block; gives its port."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=directory,
        text=True,
        start_new_session=True,  # Ctrl-C is for us, who end it in order
    )
    try:
        assert process.stderr
        for line in process.stderr:
            _, found, rest = line.partition("listening on 127.0.0.1:")
            if found:
                break
        else:
            raise LeftOut("docker-registry does not start here.")
        yield int("".join(c for c in rest[:5] if c in string.digits))
    finally:
        process.kill()
        process.communicate()


def _configuration(directory: Path) -> dict[str, object]:
    return {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": f"{directory}/registry"}},
        "http": {"addr": "127.0.0.1:0", "secret": secrets.token_hex()},
        "auth": {"htpasswd": {"realm": "demo", "path": f"{directory}/htpasswd"}},
    }


def _bcrypt(password: str) -> str:
    """Return the line that htpasswd would write. Raises `LeftOut`.

    bcrypt reads no more than 72 bytes, which the emulator's passwords are made for.
    """
    salt = "$2y$05$" + "".join(secrets.choice(string.ascii_letters) for _ in range(21)) + "."
    for name in ("libcrypt.so.1", "libcrypt.so.2", None):  # musl has it in libc
        try:
            crypt = ctypes.CDLL(name).crypt
        except (OSError, AttributeError):
            continue
        crypt.restype = ctypes.c_char_p
        line: bytes | None = crypt(password[:72].encode(), salt.encode())
        if line and line.startswith(b"$2y$"):
            return line.decode()
    raise LeftOut("This system's libcrypt has no bcrypt, which docker-registry wants.")


def _write_image(directory: Path) -> str:
    """Write an OCI image with one small file in it, and return its digest."""
    content = b"Hello from a private registry.\n"
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        member = tarfile.TarInfo("hello.txt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(kind: str, blob: bytes) -> dict[str, object]:
        digits = hashlib.sha256(blob).hexdigest()
        (blobs / digits).write_bytes(blob)
        return {
            "mediaType": f"application/vnd.oci.image.{kind}",
            "digest": f"sha256:{digits}",
            "size": len(blob),
        }

    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"],
        },
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add("config.v1+json", json.dumps(config).encode()),
        "layers": [add("layer.v1.tar+gzip", gzip.compress(layer.getvalue(), mtime=0))],
    }
    described = add("manifest.v1+json", json.dumps(manifest).encode())
    described["annotations"] = {"org.opencontainers.image.ref.name": _TAG}
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (directory / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": [described]})
    )
    return str(described["digest"])
