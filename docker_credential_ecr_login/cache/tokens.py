"""Token files: what is in them, and where they are.

    <cache directory>/
      tokens/<fingerprint of the identity>/<scope>           one authorization token
      tokens/<fingerprint of the identity>/<scope>.failure   why there is none, for some seconds
      tokens/<fingerprint of the identity>/<scope>.refresh   when a refresh was last started
      tokens/<fingerprint of the identity>/<scope>.lock      held by the process that asks AWS
      tokens/<fingerprint of the identity>/<scope>.prompt    likewise, while it asks a person
      tokens/<fingerprint of the identity>/hosts/<host>      what the config file says of it
      logins/<host>                                          a token that ``docker login`` stored
      records/<question>,<profile>,<access key id>           an answer to repeat; see `records`
      mfa.lock                                               held while a person is asked
      mfa-process.lock                                       held while a program gives a code
      swept                                                  empty; its time is of the last sweep
      log/ecr-login.log

Half a file, garbage, or another version is a miss. A file also holds what it was stored for, in
full, which is compared.
"""

from ..registry import REGION_PREFIXES, fingerprint, is_fingerprint
from ..request import Settings
from . import storage

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..request import Request

MIN_LIFETIME = 60
"""Seconds: a token that expires sooner is not answered, for a pull takes a while."""

MAX_TOKEN_LIFETIME = 12 * 3600
"""Seconds that an ECR authorization token lives, by the API reference."""

MAX_CLOCK_SKEW = 900
"""Seconds by which AWS lets a clock be wrong."""

IN_USE = (".lock", ".prompt", ".refresh")
"""How the names of files end that processes at work keep beside a token."""

BESIDE = (".failure", ".tmp")
"""How the names of all other files end that are beside a token."""

MAGIC = "ecr-login/1"
"""How a token's file begins."""

_CHECKSUM_PRIME = 2**61 - 1


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
        # If a token has more than 12 hours left, the clock has been set back since.
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

    Reading never raises: anything that is wrong is a miss. Writing raises OSError.
    ``tokens`` is the directory of the tokens, ``logins`` that of the logins.
    """

    def __init__(self, directory: str, identity: str) -> None:
        self.directory = directory
        self.identity = identity
        self.tokens = f"{directory}/tokens/{fingerprint(identity)}"
        self.logins = f"{directory}/logins"

    def token(self, request: "Request") -> Entry | None:
        """Return the token for a registry, usable or not, or None."""
        return _read(self.token_path(request), self.key(request))

    def login(self, request: "Request") -> Entry | None:
        """Return the token that ``docker login`` stored for a registry, or None.

        None for a service account, because the login is somebody else's, and with restricted
        access, because a login may allow more.
        """
        if request.access or request.web_identity:
            return None
        return _read(self.login_path(request.host), request.host)

    def settings(self, host: str) -> Settings | None:
        """Return what the config file says of a registry that was asked for before, or None."""
        lines, _, identity = storage.read_text(self._settings_path(host)).partition("\0")
        if identity != self.identity:
            return None
        pairs = [line.partition("=") for line in lines.split("\n") if line]
        return Settings({name: value for name, _, value in pairs})

    def store_token(self, request: "Request", entry: Entry) -> None:
        """Keep ``entry`` for all registries of the scope, and forget a failure."""
        path = self.token_path(request)
        _write(path, self.key(request), entry)
        storage.remove(f"{path}.failure")

    def store_login(self, request: "Request", entry: Entry) -> None:
        """Keep what ``docker login`` gave for this one registry."""
        _write(self.login_path(request.host), request.host, entry, durable=True)

    def store_settings(self, host: str, settings: Settings) -> None:
        """Note that a registry was asked for, and what the config file says of it."""
        lines = "\n".join(f"{name}={value}" for name, value in settings.values.items())
        storage.write_text(self._settings_path(host), f"{lines}\0{self.identity}")

    def hosts(self) -> set[str]:
        """Return the names that were asked for before, and those of logins."""
        notes = storage.names(f"{self.tokens}/hosts")
        return {_host(name) for name in (*storage.names(self.logins), *notes)}

    def answerable(self, requests: "Iterable[Request]", now: float) -> set[str]:
        """Return the hosts of those ``requests`` that ``get`` would answer from this cache."""
        found: set[str] = set()
        scopes: dict[str, bool] = {}
        for request in requests:
            if request.scope not in scopes:
                scopes[request.scope] = _is_usable(self.token(request), now)
            if scopes[request.scope] or _is_usable(self.login(request), now):
                found.add(request.host)
        return found

    def entries(self) -> "Iterator[tuple[str, Entry | None]]":
        """Yield the path of each token and login of every identity, and what is in it.

        That is None if the file is not trusted.
        """
        logins = [
            f"{self.logins}/{name}"
            for name in storage.names(self.logins)
            if not name.endswith(BESIDE)
        ]
        tokens = [
            f"{directory}/{name}"
            for directory in identities(self.directory)
            for name in token_names(directory)
            if not name.endswith((*IN_USE, *BESIDE))
        ]
        for path in (*logins, *tokens):
            found = _parsed(storage.read_text(path))
            yield path, found[0] if found else None

    def token_path(self, request: "Request") -> str:
        """Return the path of the token for a registry."""
        return f"{self.tokens}/{request.scope}"

    def login_path(self, host: str) -> str:
        """Return the path of what ``docker login`` stored for a registry."""
        return f"{self.logins}/{file_name(host)}"

    def _settings_path(self, host: str) -> str:
        return f"{self.tokens}/hosts/{file_name(host)}"

    def key(self, request: "Request") -> str:
        """Return what a token, or the lack of one, is kept for, in full."""
        return f"{request.scope}\0{request.signer}\0{self.identity}"


def open_cache(request: "Request") -> Cache | None:
    """Return the cache to look in, None if it is disabled."""
    if storage.is_disabled(request.environ):
        return None
    return Cache(storage.default_directory(request.environ), request.identity)


def identities(directory: str) -> list[str]:
    """Return the directories of the tokens of all identities in a cache directory."""
    tokens = f"{directory}/tokens"
    return [f"{tokens}/{name}" for name in storage.names(tokens) if is_fingerprint(name)]


def token_names(directory: str) -> list[str]:
    """Return the names of tokens in the directory of an identity, and of the files beside them."""
    found = []
    for name in storage.names_here(directory):
        partition, _, rest = name.partition(".")
        is_ecr = rest.partition(".")[2].startswith("ecr")
        if is_ecr and (partition == "aws" or partition in REGION_PREFIXES):
            found.append(name)
    return found


def file_name(host: str) -> str:
    """Return a host name, which may have a port, in a form that every file system accepts."""
    return host.replace(":", "+")


def _host(file_name: str) -> str:
    return file_name.replace("+", ":")


def _is_usable(entry: Entry | None, now: float) -> bool:
    return entry is not None and entry.usable(now)


def _read(path: str, key: str) -> Entry | None:
    found = _parsed(storage.read_text(path))
    return found[0] if found and found[1] == key else None


def _parsed(text: str) -> tuple[Entry, str] | None:
    """Return the entry of a file, and what it was stored for; None if it is not whole."""
    head, _, rest = text.partition("\n")
    if head != f"{MAGIC} {_checksum(rest)}":
        return None
    try:
        expires_at, refresh_at, secret, stored_for = rest.split("\n", 3)
        return Entry(secret, int(expires_at), int(refresh_at)), stored_for
    except ValueError:
        return None


def _write(path: str, key: str, entry: Entry, *, durable: bool = False) -> None:
    rest = f"{entry.expires_at}\n{entry.refresh_at}\n{entry.secret}\n{key}"
    storage.write_text(path, f"{MAGIC} {_checksum(rest)}\n{rest}", durable=durable)


def _checksum(text: str) -> str:
    return f"{int.from_bytes(text.encode('utf-8', 'surrogateescape'), 'big') % _CHECKSUM_PRIME:x}"
