"""Start the refresh of a token, which the caller need not wait for."""

import sys

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Callable

    from .request import Request

_CODE = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from docker_credential_ecr_login.__main__ import main; main()"
)

# What can name a path that is relative to the caller's working directory.
_PATHS = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_ECR_CACHE_DIR",
    "AWS_ECR_CONFIG",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "BOTO_CONFIG",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)


def start_process(request: "Request") -> None:
    """Start the action ``refresh`` for a registry in a detached process.

    It has none of the caller's pipes (docker waits for their end of file), no
    terminal, and no working directory that could be in somebody's way, unless a
    variable names a path in it. Only the host name is on its command line. If it
    cannot be started, that is no failure: the token that is answered is valid.
    """
    package = __file__.replace("\\", "/").rpartition("/")[0].rpartition("/")[0]
    command = [sys.executable, "-IS", "-c", _CODE, package, "refresh", request.host]
    values = (request.environ.get(name, "") for name in _PATHS)
    is_relative = any(value[:1] not in ("", "/", "~", "$") for value in values)
    try:
        _start(command, None if is_relative else "/")
    except OSError:
        pass


def start_thread(request: "Request", refresh: "Callable[[Request], None]") -> None:
    """Run ``refresh`` for a registry in a thread, for a Python program.

    Forking the program's process would not be safe. If it ends earlier, nothing is lost.
    """
    from threading import Thread

    def run() -> None:
        try:
            refresh(request)
        except Exception as error:
            from .log import logger

            logger(request.environ).error("%s: %s", request.host, error)

    Thread(target=run, daemon=True).start()


if sys.platform == "win32":

    def _start(command: list[str], _directory: str | None) -> None:
        import subprocess

        subprocess.Popen(  # noqa: S603 - our own Python and module
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP,
        )

else:
    import posix

    def _start(command: list[str], directory: str | None) -> None:
        # Forked twice, so that no zombie stays with a caller that does not wait.
        child = posix.fork()
        if child:
            posix.waitpid(child, 0)
            return
        try:
            posix.setsid()
            if posix.fork():
                posix._exit(0)  # noqa: SLF001 - its public name is os._exit
            if directory:
                posix.chdir(directory)
            null = posix.open("/dev/null", posix.O_RDWR)
            for descriptor in (0, 1, 2):
                posix.dup2(null, descriptor)
            posix.closerange(3, 65536)
            posix.execv(command[0], command)
        finally:
            posix._exit(1)  # noqa: SLF001
