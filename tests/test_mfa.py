"""MFA codes: where they come from, that they are asked for once, and where they never go."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from docker_credential_ecr_login.cache.tokens import Entry
from tests.credential_sources import DEV, PULL, PULL_SESSION, source_profile
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import (
    HOST,
    NOT_FOUND,
    OTHER_REGION,
    HelperProcess,
    Outcome,
    processes_of,
    users_of,
    wait_for,
)
from tests.terminal import Terminal, outcome
from tests.tokens import asked, cache_of

DEVICE = "arn:aws:iam::111111111111:mfa/dev"
CODE = "830217"
WRONG = "604981"
PROMPT = f'Enter MFA code for {DEVICE} (profile "pull"): '
NEEDED = (
    'profile "pull" (from AWS_PROFILE) asks for an MFA code (mfa_serial), which cannot be typed '
    f"here; run in a terminal: docker-credential-ecr-login login --profile pull {HOST}"
)
ASKED_ELSEWHERE = (
    "another process is asking for an MFA code, and there is no terminal here; type the code at "
    "the terminal of that process, and try again"
)
NO_CODE = "is not an MFA code, which has six digits; try again"
REFUSED = (
    'the MFA code for profile "pull" (from AWS_PROFILE) was not accepted: MultiFactorAuthentication'
    " failed with invalid MFA one time pass code; try again with the next code that the device "
    "shows: each can be used once"
)
TIMEOUT = "4"  # seconds: for all but typing, on a busy machine

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def helper(helper: HelperProcess, aws: AwsEmulator) -> HelperProcess:
    """The executable with a profile whose role requires an MFA code."""
    source_profile(aws, helper)
    aws.add_role(arn=PULL, trusted=[DEV], mfa_serial=DEVICE, mfa_code=CODE)
    add_to_profile(helper, f"mfa_serial = {DEVICE}")
    return helper


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal."""
    with Terminal() as terminal:
        yield terminal


@pytest.fixture
def other_terminal() -> Iterator[Terminal]:
    """Another terminal."""
    with Terminal() as terminal:
        yield terminal


def add_to_profile(helper: HelperProcess, setting: str) -> None:
    """Add a line to the last profile of the AWS config file."""
    with (helper.home / ".aws" / "config").open("a") as config:
        config.write(f"{setting}\n")


def sessions(helper: HelperProcess) -> list[Path]:
    """The sessions of roles that are kept."""
    return list((helper.home / ".aws" / "cli" / "cache").glob("*"))


def kept(helper: HelperProcess, pattern: str) -> list[Path]:
    """The files beside the tokens that match a pattern."""
    return list(helper.cache_directory.glob(f"tokens/*/{pattern}"))


def is_told(outcome: Outcome, line: str, host: str = HOST) -> bool:
    """Whether that line is all that the person gets, and the client gets "not found"."""
    return outcome == Outcome(NOT_FOUND, f"ecr-login: {host}: {line}\n", 1)


def files_with(helper: HelperProcess, text: str) -> list[Path]:
    """The files below the helper's home that hold a text."""
    files = [path for path in helper.home.rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]


# The prompt


def test_a_code_is_typed_at_the_terminal(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """The prompt is on the terminal alone, names device and profile, and hides what is typed."""
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    assert not terminal.echoes()
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret  # which fails if there was a word more on stdout or stderr
    assert terminal.shown == f"{PROMPT}\n"
    assert terminal.echoes()
    assert aws.calls[-1].principal == PULL_SESSION


def test_one_code_opens_all_regions(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """The session is kept for the AWS CLI and for the next region, which needs no code."""
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret
    assert len(sessions(helper)) == 1
    assert outcome(terminal.ask(helper, OTHER_REGION)).secret
    assert helper.get(OTHER_REGION).secret
    assert terminal.shown == f"{PROMPT}\n"
    assert (aws.count("AssumeRole"), aws.count("GetAuthorizationToken")) == (1, 2)


def test_spaces_around_the_code_do_not_matter(helper: HelperProcess, terminal: Terminal) -> None:
    """Spaces around a code, as from pasting, are ignored."""
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    terminal.type(f" {CODE} \n")
    assert outcome(process).secret


def test_without_a_cache_the_code_is_asked_for_each_time(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal, other_terminal: Terminal
) -> None:
    """With AWS_ECR_DISABLE_CACHE the prompt works, and neither session nor token is written."""
    for each in (terminal, other_terminal):
        process = each.ask(helper, AWS_ECR_DISABLE_CACHE="1")
        each.wait_for(PROMPT)
        each.type(f"{CODE}\n")
        assert outcome(process).secret
        assert sessions(helper) == []
        assert [path.name for path in helper.cache_directory.iterdir()] == ["log"]
    assert aws.count("AssumeRole") == 2


# Where the code comes from


def test_the_order_of_the_sources(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """AWS_ECR_MFA_CODE wins over mfa_process, and that over asking the person."""
    add_to_profile(helper, f"mfa_process = echo >>ran; echo {CODE}")
    ran = helper.home / "ran"
    assert outcome(terminal.ask(helper, AWS_ECR_MFA_CODE=CODE)).secret
    assert not ran.exists()
    (session,) = sessions(helper)
    session.unlink()
    assert outcome(terminal.ask(helper, OTHER_REGION)).secret
    assert ran.read_text() == "\n"
    assert terminal.shown == ""
    assert aws.count("AssumeRole") == 2


def test_a_code_in_the_environment_needs_no_terminal(helper: HelperProcess) -> None:
    """AWS_ECR_MFA_CODE needs no terminal."""
    assert helper.get(AWS_ECR_MFA_CODE=CODE).secret


def test_an_empty_variable_is_as_good_as_none(helper: HelperProcess, terminal: Terminal) -> None:
    """With an empty AWS_ECR_MFA_CODE the person is asked."""
    process = terminal.ask(helper, AWS_ECR_MFA_CODE="")
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret


def test_a_process_is_run_by_a_shell(helper: HelperProcess) -> None:
    """mfa_process needs no terminal, may be a pipeline, and can write to the person on stderr."""
    add_to_profile(
        helper, f"mfa_process = echo 'Touch the key' >&2; cat; echo code {CODE} | tr -dc 0-9"
    )
    told = helper.get()
    assert told.stderr == "Touch the key\n"
    assert Outcome(told.stdout, "", told.status).secret


def test_a_process_asks_the_person_itself(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """mfa_process can use the terminal itself, to ask for the password of a key, for example."""
    add_to_profile(
        helper, "mfa_process = exec </dev/tty; printf 'Code? ' >/dev/tty; read code; echo $code"
    )
    process = terminal.ask(helper)
    terminal.wait_for("Code? ")
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret
    assert PROMPT not in terminal.shown
    assert aws.count("AssumeRole") == 1


def test_a_process_that_fails(helper: HelperProcess, aws: AwsEmulator) -> None:
    """The line has the exit code of mfa_process, but neither its command nor its output."""
    add_to_profile(helper, f"mfa_process = echo {CODE}; exit 3")
    assert is_told(
        helper.get(),
        'mfa_process of profile "pull" failed: it ended with exit code 3; run the command by hand '
        "to see why",
    )
    assert CODE not in helper.log
    assert aws.calls == []


def test_a_process_that_prints_something_else(helper: HelperProcess, aws: AwsEmulator) -> None:
    """Output of mfa_process that is not a code is neither sent to AWS nor quoted."""
    add_to_profile(helper, f"mfa_process = echo The code is {CODE}")
    assert is_told(helper.get(), f'the output of mfa_process of profile "pull" {NO_CODE}')
    assert CODE not in helper.log
    assert aws.calls == []


@linux_only
def test_a_process_that_hangs(helper: HelperProcess, aws: AwsEmulator) -> None:
    """mfa_process has the time limit of an answer; it is ended with all that it started."""
    add_to_profile(helper, f"mfa_process = echo {CODE}; echo >>ran; sleep 100; echo")
    told = helper.get(AWS_ECR_TIMEOUT=TIMEOUT)
    assert is_told(
        told,
        'mfa_process of profile "pull" failed: it took longer than the time limit of '
        f"{TIMEOUT} seconds; run the command by hand to see why",
    )
    assert CODE not in helper.log
    wait_for(lambda: processes_of(helper.home) == [])
    assert (helper.home / "ran").exists()
    assert aws.calls == []


def test_a_process_that_prints_without_end(helper: HelperProcess, aws: AwsEmulator) -> None:
    """It is ended as soon as it has printed more than 1 MiB."""
    add_to_profile(helper, "mfa_process = yes")
    assert is_told(
        helper.get(),
        'mfa_process of profile "pull" failed: it prints more than 1 MiB; '
        "run the command by hand to see why",
    )
    assert aws.calls == []


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", "١٢٣٤٥٦", " "])
def test_a_variable_that_holds_no_code(code: str, helper: HelperProcess, aws: AwsEmulator) -> None:
    """A value of AWS_ECR_MFA_CODE without six digits is not sent to AWS."""
    assert is_told(helper.get(AWS_ECR_MFA_CODE=code), f"the value of AWS_ECR_MFA_CODE {NO_CODE}")
    assert aws.calls == []


# Whose code


def test_the_prompt_names_the_profile_that_has_the_device(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """In a chain of profiles, the prompt names the one with the device."""
    hop = "arn:aws:iam::111111111111:role/hop"
    aws.add_role(arn=hop, trusted=[DEV], mfa_serial=DEVICE, mfa_code=CODE)
    aws.add_role(arn=PULL, trusted=[hop])
    helper.write_config(
        f"[profile hop]\nrole_arn = {hop}\nsource_profile = base\nmfa_serial = {DEVICE}\n"
        "[profile pull]\n"
        f"role_arn = {PULL}\nsource_profile = hop\nrole_session_name = docker\n"
    )
    process = terminal.ask(helper)
    terminal.wait_for(": ")
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret
    assert terminal.shown == f'Enter MFA code for {DEVICE} (profile "hop"): \n'
    assert aws.calls[-1].principal == PULL_SESSION
    assert aws.count("AssumeRole") == 2


def test_the_process_is_that_of_the_profile_that_has_the_device(
    helper: HelperProcess, aws: AwsEmulator
) -> None:
    """In a chain of profiles, the code comes from mfa_process beside mfa_serial."""
    hop = "arn:aws:iam::111111111111:role/hop"
    aws.add_role(arn=hop, trusted=[DEV], mfa_serial=DEVICE, mfa_code=CODE)
    aws.add_role(arn=PULL, trusted=[hop])
    helper.write_config(
        f"[profile hop]\nrole_arn = {hop}\nsource_profile = base\nmfa_serial = {DEVICE}\n"
        f"mfa_process = echo {CODE}\n"
        "[profile pull]\n"
        f"role_arn = {PULL}\nsource_profile = hop\nmfa_process = echo {WRONG}\n"
    )
    assert helper.get().secret
    assert aws.count("AssumeRole") == 2


def test_the_profile_of_the_config_file(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """The profile that the config file names for the registry can ask for a code, too."""
    helper.write_own_config('[[registry]]\nmatch = "*"\nprofile = "pull"\n')
    del helper.environ["AWS_PROFILE"]
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret
    assert aws.calls[-1].principal == PULL_SESSION


def test_a_role_on_top_of_a_profile_that_asks(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """The config file's role is assumed with the session that the code gave."""
    top = "arn:aws:iam::333333333333:role/top"
    aws.add_role(arn=top, trusted=[PULL])
    helper.write_own_config(
        f'[[registry]]\nmatch = "*"\nrole_arn = "{top}"\nrole_session_name = "docker"\n'
    )
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret
    assert outcome(terminal.ask(helper, OTHER_REGION)).secret
    assert terminal.shown == f"{PROMPT}\n"
    assert aws.calls[-1].principal == "arn:aws:sts::333333333333:assumed-role/top/docker"
    assert aws.count("AssumeRole") == 2
    assert len(sessions(helper)) == 2


# Several callers

_AT_ONCE = 'for host; do echo "$host" | "$0" get & done; wait'


@linux_only
def test_a_herd_is_asked_once(helper: HelperProcess, aws: AwsEmulator, terminal: Terminal) -> None:
    """Ten callers for two regions at one terminal ask for one code, and all get a token."""
    hosts = [HOST, OTHER_REGION] * 5
    process = terminal.start(helper, "sh", "-c", _AT_ONCE, str(helper.executable), *hosts)
    terminal.wait_for(PROMPT)
    wait_for(lambda: len(kept(helper, "*.prompt")) == 2)  # one asks, and one is about to
    wait_for(lambda: sum(len(users_of(prompt)) for prompt in kept(helper, "*.prompt")) == 10)
    terminal.type(f"{CODE}\n")
    answers = outcome(process)
    assert answers.stderr == ""
    lines = answers.stdout.splitlines()
    for host in (HOST, OTHER_REGION):
        secret = helper.get(host).secret
        assert sum(host in line and secret in line for line in lines) == 5
    assert terminal.shown == f"{PROMPT}\n"
    assert (aws.count("AssumeRole"), aws.count("GetAuthorizationToken")) == (1, 2)


@linux_only
def test_a_wrong_code_is_for_all_who_wait(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal, other_terminal: Terminal
) -> None:
    """A wrong code is a failure of all who wait, without another prompt; the next call asks."""
    process = terminal.start(helper, "sh", "-c", _AT_ONCE, str(helper.executable), *([HOST] * 6))
    terminal.wait_for(PROMPT)
    (prompt,) = kept(helper, "*.prompt")
    wait_for(lambda: len(users_of(prompt)) == 6)
    terminal.type(f"{WRONG}\n")
    told = outcome(process)
    assert told.stdout == NOT_FOUND * 6
    assert told.stderr == f"ecr-login: {HOST}: {REFUSED}\n" * 6
    assert terminal.shown == f"{PROMPT}\n"
    assert aws.count("AssumeRole") == 1
    assert WRONG not in helper.log
    again = other_terminal.ask(helper)
    other_terminal.wait_for(PROMPT)
    other_terminal.type(f"{CODE}\n")
    assert outcome(again).secret


@linux_only
def test_typing_takes_its_time(
    helper: HelperProcess,
    aws: AwsEmulator,
    terminal: Terminal,
    other_terminal: Terminal,
    tmp_path: Path,
) -> None:
    """The time in which the code is typed counts for nobody, neither who is asked nor who waits."""
    helper.environ["AWS_ECR_TIMEOUT"] = TIMEOUT
    asked = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    (prompt,) = kept(helper, "*.prompt")
    hosts = [HOST, OTHER_REGION]
    waiting = other_terminal.start(helper, "sh", "-c", _AT_ONCE, str(helper.executable), *hosts)
    wait_for(lambda: len(users_of(prompt)) == 2)
    wait_for(lambda: len(kept(helper, "*.prompt")) == 2)
    # Somebody who has as much time, and starts after all others, has none left.
    aws.fail("GetAuthorizationToken", Fault(hang=True), times=1)
    witness = HelperProcess(tmp_path, {**helper.environ, **aws.add_user().environ})
    del witness.environ["AWS_PROFILE"]
    assert f"no answer within {TIMEOUT} seconds" in witness.get().stderr
    assert [each.poll() for each in (asked, waiting)] == [None] * 2
    terminal.type(f"{CODE}\n")
    secret = outcome(asked).secret
    answers = sorted(outcome(waiting).stdout.splitlines(), key=lambda line: HOST not in line)
    assert [secret in line for line in answers] == [True, False]
    assert helper.get(OTHER_REGION).secret in answers[1]
    assert aws.count("AssumeRole") == 1


def test_a_caller_without_a_terminal_does_not_wait(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """While a code is asked for at a terminal, a caller without a terminal fails at once."""
    asked = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    assert is_told(helper.get(), ASKED_ELSEWHERE)
    assert asked.poll() is None
    terminal.type(f"{CODE}\n")
    secret = outcome(asked).secret
    assert helper.get().secret == secret
    assert aws.count("AssumeRole") == 1


@pytest.mark.parametrize("source", ["variable", "process"])
def test_a_code_from_a_program_does_not_wait_for_a_person(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal, source: str
) -> None:
    """A code from a program does not wait for a person who is asked for another code."""
    terminal.ask(helper)
    terminal.wait_for(PROMPT)
    if source == "process":
        add_to_profile(helper, f"mfa_process = echo {CODE}")
    changes = {"AWS_ECR_MFA_CODE": CODE} if source == "variable" else {}
    assert helper.get(OTHER_REGION, **changes).secret
    assert aws.count("AssumeRole") == 1


# What else is typed, and what ends the prompt


@pytest.mark.parametrize(
    "typed",
    ["12345\n", "1234567\n", "12345a\n", "\n", "\x04", "١٢٣٤٥٦\n", "\udcff23456\n"],
    ids=["five", "seven", "a letter", "nothing", "Ctrl-D", "Arabic digits", "not UTF-8"],
)
def test_an_invalid_code(
    typed: str, helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """What does not have six digits is not sent to AWS, and the line says what a code is."""
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    terminal.type(typed)
    assert is_told(outcome(process), f"what was typed {NO_CODE}")
    assert terminal.shown.strip() == PROMPT.strip()
    assert terminal.echoes()
    assert aws.calls == []


@linux_only
def test_ctrl_c_ends_the_one_that_asks(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal, other_terminal: Terminal
) -> None:
    """Ctrl-C ends it without an answer, the terminal echoes again, and the next one can ask."""
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    waiting = other_terminal.ask(helper)
    (prompt,) = kept(helper, "*.prompt")
    wait_for(lambda: users_of(prompt) == {process.pid, waiting.pid})
    while process.poll() is None:  # Python does not hear a Ctrl-C just before it reads
        terminal.type("\x03")
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
    assert outcome(process) == Outcome("", "", 1)
    assert terminal.echoes()
    other_terminal.wait_for(PROMPT)
    other_terminal.type(f"{CODE}\n")
    assert outcome(waiting).secret
    assert aws.count("AssumeRole") == 1


@linux_only
def test_a_killed_one_is_replaced(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal, other_terminal: Terminal
) -> None:
    """If the caller that asks the person is killed, one of those who wait asks instead."""
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    waiting = other_terminal.ask(helper)
    (prompt,) = kept(helper, "*.prompt")
    wait_for(lambda: users_of(prompt) == {process.pid, waiting.pid})
    process.kill()
    assert outcome(process).status == -signal.SIGKILL
    other_terminal.wait_for(PROMPT)
    other_terminal.type(f"{CODE}\n")
    assert outcome(waiting).secret
    assert aws.count("AssumeRole") == 1


def test_a_killed_one_leaves_no_prompt_behind(helper: HelperProcess, terminal: Terminal) -> None:
    """After the caller that asks was killed, the next one does not wait for it."""
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    process.kill()
    assert outcome(process).status == -signal.SIGKILL
    assert is_told(helper.get(), NEEDED)


# Where nobody is asked


def test_without_a_terminal(helper: HelperProcess, aws: AwsEmulator) -> None:
    """Without a terminal, the line says so at once, and what to do."""
    assert is_told(helper.get(), NEEDED)
    assert aws.calls == []


def test_the_command_that_the_line_ends_with(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """The command in the line asks at the terminal only; after it, ``get`` has an answer."""
    command = helper.get().stderr.partition("run in a terminal: ")[2]
    helper.environ["PATH"] = f"{helper.executable.parent}:{os.environ['PATH']}"
    process = terminal.start(helper, "sh", "-c", command)
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    done = outcome(process)
    assert (done.stderr, done.status) == ("", 0)
    assert done.stdout.startswith("REGISTRY")
    assert terminal.shown == f"{PROMPT}\n"
    assert helper.get().secret
    assert helper.get(OTHER_REGION).secret
    assert aws.count("AssumeRole") == 1


def test_one_code_for_all_registries_of_a_login(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """``login`` to several regions asks for one code."""
    login = [str(helper.executable), "login", "--profile", "pull", HOST, OTHER_REGION]
    process = terminal.start(helper, *login)
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    done = outcome(process)
    assert (done.stdout.count("\n"), done.stderr, done.status) == (3, "", 0)
    assert terminal.shown == f"{PROMPT}\n"
    assert (aws.count("AssumeRole"), aws.count("GetAuthorizationToken")) == (1, 2)


def test_a_failure_without_a_terminal_is_not_remembered_at_one(
    helper: HelperProcess, terminal: Terminal
) -> None:
    """A failure without a terminal, as in an IDE, is not remembered for a terminal."""
    assert is_told(helper.get(), NEEDED)
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret


def test_in_the_background_of_a_terminal(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """A background job does not ask, because reading from the terminal would stop it."""
    assert is_told(outcome(terminal.ask_in_background(helper)), NEEDED)
    assert terminal.shown == ""
    assert aws.calls == []


def make_old(helper: HelperProcess) -> None:
    """Let the token be due for a refresh, and the session be expired."""
    cache = cache_of(helper)
    request = asked()
    entry = cache.token(request)
    assert entry is not None
    cache.store_token(request, Entry(entry.secret, entry.expires_at, 0))
    for session in sessions(helper):
        session.unlink()


@pytest.fixture
def ageing(helper: HelperProcess) -> HelperProcess:
    """The executable with a token past its refresh time, and sources of codes of all kinds."""
    add_to_profile(helper, f"mfa_process = echo >>ran; echo {CODE}")
    helper.environ["AWS_ECR_MFA_CODE"] = CODE
    assert helper.get().secret
    make_old(helper)
    return helper


def test_a_background_refresh_never_asks(
    ageing: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """A background refresh asks for no code and uses none; the old token is answered."""
    assert outcome(terminal.ask(ageing)).secret
    wait_for(lambda: "asks for an MFA code" in ageing.log)
    assert terminal.shown == ""
    assert not (ageing.home / "ran").exists()
    assert aws.count("AssumeRole") == 1
    assert outcome(terminal.ask(ageing)).secret


def test_a_refresh_that_has_a_terminal_does_not_ask_either(
    ageing: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """A refresh does not ask even if there is a terminal."""
    process = terminal.start(ageing, str(ageing.executable), "refresh", HOST)
    assert outcome(process).status == 1
    assert "asks for an MFA code" in ageing.log
    assert terminal.shown == ""
    assert not (ageing.home / "ran").exists()
    assert aws.count("AssumeRole") == 1


def test_list_never_asks(helper: HelperProcess, aws: AwsEmulator, terminal: Terminal) -> None:
    """``list`` does not fetch a token that needs a code."""
    add_to_profile(helper, f"mfa_process = echo >>ran; echo {CODE}")
    helper.environ |= {"AWS_REGION": "us-east-1", "AWS_ECR_MFA_CODE": CODE}
    process = terminal.start(helper, str(helper.executable), "list")
    listed = outcome(process)
    assert listed.hosts == []
    assert "asks for an MFA code" in listed.stderr
    assert terminal.shown == ""
    assert not (helper.home / "ran").exists()
    assert aws.calls == []


def test_get_asks_after_a_list_that_could_not(helper: HelperProcess, terminal: Terminal) -> None:
    """``get`` asks right after a ``list`` that could not, as in a classic ``docker build``."""
    helper.environ["AWS_REGION"] = "us-east-1"
    assert outcome(terminal.start(helper, str(helper.executable), "list")).hosts == []
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret


def test_list_does_not_wait_for_a_person(helper: HelperProcess, terminal: Terminal) -> None:
    """While a code is typed, ``list`` ends within its own limit, because clients wait for it."""
    helper.environ["AWS_REGION"] = "us-east-1"
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    assert helper.list().hosts == []
    assert process.poll() is None


# What is kept, and where


@pytest.mark.parametrize("typed", [CODE, WRONG])
def test_codes_and_secrets_are_in_no_log(
    typed: str, helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """No file has the code, and each secret is only in the file where it belongs."""
    process = terminal.ask(helper, AWS_ECR_LOG_LEVEL="debug")
    terminal.wait_for(PROMPT)
    terminal.type(f"{typed}\n")
    said = outcome(process)
    assert aws.count("AssumeRole") == 1
    assert files_with(helper, typed) == []
    assert typed not in said.stderr
    assert helper.log
    assert not [secret for secret in aws.secrets if secret in helper.log + said.stderr]
    modes = {path.stat().st_mode & 0o777 for path in helper.cache_directory.rglob("*.*")}
    assert modes <= {0o600, 0o700}


def test_codes_of_other_sources_are_in_no_log(helper: HelperProcess) -> None:
    """Neither the code of the variable nor that of mfa_process is in any file."""
    for changes in ({"AWS_ECR_MFA_CODE": WRONG}, {}):
        told = helper.get(AWS_ECR_LOG_LEVEL="debug", **changes)
        assert is_told(told, REFUSED)
        assert files_with(helper, WRONG) == []
        (helper.home / "code").write_text(re.sub("(...)(...)", r"\1 \2", WRONG))
        add_to_profile(helper, "mfa_process = tr -d ' ' <code")
