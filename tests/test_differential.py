"""The launcher and Python give equal answers, in every shell, however they are asked."""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from tests.differential.comparison import compare
from tests.differential.machine import IGNORER, NO_PROCESS, REAPER, Machine, Question
from tests.differential.shells import (
    GO_ON_WITHOUT_PROCESSES,
    LEAVE_IT_TO_PYTHON,
    SHELLS,
    TRIED,
    alike,
)
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, NOT_FOUND, HelperProcess, wait_for
from tests.tokens import HOUR, keep_token

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Python answers")

QUESTIONS = 30  # of each shell; make fuzz asks thousands
INSTALLED = [name for name in TRIED if shutil.which(SHELLS[name][0])]
HUB = "https://index.docker.io/v1/"
HALVES = (HOST[:20].encode(), HOST[20:].encode())
# Not noexec and onecmd, with which bash runs no script that begins with a comment.
SHELL_OPTIONS = (
    *("allexport", "braceexpand", "emacs", "errexit", "errtrace", "functrace", "hashall"),
    *("histexpand", "history", "history:histexpand", "ignoreeof", "interactive-comments"),
    *("keyword", "monitor", "noclobber", "noglob", "nolog", "notify", "nounset"),
    *("physical", "pipefail", "posix", "privileged", "verbose", "vi", "xtrace"),
)
BASH_OPTIONS = (
    *("dotglob", "execfail", "extglob", "failglob", "globstar", "inherit_errexit", "lastpipe"),
    *("localvar_inherit", "nocaseglob", "nocasematch", "nullglob", "sourcepath", "xpg_echo"),
    *("compat31", "compat42", "compat44", "expand_aliases", "huponexit", "shift_verbose"),
)


@pytest.fixture(params=TRIED)
def shell(request: pytest.FixtureRequest) -> str:
    """Each shell that is tried as /bin/sh."""
    name: str = request.param
    if shutil.which(SHELLS[name][0]) is None:
        pytest.skip(f"{name} IS NOT INSTALLED: the launcher was not tried in it")
    return name


@pytest.fixture
def machine(signed_in: HelperProcess, aws: AwsEmulator, tmp_path: Path, shell: str) -> Machine:
    """The launcher in a shell, and Python, with a token and an answer for Docker Hub cached."""
    machine = Machine(signed_in, tmp_path, shell)
    keep_token(aws, signed_in, refresh_in=HOUR)
    for name in (HOST, HUB):
        machine.by_python(Question((name.encode(),)))
    return machine


def asked(*pieces: bytes, **how: object) -> Question:
    """Return a question."""
    return replace(Question(pieces), **how)  # type: ignore[arg-type]


def agree(machine: Machine, question: Question) -> tuple[bytes, int]:
    """Return the answer of both; fail the test if it is not the same."""
    expected = machine.by_python(question)
    assert machine.by_launcher(question) == expected
    return expected


def check_hit(machine: Machine, question: Question) -> None:
    """Fail the test unless the launcher, if it can, answers by itself, and as Python does."""
    starts = machine.starts
    agree(machine, question)
    assert (machine.starts == starts) is machine.can_answer


@pytest.mark.parametrize("shells", alike(INSTALLED), ids=str)
def test_they_agree(shells: tuple[str, ...], aws: AwsEmulator, tmp_path: Path) -> None:
    """For any question in any environment, both give the same answer and exit status."""
    for shell, answered in compare(shells, QUESTIONS, aws, tmp_path).items():
        assert (answered > 0) is (shell not in LEAVE_IT_TO_PYTHON)


@pytest.mark.parametrize("name", [HOST, HUB])
def test_what_is_asked_all_the_time(machine: Machine, name: str) -> None:
    """A cached token, and a registry that is not ECR, are answered without Python."""
    check_hit(machine, asked(name.encode()))


def test_children_of_somebody_else(machine: Machine) -> None:
    """Children that the helper has not started itself do not change an answer."""
    for before in [*[REAPER] * 5, IGNORER]:
        check_hit(machine, asked(HOST.encode(), before=before))


@pytest.mark.parametrize("through", ["pipe", "socket"])
def test_in_two_pieces_without_blocking(machine: Machine, through: str) -> None:
    """A name that arrives in pieces on a non-blocking stdin is read as a whole."""
    half = {"through": through, "blocking": False}
    answer, status = agree(machine, asked(HOST.encode(), b".evil.example", **half))
    assert (answer.decode(), status) == (NOT_FOUND, 1)
    answer, status = agree(machine, asked(*HALVES, **half))
    assert (b'"Secret"' in answer, status) == (True, 0)


@pytest.mark.parametrize("through", ["pipe", "socket", "file", "terminal"])
def test_in_two_pieces(machine: Machine, through: str) -> None:
    """Only the whole name is answered, by the launcher itself, and never its beginning."""
    answer, status = agree(machine, asked(HOST.encode(), b".evil.example", through=through))
    assert (answer.decode(), status) == (NOT_FOUND, 1)
    check_hit(machine, asked(*HALVES, through=through))


@pytest.mark.parametrize("length", [127, 128, 129, 65537])
def test_sizes(machine: Machine, length: int) -> None:
    """Python reads the rest of an input that the launcher does not read to its end."""
    agree(machine, asked(HOST.encode().ljust(length)))
    agree(machine, asked(HOST.encode().ljust(length, b"x")))


@pytest.mark.parametrize("place", [0, 12, len(HOST)])
def test_nul(machine: Machine, place: int) -> None:
    """A name with a NUL is refused, even in shells whose ``read`` would leave the NUL out."""
    answer, status = agree(machine, asked(f"{HOST[:place]}\0{HOST[place:]}".encode()))
    assert (b"contains a NUL character" in answer, status) == (True, 1)


@pytest.mark.parametrize("name", ["BASH_VERSION", "KSH_VERSION", "ZSH_VERSION"])
def test_a_variable_that_names_another_shell(machine: Machine, name: str) -> None:
    """A variable in the environment does not make a shell look like another one."""
    check_hit(machine, asked(HOST.encode(), changes=((name, "5.2.15(1)-release"),)))


@pytest.mark.parametrize(
    ("name", "locale"),
    [
        ("AWS_PROFILE", "C.UTF-8"),  # once, for its failure takes all of them long
        *product(["AWS_ROLE_ARN", "AWS_VAULT"], ["C", "C.UTF-8"]),
    ],
)
def test_values_in_other_scripts(
    signed_in: HelperProcess, tmp_path: Path, name: str, locale: str
) -> None:
    """A variable that a shell cannot decode counts as set, so that identities stay apart."""
    questions = [
        asked(HOST.encode(), changes=(("LC_ALL", locale), (name, value)))
        for value in ("é", "\udcff")
    ]
    expected = None
    for shell in INSTALLED:
        (tmp_path / shell).mkdir()
        machine = Machine(signed_in, tmp_path / shell, shell)
        expected = expected or [machine.by_python(question) for question in questions]
        assert [machine.by_launcher(question) for question in questions] == expected, shell


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_in_other_scripts(signed_in: HelperProcess, machine: Machine, locale: str) -> None:
    """A name that is not ASCII reaches the fallback helper, in every locale."""
    programs = signed_in.home / "programs"
    programs.mkdir()
    fallback = programs / "docker-credential-test"
    fallback.write_text('#!/bin/sh\nread -r name\necho "asked for $name"\n')
    fallback.chmod(0o755)
    signed_in.write_own_config('fallback = "test"\n')
    changes = (("LC_ALL", locale), ("PATH", f"{programs}:{os.environ['PATH']}"))
    answer, status = agree(machine, asked("größe.example\n".encode(), changes=changes))
    assert (answer.decode(), status) == ("asked for größe.example\n", 0)


@pytest.mark.parametrize("path", ["", None, "/nonexistent"])
def test_without_programs(machine: Machine, path: str | None) -> None:
    """If there are no programs on PATH, or PATH is not set, Python answers."""
    agree(machine, asked(HOST.encode(), changes=(("PATH", path),)))


def test_without_a_stdin(machine: Machine) -> None:
    """A stdin that is closed is an empty one."""
    before = ("/bin/sh", "-c", 'exec "$@" <&-', "sh")
    answer, status = agree(machine, asked(before=before))
    assert (answer, status) == (b"no credentials server URL\n", 1)


def test_nothing_is_typed(machine: Machine) -> None:
    """One Ctrl-D at a terminal, before anything is typed, is an empty stdin."""
    answer, status = agree(machine, asked(b"", through="terminal"))
    assert (answer, status) == (b"no credentials server URL\n", 1)


class TestLimits:
    """Of processes."""

    @pytest.fixture
    def shell(self, shell: str) -> str:
        """Each shell that goes on."""
        if shell not in GO_ON_WITHOUT_PROCESSES:
            pytest.skip(f"{shell} itself ends, or tries for ever, where it cannot fork")
        return shell

    def test_no_process_can_be_started(self, machine: Machine) -> None:
        """A cached token is answered even if no process can be started."""
        answer, status = agree(machine, asked(HOST.encode(), before=NO_PROCESS))
        assert (b'"Secret"' in answer, status) == (True, 0)


class TestOptions:
    """Of bash, which takes them from variables that a caller can have exported."""

    @pytest.fixture(params=[name for name in TRIED if name.startswith("bash")])
    def shell(self, request: pytest.FixtureRequest) -> str:
        """Bash, under each name by which it is tried."""
        assert isinstance(request.param, str)
        return request.param

    @pytest.mark.parametrize("option", SHELL_OPTIONS)
    def test_shellopts(self, machine: Machine, option: str) -> None:
        """With any option in SHELLOPTS, the launcher answers as usual, or leaves it to Python."""
        changes = (("SHELLOPTS", option),)
        check_hit(machine, asked(HOST.encode(), changes=changes))
        agree(machine, asked(f"{HOST}.evil.example".encode(), changes=changes))

    @pytest.mark.parametrize("option", BASH_OPTIONS)
    def test_bashopts(self, machine: Machine, option: str) -> None:
        """With any option in BASHOPTS, the launcher answers as usual, or leaves it to Python."""
        changes = (("BASHOPTS", option),)
        check_hit(machine, asked(HOST.encode(), changes=changes))
        agree(machine, asked(HOST.upper().encode(), changes=changes))

    def test_a_trace(self, machine: Machine, tmp_path: Path) -> None:
        """If a caller traces all its shells, the password is not in the trace."""
        trace = tmp_path / "trace"
        before = ("/bin/sh", "-c", f'exec "$@" 7>"{trace}"', "sh")
        changes = (("SHELLOPTS", "xtrace:verbose"), ("BASH_XTRACEFD", "7"))
        answer, _ = agree(machine, asked(HOST.encode(), before=before, changes=changes))
        text = trace.read_text()  # of the launcher, who comes last
        assert text.startswith("+ set +")
        assert answer[-100:-3].decode() not in text


@pytest.mark.parametrize(
    ("number", "send"),
    [
        (signal.SIGTERM, os.kill),
        (signal.SIGHUP, os.kill),
        (signal.SIGUSR1, os.kill),
        (signal.SIGTERM, os.killpg),
        (signal.SIGHUP, os.killpg),
        (signal.SIGINT, os.killpg),  # of Ctrl-C; alone, some shells leave it to their child
    ],
)
def test_a_signal(
    machine: Machine,
    shell: str,
    tmp_path: Path,
    number: signal.Signals,
    send: Callable[[int, int], None],
) -> None:
    """A signal while the launcher looks at files ends it without an answer."""
    if not machine.can_answer:
        pytest.skip("it does not look at files in this shell")
    if shell == "ksh93" and number == signal.SIGINT:
        pytest.skip("ksh93, which is /bin/sh on no Linux, now and then goes on after SIGINT")
    programs, fifo = tmp_path / "programs", tmp_path / "fifo"
    programs.mkdir()
    (programs / "od").symlink_to(str(shutil.which("od")))
    (programs / "stat").write_text(f'#!/bin/sh\nread -r _ <"{fifo}"\n')
    (programs / "stat").chmod(0o755)
    os.mkfifo(fifo)
    descriptors = []

    def is_looking() -> bool:
        with contextlib.suppress(OSError):  # there is no reader
            descriptors.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(descriptors)

    with machine.asking(asked(HOST.encode(), changes=(("PATH", str(programs)),))) as process:
        wait_for(is_looking)
        send(process.pid, number)
        os.close(descriptors[0])
        stdout, _ = process.communicate(timeout=30)
    assert stdout == b""
    assert process.returncode != 0
