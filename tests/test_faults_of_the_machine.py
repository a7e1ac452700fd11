"""Faults of the machine: the answer is right, or one clear line, and nothing is lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from docker_credential_ecr_login.cache.recall import claim_refresh, remember_failure
from docker_credential_ecr_login.cache.tokens import Entry
from tests import faults
from tests.credential_sources import source_profile
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import (
    EXECUTABLE,
    HOST,
    NOT_FOUND,
    OTHER_REGION,
    SECOND_ACCOUNT,
    HelperProcess,
    Outcome,
    as_nobody,
    matches,
    processes_of,
    skip_where_others_have_no_python,
    told,
    wait_for,
)
from tests.mounts import mounted
from tests.tokens import asked, issued_to, stored

needs_faults = pytest.mark.skipif(
    not faults.IS_POSSIBLE, reason="system calls are made to fail on Linux only, x86-64 or ARM 64"
)
needs_no_link = pytest.mark.skipif(
    EXECUTABLE.is_symlink(), reason="the launcher takes a process to find what a link leads to"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
STORED = "c3RvcmVkIGJ5IGRvY2tlciBsb2dpbg=="
NEWER = "bmV3ZXIgc3RvcmVkIGxvZ2lu" * 50  # as long as those of ECR


def in_shell(command: str) -> tuple[str, ...]:
    """The beginning of a command line that first runs a shell command, and then the rest."""
    return ("/bin/sh", "-c", f'{command}; exec "$0" "$@"')


def under(helper: HelperProcess, prefix: tuple[str, ...]) -> HelperProcess:
    """The same executable, with the same home, under a fault."""
    return replace(helper, prefix=prefix)


def kept(helper: HelperProcess) -> dict[str, bytes]:
    """Each token and login in the cache, and the whole content of its file."""
    directory = helper.cache_directory
    paths = [*directory.glob("tokens/*/aws*.ecr"), *directory.glob("logins/*")]
    return {str(path): path.read_bytes() for path in paths}


def unfinished(helper: HelperProcess) -> list[Path]:
    """The files whose writers ended before they were complete."""
    return list(helper.home.rglob("*.tmp"))


def age(helper: HelperProcess) -> str:
    """Let the cached token be past its refresh time, as the next one sees; return its password."""
    cache, entry = stored(helper)
    now = int(time.time())
    old = Entry(entry.secret, entry.expires_at, now - 1)
    cache.store_token(asked(), old)
    return entry.secret


@pytest.fixture
def warm(signed_in: HelperProcess) -> HelperProcess:
    """The executable with a cached token, a stored login, and what the launcher needs."""
    assert signed_in.store(SECOND_ACCOUNT, STORED).status == 0
    assert signed_in.get().secret
    return signed_in


DISKS = {
    "full": in_shell("ulimit -f 0"),
    "full within a file": in_shell("ulimit -f 1"),
    "create=EROFS": faults.prefix("create=EROFS"),
    "rename=ENOSPC": faults.prefix("rename=ENOSPC"),
}
FOUND_LATE = {rule: faults.prefix(rule) for rule in ("sync=EDQUOT", "sync=EIO")}
"""Errors that only appear when a file is flushed to the disk."""


@needs_faults
class TestADiskThatTakesNothing:
    """Full, over quota, broken or read-only."""

    @pytest.mark.parametrize("disk", DISKS)
    def test_costs_no_answer(self, signed_in: HelperProcess, aws: AwsEmulator, disk: str) -> None:
        """AWS is asked each time, no partial file stays, and the cache works again later."""
        faulty = under(signed_in, DISKS[disk])
        assert aws.accepts(faulty.get().secret)
        assert faulty.list().hosts == []
        assert faulty.erase() == Outcome("", "", 0)
        assert (kept(signed_in), unfinished(signed_in)) == ({}, [])
        secret = signed_in.get().secret
        assert faulty.get().secret == secret

    @pytest.mark.parametrize("disk", FOUND_LATE)
    def test_is_not_waited_for_with_a_token(
        self, signed_in: HelperProcess, aws: AwsEmulator, disk: str
    ) -> None:
        """A token is not flushed to the disk, because one that is lost is fetched again."""
        secret = under(signed_in, FOUND_LATE[disk]).get().secret
        assert signed_in.get().secret == secret
        for path in map(Path, kept(signed_in)):
            path.write_bytes(b"")  # as after the power was gone
        assert aws.accepts(signed_in.get().secret)

    @pytest.mark.parametrize("disk", DISKS | FOUND_LATE)
    def test_costs_nothing_that_was_there(self, warm: HelperProcess, disk: str) -> None:
        """Token and login are answered as before; a login that cannot be kept fails in a line."""
        faulty, before = under(warm, (DISKS | FOUND_LATE)[disk]), kept(warm)
        secret = warm.get().secret
        outcome = faulty.store(SECOND_ACCOUNT, NEWER)
        assert (outcome.stderr, outcome.status) == ("", 1)
        assert outcome.stdout.startswith("the login cannot be kept: [Errno ")
        assert outcome.stdout.count("\n") == 1
        assert NEWER not in outcome.stdout
        assert faulty.get().secret == secret
        assert faulty.get(SECOND_ACCOUNT).secret == STORED
        assert set(faulty.list().hosts) == {HOST, SECOND_ACCOUNT}
        assert (kept(warm), unfinished(warm)) == (before, [])

    @pytest.mark.parametrize("disk", ["full within a file", "rename=ENOSPC"])
    def test_costs_no_token_that_is_refreshed(
        self, warm: HelperProcess, aws: AwsEmulator, disk: str
    ) -> None:
        """The old token stays whole, and is answered until it expires."""
        old = age(warm)
        assert under(warm, DISKS[disk]).get().secret == old
        wait_for(lambda: aws.count("GetAuthorizationToken") == 2)
        wait_for(lambda: not processes_of(warm.home))
        assert warm.get().secret == old
        assert unfinished(warm) == []

    def test_cannot_hold_a_directory(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """If no directory can be created, a pull works, and a login says what to set."""
        faulty = under(signed_in, faults.prefix("mkdir=ENOSPC"))
        assert aws.accepts(faulty.get().secret)
        outcome = faulty.store(HOST, STORED)
        assert (outcome.stderr, outcome.status) == ("", 1)
        assert "set AWS_ECR_CACHE_DIR" in outcome.stdout
        assert not signed_in.cache_directory.exists()

    def test_keeps_no_login_from_being_removed(self, warm: HelperProcess) -> None:
        """``docker logout`` works on a full disk; if it cannot, it fails and changes nothing."""
        before = kept(warm)
        outcome = under(warm, faults.prefix("unlink=EROFS")).erase(SECOND_ACCOUNT)
        assert (outcome.stderr, outcome.status) == ("", 1)
        assert outcome.stdout.startswith("the login cannot be removed: ")
        assert kept(warm) == before
        assert under(warm, DISKS["full"]).erase(SECOND_ACCOUNT) == Outcome("", "", 0)
        assert kept(warm) == {}


@pytest.fixture
def file_system(warm: HelperProcess) -> Iterator[tuple[HelperProcess, Path]]:
    """The executable with its cache on a separate file system, and the path of that."""
    cache = warm.cache_directory
    copy = cache.with_name("copy")
    shutil.copytree(cache, copy, copy_function=shutil.copy2)
    with mounted(warm, cache, 'mount -t tmpfs -o size=256k tmpfs "$0"') as (helper, seen):
        shutil.copytree(copy, seen, dirs_exist_ok=True)
        seen.chmod(0o700)
        shutil.rmtree(copy)
        yield helper, seen


class TestAFileSystemOfWholeSeconds:
    """ext4 with inodes of 128 bytes, as some NFS servers have it, and HFS+."""

    MAKE = (
        'truncate -s 1M "$0.img" && mkfs.ext4 -q -I 128 "$0.img" >/dev/null'
        ' && mount -o loop "$0.img" "$0"'
    )

    def test_credentials_that_are_replaced_within_the_second(
        self, helper: HelperProcess, aws: AwsEmulator
    ) -> None:
        """A file with the same times is read again, so nobody gets another identity's token."""
        arns = [f"arn:aws:iam::111111111111:user/{name}" for name in ("one", "two")]
        users = [aws.add_user(arn=arn) for arn in arns]
        texts = [
            f"[default]\naws_access_key_id = {user.access_key_id}\n"
            f"aws_secret_access_key = {user.secret_access_key}\n"
            for user in users
        ]
        assert len(texts[0]) == len(texts[1])
        directory = helper.home / ".aws"
        directory.mkdir()
        with mounted(helper, directory, self.MAKE) as (there, seen):
            path = seen / "credentials"

            def is_done_within_a_second() -> bool:
                wait_for(lambda: time.time() % 1 < 0.1)
                path.write_text(texts[0])
                before = path.stat()
                first = issued_to(aws, there.get())
                path.write_text(texts[1])
                after = path.stat()
                answers = [issued_to(aws, there.get()) for _ in range(3)]
                assert [first, *answers] == [arns[0], *[arns[1]] * 3]
                return (before.st_mtime_ns, before.st_ctime_ns) == (
                    after.st_mtime_ns,
                    after.st_ctime_ns,
                )

            wait_for(is_done_within_a_second)


class TestARealFileSystem:
    """Not only calls that are made to fail: a small one in memory."""

    def test_that_is_full(self, file_system: tuple[HelperProcess, Path], aws: AwsEmulator) -> None:
        """What is cached is answered; what cannot be cached is fetched; a login fails in a line."""
        helper, seen = file_system
        with suppress(OSError), (seen / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        cached = helper.get().secret
        calls = aws.count("GetAuthorizationToken")
        assert helper.get().secret == cached
        assert aws.count("GetAuthorizationToken") == calls
        assert aws.accepts(helper.get(OTHER_REGION).secret)
        outcome = helper.store(HOST, STORED)
        assert (outcome.stderr, outcome.status) == ("", 1)
        assert outcome.stdout.startswith("the login cannot be kept: [Errno 28]")
        assert helper.get(SECOND_ACCOUNT).secret == STORED
        assert list(seen.rglob("*.tmp")) == []
        (seen / "filler").unlink()
        assert helper.store(HOST, STORED).status == 0
        assert helper.get().secret == STORED

    def test_that_is_read_only(
        self, file_system: tuple[HelperProcess, Path], aws: AwsEmulator
    ) -> None:
        """Another directory is used; a line says what cannot be removed, and nothing waits."""
        helper, seen = file_system
        helper.environ["XDG_CACHE_HOME"] = str(helper.home / "xdg")
        remount = ["mount", "-o", "remount,ro", str(helper.cache_directory)]
        subprocess.run([*helper.prefix, *remount], check=True)
        assert aws.accepts(helper.get().secret)
        assert helper.get(SECOND_ACCOUNT).secret == STORED
        assert aws.accepts(helper.get(OTHER_REGION).secret)
        outcome = helper.erase(SECOND_ACCOUNT)
        assert (outcome.stderr, outcome.status) == ("", 1)
        assert outcome.stdout.startswith("the login cannot be removed: [Errno 30]")
        assert (seen / "logins" / SECOND_ACCOUNT).exists()


class TestPlacesForACache:
    """Where there should be a home."""

    @pytest.mark.parametrize("home", ["/dev/null", "/proc/missing", "file/x"])
    def test_a_home_that_cannot_be(
        self, signed_in: HelperProcess, aws: AwsEmulator, home: str
    ) -> None:
        """Without a home there is no cache: a pull works, and a login says what to set."""
        (signed_in.home / "file").touch()
        home = str(signed_in.home / home)
        assert aws.accepts(signed_in.get(HOME=home).secret)
        assert signed_in.list(HOME=home).hosts == []
        outcome = signed_in.store(HOST, STORED, HOME=home)
        assert (outcome.stderr, outcome.status) == ("", 1)
        assert "set AWS_ECR_CACHE_DIR" in outcome.stdout
        assert signed_in.erase(HOME=home) == Outcome("", "", 0)

    @needs_root
    @pytest.mark.parametrize("is_set", [False, True], ids=["unset", "empty"])
    def test_no_home(self, signed_in: HelperProcess, aws: AwsEmulator, *, is_set: bool) -> None:
        """Without HOME, and for a user without an entry in passwd, a pull works without a cache."""
        skip_where_others_have_no_python()
        prefix = ("env", "HOME=") if is_set else ("env", "-u", "HOME")
        stranger = replace(signed_in, prefix=prefix, user=54321)
        assert aws.accepts(stranger.get().secret)
        assert stranger.list().hosts == []
        assert "/.ecr cannot hold the cache: " in stranger.store(HOST, STORED).stdout

    def test_a_directory_that_all_may_write(
        self, signed_in: HelperProcess, aws: AwsEmulator
    ) -> None:
        """In a directory with mode 0777, files and new directories are private all the same."""
        signed_in.cache_directory.mkdir()
        signed_in.cache_directory.chmod(0o777)
        secret = signed_in.get().secret
        assert signed_in.get().secret == secret
        assert aws.count("GetAuthorizationToken") == 1
        modes = {path.stat().st_mode & 0o077 for path in signed_in.cache_directory.rglob("*")}
        assert modes == {0}


class TestOwners:
    """Of the home, of what is in it, and of what is made there."""

    @needs_root
    def test_root_in_the_home_of_a_user(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """``sudo -E docker pull`` leaves nothing in the user's home: its cache is in root's own."""
        source_profile(aws, signed_in)  # a role, whose session the AWS CLI would keep
        roots = signed_in.home.parent / "roots"
        roots.mkdir()
        (roots / "passwd").write_text(f"root:x:0:0::{roots}:/bin/sh\n")
        user = as_nobody(signed_in, signed_in.home, *signed_in.home.rglob("*"))
        before = sorted(signed_in.home.rglob("*"))
        script = 'mount --bind "$0/passwd" /etc/passwd'
        with mounted(signed_in, roots, script) as (root, _):
            secret = root.get().secret
            assert root.get().secret == secret
            assert root.list().hosts == [HOST]
            assert root.store(SECOND_ACCOUNT, STORED) == Outcome("", "", 0)
            assert sorted(signed_in.home.rglob("*")) == before
            assert len(list(roots.glob(".ecr/tokens/*/aws.us-east-1.ecr"))) == 1
            assert user.get().secret == user.get().secret != secret
            assert user.get(SECOND_ACCOUNT).secret != STORED
            assert root.erase() == Outcome("", "", 0)
            assert root.get().secret != secret
        assert aws.count("GetAuthorizationToken") == 3
        owners = {path.stat().st_uid for path in signed_in.home.rglob("*")}
        assert owners == {signed_in.home.stat().st_uid}

    @needs_root
    def test_a_cache_that_root_made(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """The user's cache is then elsewhere, and commands other than get say what to do."""
        signed_in.get()
        user = as_nobody(signed_in, signed_in.home)
        assert user.get().secret == user.get().secret
        assert aws.count("GetAuthorizationToken") == 2
        elsewhere = signed_in.home / ".cache" / "ecr-login"
        directory = signed_in.cache_directory
        line = (
            f"{directory} cannot hold the cache: {directory} belongs to user 0; {elsewhere} is used"
            f"; sudo chown -R $(id -u) {directory}\n"
        )
        assert user.store(SECOND_ACCOUNT, STORED) == Outcome("", f"ecr-login: {line}", 0)
        assert user.run("login", OTHER_REGION).stderr == f"ecr-login: {line}"
        log = (elsewhere / "log" / "ecr-login.log").read_text()
        assert log.count(f" WARNING {line}") == 2  # once for each token
        assert user.get(SECOND_ACCOUNT).secret == STORED
        assert user.erase() == Outcome("", "", 0)

    @needs_faults
    def test_files_that_show_another_owner(
        self, signed_in: HelperProcess, aws: AwsEmulator
    ) -> None:
        """If files show another owner, as on NFS shares, a login is refused, and pulls work."""
        faulty = under(signed_in, faults.prefix("user=ENOENT"))
        outcome = faulty.store(SECOND_ACCOUNT, STORED)
        reason = (
            f"{signed_in.cache_directory} cannot hold the cache: files there do not show that they "
            "belong to this user alone; nothing is kept; set AWS_ECR_CACHE_DIR to a directory of "
            "your own, on a local disk\n"
        )
        assert outcome == Outcome(f"the login cannot be kept: {reason}", "", 1)
        for _ in range(2):
            assert aws.accepts(faulty.get().secret)
        assert faulty.run("login", HOST).stderr == f"ecr-login: {reason}"
        assert faulty.erase() == Outcome("", "", 0)
        assert [path for path in signed_in.home.rglob("*") if path.is_file()] == []


@needs_faults
class TestAFileSystemWithoutLocks:
    """NFS without its lock manager, or whatever else has no flock."""

    @pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
    def test_nobody_waits(self, signed_in: HelperProcess, aws: AwsEmulator, error: str) -> None:
        """All cold callers get a token at once, with at most one call each."""
        faulty = under(signed_in, faults.prefix(f"lock={error}"))
        faulty.environ["AWS_ECR_TIMEOUT"] = "10"
        processes = [faulty.ask() for _ in range(4)]
        answers = [process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0] * 4
        assert all(aws.accepts(json.loads(stdout)["Secret"]) for stdout, _ in answers)
        assert {stderr for _, stderr in answers} == {b""}
        assert 1 <= aws.count("GetAuthorizationToken") <= 4
        assert signed_in.get().status == 0

    @pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS"])
    def test_nothing_outlives_a_kill(
        self, signed_in: HelperProcess, aws: AwsEmulator, error: str
    ) -> None:
        """After a caller is killed while it asks AWS, the next one does not have to wait."""
        faulty = under(signed_in, faults.prefix(f"lock={error}"))
        faulty.environ["AWS_ECR_TIMEOUT"] = "10"
        aws.fail("GetAuthorizationToken", Fault(hang=True), times=1)
        leader = faulty.ask()
        wait_for(lambda: aws.count("GetAuthorizationToken") == 1)
        leader.kill()
        leader.communicate()
        assert aws.accepts(faulty.get().secret)
        assert aws.accepts(signed_in.get().secret)


# What each action does on its way, in this order, and would be the last thing that it does.
STEPS = [
    ("cold get", "mkdir"),
    ("cold get", "lock"),
    ("cold get", "create"),
    ("cold get", "rename"),
    ("warm get", "create"),
    ("warm get", "rename"),
    ("store", "create"),
    ("store", "sync"),
    ("store", "rename"),
    ("erase", "unlink"),
]


@needs_faults
class TestKilledAtAStep:
    """As by ``kill -9``, just before a step of a write."""

    @pytest.mark.parametrize(("action", "step"), STEPS)
    def test_all_is_whole_afterwards(
        self, signed_in: HelperProcess, aws: AwsEmulator, action: str, step: str
    ) -> None:
        """After a kill at any step, each file is the old one or a miss, and nobody waits."""
        if action != "cold get":
            signed_in.store(SECOND_ACCOUNT, STORED)
            signed_in.get()
        before = kept(signed_in)
        faulty = under(signed_in, faults.prefix(f"{step}={faults.KILL}"))
        actions: dict[str, Callable[[], Outcome]] = {
            "cold get": faulty.get,
            "warm get": lambda: faulty.get("666666666666.dkr.ecr.us-east-1.amazonaws.com"),
            "store": lambda: faulty.store(SECOND_ACCOUNT, NEWER),
            "erase": lambda: faulty.erase(SECOND_ACCOUNT),
        }
        outcome = actions[action]()
        assert (outcome.stdout, outcome.status) == ("", -signal.SIGSYS)
        whole = {path: text for path, text in kept(signed_in).items() if ".tmp" not in path}
        assert whole == before
        changes = {"AWS_ECR_TIMEOUT": "10"}
        assert aws.accepts(signed_in.get(**changes).secret)
        if action != "cold get":
            assert signed_in.get(SECOND_ACCOUNT).secret == STORED
        assert signed_in.erase(SECOND_ACCOUNT) == Outcome("", "", 0)
        assert signed_in.store(SECOND_ACCOUNT, NEWER) == Outcome("", "", 0)
        assert signed_in.get(SECOND_ACCOUNT).secret == NEWER

    @pytest.mark.parametrize("step", ["rename", "lock"])
    def test_a_refresh(self, warm: HelperProcess, aws: AwsEmulator, step: str) -> None:
        """A refresh that is killed leaves the old token, and does not delay the next refresh."""
        old = age(warm)
        faulty = under(warm, faults.prefix(f"{step}={faults.KILL}"))
        assert faulty.run("refresh", HOST).status == -signal.SIGSYS
        assert warm.get().secret == old
        wait_for(lambda: warm.get().secret != old)
        assert aws.accepts(warm.get().secret)


@pytest.mark.parametrize("is_newer", [True, False])
def test_two_versions_side_by_side(
    warm: HelperProcess, aws: AwsEmulator, *, is_newer: bool
) -> None:
    """What another version has cached is not answered, and stays until it is replaced."""
    other = b"ecr-login/2" if is_newer else b"ecr-login/0"
    theirs = {}
    for path in map(Path, kept(warm)):
        theirs[str(path)] = path.read_bytes().replace(b"ecr-login/1", other)
    for path in (*map(Path, kept(warm)), *(warm.cache_directory / "records").iterdir()):
        path.write_bytes(path.read_bytes().replace(b"ecr-login/1", other))
    assert kept(warm) == theirs
    aws.fail("GetAuthorizationToken", Fault(status=500, error="ServerException", message="no"))
    assert warm.list().hosts == []
    assert warm.get(AWS_ECR_TIMEOUT="1").stdout == NOT_FOUND
    assert kept(warm) == theirs
    aws.clear_faults()
    for path in warm.cache_directory.glob("tokens/*/*.failure"):
        path.unlink()  # as after five seconds
    assert aws.accepts(warm.get(SECOND_ACCOUNT).secret)
    login = str(warm.cache_directory / "logins" / SECOND_ACCOUNT)
    assert kept(warm)[login] == theirs[login]
    warm.store(SECOND_ACCOUNT, NEWER)
    assert warm.get(SECOND_ACCOUNT).secret == NEWER


@pytest.mark.parametrize("hours", [-24, -13, 13, 24 * 365 * 30])
def test_a_clock_that_jumps(warm: HelperProcess, aws: AwsEmulator, hours: int) -> None:
    """Files with times of another clock are not trusted for too long, and delay nothing."""
    there = int(time.time()) + hours * 3600
    cache, entry = stored(warm)
    secret, shift = entry.secret, hours * 3600
    shifted = Entry(secret, entry.expires_at + shift, entry.refresh_at + shift)
    cache.store_token(asked(), shifted)
    remember_failure(cache, asked(), "it failed", there)
    assert claim_refresh(cache, asked(), there)
    for path in warm.cache_directory.rglob("*"):
        os.utime(path, (there, there))
    dead = warm.cache_directory / "logins" / OTHER_REGION
    dead.touch(mode=0o600)
    dead.write_text("ecr-login/1 a login\n")
    os.utime(dead, (0, 0))
    fetched = warm.get().secret
    assert fetched != secret
    assert aws.accepts(fetched)
    assert warm.get().secret == fetched
    assert aws.count("GetAuthorizationToken") == 2
    assert not dead.exists()
    if hours > 0:
        assert warm.get(SECOND_ACCOUNT).secret == STORED  # its own time is still good
    old = age(warm)
    warm.get()
    wait_for(lambda: warm.get().secret != old)


def _link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def _second_name(path: Path, victim: Path) -> None:
    path.hardlink_to(victim)


def _pipe(path: Path, _: Path) -> None:
    os.mkfifo(path, 0o600)


def _directory(path: Path, _: Path) -> None:
    path.mkdir()


def _someone_elses(path: Path, victim: Path) -> None:
    path.write_bytes(victim.read_bytes())
    path.chmod(0o666)
    os.chown(path, 1, 1)


@pytest.mark.parametrize(
    "plant",
    [_link, _second_name, _pipe, _directory, pytest.param(_someone_elses, marks=needs_root)],
)
def test_what_others_planted(
    warm: HelperProcess, aws: AwsEmulator, plant: Callable[[Path, Path], None]
) -> None:
    """A planted file in any place is not trusted, not written to, and not waited for."""
    (token,) = warm.cache_directory.glob("tokens/*/aws.us-east-1.ecr")
    beside = [Path(f"{token}.{end}") for end in ("failure", "lock", "prompt", "refresh")]
    names = ["mfa.lock", "mfa-process.lock", "swept", f"logins/{HOST}"]
    paths = {path for path in warm.cache_directory.rglob("*") if path.is_file()}
    paths |= {*beside, *(warm.cache_directory / name for name in names)}
    victims = warm.home / "victims"
    victims.mkdir()
    expected = {}
    for number, path in enumerate(sorted(paths)):
        victim = victims / str(number)
        content = path.read_bytes() if path.exists() else b""
        victim.write_bytes(content or b"precious")
        victim.chmod(0o600)
        expected[victim] = victim.read_bytes()
        path.unlink(missing_ok=True)
        plant(path, victim)
    changes = {"AWS_ECR_TIMEOUT": "10", "AWS_ECR_LOG_LEVEL": "debug"}
    for host in (HOST, SECOND_ACCOUNT):
        secret = warm.get(host, **changes).secret
        assert aws.accepts(secret)
        assert secret != STORED
    assert warm.list(**changes).status == 0
    assert warm.store(OTHER_REGION, NEWER, **changes) == Outcome("", "", 0)
    assert {victim: victim.read_bytes() for victim in expected} == expected


@needs_root
def test_a_lock_that_another_user_holds(warm: HelperProcess, aws: AwsEmulator) -> None:
    """Another user who may write to the cache directory cannot make anybody wait."""
    import fcntl

    warm.erase(HOST)
    (lock,) = warm.cache_directory.rglob("*.lock")
    paths = [lock, lock.with_suffix(".prompt")]
    for path in paths:
        path.unlink(missing_ok=True)
        path.touch()
        path.chmod(0o666)
        os.chown(path, 1, 1)
    with paths[0].open() as first, paths[1].open() as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        fcntl.flock(second, fcntl.LOCK_EX)
        assert aws.accepts(warm.get(AWS_ECR_TIMEOUT="10").secret)


IDENTITY = "0" * 32


@pytest.mark.parametrize(
    "name", ["logins", "records", "tokens", f"tokens/{IDENTITY}", f"tokens/{IDENTITY}/hosts"]
)
def test_directories_that_are_links_are_not_cleaned(signed_in: HelperProcess, name: str) -> None:
    """If a directory of the cache is a link, nothing behind the link is removed."""
    victims = signed_in.home / "victims"
    victims.mkdir()
    old = [victims / "thesis", victims / "x.1.2.tmp", victims / "deeper" / "aws.us-east-1.ecr"]
    old[2].parent.mkdir()
    for path in (*old, old[2].parent, victims):
        if not path.is_dir():
            path.write_text("precious")
        os.utime(path, (0, 0))
    link = signed_in.cache_directory / name
    link.parent.mkdir(parents=True)
    link.symlink_to(victims)
    assert signed_in.get().secret
    assert signed_in.erase().status == 0
    assert signed_in.run("logout", "--all").status == 0
    assert [path.read_text() for path in old] == ["precious"] * 3


class TestLimits:
    """Of open files, memory and processes."""

    @pytest.mark.parametrize("files", [11, 12, 16])
    def test_few_open_files(self, signed_in: HelperProcess, aws: AwsEmulator, files: int) -> None:
        """If only very few files can be open, the answers are right."""
        poor = under(signed_in, in_shell(f"ulimit -n {files}"))
        secret = poor.get().secret
        assert aws.accepts(secret)
        assert poor.get().secret == secret
        assert poor.list().hosts == [HOST]
        assert poor.store(SECOND_ACCOUNT, STORED) == Outcome("", "", 0)
        assert poor.erase(SECOND_ACCOUNT) == Outcome("", "", 0)

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory is not limited so")
    @pytest.mark.parametrize("megabytes", [24, 32, 64, 70, 76, 110, 128, 160])
    def test_little_memory(
        self, signed_in: HelperProcess, aws: AwsEmulator, megabytes: int
    ) -> None:
        """If memory is too small to ask AWS, a line says so; a cached token is answered.

        And no other process is told that.
        """
        poor = under(signed_in, in_shell(f"ulimit -v {megabytes * 1024}"))
        outcome = poor.get()
        if re.fullmatch("docker-credential-ecr-login: internal error: \\w*Error\n", outcome.stdout):
            # Not even to say more; but site does, if it is a .pth file that it has none for.
            assert re.sub(r"Error processing line \d+ of .*\.pth:\s+", "", outcome.stderr) == ""
            assert outcome.status == 1
        elif outcome.status:
            assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
            line = "the system gives this process no more memory, processes or open files (*"
            assert matches(told(outcome.stderr), line), outcome
        else:
            assert aws.accepts(outcome.secret)
        secret = signed_in.get().secret
        assert poor.get().secret == secret
        assert poor.list().hosts == [HOST]
        assert poor.store(SECOND_ACCOUNT, STORED) == Outcome("", "", 0)

    @needs_faults
    @needs_no_link
    def test_no_further_process(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """If no process or thread can be started, a line says so; a cached token is answered."""
        poor = under(signed_in, faults.prefix("fork=EAGAIN"))
        outcome = poor.get()
        assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
        assert outcome.stderr.startswith(
            f"ecr-login: {HOST}: the system gives this process no more memory, processes or open"
        )
        secret = signed_in.get().secret
        assert [poor.get().secret for _ in range(2)] == [secret] * 2
        assert [poor.list().hosts for _ in range(2)] == [[HOST]] * 2
        assert poor.store(SECOND_ACCOUNT, STORED) == Outcome("", "", 0)
        assert age(signed_in) == secret
        assert poor.get().secret == secret
        assert aws.count("GetAuthorizationToken") == 1

    @needs_faults
    @needs_no_link
    def test_no_further_process_for_a_refresh(self, warm: HelperProcess) -> None:
        """If no refresh can be started, the old token is answered."""
        secret = age(warm)
        assert under(warm, faults.prefix("fork=EAGAIN")).get().secret == secret


def run_into(
    stdout: int, helper: HelperProcess, action: str, *, is_pipe_signal_ignored: bool = False
) -> "subprocess.CompletedProcess[bytes]":
    """Run an action with a descriptor as its stdout, as `HelperProcess.run` runs it otherwise."""
    return subprocess.run(
        [str(helper.executable), action],
        input=HOST.encode(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=helper.environment(),
        cwd=helper.home,
        check=False,
        restore_signals=not is_pipe_signal_ignored,  # Python itself ignores it
        timeout=60,
    )


class TestStreamsAndSignals:
    """Of callers that go, or do not listen."""

    @pytest.mark.parametrize("is_cached", [True, False])
    def test_a_full_pipe_that_nobody_reads(
        self, signed_in: HelperProcess, aws: AwsEmulator, *, is_cached: bool
    ) -> None:
        """The answer waits until it is read as a whole, and nobody else has to wait."""
        if is_cached:
            signed_in.get()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        filled = 0
        with suppress(BlockingIOError):
            while True:
                filled += os.write(writer, bytes(4096))
        os.set_blocking(writer, True)
        process = subprocess.Popen(
            [str(signed_in.executable), "get"],
            stdin=subprocess.PIPE,
            stdout=writer,
            env=signed_in.environment(),
            cwd=signed_in.home,
        )
        os.close(writer)
        assert process.stdin is not None
        process.stdin.write(HOST.encode())
        process.stdin.close()
        assert aws.accepts(signed_in.get(AWS_ECR_TIMEOUT="10").secret)
        assert process.poll() is None
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()[filled:]
        assert process.wait(30) == 0
        assert aws.accepts(json.loads(answer)["Secret"])

    @pytest.mark.parametrize("is_cached", [True, False])
    def test_a_full_pipe_that_does_not_wait(
        self, signed_in: HelperProcess, *, is_cached: bool
    ) -> None:
        """If the answer cannot be written now, the exit code says that there is none."""
        if is_cached:
            signed_in.get()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(4096))
        completed = run_into(writer, signed_in, "get")
        os.close(writer)
        os.close(reader)
        assert (completed.stderr, completed.returncode) == (b"", 1)

    @pytest.mark.parametrize("is_cached", [True, False])
    def test_a_closed_stdout(self, signed_in: HelperProcess, *, is_cached: bool) -> None:
        """Without a stdout, no other file is written to, and the exit code is 1."""
        if is_cached:
            signed_in.get()
        outcome = under(signed_in, ("/bin/sh", "-c", 'exec "$0" "$@" >&-')).get()
        assert outcome == Outcome("", "", 1)

    @pytest.mark.parametrize("is_ignored", [True, False])
    @pytest.mark.parametrize("is_cached", [True, False])
    @pytest.mark.parametrize("action", ["get", "list", "version", "help"])
    def test_a_reader_that_has_left(
        self, signed_in: HelperProcess, action: str, *, is_cached: bool, is_ignored: bool
    ) -> None:
        """If nobody reads the answer any more, it ends without a message, and not with success."""
        if is_cached:
            signed_in.get()
            signed_in.list()
        reader, writer = os.pipe()
        os.close(reader)
        completed = run_into(writer, signed_in, action, is_pipe_signal_ignored=is_ignored)
        os.close(writer)
        assert completed.stderr == b""
        assert completed.returncode in (1, 128 + signal.SIGPIPE, -signal.SIGPIPE)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_while_aws_is_asked(
        self, signed_in: HelperProcess, aws: AwsEmulator, number: signal.Signals
    ) -> None:
        """A signal ends it at once, without a message, and the next caller need not wait."""
        aws.fail("GetAuthorizationToken", Fault(hang=True), times=1)
        process = signed_in.ask()
        wait_for(lambda: aws.count("GetAuthorizationToken") == 1)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=5)
        assert (stdout, stderr) == (b"", b"")
        assert process.returncode == (1 if number == signal.SIGINT else -number)
        assert unfinished(signed_in) == []
        assert aws.accepts(signed_in.get(AWS_ECR_TIMEOUT="10").secret)

    @pytest.mark.parametrize("is_cached", [True, False])
    def test_a_stdin_that_does_not_wait(self, signed_in: HelperProcess, *, is_cached: bool) -> None:
        """If a non-blocking stdin has no input yet, the program waits for it."""
        if is_cached:
            signed_in.get()
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        process = subprocess.Popen(
            [str(signed_in.executable), "get"],
            stdin=reader,
            stdout=subprocess.PIPE,
            env=signed_in.environment(),
            cwd=signed_in.home,
        )
        os.close(reader)
        wait_for(lambda: b"import sys" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
        for part in (HOST[:20], HOST[20:]):
            os.write(writer, part.encode())
        os.close(writer)
        stdout, _ = process.communicate(timeout=60)
        assert json.loads(stdout)["ServerURL"] == HOST

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_while_stdin_is_open(
        self, signed_in: HelperProcess, number: signal.Signals
    ) -> None:
        """A signal while it waits for input ends it at once."""
        process = signed_in.start("get")
        wait_for(lambda: process.pid in processes_of(signed_in.home))
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=5)
        assert (stdout, stderr) == (b"", b"")
        assert process.returncode in (1, -number, 128 + number)


# What a caller brings along

_LIBRARIES = r"\S+/(lib(?:ssl|crypto|z|expat)\.so\S*)"  # of OpenSSL, zlib and expat


@pytest.mark.skipif(sys.platform != "linux", reason="LD_LIBRARY_PATH is Linux's")
@pytest.mark.parametrize("action", ["get", "login"])
def test_a_caller_with_libraries_of_its_own(
    action: str, signed_in: HelperProcess, aws: AwsEmulator, tmp_path: Path
) -> None:
    """A program made by PyInstaller, with its own LD_LIBRARY_PATH, gets a token."""
    code = "import pyexpat, ssl, zlib; print(open('/proc/self/maps').read())"
    maps = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    libraries = set(re.findall(_LIBRARIES, maps.stdout))
    if not libraries:
        pytest.skip("this Python holds all that it needs")
    for name in libraries:
        (tmp_path / name).write_text("of another release\n" * 10)
    variables = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")
    signed_in.environ |= dict.fromkeys(variables, str(tmp_path))
    helper = replace(signed_in, may_fork=False)
    arguments, stdin = ((action,), HOST) if action == "get" else ((action, HOST), "")
    assert helper.run(*arguments, stdin=stdin).status == 0
    assert aws.issued(helper.get().secret)
    assert aws.count("GetAuthorizationToken") == 1
