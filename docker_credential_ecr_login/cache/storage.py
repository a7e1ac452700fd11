"""Private files: where they are, and how they are read and written.

Files are 0600 and directories 0700; a file is written under another name, flushed and renamed.
One that is not private (another owner, readable by others, a link, a pipe) counts as empty.
"""

import time

from ..identity import expand, is_regular

try:
    import posix as system
except ImportError:  # Windows
    import os as system  # type: ignore[no-redef]

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_FILE_SIZE = 256 * 1024
_READ_FLAGS = (
    system.O_RDONLY
    | getattr(system, "O_NOFOLLOW", 0)
    | getattr(system, "O_NONBLOCK", 0)  # a pipe in a file's place is not waited for
    | getattr(system, "O_BINARY", 0)
)
CREATE_FLAGS = (
    system.O_WRONLY
    | system.O_CREAT
    | system.O_EXCL
    | getattr(system, "O_NOFOLLOW", 0)
    | getattr(system, "O_BINARY", 0)
)
"""For creating a file where there is neither a file nor a link."""

_FILE_TYPE, _SYMBOLIC_LINK = 0o170000, 0o120000  # of stat(2)
_OPEN_TO_OTHERS = 0o077
_ALL_ACCESS = system.R_OK | system.W_OK | system.X_OK
_OF_TOKENS = ("tokens", "logins")  # directories


def is_disabled(environ: "Mapping[str, str]") -> bool:
    """Say whether ``AWS_ECR_DISABLE_CACHE`` is set to anything but the empty string."""
    return bool(environ.get("AWS_ECR_DISABLE_CACHE"))


def default_directory(environ: "Mapping[str, str]") -> str:
    """Return ``AWS_ECR_CACHE_DIR``, else ``~/.ecr``; for a guest, the one in root's home."""
    path = environ.get("AWS_ECR_CACHE_DIR")
    if not path and is_guest(environ):
        from pwd import getpwuid

        try:
            return f"{getpwuid(0).pw_dir}/.ecr"
        except KeyError:  # root's home is not known
            pass
    return expand(path or "~/.ecr", environ)


def is_guest(environ: "Mapping[str, str]") -> bool:
    """Say whether this is root in the home of another user, as with ``sudo -E``.

    What root created there, that user could not change.
    """
    if not hasattr(system, "geteuid") or system.geteuid() != 0:
        return False
    try:
        return system.stat(environ.get("HOME") or "/").st_uid != 0
    except (OSError, ValueError):
        return False


def directories(environ: "Mapping[str, str]") -> "Iterator[str]":
    """Yield the directories in which a cache can be.

    These are the default one, and platformdirs' user cache directory if that cannot be used.
    """
    yield default_directory(environ)
    if is_guest(environ):
        return
    import platformdirs

    try:
        yield platformdirs.user_cache_dir("ecr-login", appauthor=False)
    except RuntimeError:  # there is no home
        pass


def writable_directory(environ: "Mapping[str, str]") -> str | None:
    """Return the cache directory to write in, which is created if need be, or None."""
    return next(filter(is_writable, directories(environ)), None)


def complaint(environ: "Mapping[str, str]", used: str | None) -> str:
    """Return, in one line, why the default directory is not the one ``used``, and what to do.

    "" if it is. ``used`` is what `writable_directory` returns.
    """
    default = default_directory(environ)
    found = obstacle(default) if used != default else None
    if found is None:
        return ""
    outcome = f"{used} is used" if used else "nothing is kept"
    return f"{default} cannot hold the cache: {found[0]}; {outcome}; {found[1]}"


def make_directory(path: str) -> None:
    """Make ``path`` and its parents where they are missing, 0700. Raises OSError."""
    try:
        system.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        from os.path import dirname

        if dirname(path) in ("", path):
            raise
        make_directory(dirname(path))
        try:
            system.mkdir(path, 0o700)  # not by way of ourselves: see a dangling link
        except FileExistsError:
            pass  # another process was faster


def is_writable(directory: str) -> bool:
    """Say whether a cache can be kept in ``directory``, which is made if need be."""
    return obstacle(directory) is None


def obstacle(directory: str) -> tuple[str, str] | None:
    """Return why no cache can be kept in ``directory``, and what to do; None if one can.

    The directory is made if need be.
    """
    remedy = "set AWS_ECR_CACHE_DIR to a directory of your own, on a local disk"
    if directory.startswith("~"):
        return "the home directory is not known", remedy
    try:
        make_directory(directory)
        within = [f"{directory}/{name}" for name in names(directory) if name in _OF_TOKENS]
        paths = [directory, *within]
        closed = [path for path in paths if not system.access(path, _ALL_ACCESS)]
        if not closed:
            if not any(_is_private(system.stat(path)) for path in paths):
                _try_file(directory)
            closed = [path for path in within if not _is_of_user(system.stat(path))]
        if not closed:
            return None
        if _is_of_user(state := system.stat(closed[0])):
            return f"{closed[0]} cannot be written", remedy
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error), remedy
    # Root has created it, with `sudo -E`.
    return f"{closed[0]} belongs to user {state.st_uid}", f"sudo chown -R $(id -u) {directory}"


def _try_file(directory: str) -> None:
    """Create a file and remove it. Raises OSError, also if `read_text` would not trust it."""
    path = _temporary(f"{directory}/swept")  # which is removed even if this process is killed
    try:
        system.close(_created(path, checked=True))
    finally:
        remove(path)


def read_text(path: str) -> str:
    """Return a private file's text, or the empty string whatever is wrong with it."""
    try:
        descriptor = system.open(path, _READ_FLAGS)
    except (OSError, ValueError):
        return ""
    try:
        state = system.fstat(descriptor)
        if not is_regular(state) or state.st_size > _MAX_FILE_SIZE:
            return ""
        if not _is_private(state) or state.st_nlink > 1:  # 0 where it was replaced meanwhile
            return ""
        return system.read(descriptor, _MAX_FILE_SIZE).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
    finally:
        system.close(descriptor)


def write_text(path: str, text: str, *, durable: bool = False, checked: bool = True) -> None:
    """Write a private file with ``text`` at ``path``, whole or not at all.

    If ``durable``, wait until it is on the disk, which takes longer than everything else: for what
    cannot be asked for again. Raises OSError; if ``checked``, also if `read_text` would not trust
    the file.
    """
    make_directory(path.rpartition("/")[0])
    temporary = _temporary(path)
    try:
        descriptor = _created(temporary, checked=checked)
        try:
            rest = text.encode("utf-8", "surrogateescape")
            while rest:
                rest = rest[system.write(descriptor, rest) :]
            if durable:
                system.fsync(descriptor)
        finally:
            system.close(descriptor)
        try:
            system.replace(temporary, path)
        except FileNotFoundError:
            pass  # erased meanwhile, as if it had been just after
    except OSError:
        remove(temporary)
        raise


def _temporary(path: str) -> str:
    return f"{path}.{system.getpid()}.{time.monotonic_ns()}.tmp"


def _created(path: str, *, checked: bool) -> int:
    """Create a private file, and return it open. Raises OSError as `write_text` does."""
    descriptor = system.open(path, CREATE_FLAGS, 0o600)
    if not checked or _is_private(system.fstat(descriptor)):
        return descriptor
    system.close(descriptor)
    # File shares, Windows' disks: all files show one owner, or are open to others.
    raise PermissionError("files there do not show that they belong to this user alone")


def is_our_own(state: "system.stat_result") -> bool:
    """Say whether that is a file of this user alone, under one name: nobody else planted it."""
    return is_regular(state) and _is_of_user(state) and state.st_nlink <= 1


def _is_of_user(state: "system.stat_result") -> bool:
    return not hasattr(system, "geteuid") or state.st_uid == system.geteuid()


def _is_private(state: "system.stat_result") -> bool:
    is_closed = not hasattr(system, "geteuid") or not state.st_mode & _OPEN_TO_OTHERS
    return is_closed and _is_of_user(state)


def touch(path: str) -> None:
    """Set the times of a file or directory to those of this machine's clock. Raises OSError."""
    now = time.time()  # whatever the disk's is
    system.utime(path, (now, now))


def remove(path: str) -> bool:
    """Remove the file at ``path``; say whether there was one. Raises OSError if it cannot be."""
    try:
        system.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def remove_all(paths: "list[str]", failures: "list[OSError]") -> int:
    """Remove files; return how many there were, and add to ``failures``."""
    number = 0
    for path in paths:
        try:
            number += _remove_answerable(path)
        except OSError as error:
            failures.append(error)
    return number


def _remove_answerable(path: str) -> bool:
    """Remove a file that `read_text` may trust; say whether there was one. Raises OSError."""
    try:
        return remove(path)
    except OSError:
        if read_text(path):
            raise
        return False  # what it does not trust is as good as removed


def names_here(directory: str) -> list[str]:
    """Return the names in a directory; none if it is a link, to files that may be of others."""
    try:
        is_here = system.lstat(directory).st_mode & _FILE_TYPE != _SYMBOLIC_LINK
    except OSError:
        return []
    return names(directory) if is_here else []


def names(directory: str) -> list[str]:
    """Return the names in a directory; none if it cannot be read."""
    try:
        return system.listdir(directory)
    except OSError:
        return []
