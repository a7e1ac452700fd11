"""Token files: read, write, list, erase.

    <cache directory>/
      tokens/<fingerprint of the identity>/<scope>           one authorization token
      tokens/<fingerprint of the identity>/<scope>.failure   why there is none, for some seconds
      tokens/<fingerprint of the identity>/<scope>.refresh   when a refresh was last started
      tokens/<fingerprint of the identity>/<scope>.lock      held by the process that asks AWS
      tokens/<fingerprint of the identity>/<scope>.turn      where those queue that wait for it
      tokens/<fingerprint of the identity>/<scope>.prompt    there while a person is asked
      tokens/<fingerprint of the identity>/hosts/<host>      what the config file says of it
      logins/<host>                                          a token that ``docker login`` stored
      records/<question>,<profile>,<access key id>           an answer once more; see `records`
      mfa.lock                                               held while a person is asked
      mfa-process.lock                                       held while a program gives a code
      swept                                                  empty: when was it swept
      log/ecr-login.log

Files are 0600 and directories 0700; a file is written beside its name, flushed
and renamed. Whatever is wrong with a file makes it a miss: another owner,
readable by others, a link, a pipe, half a file, garbage, another version. What
a file was stored for is part of it and is compared whole.
"""

import time

from .identity import expand, fingerprint, is_fingerprint
from .registry import REGION_PREFIXES

try:
    import posix as system
except ImportError:  # Windows
    import os as system  # type: ignore[no-redef]

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .registry import Registry

MIN_LIFETIME = 60
"""Seconds: a token that expires sooner is not answered, for a pull takes a while."""

FAILURE_MEMORY = 5
"""Seconds for which a failure is remembered: BuildKit asks again up to 13 times at once."""

REFRESH_PAUSE = 60
"""Seconds between two starts of a background refresh for the same token."""

MAX_TOKEN_LIFETIME = 12 * 3600
"""Seconds that an ECR authorization token lives, by the API reference."""

MAX_CLOCK_SKEW = 900
"""Seconds by which AWS lets a clock be wrong."""

MAX_RECORDS = 500
"""How many records are kept; before one more is, all go."""

SWEEP_PAUSE = 3600
"""Seconds between two searches for what can be removed."""

_GRAVE_AGE = MAX_TOKEN_LIFETIME + 3600  # seconds after which no token can be alive
_IN_USE = (".lock", ".prompt", ".refresh", ".turn")  # by processes that are at work now
_BESIDE = (".failure", ".tmp")  # what stands beside a token and is none
_MAGIC = "ecr-login/1"
_HEXADECIMAL = frozenset("0123456789abcdef")
_MAX_FILE_SIZE = 256 * 1024
_CHECKSUM_PRIME = 2**61 - 1
_READ_FLAGS = (
    system.O_RDONLY
    | getattr(system, "O_NOFOLLOW", 0)
    | getattr(system, "O_NONBLOCK", 0)  # a pipe in a file's place is not waited for
    | getattr(system, "O_BINARY", 0)
)
_CREATE_FLAGS = (
    system.O_WRONLY
    | system.O_CREAT
    | system.O_EXCL
    | getattr(system, "O_NOFOLLOW", 0)
    | getattr(system, "O_BINARY", 0)
)
_FILE_TYPE, _REGULAR_FILE, _SYMBOLIC_LINK = 0o170000, 0o100000, 0o120000  # of stat(2)
_OPEN_TO_OTHERS = 0o077


class Entry:
    """An authorization token as it is kept.

    ``secret`` is the registry password; ``expires_at`` and ``refresh_at`` are
    epoch seconds.
    """

    __slots__ = ("expires_at", "refresh_at", "secret")

    def __init__(self, secret: str, expires_at: int, refresh_at: int) -> None:
        self.secret = secret
        self.expires_at = expires_at
        self.refresh_at = refresh_at

    @property
    def usable_between(self) -> tuple[int, int]:
        """From when to when the token may be answered (epoch seconds)."""
        # A token with more than its 12 hours left is from another clock than now's.
        since = self.expires_at - MAX_TOKEN_LIFETIME - MAX_CLOCK_SKEW
        return since, self.expires_at - MIN_LIFETIME

    def usable(self, now: float) -> bool:
        """Say whether the token may be answered at ``now`` (epoch seconds)."""
        since, until = self.usable_between
        return since <= now <= until

    def young(self, now: float) -> bool:
        """Say whether the token need not even be refreshed at ``now`` (epoch seconds)."""
        return now < self.refresh_at and self.usable(now)


class Cache:
    """The tokens in one cache directory that belong to one configured identity.

    Reading never raises: whatever is wrong is a miss. Writing raises OSError.
    ``tokens`` is the directory of the tokens.
    """

    def __init__(self, directory: str, identity: str) -> None:
        self.directory = directory
        self.identity = identity
        self.tokens = f"{directory}/tokens/{fingerprint(identity)}"
        self._hosts = f"{self.tokens}/hosts"
        self._records = f"{directory}/records"

    def token(self, registry: "Registry") -> Entry | None:
        """Return the token for ``registry``, usable or not, or None."""
        return _read(self.token_path(registry), self._key(registry))

    def login(self, registry: "Registry") -> Entry | None:
        """Return the token that ``docker login`` stored for ``registry``, or None."""
        return _read(self.login_path(registry.host), registry.host)

    def settings(self, host: str) -> dict[str, str] | None:
        """Return what the config file says of a registry that was asked for before, or None."""
        lines, _, identity = read_text(self.settings_path(host)).partition("\0")
        if identity != self.identity:
            return None
        pairs = [line.partition("=") for line in lines.split("\n") if line]
        return {name: value for name, _, value in pairs}

    def hosts(self, resolve: "Callable[[str], Registry | None]", now: float) -> list[str]:
        """Return the hosts, sorted, that ``get`` would answer from this cache at ``now``.

        ``resolve`` says which registry a name means.
        """
        logins = self._registries(f"{self.directory}/logins", resolve)
        found = {registry.host for registry in logins if _is_usable(self.login(registry), now)}
        scopes: dict[str, bool] = {}
        for registry in self._registries(self._hosts, resolve):
            if registry.scope not in scopes:
                scopes[registry.scope] = _is_usable(self.token(registry), now)
            if scopes[registry.scope]:
                found.add(registry.host)
        return sorted(found)

    def _registries(
        self, directory: str, resolve: "Callable[[str], Registry | None]"
    ) -> "list[Registry]":
        names = [_host(name) for name in _names(directory)]
        return [registry for name in names if (registry := resolve(name))]

    def store_token(self, registry: "Registry", entry: Entry) -> None:
        """Keep ``entry`` for all registries of the scope, and forget a failure."""
        _write(self.token_path(registry), self._key(registry), entry)
        _remove(self.token_path(registry) + ".failure")

    def store_login(self, registry: "Registry", entry: Entry) -> None:
        """Keep what ``docker login`` gave for this one registry."""
        _write(self.login_path(registry.host), registry.host, entry)

    def store_settings(self, host: str, settings: "Mapping[str, str]") -> None:
        """Note that a registry was asked for, and what the config file says of it."""
        lines = "\n".join(f"{name}={value}" for name, value in settings.items())
        write_text(self.settings_path(host), f"{lines}\0{self.identity}", durable=False)

    def store_record(self, name: str, text: str) -> None:
        """Keep what the launcher needs to give an answer once more, among not too many."""
        path = f"{self._records}/{name}"
        if read_text(path) == text:
            return
        kept = _recorded(self._records)
        if len(kept) >= MAX_RECORDS and path not in kept:
            _erase_all(kept, [])
        write_text(path, text, durable=False)

    def remove_record(self, name: str) -> None:
        """Remove what was kept under ``name``, if anything was. Raises OSError."""
        _remove(f"{self._records}/{name}")

    def erase(self, registry: "Registry | None") -> tuple[int, int]:
        """Forget the login, and the tokens of every identity that serve ``registry``.

        A token of another identity goes too: ``docker logout`` is to leave none
        behind that opens this registry. None stands for all registries. Returns how many
        logins and tokens there were. Raises OSError if something cannot be removed; the rest
        is gone then.
        """
        logins = f"{self.directory}/logins"
        unfinished = _unfinished(logins)  # also of writers that were killed, or are late
        login_paths = [self.login_path(registry.host)] if registry else _ours(logins)
        if registry:
            unfinished = [path for path in unfinished if path.rsplit(".", 3)[0] == login_paths[0]]
        others = unfinished
        tokens: list[str] = []
        for directory in self._identities():
            hosts = f"{directory}/hosts"
            host_names = [_file_name(registry.host)] if registry else _names_here(hosts)
            others += [f"{hosts}/{name}" for name in host_names]
            for name in _tokens(directory):
                endpoint = ".".join(name.split(".")[:3])
                is_meant = not registry or endpoint in registry.endpoints
                if is_meant and not name.endswith(_IN_USE):
                    is_token = not name.endswith(_BESIDE)
                    (tokens if is_token else others).append(f"{directory}/{name}")
        failures: list[OSError] = []
        counts = [_erase_all(paths, failures) for paths in (login_paths, tokens, others)]
        # Of all registries, which is simple, and costs their next answer some milliseconds. Last,
        # because until then another process may make some.
        _erase_all(_recorded(self._records), failures)
        if failures:
            raise failures[0]
        return counts[0], counts[1]

    def _identities(self) -> list[str]:
        """Return the directories of the tokens of all identities."""
        tokens = f"{self.directory}/tokens"
        return [f"{tokens}/{name}" for name in _names(tokens) if is_fingerprint(name)]

    def entries(self) -> "Iterator[tuple[str, Entry | None]]":
        """Yield the path of each token and login of every identity, and what is in it.

        That is None where the file is not believed.
        """
        logins = [
            f"{self.directory}/logins/{name}"
            for name in _names(f"{self.directory}/logins")
            if not name.endswith(_BESIDE)
        ]
        tokens = [
            f"{directory}/{name}"
            for directory in self._identities()
            for name in _tokens(directory)
            if not name.endswith((*_IN_USE, *_BESIDE))
        ]
        for path in (*logins, *tokens):
            found = _parsed(read_text(path))
            yield path, found[0] if found else None

    def failure(
        self, registry: "Registry", circumstances: "Callable[[], str]", since: float, now: float
    ) -> str | None:
        """Return the failure line of the last few seconds for this scope, or None.

        Or of the time ``since`` the caller asked (epoch seconds). A failure under other
        ``circumstances`` (one line, asked for if there is a failure) is none: what people
        change after a failure may be the cure.
        """
        text = read_text(self.token_path(registry) + ".failure")
        until, _, rest = text.partition("\n")
        message, _, key = rest.partition("\n")
        if not until.isdecimal() or key != f"{circumstances()}\n{self._key(registry)}":
            return None
        return message if min(since, now) <= int(until) / 1000 <= now + FAILURE_MEMORY else None

    def store_failure(
        self, registry: "Registry", circumstances: str, message: str, until: float
    ) -> None:
        """Remember the one-line ``message`` until then (epoch seconds)."""
        write_text(
            self.token_path(registry) + ".failure",
            f"{int(until * 1000)}\n{message}\n{circumstances}\n{self._key(registry)}",
        )

    def lock_path(self, registry: "Registry") -> str:
        """Return the path of the lock of the one process that asks AWS for this scope."""
        make_directory(self.tokens)
        system.utime(self.tokens)  # no sweep takes the lock away from its holder
        return self.token_path(registry) + ".lock"

    def turn_path(self, registry: "Registry") -> str:
        """Return the path of the file at which callers of this scope take turns."""
        return self.token_path(registry) + ".turn"

    def mfa_lock_path(self, *, by_person: bool) -> str:
        """Return the path of the lock of the one process that asks a person for an MFA code.

        Or, if not ``by_person``, of the one that has it from elsewhere.
        """
        return f"{self.directory}/{'mfa' if by_person else 'mfa-process'}.lock"

    def prompt_path(self, registry: "Registry") -> str:
        """Return the path of a file that is there while a person is asked for an MFA code."""
        return self.token_path(registry) + ".prompt"

    def is_prompting(self, registry: "Registry") -> bool:
        """Say whether a person is asked for an MFA code, for the token of ``registry``."""
        try:
            system.stat(self.prompt_path(registry))
        except OSError:
            return False
        return True

    def set_prompting(self, registry: "Registry", *, on: bool) -> None:
        """Let others know whether a person is asked for an MFA code. Raises OSError."""
        if on:
            write_text(self.prompt_path(registry), "", durable=False)
        else:
            _remove(self.prompt_path(registry))

    def claim_refresh(self, registry: "Registry", now: float) -> bool:
        """Say whether the caller is to start the background refresh of this token.

        One caller in a minute is told so, however many ask; two, if both find the same old mark
        in the same moment, which costs a call.
        """
        path = self.token_path(registry) + ".refresh"
        try:
            if abs(now - system.stat(path).st_mtime) < REFRESH_PAUSE:
                return False
            _remove(path)
        except OSError:
            pass
        try:
            system.close(system.open(path, _CREATE_FLAGS, 0o600))
            system.utime(path, (now, now))  # by the caller's clock, whatever the disk's is
        except OSError:
            return False  # another caller was faster, or nothing can be written here
        return True

    def sweep(self, now: float) -> None:
        """Remove what can only belong to expired tokens at ``now`` (epoch seconds).

        That is what nobody has written for 13 hours. It is looked for once an hour. What
        cannot be removed stays, and keeps nothing else from being removed.
        """
        last = f"{self.directory}/swept"
        try:
            # A clock that was put back must not keep it from being done.
            if abs(now - system.stat(last).st_mtime) < SWEEP_PAUSE:
                return
        except OSError:
            pass
        try:
            write_text(last, "", durable=False)
        except OSError:
            pass  # then it is done more often
        # Others may keep files here: what goes has the look of ours.
        logins = f"{self.directory}/logins"
        _sweep(_unfinished(logins) + _ours(logins) + _recorded(self._records), now)
        _sweep([path for path in _unfinished(self.directory) if path.startswith(last)], now)
        for tokens in self._identities():
            paths = [f"{tokens}/{name}" for name in _tokens(tokens)]
            hosts = f"{tokens}/hosts"
            if _is_older(tokens, _GRAVE_AGE, now):
                paths += [f"{hosts}/{name}" for name in _names_here(hosts)]
                for path in (*paths, hosts, tokens):
                    _bury(path)  # directories, unless another process has just stored something
                continue
            # Locks may be held, and hosts are known for as long as the identity is.
            _sweep([path for path in paths if not path.endswith(".lock")], now)
            _sweep(_unfinished(hosts), now)

    def token_path(self, registry: "Registry") -> str:
        """Return the path of the token for ``registry``."""
        return f"{self.tokens}/{registry.scope}"

    def login_elsewhere(self, host: str, environ: "Mapping[str, str]") -> str:
        """Return where a login is when this directory cannot be written (on Linux).

        That is in platformdirs' directory, without its import, which takes longer than an answer.
        """
        directory = environ.get("XDG_CACHE_HOME") or expand("~/.cache", environ)
        return Cache(f"{directory}/ecr-login", self.identity).login_path(host)

    def login_path(self, host: str) -> str:
        """Return the path of what ``docker login`` stored for a registry."""
        return f"{self.directory}/logins/{_file_name(host)}"

    def settings_path(self, host: str) -> str:
        """Return the path of what the config file says of a registry."""
        return f"{self._hosts}/{_file_name(host)}"

    def _key(self, registry: "Registry") -> str:
        return f"{registry.scope}\0{registry.principal}\0{self.identity}"


def is_disabled(environ: "Mapping[str, str]") -> bool:
    """Say whether ``AWS_ECR_DISABLE_CACHE`` is set to anything but the empty string."""
    return bool(environ.get("AWS_ECR_DISABLE_CACHE"))


def default_directory(environ: "Mapping[str, str]") -> str:
    """Return ``AWS_ECR_CACHE_DIR``, else ``~/.ecr``."""
    return expand(environ.get("AWS_ECR_CACHE_DIR") or "~/.ecr", environ)


def directories(environ: "Mapping[str, str]") -> "Iterator[str]":
    """Yield the directories in which a cache can be.

    The default one, and platformdirs' user cache directory, which is for when the former
    cannot be written.
    """
    yield default_directory(environ)
    import platformdirs

    try:
        yield platformdirs.user_cache_dir("ecr-login", appauthor=False)
    except RuntimeError:  # there is no home
        pass


def writable_directory(environ: "Mapping[str, str]") -> str | None:
    """Return the cache directory to write in, made if need be, or None."""
    return next(filter(is_writable, directories(environ)), None)


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
    if directory.startswith("~"):  # nobody knows where the home is
        return False
    try:
        make_directory(directory)
    except (OSError, ValueError):
        return False
    # Root may have made these, by `sudo -E`.
    within = [f"{directory}/{name}" for name in _names(directory) if name in ("tokens", "logins")]
    mode = system.R_OK | system.W_OK | system.X_OK
    return all(system.access(each, mode) for each in (directory, *within))


def _is_usable(entry: Entry | None, now: float) -> bool:
    return entry is not None and entry.usable(now)


def _read(path: str, key: str) -> Entry | None:
    found = _parsed(read_text(path))
    return found[0] if found and found[1] == key else None


def _parsed(text: str) -> tuple[Entry, str] | None:
    """Return the entry of a file, and what it was stored for; None if it is not whole."""
    head, _, rest = text.partition("\n")
    if head != f"{_MAGIC} {_checksum(rest)}":
        return None
    try:
        expires_at, refresh_at, secret, stored_for = rest.split("\n", 3)
        return Entry(secret, int(expires_at), int(refresh_at)), stored_for
    except ValueError:
        return None


def _write(path: str, key: str, entry: Entry) -> None:
    rest = f"{entry.expires_at}\n{entry.refresh_at}\n{entry.secret}\n{key}"
    write_text(path, f"{_MAGIC} {_checksum(rest)}\n{rest}")


def _checksum(text: str) -> str:
    return f"{int.from_bytes(text.encode('utf-8', 'surrogateescape'), 'big') % _CHECKSUM_PRIME:x}"


def read_text(path: str) -> str:
    """Return a private file's text, or the empty string whatever is wrong with it."""
    try:
        descriptor = system.open(path, _READ_FLAGS)
    except (OSError, ValueError):
        return ""
    try:
        state = system.fstat(descriptor)
        if state.st_mode & _FILE_TYPE != _REGULAR_FILE or state.st_size > _MAX_FILE_SIZE:
            return ""
        if hasattr(system, "geteuid") and (
            state.st_uid != system.geteuid()
            or state.st_mode & _OPEN_TO_OTHERS
            or state.st_nlink > 1  # none where it was replaced since it was opened
        ):
            return ""
        return system.read(descriptor, _MAX_FILE_SIZE).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
    finally:
        system.close(descriptor)


def write_text(path: str, text: str, *, durable: bool = True) -> None:
    """Put a private file with ``text`` at ``path``, whole or not at all. Raises OSError.

    Only a ``durable`` one is waited for until it is on the disk.
    """
    make_directory(path.rpartition("/")[0])
    temporary = f"{path}.{system.getpid()}.{time.monotonic_ns()}.tmp"
    descriptor = system.open(temporary, _CREATE_FLAGS, 0o600)
    try:
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
        _remove(temporary)
        raise


def is_our_own(state: "system.stat_result") -> bool:
    """Say whether that is a file of this user alone, under one name: nobody put it in the way."""
    is_file = state.st_mode & _FILE_TYPE == _REGULAR_FILE
    is_of_user = not hasattr(system, "geteuid") or state.st_uid == system.geteuid()
    return is_file and is_of_user and state.st_nlink <= 1


def _erase_all(paths: "list[str]", failures: "list[OSError]") -> int:
    """Remove files; return how many there were, and add to ``failures``."""
    number = 0
    for path in paths:
        try:
            number += _erase(path)
        except OSError as error:
            failures.append(error)
    return number


def _erase(path: str) -> bool:
    """Remove a file that could be answered; say whether there was one. Raises OSError."""
    try:
        return _remove(path)
    except OSError:
        if read_text(path):
            raise
        return False  # what could not be answered is as good as gone


def _remove(path: str) -> bool:
    """Remove the file at ``path``; say whether there was one. Raises OSError if it cannot be."""
    try:
        system.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _sweep(paths: "list[str]", now: float) -> None:
    """Remove those files that nobody has written for 13 hours."""
    for path in paths:
        if _is_older(path, _GRAVE_AGE, now):
            _bury(path)


def _bury(path: str) -> None:
    """Remove a file, or an empty directory, if that can be."""
    try:
        try:
            _remove(path)
        except (IsADirectoryError, PermissionError):  # the second on macOS and Windows
            system.rmdir(path)
    except OSError:
        pass


def _unfinished(directory: str) -> list[str]:
    """Return the paths of what is being written in a directory, or was when its writer ended."""
    found = []
    for name in _names_here(directory):
        parts = name.rsplit(".", 3)  # as `write_text` has them
        if len(parts) == 4 and parts[3] == "tmp" and parts[1].isdecimal() and parts[2].isdecimal():
            found.append(f"{directory}/{name}")
    return found


def _ours(directory: str) -> list[str]:
    """Return the paths of those files in a directory that this program has written."""
    paths = [f"{directory}/{name}" for name in _names(directory)]
    return [path for path in paths if read_text(path).startswith(f"{_MAGIC} ")]


def _recorded(directory: str) -> list[str]:
    """Return the paths of the records in a directory, also of those that are being written."""
    found = []
    for name in _names_here(directory):
        question, *others = name.split(",", 2)
        if question[-1:] == "." and len(others) == 2 and _HEXADECIMAL.issuperset(question[:-1]):
            found.append(f"{directory}/{name}")
    return found


def _tokens(directory: str) -> list[str]:
    """Return the names of tokens in the directory of an identity, and of what is beside them."""
    found = []
    for name in _names_here(directory):
        partition, _, rest = name.partition(".")
        is_ecr = rest.partition(".")[2].startswith("ecr")
        if is_ecr and (partition == "aws" or partition in REGION_PREFIXES):
            found.append(name)
    return found


def _is_older(path: str, age: int, now: float) -> bool:
    """Say whether what is at ``path`` was not written for ``age`` seconds, or is not there."""
    try:
        return system.stat(path).st_mtime < now - age
    except OSError:
        return True


def _file_name(host: str) -> str:
    """Return a host name, which may have a port, as every file system takes it."""
    return host.replace(":", "+")


def _host(file_name: str) -> str:
    return file_name.replace("+", ":")


def _names_here(directory: str) -> list[str]:
    """Return what may be removed from a directory: nothing that lies elsewhere, behind a link."""
    try:
        is_here = system.lstat(directory).st_mode & _FILE_TYPE != _SYMBOLIC_LINK
    except OSError:
        return []
    return _names(directory) if is_here else []


def _names(directory: str) -> list[str]:
    try:
        return system.listdir(directory)
    except OSError:
        return []
