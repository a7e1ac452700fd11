"""The launcher's own answers: the same as Python's, or none."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_credential_ecr_login.cache import REFRESH_PAUSE, Cache, Entry
from docker_credential_ecr_login.identity import SELECTORS, configured_identity
from docker_credential_ecr_login.protocol import CREDENTIALS_NOT_FOUND, server_url
from docker_credential_ecr_login.ready import environment_line, prepare_get
from docker_credential_ecr_login.registry import Registry, parse
from tests.credential_sources import write
from tests.emulator import AwsEmulator
from tests.helper_process import (
    EXECUTABLE,
    HOST,
    OTHER_REGION,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
    Outcome,
    wait_for,
)

STAT = shutil.which("stat")
SHELLS = {
    "dash": ["dash"],
    "bash": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
    "mksh": ["mksh"],
}
# These cannot tell whether what they read held NUL, and leave it to Python.
OTHER_SHELLS = {"ksh": ["ksh"], "yash": ["yash"]}

pytestmark = pytest.mark.skipif(
    STAT is None
    or subprocess.run([STAT, "-L", "-c", "%y", "/"], check=False, capture_output=True).returncode
    != 0,
    reason="needs the stat of GNU or busybox",
)


VARIABLES = (
    "HOME",
    "AWS_ECR_CACHE_DIR",
    "AWS_ECR_CONFIG",
    "AWS_ECR_PUBLIC_ANONYMOUS",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    *SELECTORS,
    "AWS_SECRET_ACCESS_KEY",
)


PIECES = [
    *("", "\0", "\n", "\r", "\r\n", " ", "\t", "\x7f", "\x1b", "é", "１", "。"),  # noqa: RUF001
    *("/", "//", "../", ":", ":443", ".", "-", "_", "%2e", "@", "\\", "http://", "https://"),
    *("*", "?", "[a-z]", "$(true)", "`true`", "$HOME", "'", '"', ";", ",", "&", "A", "1", "list"),
]


def registry(host: str = HOST) -> Registry:
    """Return what a host means."""
    found = parse(host)
    assert found is not None
    return found


@st.composite
def near_names(draw: st.DrawFn) -> str:
    """Return the name of the registry with some characters in place of others."""
    name = HOST
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(name)))
        length = draw(st.sampled_from([0, 0, 1, 2]))
        name = name[:start] + draw(st.sampled_from(PIECES)) + name[start + length :]
    return name


@pytest.fixture
def lonely(tmp_path: Path) -> Path:
    """The launcher in a place where it finds no Python that has the package."""
    assert STAT is not None
    directory = tmp_path / "lonely"
    directory.mkdir()
    (directory / "stat").symlink_to(STAT)
    return Path(shutil.copy(EXECUTABLE, directory))


@pytest.fixture
def warm(signed_in: HelperProcess) -> HelperProcess:
    """The executable with AWS configuration files, and a token in its cache."""
    signed_in.write_config("[default]\nregion = eu-west-1\n")
    signed_in.write_credentials("[other]\naws_access_key_id = AKIDOTHER\n")
    assert signed_in.get().secret
    return signed_in


@pytest.fixture
def launcher(warm: HelperProcess, lonely: Path) -> HelperProcess:
    """The launcher alone, with the home of the executable: what it answers, it answers itself."""
    return without_python(warm, lonely)


def without_python(helper: HelperProcess, lonely: Path) -> HelperProcess:
    """The launcher alone, with the home and the environment of ``helper``."""
    return replace(
        helper, executable=lonely, environ={**helper.environ, "PATH": str(lonely.parent)}
    )


def has_answer(launcher: HelperProcess, host: str = HOST, **changes: str) -> bool:
    """Say whether the launcher alone answers ``get``."""
    outcome = launcher.get(host, **changes)
    assert outcome.status in (0, 1)
    assert ("Secret" in outcome.stdout) == (outcome.status == 0), outcome
    return outcome.status == 0


class TestAnswers:
    """What it answers is what Python answers."""

    def test_get(self, warm: HelperProcess, launcher: HelperProcess, aws: AwsEmulator) -> None:
        """A hit is answered byte for byte as Python does, without Python and without AWS."""
        by_python = warm.get(AWS_ECR_LOG_LEVEL="debug")
        assert "answered with the cached token" in warm.log
        assert launcher.get() == by_python
        assert aws.accepts(launcher.get().secret)
        assert aws.count("GetAuthorizationToken") == 1

    def test_list(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """``list`` is answered byte for byte as Python does, from the second time on."""
        warm.get(SECOND_ACCOUNT)
        set_back(warm.cache_directory / "tokens")
        assert launcher.list().status == 1
        by_python = warm.list()
        assert by_python.hosts == [HOST, SECOND_ACCOUNT]
        assert launcher.list() == by_python

    @pytest.mark.parametrize("name", [name for name, [c, *_] in SHELLS.items() if shutil.which(c)])
    def test_in_every_shell(self, launcher: HelperProcess, warm: HelperProcess, name: str) -> None:
        """Every shell that can be /bin/sh gives the same answer."""
        command = [*SHELLS[name], str(launcher.executable), "get"]
        program = shutil.which(command[0])
        assert program
        completed = subprocess.run(
            [program, *command[1:]],
            input=HOST.encode(),
            env=launcher.environment(),
            capture_output=True,
            check=True,
        )
        assert completed.stdout.decode() == warm.get().stdout
        assert completed.stderr == b""

    @pytest.mark.parametrize(
        "shell",
        [each for each in (SHELLS | OTHER_SHELLS).values() if shutil.which(each[0])],
        ids=lambda shell: shell[0],
    )
    @pytest.mark.parametrize("place", [0, 12, len(HOST) - 1, len(HOST)])
    def test_nul(self, warm: HelperProcess, shell: list[str], place: int) -> None:
        """A name with NUL in it is another name, also to shells whose ``read`` leaves it out."""
        program = shutil.which(shell[0])
        assert program
        in_shell = replace(warm, prefix=(program, *shell[1:]))
        for line in (HOST, f"{HOST}\n", f"{HOST[:9]}\n{HOST[9:]}"):
            assert in_shell.run("get", stdin=line).secret
            outcome = in_shell.run("get", stdin=f"{line[:place]}\0{line[place:]}")
            assert (outcome.stdout, outcome.status) == (
                "the input holds a character that no name of a registry has\n",
                1,
            )

    @pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
    def test_with_options_of_bash(self, launcher: HelperProcess) -> None:
        """Options that bash takes from its environment change nothing."""
        command = ["bash", "--posix", str(launcher.executable), "get"]
        environ = launcher.environment({"SHELLOPTS": "nounset:errexit:pipefail"})
        environ["PATH"] += ":" + os.environ["PATH"]
        completed = subprocess.run(
            command, input=HOST.encode(), env=environ, capture_output=True, check=True
        )
        assert completed.stdout.decode() == launcher.get().stdout

    def test_each_host_is_prepared_by_its_first_answer(
        self, warm: HelperProcess, launcher: HelperProcess
    ) -> None:
        """A second account's first answer is Python's, its next one the launcher's."""
        assert not has_answer(launcher, SECOND_ACCOUNT)
        answer = warm.get(SECOND_ACCOUNT)
        assert launcher.get(SECOND_ACCOUNT) == answer

    def test_profiles_side_by_side(
        self, helper: HelperProcess, lonely: Path, aws: AwsEmulator
    ) -> None:
        """Two profiles in turn are both answered by the launcher, each with its own token."""
        users = {name: aws.add_user() for name in ("one", "two")}
        helper.write_credentials(
            "".join(
                f"[{name}]\naws_access_key_id = {user.access_key_id}\n"
                f"aws_secret_access_key = {user.secret_access_key}\n"
                for name, user in users.items()
            )
        )
        secrets = {name: helper.get(AWS_PROFILE=name).secret for name in users}
        assert secrets["one"] != secrets["two"]
        launcher = without_python(helper, lonely)
        for name in ("one", "two", "one"):
            assert launcher.get(AWS_PROFILE=name).secret == secrets[name]

    def test_line_ends(self, launcher: HelperProcess) -> None:
        """A host name with a line end is the same name, as for Python; two lines are rare."""
        assert launcher.run("get", stdin=f"{HOST}\n") == launcher.get()
        assert not has_answer(launcher, f"{HOST[:20]}\n{HOST[20:]}")

    @pytest.mark.parametrize(
        "url", [f"https://{HOST}", f"{HOST}/repository", f"https://{HOST}/v2/"]
    )
    def test_other_spellings(self, warm: HelperProcess, launcher: HelperProcess, url: str) -> None:
        """A URL, and a host with a path, are answered and echoed as Python does."""
        by_python = warm.get(url, AWS_ECR_LOG_LEVEL="debug")
        assert by_python.credentials["ServerURL"] == url
        assert launcher.get(url) == by_python

    @pytest.mark.parametrize(
        "name",
        [f"http://{HOST}", f"{HOST}:443", HOST.upper(), f"{HOST}.", f"x{HOST}", f"x/{HOST}", "ecr"],
    )
    def test_rare_spellings(self, launcher: HelperProcess, name: str) -> None:
        """What is not written as clients write it is left to Python."""
        assert not has_answer(launcher, name)

    def test_too_much(self, launcher: HelperProcess) -> None:
        """Input without end is refused in the words of Python, empty lines too."""
        for text in ("\n" * 70_000 + HOST, "a" * 70_000, f"{HOST}\n" * 2_000):
            outcome = launcher.run("get", stdin=text)
            assert (outcome.stdout, outcome.status) == ("the input is larger than 64 KiB\n", 1)

    @pytest.mark.parametrize(
        "name", ["https://index.docker.io/v1/", "ghcr.io", "localhost:5000", "10.0.0.1"]
    )
    def test_a_name_that_cannot_be_of_ecr(self, lonely: Path, tmp_path: Path, name: str) -> None:
        """A registry without "ecr" in its name is not found, without Python."""
        outcome = HelperProcess(tmp_path, executable=lonely).get(name)
        assert (outcome.stdout, outcome.stderr, outcome.status) == (
            f"{CREDENTIALS_NOT_FOUND}\n",
            "",
            1,
        )

    def test_no_other_name(self, launcher: HelperProcess) -> None:
        """Whatever stands on stdin, the token is given for names of the registry alone."""

        @settings(max_examples=300)
        @given(near_names())
        def check(name: str) -> None:
            if has_answer(launcher, name):
                found = parse(server_url(name.encode()))
                assert found is not None
                assert found.host == HOST

        check()

    @given(st.from_regex(r"[a-z0-9.\-:/]{0,40}", fullmatch=True), st.sampled_from([0, 3, 9]))
    def test_every_name_of_ecr_has_these_letters(self, text: str, place: int) -> None:
        """No text without "ecr" is a name of ECR, so the launcher may say that it is not."""
        for name in (text, HOST[:place] + text + HOST[place:], f"{HOST}.{text}"):
            assert parse(name) is None or "ecr" in name


class TestEnvironment:
    """Another environment, another question."""

    @pytest.mark.parametrize(
        "name",
        [
            *SELECTORS,
            "HOME",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "AWS_ECR_CACHE_DIR",
            "AWS_ECR_CONFIG",
            "AWS_ECR_DISABLE_CACHE",
            "AWS_ECR_PUBLIC_ANONYMOUS",
            "XDG_CONFIG_DIRS",
            "XDG_CONFIG_HOME",
        ],
    )
    def test_each_variable_counts(self, launcher: HelperProcess, name: str) -> None:
        """With any variable changed that selects identity or cache, Python decides."""
        assert has_answer(launcher)
        assert not has_answer(launcher, **{name: "changed"})

    def test_a_copied_cache(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """What lies in a copy of the cache says nothing of the copy, where another file is used."""
        copy = warm.home / "copy"
        shutil.copytree(warm.cache_directory, copy, copy_function=shutil.copy2)
        assert not has_answer(launcher, AWS_ECR_CACHE_DIR=str(copy))
        answer = warm.get(AWS_ECR_CACHE_DIR=str(copy))
        assert warm.erase(AWS_ECR_CACHE_DIR=str(copy)).status == 0
        assert answer.secret == warm.get().secret
        assert not has_answer(launcher, AWS_ECR_CACHE_DIR=str(copy))

    def test_debug_hits_are_logged(self, launcher: HelperProcess) -> None:
        """At level debug Python answers, for it logs every answer."""
        assert not has_answer(launcher, AWS_ECR_LOG_LEVEL="DEBUG")
        assert has_answer(launcher, AWS_ECR_LOG_LEVEL="info")

    def test_a_missing_secret_counts(self, launcher: HelperProcess) -> None:
        """An access key whose secret is missing is another configuration."""
        del launcher.environ["AWS_SECRET_ACCESS_KEY"]
        assert not has_answer(launcher)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("AWS_ENDPOINT_URL_STS", "http://user:hunter2@127.0.0.1/"),
            ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1/?key=hunter2"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2"),
            ("AWS_ROLE_SESSION_NAME", "two\nlines"),
            ("AWS_CREDENTIAL_FILE", "relative/path"),
            ("AWS_CREDENTIAL_FILE", "$HOME/path"),
            ("AWS_ROLE_SESSION_NAME", "$HOME"),
            ("AWS_ROLE_SESSION_NAME", "a|b"),
        ],
    )
    def test_what_cannot_be_compared_is_not_prepared(
        self, warm: HelperProcess, lonely: Path, name: str, value: str
    ) -> None:
        """Secrets, and values whose meaning is elsewhere, are never written down for it."""
        warm.environ[name] = value
        assert warm.get().secret
        assert warm.get().secret
        assert not has_answer(without_python(warm, lonely))
        for path in (warm.cache_directory / "ready").iterdir():
            assert "hunter2" not in path.read_text()

    @pytest.mark.parametrize("profile", ["../../outside", "a/b"])
    def test_a_profile_cannot_name_a_place(self, warm: HelperProcess, profile: str) -> None:
        """A profile's name never makes a file in another directory."""
        user = (warm.environ["AWS_ACCESS_KEY_ID"], warm.environ["AWS_SECRET_ACCESS_KEY"])
        warm.write_credentials(
            f"[{profile}]\naws_access_key_id = {user[0]}\naws_secret_access_key = {user[1]}\n"
        )
        before = {path.name for path in warm.home.rglob("*")}
        assert warm.get(AWS_PROFILE=profile).secret
        made = {path.name for path in warm.home.rglob("*")} - before
        assert not any("outside" in name or "b," in name for name in made)

    @settings(max_examples=60)
    @given(
        st.dictionaries(
            st.sampled_from(VARIABLES),
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        )
    )
    def test_both_write_the_environment_alike(self, environ: dict[str, str]) -> None:
        """Launcher and Python put every environment that Python writes down into the same line."""
        text = EXECUTABLE.read_text()
        begin = text.index("_ecr_environment=")
        code = text[begin : text.index('"\n', begin) + 2]
        line = environment_line(environ)
        completed = subprocess.run(
            ["/bin/sh", "-c", f'{code}printf %s "$_ecr_environment"'],
            env=environ,
            capture_output=True,
            check=True,
        )
        assert line is None or completed.stdout.decode() == line

    @given(st.dictionaries(st.sampled_from(VARIABLES), st.text("|=a", max_size=5)), st.data())
    def test_lines_tell_environments_apart(
        self, environ: dict[str, str], data: st.DataObject
    ) -> None:
        """No two environments have the same line, with whatever tricks in the second."""
        line = environment_line(environ)
        name = data.draw(st.sampled_from(VARIABLES))
        other = {**environ, name: data.draw(st.text("|=a", max_size=12))}
        if name == "AWS_SECRET_ACCESS_KEY" and name in environ:
            return  # of a secret, only whether it is set
        fields = [other.get(name) for name in VARIABLES[:-1]]
        written = "|".join("" if value is None else f"={value}" for value in fields)
        written += "||" + ("=" if VARIABLES[-1] in other else "")
        assert (written == line) == (line is not None and other == environ)


def set_back(*paths: Path) -> None:
    """Give paths and what is in them a time some seconds ago."""
    then = time.time() - 5
    for path in paths:
        for each in (path, *path.rglob("*")):
            if each.exists():
                os.utime(each, (then, then))


def _appended(path: Path) -> None:
    with path.open("a") as file:
        file.write("\n")


def _touched(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def _replaced(path: Path) -> None:
    """Put another file of the same size and time into its place."""
    other = path.with_name("other")
    shutil.copy2(path, other)
    other.replace(path)


def _rewritten(path: Path) -> None:
    """Give it another content of the same size and time, as ``cp --preserve`` does."""
    state = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _exchanged(path: Path) -> None:
    """Let the other of the two files have this one's state."""
    path.rename(path.with_name({"config": "credentials", "credentials": "config"}[path.name]))


CHANGES = [_appended, _touched, _replaced, _rewritten, _exchanged, Path.unlink]


class TestFiles:
    """Another state of a file, another question."""

    @pytest.mark.parametrize("name", ["config", "credentials"])
    @pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
    def test_the_configuration(
        self, launcher: HelperProcess, change: Callable[[Path], None], name: str
    ) -> None:
        """A configuration file that was changed, replaced or removed leaves it to Python."""
        change(launcher.home / ".aws" / name)
        assert not has_answer(launcher)

    def test_a_new_configuration_file(self, launcher: HelperProcess) -> None:
        """A configuration file that was not there leaves it to Python."""
        (launcher.home / ".boto").touch()
        assert not has_answer(launcher)

    def test_a_change_is_noticed_once(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """After Python has answered under the new configuration, the launcher does again."""
        warm.write_config("[default]\nregion = eu-west-2\n")
        assert not has_answer(launcher)
        answer = warm.get()
        assert launcher.get() == answer

    @pytest.mark.parametrize("mode", [0o640, 0o606, 0o700])
    def test_the_mode_of_the_token(self, launcher: HelperProcess, mode: int) -> None:
        """A token's file whose mode was changed leaves it to Python."""
        token(launcher).chmod(mode)
        assert not has_answer(launcher)

    def test_links_to_the_token(self, launcher: HelperProcess) -> None:
        """A token's file that is a link, or has a second name, leaves it to Python."""
        path = token(launcher)
        second = path.with_name(f"{path.name}.second")
        second.hardlink_to(path)
        assert not has_answer(launcher)
        path.unlink()
        path.symlink_to(second)
        assert not has_answer(launcher)

    def test_a_pipe_in_its_place(self, launcher: HelperProcess) -> None:
        """A pipe in place of the token, or of the launcher's file, is not waited for."""
        for path in (token(launcher), *(launcher.cache_directory / "ready").iterdir()):
            path.unlink()
            os.mkfifo(path, 0o600)
            assert not has_answer(launcher)

    @pytest.mark.parametrize("mode", [0o620, 0o602, 0o644])
    def test_the_mode_of_its_file(self, launcher: HelperProcess, mode: int) -> None:
        """What somebody else could have written, or read, is not believed."""
        (path,) = (launcher.cache_directory / "ready").iterdir()
        path.chmod(mode)
        assert not has_answer(launcher)

    def test_the_file_of_another_host(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """What was left for one registry, or for ``list``, is not believed for another."""
        warm.get(OTHER_REGION)
        set_back(warm.cache_directory / "tokens")
        warm.list()
        (path,) = (launcher.cache_directory / "ready").glob(f"{HOST},*")
        for name in (OTHER_REGION, "list"):
            (other,) = path.parent.glob(f"{name},*")
            shutil.copy2(other, path)
            assert not has_answer(launcher)

    def test_a_link_in_place_of_its_file(self, launcher: HelperProcess) -> None:
        """What Python left is not believed where it is a link."""
        (path,) = (launcher.cache_directory / "ready").iterdir()
        path.symlink_to(path.rename(path.with_name("elsewhere")))
        assert not has_answer(launcher)

    def test_every_half_of_its_file(self, launcher: HelperProcess) -> None:
        """No beginning of what Python left, as a crash could leave it, is an answer."""
        (path,) = (launcher.cache_directory / "ready").iterdir()
        text = path.read_text()
        lines = text.splitlines(keepends=True)
        for length in {0, len(text) // 2, *(len("".join(lines[:n])) for n in range(6))}:
            path.write_text(text[:length])
            assert not has_answer(launcher)
        path.write_text(text)
        assert has_answer(launcher)

    def test_logout(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """After ``docker logout`` there is no answer, and no secret is left in the cache."""
        secret = warm.get().secret
        assert warm.erase().status == 0
        assert not has_answer(launcher)
        for path in warm.cache_directory.rglob("*"):
            assert path.is_dir() or secret not in path.read_text()

    def test_the_secret_is_in_one_file(self, warm: HelperProcess) -> None:
        """What is left for the launcher holds no secret."""
        secrets = (warm.get().secret, warm.environ["AWS_SECRET_ACCESS_KEY"])
        for path in (warm.cache_directory / "ready").iterdir():
            assert not any(secret in path.read_text() for secret in secrets)
            assert path.stat().st_mode & 0o777 == 0o600

    def test_login(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """A token that ``docker login`` stores is answered from then on."""
        secret = warm.get(OTHER_REGION).secret
        assert warm.store(HOST, secret).status == 0
        assert not has_answer(launcher)
        assert warm.get().secret == secret

    def test_list_notices_every_change(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """After a further registry, a logout and a login, ``list`` is right at once."""
        secret = warm.get(HOST).secret
        changes: list[Callable[[], Outcome]] = [
            lambda: warm.get(OTHER_REGION),
            lambda: warm.erase(OTHER_REGION),
            lambda: warm.store(OTHER_REGION, secret),
        ]
        for change in changes:
            set_back(warm.cache_directory / "tokens", warm.cache_directory / "logins")
            warm.list()
            assert launcher.list().status == 0
            before = warm.list().hosts
            change()
            assert launcher.list().status == 1
            assert warm.list().hosts != before

    def test_list_notices_a_mode(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """A token whose file's mode was changed is not listed, nor one that is not as it was."""
        set_back(warm.cache_directory / "tokens")
        warm.list()
        assert launcher.list().status == 0
        token(warm).chmod(0o644)
        assert launcher.list().status == 1
        token(warm).chmod(0o600)
        assert launcher.list().status == 1
        assert warm.list().hosts == [HOST]

    def test_list_is_not_prepared_too_early(
        self, warm: HelperProcess, launcher: HelperProcess
    ) -> None:
        """Right after a change, when the next one could have the same time, it is Python's."""
        soon = time.time() + 60
        os.utime(token(warm).parent, (soon, soon))
        warm.list()
        assert launcher.list().status == 1


class TestWhoseFiles:
    """What somebody else can have put there is left to Python, which reads what it looked at."""

    DIRECTORIES = (".", "ready", "tokens", "tokens/*")

    @staticmethod
    def directory(helper: HelperProcess, pattern: str) -> Path:
        """The one directory of the cache that a pattern means."""
        (path,) = helper.home.glob(f".ecr/{pattern}" if pattern != "." else ".ecr")
        return path

    @pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o702])
    @pytest.mark.parametrize("name", DIRECTORIES)
    def test_directories_of_all(
        self, warm: HelperProcess, launcher: HelperProcess, name: str, mode: int
    ) -> None:
        """Where others could write to a directory, it is Python's; what others can read is not."""
        directory = self.directory(warm, name)
        directory.chmod(mode)
        assert not has_answer(launcher)
        assert warm.get().secret
        directory.chmod(0o755)
        assert has_answer(launcher)

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    @pytest.mark.parametrize("name", [*DIRECTORIES, "ready/*", "tokens/*/aws.us-east-1.ecr"])
    def test_what_others_own(self, warm: HelperProcess, launcher: HelperProcess, name: str) -> None:
        """Where a directory or a file is another user's, it is Python's."""
        os.chown(self.directory(warm, name), 54321, -1)
        assert not has_answer(launcher)

    @pytest.mark.parametrize("name", ["here", "~/here"])
    def test_a_relative_directory(self, launcher: HelperProcess, name: str) -> None:
        """A cache in the working directory, which a checkout may have brought, is Python's."""
        (prepared,) = (launcher.cache_directory / "ready").iterdir()
        first, _, *others = prepared.read_text().splitlines(keepends=True)
        launcher.environ["AWS_ECR_CACHE_DIR"] = name
        environment = environment_line(launcher.environment())
        brought = write(launcher, f"{name}/ready/{prepared.name}", "")
        brought.write_text("".join([first, f"{environment}\n", *others]))
        assert not has_answer(launcher)

    def test_an_option_in_the_place_of_a_path(
        self, warm: HelperProcess, launcher: HelperProcess
    ) -> None:
        """What is prepared names files, and tells the program that looks at them nothing else."""
        (prepared,) = (warm.cache_directory / "ready").iterdir()
        lines = prepared.read_text().splitlines()
        planted = warm.home / "planted"
        planted.write_text("1\n2\n3\nanother token\n")
        said = f"8180 {os.geteuid()} 1 1700000000"
        text = [*lines[:2], "0 9999999999 9999999999", "", f"{planted} {said}", "", str(planted)]
        prepared.write_text("\n".join([*text, f"-c%n {said}", ""]))
        assert not has_answer(launcher)
        assert warm.get().secret != "another token"


def token(helper: HelperProcess) -> Path:
    """The file of the token."""
    (path,) = (helper.cache_directory / "tokens").glob("*/aws.us-east-1.ecr")
    return path


class TestTime:
    """The launcher's clock is that of the files in /proc, or what tests put in its place."""

    @staticmethod
    def set_clock(launcher: HelperProcess, now: float) -> None:
        """Let the launcher's clock show ``now``."""
        stat = launcher.executable.with_name("stat")
        stat.unlink(missing_ok=True)
        stat.write_text(
            "#!/bin/sh\n"
            f"echo '/proc/self/ 416d {os.geteuid()} 9 0 1 - - - - - - {int(now)}'\n"
            f'format=$3; shift 5; exec {STAT} -L -c "$format" -- "$@"\n'
        )
        stat.chmod(0o755)

    @staticmethod
    def entry(helper: HelperProcess) -> tuple[Cache, Entry]:
        """The cache of a helper, and its token."""
        cache = Cache(str(helper.cache_directory), configured_identity(helper.environment()))
        entry = cache.token(registry())
        assert entry is not None
        return cache, entry

    @staticmethod
    def record_python(launcher: HelperProcess) -> Path:
        """Put a program in Python's place that notes each of its starts in a file."""
        record = launcher.executable.with_name("starts")
        record.touch()
        python = launcher.executable.with_name("python3")
        python.write_text(
            "#!/bin/sh\n"
            f'read -r host; shift 3; printf "%s %s\\n" "$*" "$host" >>{record}; echo by Python\n'
        )
        python.chmod(0o755)
        return record

    @staticmethod
    def was_asked(record: Path, times: int) -> bool:
        """Say whether Python was started that often, always for the same."""
        return record.read_text() == f"get {HOST}\n" * times

    def test_each_age(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """It answers from when the token was stored until it has a minute left, and no longer."""
        _, entry = self.entry(warm)
        stored_at = int(token(warm).stat().st_mtime)
        for now, expected in [
            (stored_at - 0.5, False),
            (stored_at, True),
            (entry.refresh_at, True),
            (entry.expires_at - 60.001, True),
            (entry.expires_at - 60, False),
            (entry.expires_at + 1, False),
            (0, False),
        ]:
            self.set_clock(launcher, now)
            assert has_answer(launcher) is expected, now

    def test_a_refresh_is_left_to_python(
        self, warm: HelperProcess, launcher: HelperProcess
    ) -> None:
        """From the refresh time on, Python is asked the same behind the caller's back."""
        record = self.record_python(launcher)
        _, entry = self.entry(warm)
        answer = warm.get()
        for age, starts in [(-0.001, 0), (0, 1), (3600, 2)]:
            self.set_clock(launcher, entry.refresh_at + age)
            assert launcher.get() == answer
            wait_for(partial(self.was_asked, record, starts))

    @pytest.mark.parametrize(("left", "span"), [(3600, REFRESH_PAUSE), (90, 30)])
    def test_after_a_refresh_was_started(
        self, warm: HelperProcess, launcher: HelperProcess, left: int, span: int
    ) -> None:
        """Then Python is not asked for a minute, and none is answered in the last one."""
        record = self.record_python(launcher)
        cache, entry = self.entry(warm)
        now = int(time.time())
        old = Entry(entry.secret, now + left, now - 1)
        cache.store_token(registry(), old)
        prepare_get(cache, registry(), old, warm.environment(), now)
        for moment in (now, now + span - 0.001):
            self.set_clock(launcher, moment)
            assert launcher.get().secret == entry.secret
        self.set_clock(launcher, now + span)
        launcher.get()
        wait_for(partial(self.was_asked, record, 1))

    def test_list(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """``list`` is answered until the first of its tokens is of no use."""
        set_back(warm.cache_directory / "tokens")
        warm.list()
        _, entry = self.entry(warm)
        self.set_clock(launcher, entry.expires_at - 60.001)
        assert launcher.list().status == 0
        self.set_clock(launcher, entry.expires_at - 60)
        assert launcher.list().status == 1

    def test_the_real_clock(self) -> None:
        """What it takes for the time is the time, to the second."""
        assert STAT is not None
        before = int(time.time())
        completed = subprocess.run(
            [STAT, "-L", "-c", "%Y", "/proc/self/"], capture_output=True, check=True
        )
        assert before - 1 <= int(completed.stdout) <= time.time()

    @pytest.mark.parametrize("stat", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho '|'\n", None])
    def test_without_a_usable_stat(self, launcher: HelperProcess, stat: str | None) -> None:
        """Where stat is another program, or is not there, Python decides."""
        path = launcher.executable.with_name("stat")
        path.unlink()
        if stat:
            path.write_text(stat)
            path.chmod(0o755)
        assert not has_answer(launcher)


def table(match: str, **settings: str) -> str:
    """Return a table of the config file."""
    lines = [f'{name} = "{value}"\n' for name, value in settings.items()]
    return f'[[registry]]\nmatch = "{match}"\n{"".join(lines)}'


def refuses(launcher: HelperProcess, name: str, **changes: str) -> bool:
    """Say whether the launcher alone answers that there are no credentials."""
    outcome = launcher.get(name, **changes)
    assert outcome.status == 1
    return outcome.stdout == f"{CREDENTIALS_NOT_FOUND}\n"


OWN = "images.example.com"
HUB = "https://index.docker.io/v1/"


class TestConfigFile:
    """With a config file, every name is first answered by Python."""

    @pytest.fixture
    def configured(self, warm: HelperProcess) -> HelperProcess:
        """The executable with a config file, and an answer for a name of each kind."""
        other = f"[other]\naws_access_key_id = {warm.environ['AWS_ACCESS_KEY_ID']}\n"
        secret = warm.environ["AWS_SECRET_ACCESS_KEY"]
        warm.write_credentials(f"{other}aws_secret_access_key = {secret}\n")
        warm.write_own_config(
            table(SECOND_ACCOUNT, profile="other")
            + table(OWN, registry=HOST)
            + '[[registry]]\nmatch = "public.ecr.aws"\nanonymous = true\n'
        )
        for name in (HOST, SECOND_ACCOUNT, OWN):
            assert warm.get(name).secret
        for name in (HUB, PUBLIC):
            assert warm.get(name).status == 1
        return warm

    @pytest.fixture
    def alone(self, configured: HelperProcess, lonely: Path) -> HelperProcess:
        """The launcher alone, with that config file."""
        return without_python(configured, lonely)

    @pytest.mark.parametrize("name", [HOST, SECOND_ACCOUNT, OWN])
    def test_get(self, configured: HelperProcess, alone: HelperProcess, name: str) -> None:
        """Registries that it has a table for, and names of one's own, are answered as by Python."""
        for url in (name, f"https://{name}", f"https://{name}/v2/"):
            by_python = configured.get(url, AWS_ECR_LOG_LEVEL="debug")
            assert alone.get(url) == by_python
            assert by_python.credentials["ServerURL"] == url

    @pytest.mark.parametrize("name", [HUB, PUBLIC, "https://index.docker.io", "index.docker.io"])
    def test_what_is_not_found(
        self, configured: HelperProcess, alone: HelperProcess, name: str
    ) -> None:
        """Other names, and those that are anonymous, are refused once Python did."""
        by_python = configured.get(name, AWS_ECR_LOG_LEVEL="debug")
        assert alone.get(name) == by_python == Outcome(f"{CREDENTIALS_NOT_FOUND}\n", "", 1)

    @pytest.mark.parametrize(
        "name", ["ghcr.io", f"x{OWN}", f"{OWN}.evil.org", "index.docker.io:5000", f"{OWN}:5000"]
    )
    def test_what_python_was_not_asked(self, alone: HelperProcess, name: str) -> None:
        """The first answer for each name is Python's: it alone knows what the file says of it."""
        assert not refuses(alone, name)
        assert not has_answer(alone, name)

    def test_list(self, configured: HelperProcess, alone: HelperProcess) -> None:
        """``list`` has names of one's own, and no others, by the launcher too."""
        set_back(configured.cache_directory / "tokens")
        by_python = configured.list()
        assert by_python.hosts == sorted([HOST, SECOND_ACCOUNT, OWN])
        assert alone.list() == by_python

    @pytest.mark.parametrize("change", [_appended, _touched, _replaced, Path.unlink])
    def test_a_change(
        self, configured: HelperProcess, alone: HelperProcess, change: Callable[[Path], None]
    ) -> None:
        """A config file that was changed, replaced or removed leaves each name to Python."""
        set_back(configured.cache_directory / "tokens")
        configured.list()
        change(configured.home / ".config/ecr-login/config.toml")
        for name in (HOST, SECOND_ACCOUNT, OWN):
            assert not has_answer(alone, name)
        assert alone.list().status == 1
        is_gone = change is Path.unlink  # then no name without "ecr" can mean anything
        assert refuses(alone, HUB) is is_gone

    @pytest.mark.parametrize(
        ("place", "environ"),
        [
            (".config", {}),
            (".config", {"XDG_CONFIG_HOME": "relative"}),
            ("user", {"XDG_CONFIG_HOME": "{home}/user"}),
            ("site", {"XDG_CONFIG_DIRS": "{home}/site:/nowhere"}),
            ("site", {"XDG_CONFIG_DIRS": ":relative:{home}/site"}),
        ],
    )
    def test_a_new_one(
        self, warm: HelperProcess, lonely: Path, place: str, environ: dict[str, str]
    ) -> None:
        """A config file that comes into being, wherever it can be, leaves each name to Python."""
        warm.environ |= {name: text.format(home=warm.home) for name, text in environ.items()}
        assert warm.get().secret
        launcher = without_python(warm, lonely)
        assert has_answer(launcher)
        path = warm.home / place / "ecr-login/config.toml"
        path.parent.mkdir(parents=True)
        path.touch()
        assert not has_answer(launcher)
        assert not refuses(launcher, HUB)
        assert warm.get(HUB).status == 1
        assert refuses(launcher, HUB)

    def test_one_that_a_variable_names(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """With AWS_ECR_CONFIG, which must exist, no name is refused without Python."""
        path = warm.home / "own.toml"
        assert not refuses(launcher, HUB, AWS_ECR_CONFIG=str(path))
        path.touch()
        warm.get(HUB, AWS_ECR_CONFIG=str(path))
        assert refuses(launcher, HUB, AWS_ECR_CONFIG=str(path))
        path.unlink()
        assert not refuses(launcher, HUB, AWS_ECR_CONFIG=str(path))

    def test_a_second_one(self, configured: HelperProcess, alone: HelperProcess) -> None:
        """A file that would count if the user's were not there leaves each name to Python."""
        path = configured.home / "site/ecr-login/config.toml"
        environ = {"XDG_CONFIG_DIRS": str(path.parent.parent)}
        assert configured.get(OWN, **environ).secret
        assert has_answer(alone, OWN, **environ)
        path.parent.mkdir(parents=True)
        path.touch()
        assert not has_answer(alone, OWN, **environ)

    def test_a_login(self, configured: HelperProcess, alone: HelperProcess) -> None:
        """A token that ``docker login`` stores under a name of one's own is answered then on."""
        secret = configured.get(OTHER_REGION).secret
        assert configured.store(OWN, secret).status == 0
        assert not has_answer(alone, OWN)
        assert configured.get(OWN).secret == secret
        assert configured.erase(OWN).status == 0
        assert not has_answer(alone, OWN)
        assert not has_answer(alone, HOST)

    def test_with_a_fallback(self, warm: HelperProcess, lonely: Path) -> None:
        """With another helper for all others, none of them is refused without asking it."""
        warm.write_own_config(f'fallback = "test"\n{table(OWN, registry=HOST)}')
        assert warm.get(OWN).secret
        assert warm.get(HUB).status == 1
        launcher = without_python(warm, lonely)
        assert has_answer(launcher, OWN)
        assert not refuses(launcher, HUB)

    def test_at_debug(self, warm: HelperProcess, lonely: Path) -> None:
        """Where the file asks for each hit to be logged, Python answers."""
        warm.write_own_config('log_level = "debug"\n')
        launcher = without_python(warm, lonely)
        for changes in ({}, {"AWS_ECR_LOG_LEVEL": "info"}):
            assert warm.get(**changes).secret
            assert not has_answer(launcher)

    @pytest.mark.parametrize("settings", [{"registry": HOST}, {"profile": "default"}])
    def test_a_host_called_list(
        self, warm: HelperProcess, lonely: Path, settings: dict[str, str]
    ) -> None:
        """A registry of this name, and the action ``list``, are not taken for each other."""
        warm.write_own_config(table("list", **settings))
        warm.get("list")
        warm.get(HOST)
        set_back(warm.cache_directory / "tokens")
        hosts = warm.list().hosts
        launcher = without_python(warm, lonely)
        expected = warm.get("list", AWS_ECR_LOG_LEVEL="debug")
        for name in ("list", "https://list", "https://list/v2/"):
            assert not has_answer(launcher, name)
            assert warm.get(name).status == expected.status
        assert warm.get("list") == expected
        assert launcher.list().hosts == warm.list().hosts == hosts
