"""The credential helper protocol, as docker and similar clients speak it with the executable."""

import json
import re
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login import __version__, commands, protocol
from docker_credential_ecr_login.errors import BadInput
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, NOT_FOUND, PUBLIC, HelperProcess
from tests.installation import PYTHON

VERSION_LINE = f"docker-credential-ecr-login (docker_credential_ecr_login) {__version__}\n"


@pytest.mark.parametrize("argument", ["version", "--version", "-v"])
def test_version(helper: HelperProcess, argument: str) -> None:
    """The version is asked for in three ways and has the form NAME (PACKAGE) VERSION."""
    outcome = helper.run(argument)
    assert (outcome.stdout, outcome.stderr, outcome.status) == (VERSION_LINE, "", 0)


@pytest.mark.parametrize("argument", ["--help", "-h", "help"])
def test_help(helper: HelperProcess, argument: str) -> None:
    """Help lists the commands for people and for clients, on stdout, with exit code 0."""
    outcome = helper.run(argument)
    assert outcome.stdout.startswith("usage: docker-credential-ecr-login ")
    for command in (*protocol.COMMANDS, "get, store, erase or list"):
        assert command in outcome.stdout
    assert (outcome.stderr, outcome.status) == ("", 0)


@pytest.mark.parametrize("command", protocol.COMMANDS)
def test_examples(helper: HelperProcess, command: str) -> None:
    """The help of each command ends with examples, all of which the command accepts."""
    outcome = helper.run(command, "--help")
    assert (outcome.stderr, outcome.status) == ("", 0)
    examples = outcome.stdout.partition("\nexamples:\n")[2].splitlines()
    assert examples
    for example in examples:
        name, *arguments = shlex.split(re.split("[|>]", example)[0])
        assert name == protocol.NAME
        assert arguments[0] == command
        assert commands.parser().parse_args(arguments).run


@pytest.mark.parametrize("arguments", [[], [""]])
def test_usage(helper: HelperProcess, arguments: list[str]) -> None:
    """Without an argument, it prints its usage on stdout, with exit code 1."""
    outcome = helper.run(*arguments, stdin=HOST)
    assert outcome.stdout.startswith("Usage: docker-credential-ecr-login <")
    assert (outcome.stderr, outcome.status) == ("", 1)


@pytest.mark.parametrize("action", protocol.INPUTS)
def test_usage_of_an_action(signed_in: HelperProcess, action: str) -> None:
    """For an argument after an action, it prints an example of its use, which works."""
    for argument, status in ((HOST, 1), ("--help", 0), ("-h", 0)):
        outcome = signed_in.run(action, argument, stdin=HOST)
        assert (outcome.stderr, outcome.status) == ("", status)
        example, _, end = outcome.stdout.partition("\n")
        assert end == "       docker-credential-ecr-login --help\n"
    *echo, command = example.removeprefix("Usage: ").replace("…", "c2VjcmV0").split(" | ")
    assert command == f"docker-credential-ecr-login {action}"
    frame = shlex.split(echo[0])[1] if echo else ""
    assert signed_in.run(action, stdin=frame).status == 0


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["docter"], "doctor"),
        (["confgure", HOST, "--public"], "configure"),
        (["Get"], "get"),
        (["logn", "--help"], "login"),
    ],
)
def test_mistyped(helper: HelperProcess, arguments: list[str], meant: str) -> None:
    """For a mistyped command, stderr asks whether the nearest one was meant."""
    outcome = helper.run(*arguments, stdin=HOST)
    assert outcome.stdout == f"docker-credential-ecr-login: unknown action: {arguments[0]}\n"
    assert (outcome.stderr, outcome.status) == (f"ecr-login: did you mean {meant}?\n", 1)


@pytest.mark.parametrize("action", ["fetch", "hölen", "refresh"])
def test_unknown_action(helper: HelperProcess, action: str) -> None:
    """An action that does not exist is named on stdout, with exit code 1."""
    outcome = helper.run(action)
    assert outcome.stdout == f"docker-credential-ecr-login: unknown action: {action}\n"
    assert (outcome.stderr, outcome.status) == ("", 1)


def test_module_is_the_executable(helper: HelperProcess) -> None:
    """``python -m docker_credential_ecr_login`` does what the executable does."""
    completed = subprocess.run(
        [str(PYTHON), "-m", "docker_credential_ecr_login", "version"],
        capture_output=True,
        text=True,
        env=helper.environment(),
        cwd=helper.home,
        check=True,
    )
    assert completed.stdout == VERSION_LINE


@pytest.mark.parametrize(
    "spelling",
    [
        HOST,
        f"{HOST}:443",
        f"https://{HOST}",
        f"http://{HOST}",
        f"{HOST}/",
        f"{HOST}/team/app",
        f"https://{HOST}/v1/",
        f"https://{HOST}/v2/",
        HOST.upper(),
        f"{HOST}.",
        f'{HOST}/"quoted"\\é',
    ],
)
def test_get_echoes_every_spelling(signed_in: HelperProcess, spelling: str) -> None:
    """``get`` takes every form of a registry's name and echoes it as it was asked."""
    assert signed_in.get(spelling).credentials["ServerURL"] == spelling


@pytest.mark.parametrize(
    "stdin",
    [
        HOST,
        f"{HOST}\n",
        f"{HOST}\r\n",
        f"{HOST} \r\n",
        f"  {HOST}  ",
        f"\n{HOST}\n\n",
        f"{HOST[:30]}\n{HOST[30:]}\r\n",
    ],
)
def test_get_joins_and_trims_the_lines(signed_in: HelperProcess, stdin: str) -> None:
    """Lines are joined without a separator, CR is dropped and the whole is trimmed."""
    assert signed_in.run("get", stdin=stdin).credentials["ServerURL"] == HOST


def test_get_answers_one_line(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """The answer is one JSON line with exactly ServerURL, Username and Secret."""
    outcome = signed_in.get(HOST)
    secret = outcome.credentials["Secret"]
    assert outcome.stdout == f'{{"ServerURL":"{HOST}","Username":"AWS","Secret":"{secret}"}}\n'
    assert aws.accepts(secret)


@pytest.mark.parametrize("action", ["get", "erase"])
@pytest.mark.parametrize("frame", ["", "\n", " \r\n \t"])
def test_empty_input(helper: HelperProcess, action: str, frame: str) -> None:
    """Without a server URL, ``get`` and ``erase`` answer the reference's message."""
    outcome = helper.run(action, stdin=frame)
    assert outcome.stdout == "no credentials server URL\n"
    assert (outcome.stderr, outcome.status) == ("", 1)


@pytest.mark.parametrize("action", ["get", "erase", "store"])
@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (b"a" * (64 * 1024 + 1), "the input is larger than 64 KiB\n"),
        (b"a" * (1024 * 1024), "the input is larger than 64 KiB\n"),
        (b"\xff\xfe", "the input is not UTF-8\n"),
        (HOST.encode() + b"\0", "the input contains a NUL character\n"),
    ],
    ids=["one byte too many", "a mebibyte", "not UTF-8", "NUL"],
)
def test_unusable_input(helper: HelperProcess, action: str, frame: bytes, message: str) -> None:
    """Oversized input, bytes that are not UTF-8, and NUL are refused with a message."""
    outcome = helper.run(action, stdin=frame)
    assert (outcome.stdout, outcome.stderr, outcome.status) == (message, "", 1)


@pytest.mark.parametrize(
    "server_url",
    [
        "https://index.docker.io/v1/",
        "https://index.docker.io/v1/refresh-token",
        "localhost:5000",
        "ghcr.io",
        "not a host at all",
        f"{HOST}.evil.example",
        f"user:password@{HOST}",
        "::::",
        "é",
    ],
)
def test_other_registries_are_not_found(
    signed_in: HelperProcess, aws: AwsEmulator, server_url: str
) -> None:
    """A host that is not ECR gets the exact not-found line, alone, and no AWS call."""
    outcome = signed_in.get(server_url)
    assert (outcome.stdout, outcome.stderr, outcome.status) == (NOT_FOUND, "", 1)
    assert aws.calls == []
    assert {path.name for path in signed_in.cache_directory.glob("*")} <= {"records"}


@pytest.mark.parametrize("frame", ["", "unused"])
def test_empty_list(helper: HelperProcess, aws: AwsEmulator, frame: str) -> None:
    """``list`` with nothing cached and no region is ``{}``, whatever is on stdin."""
    outcome = helper.run("list", stdin=frame)
    assert (outcome.stdout, outcome.stderr, outcome.status) == ("{}\n", "", 0)
    assert aws.calls == []


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("", "no credentials on standard input\n"),
        ("{", "the credentials are not valid JSON at character 1\n"),
        ("[" * 60_000, "the credentials are not valid JSON: nested too deeply\n"),
        ("[]", "the credentials are not a JSON object\n"),
        ("{}", "no credentials server URL\n"),
        ('{"Username":"AWS","Secret":"x"}', "no credentials server URL\n"),
        ('{"ServerURL":" ","Username":"AWS","Secret":"x"}', "no credentials server URL\n"),
        (f'{{"ServerURL":"{HOST}","Secret":"x"}}', "no credentials username\n"),
        (f'{{"ServerURL":"{HOST}","Username":"","Secret":"x"}}', "no credentials username\n"),
        (
            f'{{"ServerURL":"{HOST}","Username":["AWS"],"Secret":"x"}}',
            "ServerURL, Username and Secret must be JSON strings\n",
        ),
    ],
)
def test_store_checks_its_input(helper: HelperProcess, frame: str, message: str) -> None:
    """``store`` refuses incomplete credentials, and says why."""
    outcome = helper.run("store", stdin=frame)
    assert (outcome.stdout, outcome.stderr, outcome.status) == (message, "", 1)


def test_closed_stdin_is_empty_input(helper: HelperProcess) -> None:
    """A caller that closed stdin is told that the server URL is missing."""
    completed = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" get <&-', str(helper.executable)],
        capture_output=True,
        text=True,
        env=helper.environment(),
        check=False,
    )
    assert completed.stdout == "no credentials server URL\n"
    assert (completed.stderr, completed.returncode) == ("", 1)


def test_closed_streams_get_no_other_file(helper: HelperProcess, aws: AwsEmulator) -> None:
    """Output for a closed stdout or stderr never goes to a file that got its number."""
    helper.environ |= aws.add_user().environ
    for closed in ("<&- >&- 2>&-", ">&-", ">&- 2>&-"):
        helper.erase()
        subprocess.run(
            ["/bin/sh", "-c", f'exec "$0" get {closed}', str(helper.executable)],
            input=HOST.encode(),
            env=helper.environment({"AWS_ECR_LOG_LEVEL": "debug"}),
            check=False,
        )
    files = [path for path in helper.cache_directory.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if "ServerURL" in path.read_text()] == []


def test_a_closed_stderr_costs_no_answer(helper: HelperProcess) -> None:
    """With a closed stderr, stdout still has the answer."""
    completed = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" get 2>&-', str(helper.executable)],
        input=HOST,
        stdout=subprocess.PIPE,
        text=True,
        env=helper.environment(),
        check=False,
    )
    assert (completed.stdout, completed.returncode) == (NOT_FOUND, 1)


def test_nobody_reads_the_answer(signed_in: HelperProcess) -> None:
    """A caller that has gone away gets no traceback, only exit code 1."""
    process = signed_in.start("get")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, stderr = process.communicate(HOST.encode())
    assert (stderr, process.returncode) == (b"", 1)


@pytest.mark.parametrize("host", [HOST, PUBLIC])
def test_failure_is_not_found_and_one_line(helper: HelperProcess, host: str) -> None:
    """When AWS gives no token, stdout is the not-found line and stderr one line that says why."""
    outcome = helper.get(host)
    assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
    assert outcome.stderr.startswith(f"ecr-login: {host}: no AWS credentials found")
    assert outcome.stderr.count("\n") == 1


def test_strict_failure(helper: HelperProcess) -> None:
    """With AWS_ECR_STRICT, stdout carries the message, so that clients stop and show it."""
    outcome = helper.get(HOST, AWS_ECR_STRICT="true")
    assert outcome.stdout.startswith(f"{HOST}: no AWS credentials found")
    assert outcome.stderr == f"ecr-login: {outcome.stdout}"
    assert outcome.status == 1


def test_strict_leaves_public_alone(helper: HelperProcess) -> None:
    """ECR Public is not found even with AWS_ECR_STRICT, so that anonymous pulls work."""
    outcome = helper.get(PUBLIC, AWS_ECR_STRICT="true")
    assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)


@given(
    st.text(st.characters(exclude_characters="\0"), min_size=1).filter(str.strip),
    st.sampled_from(["", "\n", "\r\n"]),
)
def test_server_url_is_what_was_sent(text: str, end: str) -> None:
    """The ServerURL is the text that was sent without line ends and surrounding space."""
    url = protocol.server_url((text + end).encode(errors="ignore") or b"x")
    assert "\n" not in url
    assert "\r" not in url
    assert url == url.strip()


@given(st.binary())
def test_no_frame_makes_it_fail(frame: bytes) -> None:
    """Any bytes on stdin are understood, or refused with a message."""
    for read in (protocol.server_url, protocol.credentials):
        try:
            answer = read(frame)
        except BadInput as error:
            answer = str(error)
        assert answer


@given(st.text(min_size=1), st.from_regex(r"[A-Za-z0-9+/=]{1,50}", fullmatch=True))
def test_get_answer_is_json(url: str, secret: str) -> None:
    """For any ServerURL, the answer is JSON that repeats it."""
    answer = protocol.get_answer(url, secret)
    assert answer.endswith("}\n")
    assert "\n" not in answer[:-1]
    assert json.loads(answer) == {"ServerURL": url, "Username": "AWS", "Secret": secret}


def test_anonymous_public_registry(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """With AWS_ECR_PUBLIC_ANONYMOUS, AWS is not asked for ECR Public, but for others."""
    anonymous = {"AWS_ECR_PUBLIC_ANONYMOUS": "true"}
    for host in (PUBLIC, f"https://{PUBLIC}/v2/", "ecr-public.aws.com"):
        outcome = signed_in.get(host, **anonymous)
        assert (outcome.stdout, outcome.stderr, outcome.status) == (NOT_FOUND, "", 1)
    assert aws.calls == []
    assert signed_in.get(HOST, **anonymous).secret


def test_anonymous_in_spite_of_a_token(signed_in: HelperProcess) -> None:
    """With AWS_ECR_PUBLIC_ANONYMOUS, a cached token is neither answered nor listed."""
    secret = signed_in.get(PUBLIC).secret
    signed_in.get(HOST)
    outcome = signed_in.get(PUBLIC, AWS_ECR_PUBLIC_ANONYMOUS="true")
    assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
    assert signed_in.list(AWS_ECR_PUBLIC_ANONYMOUS="true").hosts == [HOST]
    assert signed_in.list().hosts == [HOST, PUBLIC]
    assert signed_in.get(PUBLIC, AWS_ECR_PUBLIC_ANONYMOUS="false").secret == secret
