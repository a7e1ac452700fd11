"""MFA codes: where they come from, that they are asked for once, and what becomes of them."""

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
    """The executable with a profile whose role is opened by the code of a device alone."""
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
    """The files of that pattern that stand beside the tokens."""
    return list(helper.cache_directory.glob(f"tokens/*/{pattern}"))


def is_told(outcome: Outcome, line: str, host: str = HOST) -> bool:
    """Whether that line is all that the person gets, and the client is told to go on."""
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
    """The session is kept for the AWS CLI and for the next region, which asks for no code."""
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
    """Blanks come with a code that is pasted."""
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
    """AWS_ECR_MFA_CODE comes before mfa_process, and that before the person."""
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
    """AWS_ECR_MFA_CODE serves where nobody can type."""
    assert helper.get(AWS_ECR_MFA_CODE=CODE).secret


def test_an_empty_variable_is_as_good_as_none(helper: HelperProcess, terminal: Terminal) -> None:
    """With an empty AWS_ECR_MFA_CODE the person is asked."""
    process = terminal.ask(helper, AWS_ECR_MFA_CODE="")
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret


def test_a_process_is_run_by_a_shell(helper: HelperProcess) -> None:
    """mfa_process needs no terminal, may be a pipeline, and can talk to the person by stderr."""
    add_to_profile(
        helper, f"mfa_process = echo 'Touch the key' >&2; cat; echo code {CODE} | tr -dc 0-9"
    )
    told = helper.get()
    assert told.stderr == "Touch the key\n"
    assert Outcome(told.stdout, "", told.status).secret


def test_a_process_asks_the_person_itself(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """mfa_process can use the terminal, as a program does that wants the password of a key."""
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
    """The line has the status of mfa_process, but neither its command nor what it printed."""
    add_to_profile(helper, f"mfa_process = echo {CODE}; exit 3")
    assert is_told(
        helper.get(),
        'mfa_process of profile "pull" failed: it ended with exit code 3; run the command by hand '
        "to see why",
    )
    assert CODE not in helper.log
    assert aws.calls == []


def test_a_process_that_prints_something_else(helper: HelperProcess, aws: AwsEmulator) -> None:
    """What mfa_process prints is not sent to AWS, nor quoted, unless it is a code."""
    add_to_profile(helper, f"mfa_process = echo The code is {CODE}")
    assert is_told(helper.get(), f'the output of mfa_process of profile "pull" {NO_CODE}')
    assert CODE not in helper.log
    assert aws.calls == []


@linux_only
def test_a_process_that_hangs(helper: HelperProcess, aws: AwsEmulator) -> None:
    """mfa_process has the time that an answer has; what hangs is ended whole."""
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
    """What AWS_ECR_MFA_CODE holds is not sent to AWS unless it has six digits."""
    assert is_told(helper.get(AWS_ECR_MFA_CODE=code), f"the value of AWS_ECR_MFA_CODE {NO_CODE}")
    assert aws.calls == []


# Whose code


def test_the_prompt_names_the_profile_that_has_the_device(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """In a chain of profiles, that is not always the one in effect."""
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
    """A profile that our config file names for the registry can ask for a code, too."""
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
    """The role that our config file names is assumed with the session that the code opened."""
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
    """Ten callers for two regions at one terminal ask for one code, and all have their answer."""
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
    """All get the line that says so, without another prompt; the next call asks again."""
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
    """Nobody's time is over while the code is typed: not of who is asked, nor of who waits."""
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


def test_who_has_no_terminal_does_not_wait_for_a_person(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """While a code is asked for at a terminal, whoever has none is told so at once."""
    asked = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    assert is_told(helper.get(), ASKED_ELSEWHERE)
    assert asked.poll() is None
    terminal.type(f"{CODE}\n")
    secret = outcome(asked).secret
    assert helper.get().secret == secret
    assert aws.count("AssumeRole") == 1


@pytest.mark.parametrize("source", ["variable", "process"])
def test_who_needs_nobody_waits_for_nobody(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal, source: str
) -> None:
    """A code that a program has is not kept waiting by a person who is asked for another one."""
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
def test_what_is_no_code(
    typed: str, helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """What has not six digits is not sent to AWS, and the line says what a code is."""
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
    """It ends without an answer, the terminal echoes again, and the next one can ask."""
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
    """When the caller whose person is asked is killed, one of those who wait asks instead."""
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
    """The next caller knows that nobody types any more, or others would wait without end."""
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    process.kill()
    assert outcome(process).status == -signal.SIGKILL
    assert is_told(helper.get(), NEEDED)


# Where nobody is asked


def test_without_a_terminal(helper: HelperProcess, aws: AwsEmulator) -> None:
    """Where nobody can type, the line says so at once, and how to go on."""
    assert is_told(helper.get(), NEEDED)
    assert aws.calls == []


def test_the_command_that_the_line_ends_with(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """It asks at the terminal, on which alone the prompt is; then the caller has its answer."""
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
    """``login`` to several regions takes one code."""
    login = [str(helper.executable), "login", "--profile", "pull", HOST, OTHER_REGION]
    process = terminal.start(helper, *login)
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    done = outcome(process)
    assert (done.stdout.count("\n"), done.stderr, done.status) == (3, "", 0)
    assert terminal.shown == f"{PROMPT}\n"
    assert (aws.count("AssumeRole"), aws.count("GetAuthorizationToken")) == (1, 2)


def test_a_failure_for_want_of_a_terminal_is_none_at_a_terminal(
    helper: HelperProcess, terminal: Terminal
) -> None:
    """Who could not be asked a moment ago, by a service or an IDE, is asked at a terminal."""
    assert is_told(helper.get(), NEEDED)
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret


def test_in_the_background_of_a_terminal(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """A background job, which would be stopped if it read from the terminal, does not ask."""
    assert is_told(outcome(terminal.ask_in_background(helper)), NEEDED)
    assert terminal.shown == ""
    assert aws.calls == []


def make_old(helper: HelperProcess) -> None:
    """Let the refresh of the token be due, and the session be over."""
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
    """The token that is there is answered, and no code is asked for, looked for or used."""
    assert outcome(terminal.ask(ageing)).secret
    wait_for(lambda: "asks for an MFA code" in ageing.log)
    assert terminal.shown == ""
    assert not (ageing.home / "ran").exists()
    assert aws.count("AssumeRole") == 1
    assert outcome(terminal.ask(ageing)).secret


def test_a_refresh_that_has_a_terminal_does_not_ask_either(
    ageing: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """It is not for want of a terminal that a refresh does not ask."""
    process = terminal.start(ageing, str(ageing.executable), "refresh", HOST)
    assert outcome(process).status == 1
    assert "asks for an MFA code" in ageing.log
    assert terminal.shown == ""
    assert not (ageing.home / "ran").exists()
    assert aws.count("AssumeRole") == 1


def test_list_never_asks(helper: HelperProcess, aws: AwsEmulator, terminal: Terminal) -> None:
    """``list``, which would fetch a token, does without if that takes a code."""
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
    """A classic ``docker build`` runs ``list``, and then ``get`` at once."""
    helper.environ["AWS_REGION"] = "us-east-1"
    assert outcome(terminal.start(helper, str(helper.executable), "list")).hosts == []
    process = terminal.ask(helper)
    terminal.wait_for(PROMPT)
    terminal.type(f"{CODE}\n")
    assert outcome(process).secret


def test_list_does_not_wait_for_a_person(helper: HelperProcess, terminal: Terminal) -> None:
    """While a code is typed, ``list`` ends in its own time: clients wait for it."""
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
    """No file has the code, and of the secrets, each is only where it belongs."""
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
    """Neither the variable's code nor what mfa_process printed is in a file that we write."""
    for changes in ({"AWS_ECR_MFA_CODE": WRONG}, {}):
        told = helper.get(AWS_ECR_LOG_LEVEL="debug", **changes)
        assert is_told(told, REFUSED)
        assert files_with(helper, WRONG) == []
        (helper.home / "code").write_text(re.sub("(...)(...)", r"\1 \2", WRONG))
        add_to_profile(helper, "mfa_process = tr -d ' ' <code")
