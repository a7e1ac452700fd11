"""Owns argv, the three streams and the exit code."""

import sys

from . import actions, process, protocol
from .resolve import resolve

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

try:
    import posix as system

    def _taken(name: str) -> str:
        """Remove a variable from the environment of this process; return what was in it."""
        system.unsetenv(name)
        return system.environ.pop(name.encode(), b"").decode()

    def _environ() -> dict[str, str]:
        encoding = sys.getfilesystemencoding()
        return {
            name.decode(encoding, "surrogateescape"): value.decode(encoding, "surrogateescape")
            for name, value in system.environ.items()
        }

except ImportError:  # Windows
    import os as system  # type: ignore[no-redef]

    def _taken(name: str) -> str:
        return system.environ.pop(name, "")  # type: ignore[call-overload,no-any-return]

    def _environ() -> dict[str, str]:
        return dict(system.environ)  # type: ignore[arg-type]


def main(stdin_variable: str = "") -> "NoReturn":
    """Run the action that argv names, and end the process.

    ``stdin_variable`` names the environment variable in which the launcher leaves what it has
    read of standard input, in hexadecimal, and a full stop if it has seen the end. Ends without
    the interpreter's own tear-down, which takes longer than a cached answer.
    """
    process.is_ours = True
    reserve = bytearray(2**20)  # bytes to free for the last message, when no memory is left
    begun = _taken(stdin_variable) if stdin_variable else ""
    environ = _environ()
    try:
        if None in (sys.stdin, sys.stdout, sys.stderr):
            _fill_streams()
        answer, remark, status = run(sys.argv[1:], environ, begun)
    except (KeyboardInterrupt, BrokenPipeError):  # Ctrl-C, or nobody reads the output
        answer, remark, status = "", "", 1
    except BaseException as error:  # a traceback would leave the client without an answer
        del reserve
        answer, remark, status = f"{protocol.NAME}: internal error: {type(error).__name__}\n", "", 1
    try:
        _write(1, answer)
    except (KeyboardInterrupt, OSError):  # nobody reads it
        status = 1
    try:
        _write(2, f"ecr-login: {remark}\n" if remark else "")
    except (KeyboardInterrupt, OSError):
        pass  # the answer has been given
    system._exit(status)


def _fill_streams() -> None:
    """Keep files from getting the number of a stream that the caller closed, and then its output.

    Writing the answer to a closed stdout still fails.
    """
    from os import O_RDONLY, O_RDWR, devnull

    for stream, flags in ((sys.stdin, O_RDONLY), (sys.stdout, O_RDONLY), (sys.stderr, O_RDWR)):
        if stream is None:
            system.open(devnull, flags)  # which gets the lowest number


_ACTIONS = {"get": actions.get, "store": actions.store, "erase": actions.erase}


def run(
    arguments: list[str], environ: "Mapping[str, str]", begun: str = ""
) -> tuple[str, str, int]:
    """Return what goes to stdout, a remark for stderr or "", and the exit code.

    ``begun`` is what was already read of stdin, in the form that `main` gets.
    """
    if len(arguments) == 2 and arguments[0] == "refresh":  # by `background`, not by people
        return _refresh(arguments[1], environ)
    if arguments and arguments[0] in (*protocol.COMMANDS, "--help", "--version", "-h", "-v"):
        return _command(arguments, environ)
    action = arguments[0] if len(arguments) == 1 else ""
    if action == "list":
        try:
            from .listing import list_all

            return list_all(environ)
        except Exception as error:
            # docker-py and podman-remote abort when list fails, whatever for.
            return "{}\n", f"list: {_failure_line(error, action, environ)}", 0
    if action in _ACTIONS:
        try:
            process.stdin = _read_input(begun)
            return _ACTIONS[action](process.stdin, environ)
        except Exception as error:
            return f"{_failure_line(error, action, environ)}\n", "", 1
    if action == "kubelet":
        return _kubelet(begun, environ)
    if action == "version":
        return f"{protocol.VERSION}\n", "", 0
    if action == "help":
        return _command(["--help"], environ)
    return _misused(arguments)


def _misused(arguments: list[str]) -> tuple[str, str, int]:
    """Answer a command line that makes no sense with how to use it."""
    action = arguments[0] if arguments else ""
    if not action:
        return f"{protocol.USAGE}\n", "", 1
    if action in protocol.INPUTS:
        wants_help = arguments[1:] in (["--help"], ["-h"])
        return f"{protocol.usage(action)}\n", "", 0 if wants_help else 1
    from difflib import get_close_matches

    nearest = get_close_matches(action.lower(), (*protocol.COMMANDS, *protocol.INPUTS), 1)
    remark = f"did you mean {nearest[0]}?" if nearest else ""
    return f"{protocol.NAME}: unknown action: {action}\n", remark, 1


def _command(arguments: list[str], environ: "Mapping[str, str]") -> tuple[str, str, int]:
    """Run a command for people."""
    try:
        from .commands import run as run_command

        return run_command(arguments, environ)
    except BrokenPipeError:  # the reader of the output has closed the pipe
        raise
    except Exception as error:
        return "", _failure_line(error, arguments[0], environ), 1


def _kubelet(begun: str, environ: "Mapping[str, str]") -> tuple[str, str, int]:
    """Answer kubelet, which accepts nothing but an answer on stdout."""
    try:
        from . import kubelet

        process.stdin = _read_input(begun)
        return kubelet.answer(process.stdin, environ)
    except Exception as error:
        return "", _failure_line(error, "kubelet", environ), 1


def _refresh(host: str, environ: "Mapping[str, str]") -> tuple[str, str, int]:
    request = None
    try:
        request = resolve(host, environ)
        if request.registry:
            from .fetch import refresh

            refresh(request)
            return "", "", 0
    except Exception as error:
        _failure_line(error, host, request.environ if request else environ)
    return "", "", 1


def _failure_line(error: Exception, subject: str, environ: "Mapping[str, str]") -> str:
    from .log import failure_line

    return failure_line(error, subject, environ)


def _read_input(begun: str) -> bytes:
    """Return standard input to its end, or as much of it as shows that it is too large.

    ``begun`` is what was already read, in the form that `main` gets.
    """
    frame = bytes.fromhex(begun.rstrip("."))
    if begun.endswith(".") and len(frame) <= protocol.LONGEST_QUESTION:
        return frame
    while len(frame) <= protocol.MAX_INPUT_SIZE:
        try:
            block = system.read(0, protocol.MAX_INPUT_SIZE)
        except BlockingIOError:  # somebody has set it to O_NONBLOCK
            from select import select

            select([0], [], [])
            continue
        except OSError:  # a closed stdin
            break
        if not block:
            break
        frame += block
    return frame


def _write(descriptor: int, text: str) -> None:
    rest = text.encode("utf-8", "surrogateescape")
    while rest:
        rest = rest[system.write(descriptor, rest) :]


if __name__ == "__main__":
    main()
