"""Token files: what is kept, what is trusted, and what is removed."""

import errno
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docker_credential_ecr_login.cache import removal
from docker_credential_ecr_login.cache.recall import (
    FAILURE_MEMORY,
    REFRESH_PAUSE,
    claim_refresh,
    remember_failure,
    remembered_failure,
)
from docker_credential_ecr_login.cache.removal import SWEEP_PAUSE
from docker_credential_ecr_login.cache.storage import is_our_own, make_directory
from docker_credential_ecr_login.cache.tokens import MIN_LIFETIME, Cache, Entry
from docker_credential_ecr_login.request import NO_SETTINGS, Settings
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import (
    HOST,
    OTHER_REGION,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
    as_nobody,
)
from tests.tokens import asked

NOW = 1_700_000_000
TOKEN = Entry("c2VjcmV0", expires_at=NOW + 43_200, refresh_at=NOW + 21_600)


def contents(entry: Entry | None) -> tuple[str, int, int] | None:
    """What an entry holds, for comparison."""
    return (entry.secret, entry.expires_at, entry.refresh_at) if entry else None


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache of one identity."""
    return Cache(str(tmp_path / "cache"), "identity")


def token_file(cache: Cache) -> Path:
    """The one token file there is."""
    (path,) = Path(cache.directory).glob("tokens/*/aws.us-east-1.ecr")
    return path


def swap(first: Path, second: Path) -> None:
    """Put each of two files in the place of the other."""
    whole = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(whole)


def test_what_is_stored_is_found(cache: Cache) -> None:
    """A stored token is found by every registry of its scope, and by no other."""
    cache.store_token(asked(), TOKEN)
    assert contents(cache.token(asked())) == contents(TOKEN)
    assert contents(cache.token(asked(SECOND_ACCOUNT))) == contents(TOKEN)
    assert cache.token(asked(OTHER_REGION)) is None
    assert cache.token(asked(PUBLIC)) is None


def test_identities_never_share(cache: Cache) -> None:
    """A token of one identity is a miss for another, even under the name of its own file."""
    cache.store_token(asked(), TOKEN)
    other = Cache(cache.directory, "another identity")
    assert other.token(asked()) is None
    other.store_token(asked(), Entry("b3RoZXI=", NOW, NOW))
    swap(*Path(cache.directory).glob("tokens/*/aws.us-east-1.ecr"))
    assert cache.token(asked()) is None
    assert other.token(asked()) is None


def test_settings_are_those_of_one_identity(cache: Cache) -> None:
    """What was noted of the config file is read under the same identity only."""
    noted = Settings({"profile": "prod", "role_arn": "arn:aws:iam::111111111111:role/a=b"})

    def found(cache: Cache, host: str = HOST) -> Mapping[str, str] | None:
        settings = cache.settings(host)
        return settings.values if settings else None

    other = Cache(cache.directory, "another identity")
    assert found(cache) is None
    cache.store_settings(HOST, noted)
    assert found(cache) == noted.values
    assert found(cache, OTHER_REGION) is None
    assert found(other) is None
    other.store_settings(HOST, NO_SETTINGS)
    assert found(other) == {}
    swap(*Path(cache.directory).glob(f"tokens/*/hosts/{HOST}"))
    assert found(cache) is None
    assert found(other) is None


@given(
    secret=st.from_regex(r"[A-Za-z0-9+/=]{1,3000}", fullmatch=True),
    expires_at=st.integers(0, 2**40),
    refresh_at=st.integers(0, 2**40),
    identity=st.text(st.characters(exclude_categories=[])).map(
        lambda text: text.encode("utf-8", "ignore").decode()
    ),
)
@example(secret="A" * 100_000, expires_at=NOW, refresh_at=NOW, identity="line\n" * 20_000)
def test_every_token_and_identity_survives_the_disk(
    secret: str, expires_at: int, refresh_at: int, identity: str
) -> None:
    """Whatever a token and an identity are made of, they come back as they were."""
    entry = Entry(secret, expires_at, refresh_at)
    with tempfile.TemporaryDirectory() as directory:
        cache = Cache(directory, identity)
        cache.store_token(asked(), entry)
        assert contents(cache.token(asked())) == contents(entry)


@given(position=st.integers(0, 10_000), change=st.integers(1, 255), cut=st.booleans())
def test_any_damage_is_a_miss(position: int, change: int, cut: bool) -> None:
    """A token file with one byte changed, or cut anywhere, is a miss and never an error."""
    with tempfile.TemporaryDirectory() as directory:
        cache = Cache(directory, "identity")
        cache.store_token(asked(), TOKEN)
        path = token_file(cache)
        whole = bytearray(path.read_bytes())
        position %= len(whole)
        if cut:
            del whole[position:]
        else:
            whole[position] ^= change
        path.write_bytes(whole)
        assert cache.token(asked()) is None


def test_no_byte_of_the_secret_can_change(cache: Cache) -> None:
    """A token with one byte of its secret changed, whichever and to whatever, is a miss."""
    cache.store_token(asked(), TOKEN)
    path = token_file(cache)
    whole = path.read_bytes()
    start = whole.index(TOKEN.secret.encode())
    for position in range(start, start + len(TOKEN.secret)):
        for change in (*(1 << bit for bit in range(8)), 0x20 ^ 0x80, 0xFF):
            damaged = bytearray(whole)
            damaged[position] ^= change
            path.write_bytes(damaged)
            assert cache.token(asked()) is None


@given(st.binary(max_size=400))
@example(b"ecr-login/1 0\n")  # the checksum of nothing
def test_garbage_is_a_miss(garbage: bytes) -> None:
    """A token file that holds anything else is a miss and never an error."""
    with tempfile.TemporaryDirectory() as directory:
        cache = Cache(directory, "identity")
        cache.store_token(asked(), TOKEN)
        token_file(cache).write_bytes(garbage)
        assert cache.token(asked()) is None


def _readable_by_others(path: Path) -> None:
    path.chmod(0o644)


def _hard_link(path: Path) -> None:
    path.with_suffix(".link").hardlink_to(path)


def _symbolic_link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _huge(path: Path) -> None:
    os.truncate(path, 10 * 1024 * 1024)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _of_another_owner(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(path, 1, 1)


def _later_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"ecr-login/1", b"ecr-login/2"))


@pytest.mark.parametrize(
    "spoil",
    [
        _readable_by_others,
        _hard_link,
        _symbolic_link,
        _pipe,
        _directory,
        _huge,
        _empty,
        _later_version,
    ],
)
def test_untrustworthy_files_are_a_miss(
    signed_in: HelperProcess, aws: AwsEmulator, spoil: Callable[[Path], None]
) -> None:
    """A file that may not be ours is not trusted: AWS is asked, and the caller gets a token."""
    signed_in.get()
    (path,) = signed_in.cache_directory.glob("tokens/*/aws.us-east-1.ecr")
    spoil(path)
    assert aws.accepts(signed_in.get().secret)
    assert aws.count("GetAuthorizationToken") == 2


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
def test_a_file_that_is_open_to_others_is_a_miss(cache: Cache, mode: int) -> None:
    """A token file that a group or others may read, write or run is not trusted."""
    cache.store_token(asked(), TOKEN)
    token_file(cache).chmod(mode)
    assert cache.token(asked()) is None


def test_a_file_that_the_disk_does_not_give_back_is_a_miss(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token file that can be opened but not read is a miss."""

    def fail(descriptor: int, length: int) -> bytes:
        raise OSError(errno.EIO, f"{length} bytes of {descriptor}")

    cache.store_token(asked(), TOKEN)
    monkeypatch.setattr("docker_credential_ecr_login.cache.storage.system.read", fail)
    assert cache.token(asked()) is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owners here")
@pytest.mark.parametrize("difference", [-1, 1])
def test_owners_are_compared(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, difference: int
) -> None:
    """A file of another user, even of root, is neither trusted nor our own."""
    cache.store_token(asked(), TOKEN)
    state = token_file(cache).stat()
    user = state.st_uid + difference
    monkeypatch.setattr("docker_credential_ecr_login.cache.storage.system.geteuid", lambda: user)
    assert cache.token(asked()) is None
    assert not is_our_own(state)


def test_a_file_of_another_owner_is_a_miss(cache: Cache) -> None:
    """A token file that another user owns is not trusted."""
    cache.store_token(asked(), TOKEN)
    _of_another_owner(token_file(cache))
    assert cache.token(asked()) is None


@pytest.mark.parametrize(
    ("spoil", "is_ours"),
    [
        (Path.touch, True),
        (_readable_by_others, True),
        (_hard_link, False),
        (_symbolic_link, False),
        (_pipe, False),
        (_directory, False),
        (_of_another_owner, False),
    ],
)
def test_what_is_our_own(spoil: Callable[[Path], None], is_ours: bool, tmp_path: Path) -> None:
    """A file that others may lock for ever, or read under another name, is not our own."""
    path = tmp_path / "file"
    path.touch(0o600)
    spoil(path)
    assert is_our_own(path.lstat()) == is_ours


def test_a_file_that_was_just_removed_is_our_own(tmp_path: Path) -> None:
    """A file that another process removed after this one opened it still counts as our own."""
    path = tmp_path / "file"
    with path.open("w") as file:
        path.unlink()
        assert is_our_own(os.fstat(file.fileno()))


def test_modes(signed_in: HelperProcess) -> None:
    """Every directory is 0700 and every file 0600, whatever the umask."""
    previous = os.umask(0)
    try:
        signed_in.get()
        signed_in.store(SECOND_ACCOUNT, "c2VjcmV0")
    finally:
        os.umask(previous)
    paths = [signed_in.cache_directory, *signed_in.cache_directory.rglob("*")]
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in paths}
    assert modes == {(True, 0o700), (False, 0o600)}
    assert len(paths) > 6


def test_modes_of_other_files(tmp_path: Path) -> None:
    """Files beside tokens, and parent directories that were missing, are private, too."""
    top = tmp_path / "missing"
    cache = Cache(f"{top}/too/cache", "identity")
    previous = os.umask(0)
    try:
        cache.store_token(asked(), TOKEN)
        cache.store_login(asked(), TOKEN)
        cache.store_settings(HOST, NO_SETTINGS)
        remember_failure(cache, asked(), "it failed", NOW)
        assert claim_refresh(cache, asked(), NOW)
        removal.sweep(cache.directory, NOW)
    finally:
        os.umask(previous)
    modes = [(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (top, *top.rglob("*"))]
    assert set(modes) == {(True, 0o700), (False, 0o600)}
    assert len(modes) == 13


def test_a_directory_that_another_process_makes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another process creates the same directory first, both use it."""
    path = tmp_path / "parent" / "cache"
    mkdir = os.mkdir

    def make_more(name: str, mode: int) -> None:
        mkdir(name, mode)
        if name == str(path.parent):
            mkdir(path, mode)

    monkeypatch.setattr("docker_credential_ecr_login.cache.storage.system.mkdir", make_more)
    make_directory(str(path))
    assert path.is_dir()


def test_a_file_replaced_while_it_is_read_is_good(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that opened the token just before a refresh replaced it reads the old token."""
    cache.store_token(asked(), TOKEN)
    newer = Entry("bmV3ZXI=", TOKEN.expires_at, TOKEN.refresh_at)
    fstat = os.fstat

    def replace_first(descriptor: int) -> os.stat_result:
        monkeypatch.undo()
        cache.store_token(asked(), newer)
        return fstat(descriptor)

    monkeypatch.setattr("docker_credential_ecr_login.cache.storage.system.fstat", replace_first)
    assert contents(cache.token(asked())) == contents(TOKEN)
    assert contents(cache.token(asked())) == contents(newer)


def test_no_temporary_file_stays(signed_in: HelperProcess) -> None:
    """After a token is stored, only whole files are left."""
    signed_in.get()
    assert list(signed_in.cache_directory.rglob("*.tmp")) == []


def test_a_second_account_is_a_hit(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """One token serves all accounts of a region; another region is another call."""
    secrets = {signed_in.get(host).secret for host in (HOST, SECOND_ACCOUNT, HOST)}
    assert len(secrets) == 1
    assert aws.count("GetAuthorizationToken") == 1
    assert signed_in.get(OTHER_REGION).secret not in secrets
    assert [call.region for call in aws.calls] == ["us-east-1", "eu-west-1"]


@pytest.mark.parametrize(
    ("lifetime", "calls"), [(30, 2), (MIN_LIFETIME - 5, 2), (MIN_LIFETIME + 60, 1)]
)
def test_a_token_at_its_end_is_not_answered(
    signed_in: HelperProcess, aws: AwsEmulator, lifetime: int, calls: int
) -> None:
    """A token with less than a minute left is fetched anew while the caller waits."""
    aws.token_lifetime = lifetime
    signed_in.get()
    signed_in.get()
    assert aws.count("GetAuthorizationToken") == calls


@pytest.mark.parametrize(
    ("left", "usable"),
    [
        (16 * 3600, False),
        (12 * 3600 + 1000, False),
        (12 * 3600 + 800, True),
        (12 * 3600, True),
        (MIN_LIFETIME + 1, True),
        (MIN_LIFETIME - 1, False),
        (-1, False),
        (-(10**8), False),
    ],
)
def test_a_token_of_another_clock_is_not_answered(left: int, usable: bool) -> None:
    """A token with under a minute, or over 12 hours and 15 minutes left, is not answered."""
    assert TOKEN.usable(TOKEN.expires_at - left) == usable


def test_a_token_that_claims_more_than_twelve_hours(
    signed_in: HelperProcess, aws: AwsEmulator
) -> None:
    """A token that claims to live longer than ECR's do is kept for twelve hours."""
    aws.token_lifetime = 100 * 3600
    secret = signed_in.get().secret
    assert signed_in.get().secret == secret
    (path,) = signed_in.cache_directory.glob("tokens/*/aws.us-east-1.ecr")
    assert int(path.read_text().splitlines()[1]) - time.time() <= 12 * 3600


def test_a_configuration_changed_meanwhile_is_not_cached(
    signed_in: HelperProcess, aws: AwsEmulator
) -> None:
    """A token that was fetched while the AWS files changed is answered once and not kept."""
    aws.fail("GetAuthorizationToken", Fault(delay=1), times=1)
    process = signed_in.ask()
    while aws.count("GetAuthorizationToken") == 0:
        assert process.poll() is None
    signed_in.write_config("[default]\nregion = eu-west-1\n")
    answer, _ = process.communicate()
    assert aws.accepts(json.loads(answer)["Secret"])
    assert list(signed_in.cache_directory.glob("tokens/*/aws.us-east-1.ecr")) == []


def test_disabled(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """With AWS_ECR_DISABLE_CACHE nothing is read, and only the log is written."""
    signed_in.get()
    signed_in.get(AWS_ECR_DISABLE_CACHE="false")
    assert aws.count("GetAuthorizationToken") == 2
    signed_in.get(AWS_ECR_DISABLE_CACHE="")
    assert aws.count("GetAuthorizationToken") == 2
    other = HelperProcess(signed_in.home / "other", signed_in.environ)
    other.home.mkdir()
    assert aws.accepts(other.get(AWS_ECR_DISABLE_CACHE="1").secret)
    assert [path.name for path in other.cache_directory.iterdir()] == ["log"]


@pytest.mark.parametrize("value", ["{home}/a/b/c", "~/d", "$HOME/e"])
def test_another_directory(signed_in: HelperProcess, aws: AwsEmulator, value: str) -> None:
    """AWS_ECR_CACHE_DIR is used and, with its parents, created if need be; ~ is expanded."""
    signed_in.environ["AWS_ECR_CACHE_DIR"] = value.format(home=signed_in.home)
    signed_in.get()
    signed_in.get()
    assert aws.count("GetAuthorizationToken") == 1
    assert not signed_in.cache_directory.exists()
    assert len(list(signed_in.home.rglob("aws.us-east-1.ecr"))) == 1


@pytest.mark.parametrize("obstacle", ["file", "dangling link"])
def test_fall_back_directory(signed_in: HelperProcess, aws: AwsEmulator, obstacle: str) -> None:
    """If ~/.ecr cannot be a directory, every action uses the user cache directory."""
    if obstacle == "file":
        signed_in.cache_directory.write_text("in the way")
    else:
        signed_in.cache_directory.symlink_to("/nonexistent/place")
    signed_in.environ["XDG_CACHE_HOME"] = str(signed_in.home / "xdg")
    secret = signed_in.get().secret
    assert signed_in.get().secret == secret
    assert aws.count("GetAuthorizationToken") == 1
    assert signed_in.list().hosts == [HOST]
    assert list((signed_in.home / "xdg/ecr-login").glob("tokens/*/*")) != []
    assert signed_in.erase().status == 0
    assert signed_in.list().hosts == []


@pytest.mark.parametrize("action", ["get", "list", "erase", "store"])
@pytest.mark.parametrize("directory", ["link/ecr", "/proc/nope"])
def test_a_directory_that_cannot_be_made(
    signed_in: HelperProcess, directory: str, action: str
) -> None:
    """Below a dangling link, or where no directory can be created, every action still answers."""
    (signed_in.home / "link").symlink_to("/nonexistent/place")
    signed_in.environ["AWS_ECR_CACHE_DIR"] = str(signed_in.home / directory)
    frame = json.dumps({"ServerURL": HOST, "Username": "AWS", "Secret": "c2VjcmV0"})
    outcome = signed_in.run(action, stdin=frame if action == "store" else HOST)
    assert outcome.status == 0
    assert bool(outcome.stdout) == (action in ("get", "list"))
    # Who signs in is told; what pulls and builds run is silent.
    assert (" cannot hold the cache: " in outcome.stderr) == (action == "store")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("mode", [0o300, 0o500, 0o600])
def test_a_directory_that_is_closed_to_its_user(
    signed_in: HelperProcess, aws: AwsEmulator, mode: int
) -> None:
    """If ~/.ecr cannot be listed, written in or searched, another cache directory is used."""
    elsewhere = signed_in.home / "xdg"
    signed_in.environ["XDG_CACHE_HOME"] = str(elsewhere)
    signed_in.cache_directory.mkdir()
    as_user = as_nobody(signed_in, signed_in.home, signed_in.cache_directory)
    signed_in.cache_directory.chmod(mode)
    assert as_user.get().secret == as_user.get().secret
    assert aws.count("GetAuthorizationToken") == 1
    assert len(list(elsewhere.glob("ecr-login/tokens/*/aws.us-east-1.ecr"))) == 1


def test_no_directory_at_all(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """If nothing can be written, there is no cache, and no complaint."""
    signed_in.environ["AWS_ECR_CACHE_DIR"] = "/dev/null/x"
    signed_in.environ["XDG_CACHE_HOME"] = "/dev/null"
    assert aws.accepts(signed_in.get().secret)
    assert aws.accepts(signed_in.get().secret)
    assert aws.count("GetAuthorizationToken") == 2
    assert signed_in.list().hosts == []
    assert signed_in.erase().status == 0


def test_a_failure_is_remembered_for_seconds(cache: Cache) -> None:
    """A failure is remembered for some seconds; a new token or an erase ends that at once."""
    until = NOW + FAILURE_MEMORY

    def failure(host: str, now: float, **environ: str) -> str | None:
        return remembered_failure(cache, asked(host, environ), now, now)

    remember_failure(cache, asked(), "it failed", until)
    assert failure(SECOND_ACCOUNT, until) == "it failed"
    assert failure(HOST, until + 1) is None
    assert failure(HOST, NOW - 1) is None
    assert failure(HOST, NOW, AWS_SECRET_ACCESS_KEY="another") is None
    assert failure(OTHER_REGION, NOW) is None
    cache.store_token(asked(), TOKEN)
    assert failure(HOST, NOW) is None
    remember_failure(cache, asked(), "it failed", until)
    removal.erase(cache.directory, asked())
    assert failure(HOST, NOW) is None


def test_a_failure_is_that_of_all_who_waited(cache: Cache) -> None:
    """Callers that were already waiting get a failure even if it is not remembered for others."""
    remember_failure(cache, asked(), "it failed", NOW + 0.5)
    later = NOW + 60
    assert remembered_failure(cache, asked(), NOW + 0.4, later) == "it failed"
    assert remembered_failure(cache, asked(), NOW + 0.6, later) is None


def test_one_caller_starts_the_refresh(cache: Cache) -> None:
    """Only one caller a minute is told to start the refresh of a token."""
    cache.store_token(asked(), TOKEN)
    now = time.time()
    assert [claim_refresh(cache, asked(), now) for _ in range(3)] == [True, False, False]
    assert claim_refresh(cache, asked(SECOND_ACCOUNT), now) is False
    assert claim_refresh(cache, asked(), now - 1) is False  # who looked at the clock before
    assert claim_refresh(cache, asked(), now + REFRESH_PAUSE + 1) is True


def test_one_of_two_that_ask_at_once_starts_the_refresh(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two callers that look at the same time, only one is told to start the refresh."""
    cache.store_token(asked(), TOKEN)

    def not_there(path: str) -> os.stat_result:
        raise FileNotFoundError(path)

    monkeypatch.setattr("docker_credential_ecr_login.cache.recall.system.stat", not_there)
    assert [claim_refresh(cache, asked(), NOW) for _ in range(2)] == [True, False]


def test_hosts_that_would_be_answered(cache: Cache) -> None:
    """A host is listed while its token or its login may be answered."""
    dead = Entry("ZGVhZA==", NOW - 1, NOW - 1)
    cache.store_token(asked(), Entry("b3RoZXI=", NOW + 3600, NOW))
    for host in (SECOND_ACCOUNT, OTHER_REGION, HOST):
        cache.store_settings(host, NO_SETTINGS)
    cache.store_login(asked(HOST), TOKEN)
    cache.store_login(asked(PUBLIC), dead)
    assert cache.hosts() == {HOST, SECOND_ACCOUNT, OTHER_REGION, PUBLIC}
    requests = list(map(asked, cache.hosts()))
    assert cache.answerable(requests, NOW) == {HOST, SECOND_ACCOUNT}
    cache.store_token(asked(), dead)
    assert cache.answerable(requests, NOW) == {HOST}
    cache.store_login(asked(HOST), dead)
    assert cache.answerable(requests, NOW) == set()


def test_everything_that_is_kept_is_found(cache: Cache) -> None:
    """Every token and login of every identity is found, trusted or not, and nothing else."""
    other = Cache(cache.directory, "another identity")
    for each in (cache, other):
        each.store_token(asked(), TOKEN)
        each.store_settings(HOST, NO_SETTINGS)
        remember_failure(each, asked(OTHER_REGION), "it failed", NOW)
        Path(f"{each.token_path(asked())}.lock").touch()
    for host in (HOST, SECOND_ACCOUNT):
        cache.store_login(asked(host), TOKEN)
    for path in (cache.login_path(HOST), other.token_path(asked())):
        Path(f"{path}.123.456.tmp").touch()
        Path(path).chmod(0o644)
    assert {path: contents(entry) for path, entry in cache.entries()} == {
        cache.token_path(asked()): contents(TOKEN),
        other.token_path(asked()): None,
        cache.login_path(HOST): None,
        cache.login_path(SECOND_ACCOUNT): contents(TOKEN),
    }


def test_erase_forgets_the_scope_under_every_identity(cache: Cache) -> None:
    """What erase is told to forget is removed for every identity, and nothing else is."""
    other = Cache(cache.directory, "another identity")
    for each in (cache, other):
        each.store_token(asked(), TOKEN)
        each.store_token(asked(OTHER_REGION), TOKEN)
        each.store_settings(HOST, NO_SETTINGS)
        each.store_settings(SECOND_ACCOUNT, NO_SETTINGS)
    remember_failure(cache, asked(), "it failed", NOW)
    cache.store_login(asked(), TOKEN)
    cache.store_login(asked(SECOND_ACCOUNT), TOKEN)
    assert removal.erase(cache.directory, asked()) == (1, 2)  # logins, tokens
    assert removal.erase(cache.directory, asked()) == (0, 0)
    assert cache.login(asked()) is None
    assert cache.token(asked()) is None
    assert other.token(asked()) is None
    assert [each.settings(HOST) for each in (cache, other)] == [None, None]
    assert all(each.settings(SECOND_ACCOUNT) for each in (cache, other))
    assert cache.login(asked(SECOND_ACCOUNT)) is not None
    assert other.token(asked(OTHER_REGION)) is not None


def test_sweep_removes_expired_files(cache: Cache) -> None:
    """What nobody has written for 13 hours is removed, except locks and hosts in use."""
    now = time.time()
    others = [Cache(cache.directory, f"another identity {number}") for number in range(3)]
    for each in (cache, *others):
        each.store_token(asked(), TOKEN)
        each.store_token(asked(OTHER_REGION), TOKEN)
        each.store_settings(HOST, NO_SETTINGS)
        Path(f"{each.token_path(asked())}.lock").touch()
    cache.store_login(asked(HOST), TOKEN)
    cache.store_login(asked(SECOND_ACCOUNT), TOKEN)
    directory = Path(cache.directory)
    before = files(directory)
    removal.sweep(cache.directory, now)
    assert files(directory) == before | {directory / "swept"}
    used, dead = Path(cache.tokens), {Path(other.tokens) for other in others}
    old = {*used.iterdir(), *dead, directory / "logins" / HOST} - {used / "aws.eu-west-1.ecr"}
    for path in before - old:
        os.utime(path, (now - 12.5 * 3600,) * 2)
    for path in (*old, directory / "swept"):
        os.utime(path, (now - 14 * 3600,) * 2)
    removal.sweep(cache.directory, now)
    assert files(directory) == {
        directory / "logins" / SECOND_ACCOUNT,
        directory / "swept",
        used / "aws.eu-west-1.ecr",
        used / "aws.us-east-1.ecr.lock",
        used / "hosts" / HOST,
    }
    assert list(used.parent.iterdir()) == [used]


def test_sweep_is_done_once_an_hour(cache: Cache) -> None:
    """However many ask for it, the cache is searched once an hour."""
    now = time.time()
    removal.sweep(cache.directory, now)
    cache.store_login(asked(), TOKEN)
    login = Path(cache.directory, "logins", HOST)
    os.utime(login, (0, 0))
    removal.sweep(cache.directory, now + SWEEP_PAUSE - 10)
    assert login.exists()
    removal.sweep(cache.directory, now + SWEEP_PAUSE + 10)
    assert not login.exists()


def files(directory: Path) -> set[Path]:
    """All files below a directory."""
    return {path for path in directory.rglob("*") if path.is_file()}


def test_erase_removes_what_a_killed_writer_left(cache: Cache) -> None:
    """The unfinished token of a writer that was killed is erased, too."""
    cache.store_token(asked(), TOKEN)
    half = Path(f"{cache.token_path(asked())}.123.456.tmp")
    other = Path(f"{cache.token_path(asked(OTHER_REGION))}.123.456.tmp")
    for path in (half, other):
        path.touch()
    removal.erase(cache.directory, asked())
    assert files(Path(cache.directory)) == {other}


def test_erase_removes_what_a_killed_login_left(cache: Cache) -> None:
    """The unfinished login of a writer that was killed is erased with the login of its host."""
    logins = Path(cache.directory, "logins")
    logins.mkdir(parents=True)
    half = logins / f"{HOST}.123.456.tmp"
    others = {logins / f"{host}.123.456.tmp" for host in (f"{HOST}.cn", OTHER_REGION, PUBLIC)}
    for path in (half, *others):
        path.touch()
    assert removal.erase(cache.directory, asked()) == (0, 0)
    assert files(logins) == others
    assert removal.erase(cache.directory, None) == (0, 0)
    assert files(logins) == set()


def test_a_directory_in_place_of_a_token_counts_as_erased(cache: Cache) -> None:
    """A directory in place of a token or a login does not make erase fail, and is not counted."""
    for path in (cache.token_path(asked()), cache.login_path(HOST)):
        Path(path, "deeper").mkdir(parents=True)
    assert removal.erase(cache.directory, asked()) == (0, 0)
    assert removal.erase(cache.directory, None) == (0, 0)


def test_a_login_erased_while_it_is_written(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that is erased while it is being written is erased."""
    fsync = os.fsync

    def erase_first(descriptor: int) -> None:
        fsync(descriptor)
        removal.erase(cache.directory, asked())

    monkeypatch.setattr("docker_credential_ecr_login.cache.storage.system.fsync", erase_first)
    cache.store_login(asked(), TOKEN)
    assert cache.login(asked()) is None
    assert files(Path(cache.directory)) == set()


def test_sweep_goes_on_after_what_cannot_be_removed(cache: Cache) -> None:
    """A directory that cannot be removed does not keep anything else from being removed."""
    cache.store_token(asked(), TOKEN)
    directory = Path(cache.directory)
    places = [directory / "logins", Path(cache.tokens)]
    dead = {place / "aws.b.ecr.1.2.tmp" for place in (*places, Path(cache.tokens, "hosts"))}
    dead |= {directory / "swept.1.2.tmp", directory / "records" / "62.,,"}
    names = ("aws.a.ecr.1.2.tmp", "aws.c.ecr.1.2.tmp")
    stuck = {place / name / "deeper" for place in places for name in names}
    stuck |= {directory / "records" / name / "deeper" for name in ("61.,,", "63.,,")}
    for path in stuck:
        path.mkdir(parents=True)
    for path in dead:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    for path in (*dead, *(path.parent for path in stuck)):
        os.utime(path, (0, 0))
    removal.sweep(cache.directory, time.time())
    assert not any(path.exists() for path in dead)
    assert all(path.exists() for path in stuck)
    assert cache.token(asked()) is not None


def test_files_of_others_stay(cache: Cache) -> None:
    """Other files that a user keeps in these directories are neither swept nor erased."""
    cache.store_token(asked(), TOKEN)
    places = ("", "log/", "logins/", "records/", "tokens/", "tokens/prod/", f"{cache.tokens}/")
    names = ("accounts.csv", "api-key.txt", "report.pdf", "aws.txt", "x.1.tmp", "swept.csv", HOST)
    kept = {Path(cache.directory, place, name) for place in places for name in names}
    for path in kept:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("precious")
        path.chmod(0o600)
    for path in (*kept, *(path.parent for path in kept)):
        os.utime(path, (0, 0))
    removal.sweep(cache.directory, time.time())
    assert removal.erase(cache.directory, None)[0] == 0
    assert all(path.exists() for path in kept)


@pytest.mark.parametrize("jump", [-1, 1])
def test_sweep_after_a_clock_that_jumped(cache: Cache, jump: int) -> None:
    """A mark from another time, past or future, or a directory in its place delays no sweep."""
    now = time.time()
    mark, dead = Path(cache.directory, "swept"), Path(cache.directory, "logins", HOST)
    removal.sweep(cache.directory, now)
    for is_directory in (False, True):
        if is_directory:
            mark.unlink()
            mark.mkdir()
        os.utime(mark, (now + jump * 10**8,) * 2)
        cache.store_login(asked(), TOKEN)
        os.utime(dead, (0, 0))
        removal.sweep(cache.directory, now)
        assert not dead.exists()


def test_a_fetch_sweeps(signed_in: HelperProcess) -> None:
    """Fetching a token also removes expired files."""
    dead = signed_in.cache_directory / "tokens" / ("0" * 32) / "aws.us-east-1.ecr"
    dead.parent.mkdir(parents=True)
    dead.touch()
    os.utime(dead.parent, (0, 0))
    signed_in.get()
    assert not dead.parent.exists()
