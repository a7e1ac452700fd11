"""Runs the executable in a Python that has already imported everything (Linux).

A cold run takes most of its time to import botocore and its like. The server is a Python that is
started as the launcher starts it, and imports the package, but for its `__main__`, with all that
any module of it imports. For each run it forks. The child has the launcher run,
beside a Python that only reports its command line and environment, and if it does, becomes that
Python: it executes the code of that command line in that environment.

    server = ForkServer()
    completed = server.run(["get"], HOST.encode(), environ, home)
"""

import ast
import gc
import importlib
import os
import posix
import selectors
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import copy

_FLAGS = "-EIS"  # of the launcher
_REPORT = 9  # a descriptor: of more than one digit, some shells know nothing
_STAND_IN = f"""#!/bin/sh
echo >&{_REPORT}
read -r _ <&{_REPORT}
"""
_HOME = "/nonexistent/home"  # while libraries are imported
_LARGEST_REQUEST = 2**17  # bytes
LARGEST_INPUT = 2**15
"""Bytes that a run can have on stdin: they fit into a pipe."""


class ForkServer:
    """The server, for the executable of an installation; it ends with this process."""

    def __init__(self, executable: Path, python: Path, library: Path) -> None:
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._launcher = _beside_stand_in(executable, python.name, library)
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [str(python), _FLAGS, __file__, str(library), str(self._launcher), str(number)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[number],
                env={"HOME": _HOME},
                cwd="/",
                start_new_session=True,
            )

    def run(
        self,
        arguments: Sequence[str],
        stdin: bytes,
        environ: Mapping[str, str],
        directory: Path,
        timeout: float,
    ) -> "subprocess.CompletedProcess[bytes]":
        """Do what `subprocess.run` does with the executable and these ``arguments``."""
        pipes = [os.pipe() for _ in range(4)]  # stdin, stdout, stderr and the exit status
        (read, write), *outputs = pipes
        request = [str(directory), str(len(arguments)), *arguments]
        request += [f"{name}={value}" for name, value in environ.items()]
        theirs = [read, *(writing for _, writing in outputs)]
        socket.send_fds(self._connection, [os.fsencode("\0".join(request))], theirs)
        for descriptor in theirs:
            os.close(descriptor)
        with suppress(BrokenPipeError), open(write, "wb") as pipe:
            pipe.write(stdin)
        stdout, stderr, status = _read_all([reading for reading, _ in outputs], timeout)
        return subprocess.CompletedProcess(list(arguments), int(status), stdout, stderr)


def _beside_stand_in(executable: Path, python: str, library: Path) -> Path:
    """Return a copy of ``executable`` that uses a program which only reports as its Python."""
    directory = executable.parent.parent / f"forked-{os.getpid()}"
    launcher = directory / "bin" / executable.name
    launcher.parent.mkdir(parents=True)
    copy(executable, launcher)
    stand_in = launcher.with_name(python)
    stand_in.write_text(_STAND_IN)
    stand_in.chmod(0o755)
    (directory / "lib" / python).mkdir(parents=True)
    (directory / "lib" / python / library.name).symlink_to(library)
    return launcher


def _read_all(descriptors: Sequence[int], timeout: float) -> list[bytes]:
    texts = dict.fromkeys(descriptors, b"")
    deadline = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            assert time.monotonic() < deadline, texts
            for key, _ in selector.select(deadline - time.monotonic()):
                block = os.read(key.fd, 65536)
                texts[key.fd] += block
                if not block:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return list(texts.values())


# The server


def _import_all(package: Path) -> None:
    """Import the package except `__main__`, and everything that its modules import."""
    names = set()
    for path in package.rglob("*.py"):
        if path.stem not in ("__init__", "__main__"):
            names.add(".".join(path.relative_to(package.parent).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(str(node.module))
    for name in names:
        with suppress(ImportError):  # of another platform
            importlib.import_module(name)


def _fill_caches() -> None:
    """Make botocore compile what it needs for any client, and `redact` its patterns."""
    importlib.import_module("docker_credential_ecr_login.redaction").redact("")
    session = importlib.import_module("botocore.session").get_session()
    for service in ("ecr", "sts"):
        session.create_client(
            service, "us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )


def _homes() -> list[tuple[type, str, str]]:
    """Return the attributes of classes that libraries derived from the home, with their values.

    That is all that those which are imported here take from the environment at that time.
    """
    return [
        (value, name, text)
        for module in list(sys.modules.values())
        for value in list(vars(module).values())
        if isinstance(value, type)
        for name, text in vars(value).items()
        if isinstance(text, str) and text.startswith(_HOME)
    ]


def _next_run(connection: socket.socket) -> list[bytes]:
    """Fork for each request; return, in the child, the request."""
    woken, waking = socket.socketpair()
    waking.setblocking(False)
    signal.set_wakeup_fd(waking.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    statuses: dict[int, int] = {}  # where that of each child goes
    with selectors.DefaultSelector() as selector:
        for source in (connection, woken):
            selector.register(source, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                woken.recv(4096)
                _report_ends(statuses)
            if connection in ready:
                request, descriptors, _, _ = socket.recv_fds(connection, _LARGEST_REQUEST, 4)
                if not request:
                    sys.exit()
                child = os.fork()
                if not child:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    os.setsid()
                    for number, descriptor in enumerate(descriptors[:3]):
                        os.dup2(descriptor, number)
                    return request.split(b"\0")
                statuses[child] = descriptors.pop()
                for descriptor in descriptors:
                    os.close(descriptor)


def _report_ends(statuses: dict[int, int]) -> None:
    while statuses:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        descriptor = statuses.pop(child)
        os.write(descriptor, b"%d" % os.waitstatus_to_exitcode(status))
        os.close(descriptor)


def _launch(
    launcher: str, arguments: Iterable[bytes], environ: Mapping[bytes, bytes]
) -> tuple[bytes, bytes]:
    """Return the environment and the command line that Python gets, or end as the launcher does."""
    ours, theirs = socket.socketpair()
    process = os.posix_spawn(
        launcher,
        [os.fsencode(launcher), *arguments],
        environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), _REPORT)],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )
    theirs.close()
    found = [b"", b""]
    if ours.recv(1):  # the stand-in for Python has come to life, and waits
        found = [Path(f"/proc/{process}/{name}").read_bytes() for name in ("environ", "cmdline")]
    ours.close()
    _, status = os.waitpid(process, 0)
    if not found[1]:
        os._exit(os.waitstatus_to_exitcode(status))
    return found[0], found[1]


def _variables(items: Iterable[bytes]) -> dict[bytes, bytes]:
    return {name: value for name, _, value in (item.partition(b"=") for item in items)}


def _become(environment: bytes, command: bytes) -> str:
    """Take over the environment and the arguments of a command line; return its code."""
    # Python itself adds the last where there is no locale.
    environ = {**_variables(environment.split(b"\0")[:-1]), b"LC_CTYPE": b"C.UTF-8"}
    os.environb.clear()
    os.environb.update(environ)
    posix.environ.clear()
    posix.environ.update(environ)
    _shell, _stand_in, flags, _c, code, *arguments = os.fsdecode(command[:-1]).split("\0")
    assert flags == _FLAGS
    sys.argv = ["-c", *arguments]
    sys.modules["__main__"] = types.ModuleType("__main__")
    return code


def _main(library: str, launcher: str, connection: str) -> str:
    path = sys.path.copy()
    sys.path.append(library)
    _import_all(Path(library, "docker_credential_ecr_login"))
    sys.path[:] = path
    _fill_caches()
    sys.modules.pop("site", None)  # which does its work when a Python that has it not imports it
    homes = _homes()
    gc.disable()
    gc.freeze()  # what is shared with the children stays shared
    directory, count, *rest = _next_run(socket.socket(fileno=int(connection)))
    os.closerange(3, 2**16)
    os.chdir(directory)
    arguments, environ = rest[: int(count)], _variables(rest[int(count) :])
    code = _become(*_launch(launcher, arguments, environ))
    for owner, name, text in homes:
        setattr(owner, name, text.replace(_HOME, os.environ["HOME"]))
    return code


if __name__ == "__main__":
    exec(_main(*sys.argv[1:]), vars(sys.modules["__main__"]))  # noqa: S102 - the launcher's code
