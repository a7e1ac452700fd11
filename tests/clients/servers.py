"""The registry and the docker engine, each a process that ends with its ``with`` block."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clients.network import Authority

_BCRYPT_LIMIT = 72
"""Bytes of a password that bcrypt reads; an ECR password is far longer, and htpasswd objects."""

_POLL_INTERVAL = 0.02
_DEADLINE = 30.0


def wait_until(condition: Callable[[], bool], seconds: float = _DEADLINE) -> bool:
    """Poll until a condition holds; return whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_INTERVAL)
    return True


@contextmanager
def running(
    *command: str, log: Path, ready: Callable[[], bool], environ: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a server while the block lasts, from the moment it is ready."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **(environ or {})}
        )
    try:
        wait_until(lambda: process.poll() is not None or ready())
        assert process.poll() is None, f"{command[0]} ended: {log.read_text()}"
        assert ready(), f"{command[0]} does not get ready: {log.read_text()}"
        yield
    finally:
        process.terminate()
        try:
            process.wait(_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class RegistryRequest:
    """One request that a registry answered, and whether it came with a password that is good."""

    host: str
    method: str
    path: str
    signed_in: bool
    status: int


class Registry:
    """Debian's docker-registry on port 443 of an address.

    Started after `admit`, it asks for user name and password; else it lets everybody in.
    """

    def __init__(self, directory: Path, address: str, authority: Authority) -> None:
        self.storage = directory / "storage"
        self._address = address
        self._authority = authority
        self._htpasswd = directory / "htpasswd"
        self._configuration = directory / "configuration.json"
        self._log = directory / "log"
        directory.mkdir(parents=True)

    def admit(self, passwords: Mapping[str, str]) -> None:
        """Let these users in, by name and password, and nobody else."""
        lines = []
        for user, password in passwords.items():
            line = subprocess.run(
                ["htpasswd", "-niB", user],
                input=password[:_BCRYPT_LIMIT],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            lines.append(line.strip())
        self._htpasswd.write_text("\n".join(lines) + "\n")

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while the block lasts."""
        settings = {
            "version": "0.1",
            "log": {"formatter": "json"},
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}},
            "http": {
                "addr": f"{self._address}:443",
                "tls": {
                    "certificate": str(self._authority.certificate),
                    "key": str(self._authority.private_key),
                },
            },
        }
        if self._htpasswd.exists():
            settings["auth"] = {"htpasswd": {"realm": "ECR", "path": str(self._htpasswd)}}
        self._configuration.write_text(json.dumps(settings))  # JSON is YAML, too
        with running(
            "docker-registry",
            "serve",
            str(self._configuration),
            log=self._log,
            ready=lambda: _listens(self._address, 443),
        ):
            yield

    @property
    def requests(self) -> list[RegistryRequest]:
        """Every request answered until now."""
        if not self._log.exists():
            return []
        lines, _, _ = self._log.read_text().rpartition("\n")  # the last may be half written
        entries = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
        signed_in = {
            entry["http.request.id"] for entry in entries if entry["msg"] == "authorized request"
        }
        return [
            RegistryRequest(
                host=entry["http.request.host"],
                method=entry["http.request.method"],
                path=entry["http.request.uri"],
                signed_in=entry["http.request.id"] in signed_in,
                status=entry["http.response.status"],
            )
            for entry in entries
            if "http.response.status" in entry
        ]

    def pulled(self, image: str, *, signed_in: bool = True) -> bool:
        """Say whether a client was shown the manifest of an image, signed in or anonymously.

        Docker asks for its digest only (HEAD) where it has that image under another name.
        """
        return self._served(image, ("GET", "HEAD"), signed_in)

    def pushed(self, image: str) -> bool:
        """Say whether a client that was signed in wrote the manifest of an image."""
        return self._served(image, ("PUT",), True)

    def _served(self, image: str, methods: tuple[str, ...], signed_in: bool) -> bool:
        host, _, name = image.partition("/")
        manifests = f"/v2/{name.partition(':')[0]}/manifests/"

        def found() -> bool:
            return any(
                request.host == host
                and request.method in methods
                and request.path.startswith(manifests)
                and request.signed_in is signed_in
                and 200 <= request.status < 300
                for request in self.requests
            )

        return wait_until(found, seconds=2)  # it writes its log after its answer


class DockerEngine:
    """A dockerd with images of its own, and without a network."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.url = f"unix://{directory}/docker.sock"
        self._directory = directory
        self._authority = authority

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while the block lasts."""
        configuration = self._directory / "daemon.json"
        configuration.write_text("{}")
        with running(
            "dockerd",
            f"--host={self.url}",
            f"--data-root={self._directory}/data",
            f"--exec-root={self._directory}/exec",
            f"--pidfile={self._directory}/pid",
            f"--config-file={configuration}",
            "--storage-driver=vfs",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            log=self._directory / "log",
            ready=self._answers,
            environ={"SSL_CERT_FILE": str(self._authority.ca_bundle)},
        ):
            yield

    def remove_images(self) -> None:
        """Forget all images."""
        self._docker("image", "prune", "--all", "--force")

    def _answers(self) -> bool:
        return self._docker("version").returncode == 0

    def _docker(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["docker", "--host", self.url, *arguments], capture_output=True, check=False
        )


@contextmanager
def buildkitd(program: Path, directory: Path, authority: Authority) -> Iterator[None]:
    """Run BuildKit with its files in a directory while the block lasts."""
    directory.mkdir()
    socket_file = Path("/run/buildkit/buildkitd.sock")
    socket_file.unlink(missing_ok=True)
    with running(
        str(program),
        f"--root={directory}/root",
        "--oci-worker-snapshotter=native",
        "--oci-worker-net=host",
        log=directory / "log",
        ready=socket_file.exists,
        environ={"SSL_CERT_FILE": str(authority.ca_bundle)},
    ):
        yield


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True
