"""One person's account on a machine, and the clients that they run there."""

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp

from tests.clients.catalogue import CLIENTS, GO_HELPER, PROGRAMS, Listed, Way
from tests.clients.network import PRIVATE_ADDRESS, PUBLIC_ADDRESS, names_at
from tests.clients.terminal import Terminal
from tests.emulator import Principal
from tests.helper_process import EXECUTABLE, HOST

IMAGE = f"{HOST}/team/app:1"
"""What the registries hold, here and under their other names."""

LOCAL_IMAGE = "localhost/local:1"
COMPARED = bool(os.environ.get("ECR_LOGIN_COMPARED"))
"""Whether the helper that clients find is not this project's, but the one to compare it with."""

HELPER = GO_HELPER.directory / EXECUTABLE.name if COMPARED else EXECUTABLE

_TIMEOUT = 60.0


@dataclass(frozen=True)
class Outcome:
    """What one command gave."""

    command: Sequence[str]
    stdout: str
    stderr: str
    status: int

    @property
    def succeeded(self) -> bool:
        """Whether it ended with status 0."""
        return self.status == 0

    @property
    def shown(self) -> list[str]:
        """The lines that whoever typed it sees."""
        return (self.stdout + self.stderr).splitlines()

    @property
    def remarks(self) -> list[str]:
        """The lines on stderr that are the helper's own."""
        return [line for line in self.stderr.splitlines() if line.startswith("ecr-login: ")]

    @property
    def own_words(self) -> str:
        """What is on stderr without them."""
        lines = self.stderr.splitlines()
        return "\n".join(line for line in lines if line not in self.remarks)

    def __str__(self) -> str:
        """Write it down as a terminal would show it."""
        return f"$ {' '.join(self.command)}\n{self.stdout}{self.stderr}status {self.status}\n"


@dataclass
class Person:
    """Somebody's home directory and environment; nothing of the real ones is in them.

    ``environ`` is the whole environment of what they run, ``way`` how clients were configured
    last, ``history`` all that was run.
    """

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    way: Way | None = None
    history: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        runtime = self.home / "run"
        runtime.mkdir(parents=True, mode=0o700)
        self.environ |= {
            "PATH": f"{HELPER.parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(runtime),
            "AWS_EC2_METADATA_DISABLED": "true",
            "CONTAINERS_STORAGE_CONF": str(self.home / "storage.conf"),
            "CONTAINERS_CONF": str(self.home / "containers.conf"),
        }
        self.write(
            "storage.conf",
            f"[storage]\n"
            f'driver = "vfs"\ngraphroot = "{self.home}/images"\nrunroot = "{runtime}/storage"\n',
        )
        self.write(
            "containers.conf", '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        self.write(
            ".config/containers/policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}'
        )

    def write(self, name: str, text: str) -> Path:
        """Write a file in the home directory."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def use_helper(self, way: Way) -> None:
        """Configure the clients to ask the helper."""
        self.way = way
        match way:
            case "credHelpers":
                hosts = names_at(PRIVATE_ADDRESS) + names_at(PUBLIC_ADDRESS)
                content = {"credHelpers": dict.fromkeys(hosts, "ecr-login")}
                self.write(".docker/config.json", json.dumps(content))
            case "credsStore":
                self.write(".docker/config.json", '{"credsStore": "ecr-login"}')
            case "credential-helpers":
                self.use_credential_helpers(["containers-auth.json", "ecr-login"])

    def use_credential_helpers(self, helpers: Iterable[str]) -> None:
        """Write ``credential-helpers`` in registries.conf, which docker does not read."""
        self.write(
            ".config/containers/registries.conf",
            f"credential-helpers = {json.dumps(list(helpers))}\n",
        )

    def configure(self, text: str) -> None:
        """Write the helper's configuration file."""
        self.write(".config/ecr-login/config.toml", text)

    def keep_keys(self, **profiles: Principal) -> None:
        """Write ``~/.aws/credentials``."""
        self.write(
            ".aws/credentials",
            "".join(
                f"[{profile}]\n"
                f"aws_access_key_id = {principal.access_key_id}\n"
                f"aws_secret_access_key = {principal.secret_access_key}\n"
                for profile, principal in profiles.items()
            ),
        )

    def run(self, *command: str, stdin: str = "") -> Outcome:
        """Run a program to its end, without a terminal."""
        completed = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environ,
            cwd=self.home,
            start_new_session=True,  # away from the terminal of whoever runs the tests
            timeout=_TIMEOUT,
            check=False,
        )
        outcome = Outcome(command, completed.stdout, completed.stderr, completed.returncode)
        self.history.append(outcome)
        return outcome

    @contextmanager
    def at_terminal(self, *command: str) -> Iterator[Terminal]:
        """Run a program at a terminal while the block lasts."""
        terminal = Terminal(command, self.environ, self.home)
        try:
            with terminal:
                yield terminal
        finally:
            self.history.append(Outcome(command, terminal.screen, "", terminal.status))

    @property
    def log(self) -> str:
        """The helper's log, empty if there is none."""
        path = self.home / ".ecr" / "log" / "ecr-login.log"
        return path.read_text() if path.exists() else ""


class Client:
    """A program that pulls and pushes images; this much is alike in docker, podman and buildah."""

    ways: tuple[Way, ...] = ("credential-helpers", "credHelpers")
    can: tuple[str, ...] = ("push", "pull", "login", "logout")
    server = ""
    """What it runs at: see catalogue.toml."""

    pulls = IMAGE.removeprefix(f"{HOST}/")
    """What it fetches, under each name that registries have."""

    erases = True
    """Whether its logout reaches the helper."""

    asks_alone = True
    """Whether nobody but the helper asks AWS."""

    def __init__(self, program: str, person: Person, archive: Path) -> None:
        self.program = program
        self.person = person
        self.archive = archive

    def run(self, *arguments: str, stdin: str = "") -> Outcome:
        """Run the program to its end."""
        return self.person.run(self.program, *arguments, stdin=stdin)

    def pull(self, image: str) -> Outcome:
        """Fetch an image."""
        return self.person.run(*self.pull_command(image))

    def pull_command(self, image: str) -> list[str]:
        """Return the command that fetches an image."""
        return [self.program, "pull", image]

    def push(self, image: str) -> Outcome:
        """Write the local image to a registry, under the name ``image``."""
        assert self.load().succeeded
        assert self.run("tag", LOCAL_IMAGE, image).succeeded
        self.forget(LOCAL_IMAGE)
        return self.run("push", image)

    def load(self) -> Outcome:
        """Take the local image out of its archive."""
        return self.run("load", "--input", str(self.archive))

    def forget(self, image: str) -> None:
        """Remove an image from this machine."""
        assert self.run("rmi", image).succeeded

    def login(self, host: str, password: str, user: str = "AWS") -> Outcome:
        """Sign in at a registry."""
        return self.run("login", "--username", user, "--password-stdin", host, stdin=password)

    def logout(self, host: str) -> Outcome:
        """Sign out at a registry."""
        return self.run("logout", host)


class Docker(Client):
    """A docker CLI; its images are the engine's."""

    ways = ("credHelpers", "credsStore")
    server = "engine"


class Podman(Client):
    """podman, with images in the person's home."""


class Buildah(Client):
    """buildah, with images in the person's home."""

    def load(self) -> Outcome:
        """Take the local image out of its archive."""
        return self.run("pull", f"docker-archive:{self.archive}")


class Skopeo(Client):
    """skopeo, which has no images of its own but copies them from place to place."""

    def pull_command(self, image: str) -> list[str]:
        """Return the command that fetches an image."""
        directory = mkdtemp(dir=self.person.home)
        return [self.program, "copy", f"docker://{image}", f"dir:{directory}"]

    def push(self, image: str) -> Outcome:
        """Write the local image to a registry, under the name ``image``."""
        return self.run("copy", f"docker-archive:{self.archive}", f"docker://{image}")

    def forget(self, image: str) -> None:
        """Do nothing: each copy is a new one."""


class ListedClient(Client):
    """A client that is used as the catalogue says."""

    def __init__(self, listed: Listed, person: Person, archive: Path) -> None:
        super().__init__(listed.name, person, archive)
        self.ways = listed.ways
        self.can = tuple(each for each in Client.can if getattr(listed, each))
        self.erases = bool(listed.logout) and not listed.own_logins
        self.pulls = listed.pulls
        self.server = listed.server
        self.asks_alone = not listed.own_helper
        self._listed = listed
        person.environ["PATH"] = f"{listed.directory}:{person.environ['PATH']}"

    def pull(self, image: str) -> Outcome:
        """Fetch an image."""
        return self._type(self._listed.pull, **_parts(image))

    def push(self, image: str) -> Outcome:
        """Write the image of the archive to a registry, under the name ``image``."""
        return self._type(self._listed.push, **_parts(image))

    def forget(self, image: str) -> None:
        """Do nothing: each image that is fetched is a new file."""

    def login(self, host: str, password: str, user: str = "AWS") -> Outcome:
        """Sign in at a registry."""
        return self._type(self._listed.login, stdin=password, host=host, user=user)

    def logout(self, host: str) -> Outcome:
        """Sign out at a registry."""
        return self._type(self._listed.logout, host=host)

    def _type(self, lines: str, stdin: str = "", **words: str) -> Outcome:
        """Run commands to the first that fails."""
        directory = mkdtemp(dir=self.person.home)
        words |= {
            "archive": str(self.archive),
            "new": f"{directory}/new",
            "home": str(self.person.home),
            "directory": str(self._listed.directory),
            "programs": str(PROGRAMS),
            "authority": self.person.environ["SSL_CERT_FILE"],
        }
        for line in lines.strip().splitlines():
            command = [word.format_map(words) for word in line.split()]
            outcome = self.person.run(*command, stdin=stdin)
            if not outcome.succeeded:
                break
        return outcome


def _parts(image: str) -> dict[str, str]:
    repository, _, tag = image.partition(":")
    parent, _, name = repository.rpartition("/")
    return {
        "image": image,
        "repository": repository,
        "host": image.partition("/")[0],
        "parent": parent,
        "name": name,
        "tag": tag,
    }


def make_client(program: str, person: Person, archive: Path) -> Client:
    """Return the client that a Debian program is, or that is built under this name."""
    if program in CLIENTS:
        return ListedClient(CLIENTS[program], person, archive)
    return client_kind(program)(program, person, archive)


def client_kind(program: str) -> type[Client]:
    """Return the class of the client that a Debian program is."""
    return {"podman": Podman, "buildah": Buildah, "skopeo": Skopeo}.get(program, Docker)


def docker_programs() -> list[str]:
    """Return the docker CLIs on PATH: there may be several."""
    found = (Path(directory) / "docker" for directory in os.environ["PATH"].split(":"))
    # /bin and /usr/bin may be one directory.
    return list({path.resolve(): str(path) for path in found if path.exists()}.values())


def has_buildkit(docker: str) -> bool:
    """Say whether a docker CLI can build with BuildKit; newer ones need a plugin for it."""
    command = [docker, "build", "--help"]
    environ = {**os.environ, "DOCKER_BUILDKIT": "1"}
    return subprocess.run(command, env=environ, capture_output=True, check=False).returncode == 0


def client_programs() -> list[str]:
    """Return Debian's clients."""
    return [*docker_programs(), "podman", "buildah", "skopeo"]


def version(program: str) -> str:
    """Return what a client says of its version."""
    return subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()


def release(program: str) -> str:
    """Return the number of a client's release."""
    if program in CLIENTS:
        return CLIENTS[program].release
    [number] = re.findall(r"\d[\d.]*\d", version(program))[:1]
    return str(number)


def write_image_archive(path: Path) -> None:
    """Write an image of one small file, in the form of ``docker save``."""
    layer = _tar({"hello.txt": b"hello\n"})
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": [LOCAL_IMAGE], "Layers": ["layer.tar"]}]
    path.write_bytes(
        _tar(
            {
                "layer.tar": layer,
                "config.json": config,
                "manifest.json": json.dumps(manifest).encode(),
            }
        )
    )


def _tar(files: dict[str, bytes]) -> bytes:
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as writer:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            writer.addfile(member, BytesIO(content))
    return archive.getvalue()
