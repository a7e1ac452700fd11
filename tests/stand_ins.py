"""Stand-ins for the programs that recipes run, as far as they use them: each notes its input.

Run as a script, ``stand_ins.py NAME ARGUMENT…``, by what `install` puts on a PATH. What a real
program would refuse is refused here too: a push of what was not built, an unknown option.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

OURS = "docker-credential-ecr-login"
_PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
REPOSITORY: str = _PROJECT["urls"]["Repository"]
SOURCE = f"git+{REPOSITORY}"
"""What pipx and pip install: nobody has the name on PyPI yet."""

_NETWORK = ("AWS_ENDPOINT_URL", "AWS_EC2_METADATA_DISABLED")
"""The variables that every container has, because they stand for the network: the way to AWS."""


def install(names: Iterable[str], state: Path, python: str | Path = sys.executable) -> None:
    """Put programs into ``bin`` of a directory, where they also keep what they know and note.

    They run by ``python``, which has the helper beside it.
    """
    (state / "bin").mkdir(parents=True, exist_ok=True)
    for name in names:
        program = state / "bin" / name
        program.write_text(f"#!/bin/sh\nexec '{python}' -IS '{__file__}' '{state}' {name} \"$@\"\n")
        program.chmod(0o755)


def notes(state: Path) -> list[dict[str, str]]:
    """Return what the programs noted, in order."""
    path = state / "notes"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class _Refused(Exception):
    pass


class _Program:
    def __init__(self, state: Path, name: str) -> None:
        self.name = name
        self._state = state

    def note(self, did: str, **more: str) -> None:
        with (self._state / "notes").open("a") as file:
            print(json.dumps({"program": self.name, "did": did, **more}), file=file)

    def sign_in(self, did: str, reference: str, authfile: str | None = None) -> None:
        """Find the credentials for the host of an image, as docker does, and note them."""
        host = reference.partition("/")[0]
        username, secret = _credentials(host, _configuration(authfile))
        self.note(did, reference=reference, host=host, username=username, secret=secret)

    def has(self, thing: str) -> bool:
        """Whether something exists on this machine that an earlier command has made."""
        path = self.directory / "things"
        return path.exists() and thing in path.read_text().splitlines()

    def make(self, thing: str) -> None:
        with (self.directory / "things").open("a") as file:
            print(thing, file=file)

    @property
    def directory(self) -> Path:
        """Where this program is, and the others are."""
        return self._state / "bin"

    def is_there(self, name: str) -> bool:
        """Whether another of these programs is."""
        return (self.directory / name).exists()

    def installs(self, names: list[str]) -> None:
        install(names, self._state)

    def make_container(self, name: str, volumes: list[str], workdir: str) -> None:
        """Make a container with docker and these volumes; its notes are among those of here."""
        container = self._container(name)
        install(["apk", "docker"], container)
        (container / "notes").symlink_to(self._state / "notes")
        (container / "files" / "root").mkdir(parents=True)
        (container / "workdir").symlink_to(f"files{workdir}")
        for volume in volumes:
            source, target = volume.removesuffix(":ro").split(":")
            (container / f"files{target}").symlink_to(source)

    def run_in_container(self, name: str, command: list[str], variables: list[str]) -> None:
        """Run a command in it, and end as it does; of this environment it has these variables."""
        container = self._container(name)
        if not container.exists():
            raise _Refused(f"No such container: {name}")
        environ = {name: os.environ[name] for name in (*variables, *_NETWORK) if name in os.environ}
        environ["HOME"] = str(container / "files" / "root")
        environ["PATH"] = f"{container / 'bin'}:/usr/bin:/bin"
        completed = subprocess.run(command, env=environ, cwd=container / "workdir", check=False)
        sys.exit(completed.returncode)

    def _container(self, name: str) -> Path:
        return self._state / "containers" / name


def _configuration_path() -> Path:
    directory = os.environ.get("DOCKER_CONFIG") or f"{os.environ['HOME']}/.docker"
    return Path(directory, "config.json")


def _configuration(authfile: str | None) -> dict[str, dict[str, str | dict[str, str]]]:
    path = Path(authfile) if authfile else _configuration_path()
    content: dict[str, dict[str, str | dict[str, str]]] = (
        json.loads(path.read_text()) if path.exists() else {}
    )
    return content


def _credentials(
    host: str, configuration: dict[str, dict[str, str | dict[str, str]]]
) -> tuple[str, str]:
    helper = configuration.get("credHelpers", {}).get(host)
    if helper:
        completed = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=host,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if completed.returncode:
            raise _Refused(f"no basic auth credentials: {completed.stdout}")
        answer = json.loads(completed.stdout)
        return answer["Username"], answer["Secret"]
    entry = configuration.get("auths", {}).get(host)
    if not isinstance(entry, dict):
        raise _Refused("no basic auth credentials")
    username, _, secret = base64.b64decode(entry["auth"]).decode().partition(":")
    return username, secret


# The programs


def _apk(program: _Program, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["add"])
    parser.add_argument("--no-cache", action="store_true", required=True)
    parser.add_argument("packages", nargs="+", choices=["git", "kubectl", "pipx"])
    program.installs(parser.parse_args(arguments).packages)


def _curl(program: _Program, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("curl")
    parser.add_argument("-f", action="store_true", required=True)
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-S", action="store_true")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("url")
    options = parser.parse_args(arguments)
    given = [sys.stdin.read().rstrip("\n") if header == "@-" else header for header in options.H]
    headers = dict(header.split(": ", 1) for header in given)
    url = urllib.parse.urlsplit(options.url)
    if url.path.startswith("/v2/"):  # that of a registry
        _get_from_registry(program, url, headers.get("Authorization", ""))
        return
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(options.url, headers=headers)) as response:  # noqa: S310
            sys.stdout.write(response.read().decode())
    except urllib.error.HTTPError as error:
        raise _Refused(f"The requested URL returned error: {error.code}") from error


def _get_from_registry(
    program: _Program, url: urllib.parse.SplitResult, authorization: str
) -> None:
    scheme, _, value = authorization.partition(" ")
    username, colon, secret = base64.b64decode(value).decode().partition(":")
    if (url.scheme, scheme, colon) != ("https", "Basic", ":"):
        raise _Refused("The requested URL returned error: 401")
    program.note(f"GET {url.path}", host=url.netloc, username=username, secret=secret)


def _jq(_: _Program, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("jq")
    parser.add_argument("-j", action="store_true", required=True)
    parser.add_argument("path")
    content = json.load(sys.stdin)
    for name in parser.parse_args(arguments).path.split(".")[1:]:
        content = content[name]
    sys.stdout.write(content)


def _pip(program: _Program, arguments: list[str]) -> None:
    _install_ours(program, arguments, program.directory)


def _pipx(program: _Program, arguments: list[str]) -> None:
    directory = os.environ.get("PIPX_BIN_DIR") or f"{os.environ['HOME']}/.local/bin"
    _install_ours(program, arguments, Path(directory))


def _install_ours(program: _Program, arguments: list[str], directory: Path) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["install"])
    parser.add_argument("package", choices=[SOURCE])
    parser.parse_args(arguments)
    if not program.is_there("git"):
        raise _Refused("Cannot find command 'git' - do you have 'git' installed and in your PATH?")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / OURS).symlink_to(Path(sys.executable).parent / OURS)
    program.note("install")


def _docker(program: _Program, arguments: list[str]) -> None:
    command, *rest = arguments
    parser = argparse.ArgumentParser(f"docker {command}")
    if command == "build":
        parser.add_argument("--tag", required=True)
        parser.add_argument("context", type=Path)
        options = parser.parse_args(rest)
        _check_context(options.context)
        program.make(options.tag)
    elif command == "buildx":
        _buildx(program, rest)
    elif command == "tag":
        parser.add_argument("source")
        parser.add_argument("target")
        options = parser.parse_args(rest)
        if not program.has(options.source):
            raise _Refused(f"No such image: {options.source}:latest")
        program.make(options.target)
    elif command in {"pull", "push"}:
        parser.add_argument("reference")
        reference = parser.parse_args(rest).reference
        if command == "push" and not program.has(reference):
            raise _Refused(f"an image does not exist locally with the tag: {reference}")
        program.sign_in(command, reference)
    elif command == "run":
        _run(program, rest)
    elif command == "exec":
        _exec(program, rest)
    elif command == "login":
        _login(program, rest)
    else:
        raise _Refused(f"there is no docker {command} here")


def _run(program: _Program, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("docker run")
    parser.add_argument("--privileged", action="store_true", required=True)
    parser.add_argument("--rm", action="store_true")
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--name")
    parser.add_argument("--volume", action="append", default=[])
    parser.add_argument("--workdir", default="/")
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    match options.image, options.command, options.detach:
        case "tonistiigi/binfmt", ["--install", "arm64"], False:
            program.make("linux/arm64")
        case "docker:28-dind", [], True:
            program.make_container(options.name, options.volume, options.workdir)
        case _:
            raise _Refused(f"docker run does not do this: {arguments}")


def _exec(program: _Program, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("docker exec")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("name")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    program.run_in_container(options.name, options.command, options.env)


def _buildx(program: _Program, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("docker buildx")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create")
    create.add_argument("--use", action="store_true", required=True)
    build = commands.add_parser("build")
    build.add_argument("--platform", required=True)
    build.add_argument("--tag", required=True)
    build.add_argument("--push", action="store_true", required=True)
    build.add_argument("context", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "create":
        program.make("builder")
        return
    if not program.has("builder"):
        raise _Refused("multi-platform build is not supported for the docker driver")
    for platform in options.platform.split(","):
        if platform != "linux/amd64" and not program.has(platform):
            raise _Refused(f"exec format error: {platform}")
    _check_context(options.context)
    program.sign_in(f"push {options.platform}", options.tag)


def _check_context(context: Path) -> None:
    if not (context / "Dockerfile").exists():
        raise _Refused("failed to read dockerfile: no such file or directory")


def _login(program: _Program, arguments: list[str]) -> None:
    """Do what both docker and skopeo do for ``login``."""
    parser = argparse.ArgumentParser(f"{program.name} login")
    parser.add_argument("--username", required=True)
    parser.add_argument("--password-stdin", action="store_true", required=True)
    parser.add_argument("host")
    options = parser.parse_args(arguments)
    secret = sys.stdin.read().rstrip("\n")
    program.note("login", host=options.host, username=options.username, secret=secret)


def _helm(program: _Program, arguments: list[str]) -> None:
    command, *rest = arguments
    parser = argparse.ArgumentParser(f"helm {command}")
    if command == "package":
        parser.add_argument("chart", type=Path)
        parser.add_argument("--version", required=True)
        options = parser.parse_args(rest)
        lines = (options.chart / "Chart.yaml").read_text().splitlines()
        name = dict(line.split(": ") for line in lines)["name"]
        Path(f"{name}-{options.version}.tgz").write_text("")
        return
    parser.add_argument("package", type=Path)
    parser.add_argument("remote")
    options = parser.parse_args(rest)
    scheme, _, reference = options.remote.partition("://")
    if command != "push" or scheme != "oci" or not options.package.exists():
        raise _Refused(f"helm does not do this: {arguments}")
    program.sign_in("push", reference)


def _skopeo(program: _Program, arguments: list[str]) -> None:
    command, *rest = arguments
    if command == "login":
        _login(program, rest)
        return
    parser = argparse.ArgumentParser(f"skopeo {command}")
    parser.add_argument("--authfile")
    parser.add_argument("source")
    parser.add_argument("target")
    options = parser.parse_args(rest)
    transport, _, reference = options.source.partition("://")
    if (command, transport) != ("copy", "docker"):
        raise _Refused(f"skopeo does not do this: {arguments}")
    program.sign_in("pull", reference, options.authfile)


def _executor(program: _Program, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("executor")
    parser.add_argument("--context", required=True)
    parser.add_argument("--destination", required=True)
    options = parser.parse_args(arguments)
    if not options.context.startswith("git://"):
        raise _Refused("error resolving source context")
    program.sign_in("push", options.destination)


def _buildctl(program: _Program, arguments: list[str]) -> None:
    if "--oci-worker-no-process-sandbox" not in os.environ.get("BUILDKITD_FLAGS", "").split():
        raise _Refused('error mounting "proc" to rootfs: operation not permitted')
    parser = argparse.ArgumentParser("buildctl")
    parser.add_argument("command", choices=["build"])
    parser.add_argument("--frontend", choices=["dockerfile.v0"], required=True)
    parser.add_argument("--opt", required=True)
    parser.add_argument("--output", required=True)
    options = parser.parse_args(arguments)
    output = dict(each.split("=", 1) for each in options.output.split(","))
    if not options.opt.startswith("context=https://") or output.pop("type") != "image":
        raise _Refused(f"buildctl does not do this: {arguments}")
    if output.pop("push") == "true":
        program.sign_in("push", output.pop("name"))


def _kubectl(program: _Program, arguments: list[str]) -> None:
    if arguments != ["apply", "-f", "-"]:
        raise _Refused(f"kubectl does not do this: {arguments}")
    text = sys.stdin.read()
    if not text:
        raise _Refused("no objects passed to apply")
    manifest = json.loads(text)
    if (manifest["apiVersion"], manifest["kind"]) != ("v1", "Secret"):
        raise _Refused("this is not a Secret")
    name = manifest["metadata"]["name"]
    # An API server refuses content that does not fit the type.
    if manifest["type"] != "kubernetes.io/dockerconfigjson":
        raise _Refused(f"this is not the type of a pull secret: {manifest['type']}")
    configuration = json.loads(base64.b64decode(manifest["data"][".dockerconfigjson"]))
    for host in configuration["auths"]:
        username, secret = _credentials(host, configuration)
        program.note(f"apply {name}", host=host, username=username, secret=secret)


_PROGRAMS: dict[str, Callable[[_Program, list[str]], None]] = {
    "apk": _apk,
    "buildctl-daemonless.sh": _buildctl,
    "curl": _curl,
    "docker": _docker,
    "executor": _executor,
    "helm": _helm,
    "jq": _jq,
    "kubectl": _kubectl,
    "pip": _pip,
    "pipx": _pipx,
    "skopeo": _skopeo,
}


def main(state: str, name: str, *arguments: str) -> None:
    """Be the program of that name."""
    try:
        _PROGRAMS[name](_Program(Path(state), name), list(arguments))
    except _Refused as error:
        sys.exit(f"{name}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
