"""The records that Python leaves for the launcher: when it answers from them, and when not."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_credential_ecr_login import actions
from docker_credential_ecr_login.cache import records as kept_records
from docker_credential_ecr_login.cache import removal
from docker_credential_ecr_login.cache.recall import REFRESH_PAUSE, claim_refresh
from docker_credential_ecr_login.cache.records import MAX_RECORDS, OUR_SELECTORS, environment_line
from docker_credential_ecr_login.cache.tokens import Entry
from docker_credential_ecr_login.identity import SECRETS, SELECTORS
from docker_credential_ecr_login.resolve import resolve
from tests.credential_sources import write
from tests.differential.questions import near_names
from tests.differential.shells import SHELLS, TRIED
from tests.emulator import AwsEmulator
from tests.helper_process import (
    EXECUTABLE,
    HOST,
    NOT_FOUND,
    OTHER_REGION,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
    Outcome,
    as_nobody,
    wait_for,
)
from tests.installation import PYTHON
from tests.tokens import HOUR, asked, keep_token, stored

STAT = shutil.which("stat")
HUB = "https://index.docker.io/v1/"
OWN = "images.example.com"
VARIABLES = (*SELECTORS, *OUR_SELECTORS, *SECRETS)

pytestmark = pytest.mark.skipif(
    STAT is None
    or subprocess.run([STAT, "-L", "-c", "%y", "/"], check=False, capture_output=True).returncode
    != 0,
    reason="needs the stat of GNU or busybox",
)


@pytest.fixture
def lonely(tmp_path: Path) -> Path:
    """The launcher in a place where it finds no Python that has the package."""
    directory = tmp_path / "lonely"
    directory.mkdir()
    for name in ("od", "stat"):
        program = shutil.which(name)
        assert program
        (directory / name).symlink_to(program)
    return Path(shutil.copy(EXECUTABLE, directory))


@pytest.fixture
def warm(signed_in: HelperProcess, aws: AwsEmulator) -> HelperProcess:
    """The executable with AWS configuration files, and a token in its cache."""
    signed_in.write_config("[default]\nregion = eu-west-1\n")
    signed_in.write_credentials("[other]\naws_access_key_id = AKIDOTHER\n")
    keep_token(aws, signed_in, refresh_in=HOUR)
    settle()
    assert signed_in.get().secret
    return signed_in


def settle() -> None:
    """Wait until all files are old enough: there are no records of newer ones."""
    written = time.time_ns()
    wait_for(lambda: time.time_ns() > written + 10**8)


@pytest.fixture
def launcher(warm: HelperProcess, lonely: Path) -> HelperProcess:
    """The launcher without Python, with the home of the executable."""
    return without_python(warm, lonely)


def without_python(helper: HelperProcess, lonely: Path) -> HelperProcess:
    """The launcher alone, with the home and the environment of ``helper``."""
    return replace(
        helper, executable=lonely, environ={**helper.environ, "PATH": str(lonely.parent)}
    )


def is_answered(launcher: HelperProcess, question: str = HOST, **changes: str) -> bool:
    """Say whether the launcher alone gives an answer to ``get``."""
    outcome = launcher.get(question, **changes)
    assert outcome.status in (0, 1)
    assert ("Secret" in outcome.stdout) == (outcome.status == 0), outcome
    return outcome.status == 0 or outcome.stdout == NOT_FOUND


def records(helper: HelperProcess) -> list[Path]:
    """What Python has left."""
    return list((helper.cache_directory / "records").iterdir())


def token(helper: HelperProcess) -> Path:
    """The file of the token."""
    (path,) = (helper.cache_directory / "tokens").glob("*/aws.us-east-1.ecr")
    return path


class TestAnswers:
    """What Python has answered is answered again, and nothing else."""

    def test_a_token(self, warm: HelperProcess, launcher: HelperProcess, aws: AwsEmulator) -> None:
        """A hit is answered byte for byte as Python does, without Python and without AWS."""
        by_python = warm.get(AWS_ECR_LOG_LEVEL="debug")
        assert "answered with the cached token" in warm.log
        assert launcher.get() == by_python
        assert aws.accepts(launcher.get().secret)
        assert aws.count("GetAuthorizationToken") == 0

    @pytest.mark.parametrize(
        "name", [HUB, "ghcr.io", "localhost:5000", "10.0.0.1", f"{HOST}.evil.example"]
    )
    def test_not_found(self, warm: HelperProcess, launcher: HelperProcess, name: str) -> None:
        """Not found is answered by the launcher from the second time on."""
        assert not is_answered(launcher, name)
        outcome = warm.get(name)
        assert launcher.get(name) == outcome == Outcome(NOT_FOUND, "", 1)

    @pytest.mark.parametrize(
        "question",
        [
            *(f"https://{HOST}", f"http://{HOST}", f"{HOST}/team/app", f"https://{HOST}/v2/"),
            *(f"{HOST}:443", HOST.upper(), f"{HOST}.", f"{HOST}\n", f" {HOST}\r\n", f"{HOST}/"),
            *(f"{HOST[:20]}\n{HOST[20:]}", SECOND_ACCOUNT, f"user@{HOST}", f"x{HOST}"),
        ],
    )
    def test_spellings(self, warm: HelperProcess, launcher: HelperProcess, question: str) -> None:
        """Each spelling of a name is a separate question, which Python answers first."""
        assert not is_answered(launcher, question)
        outcome = warm.get(question)
        assert launcher.get(question) == outcome

    @pytest.mark.parametrize(
        "question", ["", f"{HOST}/größe", f"{HOST}/a\\b", f'{HOST}/"', f"{HOST}/".ljust(128, "x")]
    )
    def test_what_is_left_to_python(
        self, warm: HelperProcess, launcher: HelperProcess, question: str
    ) -> None:
        """Errors, long names, and answers that a shell may change are left to Python."""
        before = records(warm)
        assert warm.get(question).status == (0 if question else 1)
        assert records(warm) == before
        assert not is_answered(launcher, question)

    def test_no_other_question(self, launcher: HelperProcess) -> None:
        """The token is answered only for exactly the name that Python was asked about."""

        @settings(max_examples=100)  # and those of test_differential.py
        @given(near_names())
        def check(name: str) -> None:
            assert is_answered(launcher, name) == (name == HOST)

        check()

    def test_no_other_action(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """All actions but ``get``, and ``get`` with an argument, are left to Python."""
        assert HOST in warm.list().hosts
        for arguments in (("list",), ("erase",), ("store",), ("get", "get"), ("get", ""), ()):
            outcome = launcher.run(*arguments, stdin=HOST)
            assert "install it again" in outcome.stdout, arguments

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
        settle()
        secrets = {name: helper.get(AWS_PROFILE=name).secret for name in users}
        assert secrets["one"] != secrets["two"]
        launcher = without_python(helper, lonely)
        for name in ("one", "two", "one"):
            assert launcher.get(AWS_PROFILE=name).secret == secrets[name]

    def test_with_the_programs_of_busybox(self, warm: HelperProcess, lonely: Path) -> None:
        """The launcher works with od and stat of busybox, too."""
        busybox = shutil.which("busybox")
        if busybox is None:
            pytest.skip("busybox IS NOT INSTALLED: its programs were not tried")
        programs = lonely.parent
        for name in ("od", "stat"):
            (programs / name).unlink()
            (programs / name).symlink_to(busybox)
        assert without_python(warm, lonely).get() == warm.get()
        path = f"{programs}:{os.environ['PATH']}"
        for length in (127, 128, 129, 9000):  # it takes no more than it passes on
            name = f"{HOST}/".ljust(length, "x")
            assert warm.get(name, PATH=path).credentials["ServerURL"] == name

    @pytest.mark.parametrize("program", ["od", "stat"])
    @pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho '|'\n", None])
    def test_without_usable_programs(
        self, launcher: HelperProcess, program: str, text: str | None
    ) -> None:
        """If od or stat is another program, or is missing, Python answers."""
        path = launcher.executable.with_name(program)
        path.unlink()
        if text:
            path.write_text(text)
            path.chmod(0o755)
        assert not is_answered(launcher)


class TestEnvironment:
    """Another environment, another question."""

    def test_each_variable_counts(self, launcher: HelperProcess) -> None:
        """If any variable that selects identity or cache is different, Python answers."""
        for name in set(VARIABLES) - {SECRETS[1]}:
            assert not is_answered(launcher, **{name: "changed"}), name
        assert is_answered(launcher)

    def test_the_launcher_knows_the_table(self) -> None:
        """The variables that the launcher compares are those of the tables, each once."""
        text = EXECUTABLE.read_text()
        begin = text.index("for _ecr_name in ")
        names = text[begin : text.index("; do", begin)].replace("\\\n", "").split()[3:]
        assert names == [*SELECTORS, *OUR_SELECTORS]

    def test_a_copied_cache(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """A record in a copy of the cache is not used, because it names the original's files."""
        copy = warm.home / "copy"
        shutil.copytree(warm.cache_directory, copy, copy_function=shutil.copy2)
        assert not is_answered(launcher, AWS_ECR_CACHE_DIR=str(copy))
        answer = warm.get(AWS_ECR_CACHE_DIR=str(copy))
        assert warm.erase(AWS_ECR_CACHE_DIR=str(copy)).status == 0
        assert answer.secret == warm.get().secret
        assert not is_answered(launcher, AWS_ECR_CACHE_DIR=str(copy))

    @pytest.mark.parametrize("level", ["debug", "DEBUG"])
    def test_debug_hits_are_logged(
        self, warm: HelperProcess, launcher: HelperProcess, level: str
    ) -> None:
        """At level debug Python answers, because it logs every answer."""
        assert warm.get(AWS_ECR_LOG_LEVEL=level).secret
        assert not is_answered(launcher, AWS_ECR_LOG_LEVEL=level)

    def test_a_missing_secret_counts(self, launcher: HelperProcess) -> None:
        """An access key whose secret is missing is another configuration."""
        del launcher.environ["AWS_SECRET_ACCESS_KEY"]
        assert not is_answered(launcher)

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
    def test_what_cannot_be_compared_leaves_no_record(
        self, warm: HelperProcess, launcher: HelperProcess, name: str, value: str
    ) -> None:
        """With secrets, or values that have to be expanded, no record is written."""
        for _ in range(2):
            assert warm.get(**{name: value}).secret
        assert not is_answered(launcher, **{name: value})
        assert not any("hunter2" in path.read_text() for path in records(warm))

    @pytest.mark.parametrize("profile", ["../../outside", "a/b"])
    def test_a_profile_cannot_name_a_place(self, warm: HelperProcess, profile: str) -> None:
        """The name of a profile never leads to a file in another directory."""
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
        """Launcher and Python write the same line for every environment that Python writes down."""
        text = EXECUTABLE.read_text()
        begin = text.index('    _ecr_environment="')
        code = text[begin : text.index("    done\n", begin) + 9]
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
        """No two different environments have the same line, even if one tries to."""
        line = environment_line(environ)
        name = data.draw(st.sampled_from([*SELECTORS, *OUR_SELECTORS]))
        other = {**environ, name: data.draw(st.text("|=a", max_size=12))}
        present = ["=" if secret in other else "" for secret in SECRETS]
        values = [other.get(each) for each in (*SELECTORS, *OUR_SELECTORS)]
        written = "|".join([*present, *("" if each is None else f"={each}" for each in values)])
        assert (written == line) == (line is not None and other == environ)


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


def _left_dangling(path: Path) -> None:
    """Put a link into its place that leads nowhere."""
    path.unlink()
    path.symlink_to("nowhere")


CHANGES = [_appended, _touched, _replaced, _rewritten, _exchanged, _left_dangling, Path.unlink]


class TestFiles:
    """Another state of a file, another question."""

    @pytest.mark.parametrize("name", ["config", "credentials"])
    @pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
    def test_the_configuration(
        self,
        warm: HelperProcess,
        launcher: HelperProcess,
        change: Callable[[Path], None],
        name: str,
    ) -> None:
        """After a change of a configuration file Python answers, for other registries, too."""
        warm.get(HUB)
        change(launcher.home / ".aws" / name)
        assert not is_answered(launcher)
        assert not is_answered(launcher, HUB)

    @pytest.mark.parametrize("name", [".boto", ".config", ".cache", ".ecr/logins"])
    def test_what_is_created_later(self, launcher: HelperProcess, name: str) -> None:
        """If something is created where a path had nothing, Python answers."""
        path = launcher.home / name
        for make in (Path.touch, Path.mkdir, partial_link):
            make(path)
            assert not is_answered(launcher)
            (Path.rmdir if path.is_dir() and not path.is_symlink() else Path.unlink)(path)
            assert is_answered(launcher)

    def test_a_change_is_noticed_once(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """After Python has answered under the new configuration, the launcher does again."""
        warm.write_config("[default]\nregion = eu-west-2\n")
        assert not is_answered(launcher)
        answer = warm.get()
        assert launcher.get() == answer

    def test_the_package(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """Another version of the package, which may know more names of ECR, answers anew."""
        before = set(records(warm))
        warm.get(HUB)
        (path,) = set(records(warm)) - before
        assert is_answered(launcher, HUB)
        text = path.read_text()
        line = next(line for line in text.splitlines() if re.search(r"/registry\.pyc?\|", line))
        path.write_text(text.replace(line, line[:-1]))
        assert not is_answered(launcher, HUB)

    @pytest.mark.parametrize("mode", [0o640, 0o606, 0o700])
    def test_the_mode_of_the_token(self, launcher: HelperProcess, mode: int) -> None:
        """If the mode of a token file has changed, Python answers."""
        token(launcher).chmod(mode)
        assert not is_answered(launcher)

    def test_links_to_the_token(self, launcher: HelperProcess) -> None:
        """If a token file has a second name, Python answers."""
        path = token(launcher)
        path.with_name(f"{path.name}.second").hardlink_to(path)
        assert not is_answered(launcher)

    def test_a_pipe_in_its_place(self, launcher: HelperProcess) -> None:
        """A pipe in place of the token, or of the record, is not waited for."""
        for path in (token(launcher), *records(launcher)):
            path.unlink()
            os.mkfifo(path, 0o600)
            assert not is_answered(launcher)

    def test_every_half_of_a_record(self, launcher: HelperProcess) -> None:
        """A truncated record, as after a crash, is not used."""
        (path,) = records(launcher)
        text = path.read_text()
        lines = text.splitlines(keepends=True)
        for length in {0, len(text) // 2, *(len("".join(lines[:n])) for n in range(len(lines)))}:
            path.write_text(text[:length])
            assert not is_answered(launcher)
        path.write_text(text)
        assert is_answered(launcher)

    def test_the_record_of_another_question(
        self, warm: HelperProcess, launcher: HelperProcess
    ) -> None:
        """A record that was moved to the place of another one is not used."""
        (path,) = records(warm)
        warm.get(OTHER_REGION)
        (other,) = set(records(warm)) - {path}
        shutil.copy2(other, path)
        assert not is_answered(launcher)

    def test_an_option_in_the_place_of_a_path(
        self, warm: HelperProcess, launcher: HelperProcess
    ) -> None:
        """A path in a record is never taken for an option by the program that looks at it."""
        (path,) = records(warm)
        path.write_text(path.read_text().removesuffix(".\n") + "-c%n|x\n.\n")
        assert not is_answered(launcher)


def partial_link(path: Path) -> None:
    """Make a link that leads nowhere."""
    path.symlink_to("nowhere")


class TestLogins:
    """What ``docker login`` and ``docker logout`` do counts at once."""

    def test_logout(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """After ``docker logout`` there is no answer, and no secret is left in the cache."""
        secret = warm.get().secret
        assert warm.erase().status == 0
        assert not is_answered(launcher)
        for path in warm.cache_directory.rglob("*"):
            assert path.is_dir() or secret not in path.read_text()

    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o640])
    @pytest.mark.parametrize("links", [1, 2])
    def test_logout_of_what_others_can_read(
        self, warm: HelperProcess, mode: int, links: int
    ) -> None:
        """``docker logout`` removes a record even if it is no longer trusted."""
        (path,) = records(warm)
        path.chmod(mode)
        for number in range(1, links):
            path.with_name(f"{path.name}{number}").hardlink_to(path)
        path.with_name(f"{path.name}.1.2.tmp").touch()  # of a writer that was killed
        assert warm.erase().status == 0
        assert records(warm) == []

    def test_logout_meanwhile(self, warm: HelperProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        """An answer that is given during a ``docker logout`` leaves no record."""
        monkeypatch.setattr("sys.platform", "linux")
        environ = warm.environment()
        request = resolve(HOST, environ)
        cache, entry = stored(warm)
        store = kept_records._store  # noqa: SLF001 - nothing else is between the two

        def store_and_erase(path: str, text: str) -> None:
            store(path, text)
            removal.erase(cache.directory, request)  # just before the record comes
            store(path, text)

        monkeypatch.setattr(kept_records, "_store", store_and_erase)
        actions._keep_answer(request, environ, HOST.encode(), "the answer\n", entry)  # noqa: SLF001
        assert records(warm) == []

    def test_login(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """A token that ``docker login`` stores is answered from then on, by the launcher too."""
        secret = warm.get(OTHER_REGION).secret
        assert warm.store(HOST, secret).status == 0
        assert not is_answered(launcher)
        answer = warm.get()
        assert answer.secret == secret
        assert launcher.get() == answer
        assert warm.erase().status == 0
        assert not is_answered(launcher)

    def test_a_login_that_is_kept_elsewhere(
        self, warm: HelperProcess, launcher: HelperProcess
    ) -> None:
        """If a login appears where logins are kept when the cache is read-only, Python answers."""
        write(warm, f".cache/ecr-login/logins/{HOST}", "")
        assert not is_answered(launcher)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
    def test_a_login_that_was_kept_elsewhere(self, warm: HelperProcess) -> None:
        """While there is one, Python answers: it depends on whether the cache is read-only."""
        login = warm.get(OTHER_REGION).secret
        as_user = as_nobody(warm, warm.home, *warm.cache_directory.rglob("*"), warm.cache_directory)
        for mode, is_login in ((0o555, True), (0o755, False), (0o555, True), (0o755, False)):
            warm.cache_directory.chmod(mode)
            if mode == 0o555:
                assert as_user.store(HOST, login).status == 0
            for _ in range(2):
                assert (as_user.get().secret == login) is is_login

    def test_where_else_logins_are(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """That place is platformdirs' cache directory, with any variables."""
        for changes in ({"XDG_CACHE_HOME": str(warm.home / "xdg")}, {}):
            warm.get(**changes)
            assert is_answered(launcher, **changes)
            code = "import platformdirs; print(platformdirs.user_cache_dir('ecr-login'))"
            printed = subprocess.run(
                [str(PYTHON), "-c", code],
                env=warm.environment(changes),
                capture_output=True,
                text=True,
                check=True,
            )
            path = Path(printed.stdout.strip())
            path.mkdir(parents=True)
            (path / "logins").mkdir()
            (path / "logins" / HOST).touch()
            assert not is_answered(launcher, **changes)
            shutil.rmtree(path.parent)


class TestWhoseFiles:
    """A record is trusted only if nobody but this user can have written it."""

    @pytest.mark.parametrize("mode", [0o620, 0o602, 0o644])
    def test_the_mode(self, launcher: HelperProcess, mode: int) -> None:
        """A record that somebody else could have written or read is not trusted."""
        (path,) = records(launcher)
        path.chmod(mode)
        assert not is_answered(launcher)

    def test_a_second_name(self, launcher: HelperProcess) -> None:
        """A record with a second name, by which somebody may have planted it, is not trusted."""
        (path,) = records(launcher)
        path.with_name("second").hardlink_to(path)
        assert not is_answered(launcher)

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    @pytest.mark.parametrize("shell", TRIED)
    def test_one_that_another_user_planted(
        self, launcher: HelperProcess, tmp_path: Path, shell: str
    ) -> None:
        """The content of another user's record is neither run nor waited for."""
        program, *options = SHELLS[shell]
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"{shell} IS NOT INSTALLED: no record was planted")
        (path,) = records(launcher)
        first, _, *others = path.read_text().splitlines()
        run = f"a[$(echo >'{tmp_path}/run')0]"
        path.write_text("\n".join([first, f"{run} {run} 0", *others, ""]))
        os.truncate(path, 2**40)
        os.chown(path, 54321, -1)
        launcher.prefix = (found, *options)
        assert not is_answered(launcher)
        path.unlink()
        assert not (tmp_path / "run").exists()

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    @pytest.mark.parametrize("owner", ["record", "token"])
    def test_the_owner(self, launcher: HelperProcess, owner: str) -> None:
        """A record, or a token, of another user is not trusted."""
        path = token(launcher) if owner == "token" else records(launcher)[0]
        os.chown(path, 54321, -1)
        assert not is_answered(launcher)

    @pytest.mark.parametrize("name", ["here", "~/here"])
    def test_a_relative_directory(self, launcher: HelperProcess, name: str) -> None:
        """With a relative cache directory, which may belong to a checkout, Python answers."""
        (record,) = records(launcher)
        first, *others = record.read_text().splitlines(keepends=True)
        launcher.environ["AWS_ECR_CACHE_DIR"] = name
        head = " ".join(first.split(" ")[:3])
        environment = environment_line(launcher.environment())
        brought = write(launcher, f"{name}/records/{record.name}", "")
        brought.write_text("".join([f"{head} {environment}\n", *others]))
        brought.chmod(0o600)
        assert not is_answered(launcher)


class TestKept:
    """Records are private, few, and removed in the end."""

    def test_the_secret_is_in_the_answer_alone(self, warm: HelperProcess) -> None:
        """A record is private, and holds no secret but the password, once."""
        secret = warm.get().secret
        (path,) = records(warm)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text().count(secret) == 1
        assert warm.environ["AWS_SECRET_ACCESS_KEY"] not in path.read_text()

    def test_there_are_not_too_many(self, warm: HelperProcess) -> None:
        """One record more than the maximum removes all earlier records, and nothing else."""
        directory = warm.cache_directory / "records"
        for number in range(MAX_RECORDS - 1):
            (directory / f"{number:04x}.,,").touch()
        (directory / "thesis").write_text("precious")
        assert len(records(warm)) == MAX_RECORDS + 1
        assert warm.get(HUB).status == 1
        assert len(records(warm)) == 2
        assert (directory / "thesis").exists()
        assert warm.get(HUB).status == 1
        assert len(records(warm)) == 2

    def test_they_are_swept(self, warm: HelperProcess) -> None:
        """A record of 13 hours ago is removed when the cache is swept, whatever its content."""
        (path,) = records(warm)
        path.chmod(0o644)
        long_ago = time.time() - 14 * 3600
        os.utime(path, (long_ago, long_ago))
        (warm.cache_directory / "swept").unlink(missing_ok=True)
        assert warm.get(OTHER_REGION).secret
        assert not path.exists()


class TestTime:
    """The launcher's clock is that of the files in /proc, or what tests put in its place."""

    @staticmethod
    def set_clock(launcher: HelperProcess, now: float) -> None:
        """Let the launcher's clock show ``now``."""
        stat = launcher.executable.with_name("stat")
        stat.unlink(missing_ok=True)
        stat.write_text(
            "#!/bin/sh\n"
            f"echo '/proc/self/|416d {os.geteuid()} 9 0 1 - - - {int(now)}'\n"
            f'format=$3; shift 5; exec {STAT} -L -c "$format" -- "$@"\n'
        )
        stat.chmod(0o755)

    def test_each_age(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """It answers while the token is young, but not at times before the token was issued."""
        _, entry = stored(warm)
        for now, expected in [
            (entry.expires_at - 12.25 * 3600 - 1, False),
            (entry.expires_at - 12.25 * 3600, True),
            (time.time(), True),
            (entry.refresh_at - 0.001, True),
            (entry.refresh_at, False),
            (entry.expires_at - 61, False),
            (0, False),
        ]:
            self.set_clock(launcher, now)
            assert is_answered(launcher) is expected, now

    @pytest.mark.parametrize(("left", "span"), [(3600, REFRESH_PAUSE), (90, 30)])
    def test_after_a_refresh_was_started(
        self, warm: HelperProcess, launcher: HelperProcess, left: int, span: int
    ) -> None:
        """Past the refresh time Python answers once a minute; the last minute is not used."""
        cache, entry = stored(warm)
        now = int(time.time())
        cache.store_token(asked(), Entry(entry.secret, now + left, now - 1))
        claim_refresh(cache, asked(), now)
        self.set_clock(launcher, now)
        assert not is_answered(launcher)
        assert warm.get().secret == entry.secret
        self.set_clock(launcher, now + span - 0.001)
        assert is_answered(launcher)
        self.set_clock(launcher, now + span + 1)
        assert not is_answered(launcher)

    def test_not_found(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """Not found is answered for half a day."""
        warm.get(HUB)
        for hours, expected in ((0, True), (11.9, True), (12.1, False)):
            self.set_clock(launcher, time.time() + hours * 3600)
            assert is_answered(launcher, HUB) is expected

    def test_the_real_clock(self) -> None:
        """Its clock is the real time, to the second."""
        assert STAT is not None
        before = int(time.time())
        completed = subprocess.run(
            [STAT, "-L", "-c", "%Y", "/proc/self/"], capture_output=True, check=True
        )
        assert before - 1 <= int(completed.stdout) <= time.time()


def table(match: str, **options: str) -> str:
    """Return a table of the config file."""
    lines = [f'{name} = "{value}"\n' for name, value in options.items()]
    return f'[[registry]]\nmatch = "{match}"\n{"".join(lines)}'


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
        settle()
        for name in (HOST, SECOND_ACCOUNT, OWN):
            assert warm.get(name).secret
        for name in (HUB, PUBLIC):
            assert warm.get(name).status == 1
        return warm

    @pytest.fixture
    def alone(self, configured: HelperProcess, lonely: Path) -> HelperProcess:
        """The launcher alone, with that config file."""
        return without_python(configured, lonely)

    @pytest.mark.parametrize("name", [HOST, SECOND_ACCOUNT, OWN, HUB, PUBLIC])
    def test_what_python_was_asked(
        self, configured: HelperProcess, alone: HelperProcess, name: str
    ) -> None:
        """Each kind of name is answered as by Python."""
        assert is_answered(alone, name)
        assert alone.get(name) == configured.get(name, AWS_ECR_LOG_LEVEL="debug")

    @pytest.mark.parametrize(
        "name", ["ghcr.io", f"x{OWN}", f"{OWN}.evil.org", "index.docker.io:5000", f"{OWN}:5000"]
    )
    def test_what_python_was_not_asked(self, alone: HelperProcess, name: str) -> None:
        """The first answer for each name is Python's, because only Python reads the config file."""
        assert not is_answered(alone, name)

    @pytest.mark.parametrize("change", [_appended, _touched, _replaced, Path.unlink])
    def test_a_change(
        self, configured: HelperProcess, alone: HelperProcess, change: Callable[[Path], None]
    ) -> None:
        """After a config file was changed, replaced or removed, Python answers for each name."""
        change(configured.home / ".config/ecr-login/config.toml")
        for name in (HOST, SECOND_ACCOUNT, OWN, HUB, PUBLIC):
            assert not is_answered(alone, name)

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
        """After a config file was created in any of its places, Python answers for each name."""
        warm.environ |= {name: text.format(home=warm.home) for name, text in environ.items()}
        assert warm.get().secret
        warm.get(HUB)
        launcher = without_python(warm, lonely)
        assert is_answered(launcher)
        assert is_answered(launcher, HUB)
        path = warm.home / place / "ecr-login/config.toml"
        path.parent.mkdir(parents=True)
        path.touch()
        assert not is_answered(launcher)
        assert not is_answered(launcher, HUB)

    def test_one_that_a_variable_names(self, warm: HelperProcess, launcher: HelperProcess) -> None:
        """If the file that AWS_ECR_CONFIG names does not exist, Python answers."""
        path = warm.home / "own.toml"
        assert warm.get(HUB, AWS_ECR_CONFIG=str(path)).status == 1
        assert not is_answered(launcher, HUB, AWS_ECR_CONFIG=str(path))
        path.touch()

        def is_recorded() -> bool:
            """Not before the next change would show."""
            assert warm.get(HUB, AWS_ECR_CONFIG=str(path)).status == 1
            return is_answered(launcher, HUB, AWS_ECR_CONFIG=str(path))

        wait_for(is_recorded)
        path.unlink()
        assert not is_answered(launcher, HUB, AWS_ECR_CONFIG=str(path))

    def test_with_a_fallback(self, warm: HelperProcess, lonely: Path) -> None:
        """With a fallback, no other registry is refused without asking it."""
        warm.write_own_config(f'fallback = "test"\n{table(OWN, registry=HOST)}')
        settle()
        assert warm.get(OWN).secret
        assert warm.get(HUB).status == 1
        launcher = without_python(warm, lonely)
        assert is_answered(launcher, OWN)
        assert not is_answered(launcher, HUB)

    def test_at_debug(self, warm: HelperProcess, lonely: Path) -> None:
        """If the config file sets log_level to debug, Python answers."""
        warm.write_own_config('log_level = "debug"\n')
        launcher = without_python(warm, lonely)
        settle()
        assert warm.get().secret
        assert not is_answered(launcher)
        assert warm.get(AWS_ECR_LOG_LEVEL="info").secret
        assert is_answered(launcher, AWS_ECR_LOG_LEVEL="info")
