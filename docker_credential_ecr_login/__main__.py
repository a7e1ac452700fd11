"""Owns argv, the three streams and the exit code."""

import sys

from . import helper, protocol
from .registry import parse

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
    helper.process_is_ours = True
    reserve = bytearray(2**20)  # bytes that the last word can have where there is no memory left
    begun = _taken(stdin_variable) if stdin_variable else ""
    environ = _environ()
    try:
        if None in (sys.stdin, sys.stdout, sys.stderr):
            _fill_streams()
        answer, remark, status = run(sys.argv[1:], environ, begun)
    except (KeyboardInterrupt, BrokenPipeError):  # Ctrl-C, or nobody reads what is found
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
        pass  # the answer is as good without
    system._exit(status)


def _fill_streams() -> None:
    """Let no file get the number of a stream that the caller closed, and its answer.

    To write the answer to a closed stdout fails still.
    """
    from os import O_RDONLY, O_RDWR, devnull

    for stream, flags in ((sys.stdin, O_RDONLY), (sys.stdout, O_RDONLY), (sys.stderr, O_RDWR)):
        if stream is None:
            system.open(devnull, flags)  # which gets the lowest number


def run(
    arguments: list[str], environ: "Mapping[str, str]", begun: str = ""
) -> tuple[str, str, int]:
    """Return what goes to stdout, a remark for stderr or "", and the exit code.

    ``begun`` is what was read of stdin already, as `main` has it.
    """
    if len(arguments) == 2 and arguments[0] == "refresh":  # by `background`, not by people
        return _refresh(arguments[1], environ)
    if arguments and arguments[0] in (*protocol.COMMANDS, "--help", "--version", "-h", "-v"):
        return _command(arguments, environ)
    action = arguments[0] if len(arguments) == 1 else ""
    if action in ("get", "store", "erase", "list"):
        try:
            return _act(action, environ, begun)
        except Exception as error:
            line = _failure_line(error, action, environ)
            # docker-py and podman-remote abort when list fails, whatever for.
            return ("{}\n", "", 0) if action == "list" else (f"{line}\n", "", 1)
    if action == "version":
        return f"{protocol.VERSION}\n", "", 0
    if action == "help":
        return _command(["--help"], environ)
    if action:
        return f"{protocol.NAME}: unknown action: {action}\n", "", 1
    return f"{protocol.USAGE}\n", "", 1


def _act(action: str, environ: "Mapping[str, str]", begun: str) -> tuple[str, str, int]:
    if action == "list":
        return helper.list_answer(environ), "", 0
    frame = _read_input(begun)
    if action == "get":
        return _get(protocol.server_url(frame), frame, environ)
    url = protocol.credentials(frame)[0] if action == "store" else protocol.server_url(frame)
    question = helper.resolve(url, environ)
    if question.fallback:
        return _pass_on(question.fallback, action, frame, question.environ)
    if action == "store":
        return "", helper.store(question, frame), 0
    if question.registry and not helper.ignores_storage(question.environ):
        helper.erase(question.registry, question.environ)
    return "", "", 0


def _get(url: str, frame: bytes, given: "Mapping[str, str]") -> tuple[str, str, int]:
    registry, environ = parse(url), given
    try:
        question = helper.resolve(url, given)
        registry, environ = question.registry, question.environ
        if question.fallback and not question.anonymous:
            return _pass_on(question.fallback, "get", frame, environ)
        if registry is None or helper.is_anonymous(registry, environ):
            answer = f"{protocol.CREDENTIALS_NOT_FOUND}\n"
            helper.keep_answer(question, given, frame, answer)
            return answer, "", 1
        entry = helper.token(registry, environ, question.identity)
        answer = protocol.get_answer(url, entry.secret)
        helper.keep_answer(question, given, frame, answer, entry)
        return answer, "", 0
    except Exception as error:
        from .errors import one_line

        subject = registry.host if registry else one_line(url)
        line = f"{subject}: {_failure_line(error, subject, environ)}"
        # By default the caller's fall-back chain goes on. ECR Public can do without us.
        is_public = registry and registry.registry_id is None
        if is_public:
            line += protocol.PUBLIC_GOES_ON
        strict = not is_public and helper.is_true(environ, "AWS_ECR_STRICT")
        return f"{line if strict else protocol.CREDENTIALS_NOT_FOUND}\n", line, 1


def _pass_on(
    fallback: str, action: str, frame: bytes, environ: "Mapping[str, str]"
) -> tuple[str, str, int]:
    """Let another helper answer."""
    from .fallback import ask
    from .turn import answer_timeout

    answer, status = ask(fallback, action, frame, answer_timeout(environ))
    return answer, "", status


def _command(arguments: list[str], environ: "Mapping[str, str]") -> tuple[str, str, int]:
    """Do what people ask for."""
    try:
        from .commands import run as run_command

        return run_command(arguments, environ)
    except BrokenPipeError:  # who reads what is printed on the way has seen enough
        raise
    except Exception as error:
        return "", _failure_line(error, arguments[0], environ), 1


def _refresh(host: str, environ: "Mapping[str, str]") -> tuple[str, str, int]:
    try:
        question = helper.resolve(host, environ)
        environ = question.environ
        if question.registry is None:
            return "", "", 1
        helper.refresh(question.registry, environ, question.identity)
    except Exception as error:
        _failure_line(error, host, environ)
        return "", "", 1
    return "", "", 0


def _failure_line(error: Exception, subject: str, environ: "Mapping[str, str]") -> str:
    """Log ``error``, with its traceback, and return the one line that tells a person."""
    from .errors import (
        BadInput,
        HelperError,
        RememberedFailure,
        is_for_want_of_resources,
        one_line,
    )
    from .log import logger

    if isinstance(error, BadInput):
        return str(error)
    traceback = None if isinstance(error, RememberedFailure) else error
    try:
        logger(environ).error("%s: %s", subject, error, exc_info=traceback)
    except Exception:
        pass  # an answer does not depend on the log
    if isinstance(error, HelperError):
        return str(error)
    if is_for_want_of_resources(error):
        return one_line(
            "the system gives this process no more memory, processes or open files"
            f" ({type(error).__name__}: {error}); raise its limits: see ulimit -a"
        )
    if isinstance(error, ImportError):
        return one_line(
            f"the installation is not complete ({error}); install {protocol.NAME} again"
        )
    return one_line(f"internal error, please report it: {type(error).__name__}: {error}")


def _read_input(begun: str) -> bytes:
    """Return standard input to its end, or as much of it as shows that it is too large.

    ``begun`` is what was read already, as `main` has it.
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
