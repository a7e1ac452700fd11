"""``login --sso``: a person signs in to SSO without the AWS CLI."""

import json
import os
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from docker_credential_ecr_login.aws.sso import sign_in_to_sso
from docker_credential_ecr_login.errors import HelperError
from docker_credential_ecr_login.protocol import NAME
from tests.credential_sources import (
    DEVELOPER,
    PULL,
    PULL_SESSION,
    sso_of_the_older_form,
    sso_profile,
    sso_session,
    write,
)
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import HOST, HelperProcess, matches, told, wait_for
from tests.installation import PYTHON
from tests.terminal import Terminal, outcome
from tests.tokens import issued_to, principals

START_URL = "https://example.awsapps.com/start"
NAMED = 'profile "dev" (from AWS_PROFILE)'
BROWSER = """#!{python} -I
import sys, urllib.request
with open({trace!r}, "a") as trace:
    trace.write(sys.argv[1] + "\\n")
urllib.request.urlopen(sys.argv[1] + {suffix!r})
"""


@pytest.fixture
def person(helper: HelperProcess, aws: AwsEmulator) -> HelperProcess:
    """The executable of somebody who can sign in, has not yet, and has no AWS CLI."""
    aws.add_sso(region="eu-north-1")
    sso_profile(helper, ())
    helper.environ["PATH"] = "/usr/bin:/bin"
    return helper


def give_browser(helper: HelperProcess, suffix: str = "") -> Path:
    """Have a browser in which a person confirms what it shows; return where it notes the URLs."""
    trace = helper.home / "visited"
    text = BROWSER.format(python=PYTHON, trace=str(trace), suffix=suffix)
    path = write(helper, "bin/browser", text)
    path.chmod(0o755)
    helper.environ["BROWSER"] = str(path)
    return trace


def kept(helper: HelperProcess) -> dict[str, dict[str, str]]:
    """The content of the directory of `aws sso login`, by the names of its files."""
    paths = list((helper.home / ".aws/sso/cache").iterdir())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in paths)
    return {path.name: json.loads(path.read_text()) for path in paths}


def test_in_a_browser(person: HelperProcess, aws: AwsEmulator) -> None:
    """A browser opens with the code, which is also shown; the CLI is not needed."""
    assert told(person.get().stderr) == (
        f"nobody has signed in to SSO for {NAMED} yet; run: {NAME} login --sso --profile dev"
    )
    trace = give_browser(person)
    result = person.run("login", "--sso")
    assert result.status == 0
    assert re.fullmatch(
        rf"signed in to SSO for {re.escape(NAMED)}, until \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n",
        result.stdout,
    )
    shown = re.fullmatch(
        rf"ecr-login: to sign in to SSO for {re.escape(NAMED)}, open (\S+) in a browser and "
        r"confirm the code ([A-Z]{4}-[A-Z]{4}) there, within 10 minutes\n",
        result.stderr,
    )
    assert shown
    assert trace.read_text() == f"{shown[1]}?user_code={shown[2]}\n"
    assert matches(
        str(issued_to(aws, person.get(HOST.replace("us-east-1", "eu-west-1")))), DEVELOPER
    )


@pytest.mark.parametrize(
    ("configure", "name"), [(sso_session, "corp"), (sso_of_the_older_form, None)]
)
def test_it_is_kept_as_the_aws_cli_keeps_it(
    helper: HelperProcess,
    aws: AwsEmulator,
    configure: Callable[[AwsEmulator, HelperProcess], object],
    name: str | None,
) -> None:
    """File and members are those of ``aws sso login``, in both forms of profile.

    With a section of its own, there is what renews it.
    """
    configure(aws, helper)
    for path in (helper.home / ".aws/sso/cache").iterdir():
        path.unlink()
    give_browser(helper)
    assert helper.run("login", "--sso").status == 0
    file_name, text = aws.add_sso(region="eu-north-1", refresh_token="x").cache_file(name)
    expected, found = json.loads(text), kept(helper)
    if name is None:
        del expected["refreshToken"]
    assert list(found) == [file_name]
    assert found[file_name].keys() == expected.keys()
    assert {each: found[file_name][each] for each in ("startUrl", "region")} == {
        "startUrl": START_URL,
        "region": "eu-north-1",
    }
    for each in ("expiresAt", "registrationExpiresAt"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found[file_name][each])
    assert matches(str(issued_to(aws, helper.get())), DEVELOPER)


def test_what_is_kept_is_renewed(person: HelperProcess, aws: AwsEmulator) -> None:
    """Botocore renews the session from what was kept, when it has expired."""
    give_browser(person)
    assert person.run("login", "--sso").status == 0
    ((name, entry),) = kept(person).items()
    entry["expiresAt"] = "2020-01-01T00:00:00Z"
    write(person, f".aws/sso/cache/{name}", json.dumps(entry))
    assert matches(str(issued_to(aws, person.get())), DEVELOPER)
    assert kept(person)[name]["accessToken"] != entry["accessToken"]


def test_for_the_source_of_a_role(person: HelperProcess, aws: AwsEmulator) -> None:
    """With a registry, its token follows; the profile that the role starts from is signed in."""
    aws.add_role(arn=PULL, trusted=["arn:aws:iam::333333333333:root"])
    with (person.home / ".aws/config").open("a") as config:
        config.write(
            f"[profile pull]\nrole_arn = {PULL}\nsource_profile = dev\nrole_session_name = docker\n"
        )
    give_browser(person)
    result = person.run("login", "--sso", "--profile", "pull", HOST, "--output", "password")
    assert (
        'SSO for profile "dev" (source of profile "pull" (from --profile)), open' in result.stderr
    )
    assert aws.accepts(result.stdout.strip())
    assert principals(aws) == [PULL_SESSION]


def test_at_a_terminal(person: HelperProcess, aws: AwsEmulator) -> None:
    """Without a browser, the code is shown for one on another machine; Ctrl-C ends it."""
    aws.device_interval = 1
    executable = str(person.executable)
    with Terminal() as terminal:
        process = terminal.start(person, executable, "login", "--sso")
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"ecr-login: to sign in to SSO for ")
        process.send_signal(signal.SIGINT)
        result = outcome(process)
        assert (result.stdout, result.stderr, result.status) == ("", "", 1)
        assert not (person.home / ".aws/sso").exists()
        aws.device_interval = 0
        process = terminal.start(person, executable, "login", "--sso")
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        wait_for(lambda: aws.count("CreateToken") > 0)
        assert aws.decide_device(re.findall(r"code (\S+) there", line)[0], confirm=True)
        assert outcome(process).stdout.startswith("signed in to SSO for ")


def remark(helper: HelperProcess, *arguments: str) -> str:
    """Return the last line of a sign-in that fails."""
    result = helper.run("login", "--sso", *arguments)
    assert (result.stdout, result.status) == ("", 1)
    return result.stderr.splitlines()[-1].removeprefix("ecr-login: ")


def test_where_nobody_is(person: HelperProcess, aws: AwsEmulator) -> None:
    """With neither browser nor terminal it fails at once, and AWS is not asked."""
    assert remark(person, "--profile", "dev") == (
        "signing in to SSO needs a person, and there is neither a terminal nor a browser here; "
        f"run in a terminal: {NAME} login --sso --profile dev"
    )
    assert aws.calls == []


def test_what_goes_wrong(person: HelperProcess, aws: AwsEmulator) -> None:
    """A code that is rejected, or not confirmed in time, or an error of AWS, is one line."""
    give_browser(person, "&reject=1")
    assert remark(person) == "the code was rejected in the browser"
    aws.device_lifetime = 0
    assert remark(person) == "nobody confirmed the code in time; try again"
    aws.device_lifetime = 600
    aws.fail("CreateToken", Fault(status=400, error="ExpiredTokenException"), times=1)
    assert remark(person) == "nobody confirmed the code in time; try again"
    aws.fail("StartDeviceAuthorization", Fault(status=400, error="InvalidRequestException"), 1)
    assert remark(person).startswith(
        "AWS answered StartDeviceAuthorization with InvalidRequestException; see the log, "
    )
    for operation in ("RegisterClient", "StartDeviceAuthorization", "CreateToken"):
        aws.clear_faults()
        aws.fail(operation, Fault(body=b"{}", content_type="application/json"), times=1)
        assert remark(person).startswith("AWS's answer makes no sense: it cannot be read; ")
    assert not (person.home / ".aws/sso").exists()
    write(person, ".aws/sso", "")
    give_browser(person)
    assert remark(person).startswith(
        f"the session cannot be kept in {person.home}/.aws/sso/cache: "
    )
    person.environ["AWS_ECR_DISABLE_CACHE"] = "1"
    assert remark(person) == "AWS_ECR_DISABLE_CACHE is set: the session could not be kept; unset it"


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            "[profile dev]\nregion = us-east-1\n",
            (
                f"{NAMED} is not for SSO: it has neither sso_session nor sso_start_url; name one "
                "for SSO with --profile, or run: aws configure sso --profile dev"
            ),
        ),
        (
            "[profile dev]\nsso_session = corp\n",
            "[sso-session corp] has no sso_start_url and no sso_region; add it in ~/.aws/config",
        ),
        (
            f"[profile dev]\nsso_start_url = {START_URL}\n",
            f"{NAMED} has no sso_region; add it in ~/.aws/config",
        ),
        (
            "[profile other]\nregion = us-east-1\n",
            (
                f"{NAMED} does not exist in the AWS configuration; profiles there: other; run: aws "
                "configure --profile dev"
            ),
        ),
    ],
)
def test_what_is_configured_wrong(
    person: HelperProcess, aws: AwsEmulator, config: str, line: str
) -> None:
    """For a profile that has no SSO, the line says what it lacks."""
    give_browser(person)
    person.write_config(config)
    assert remark(person) == line
    assert aws.calls == []


@pytest.fixture
def ours(person: HelperProcess, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of that person, as that of this process."""
    environ = person.environment()
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


def test_how_long_it_waits(aws: AwsEmulator, ours: dict[str, str]) -> None:
    """It asks at the interval that AWS names, and five seconds more slowly when told to."""
    aws.device_interval = 1
    aws.fail("CreateToken", Fault(status=400, error="SlowDownException"), times=2)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            (device,) = aws._devices  # noqa: SLF001 - what its person sees
            aws.decide_device(device.user_code, confirm=True)

    named, until = sign_in_to_sso(ours, lambda _: None, wait)
    assert waits == [1, 6, 11, 11, 11]
    assert named == NAMED
    assert 7.9 < (until - datetime.now(UTC)).total_seconds() / 3600 < 8.1


def test_other_answers_end_it(aws: AwsEmulator, ours: dict[str, str]) -> None:
    """An unexpected answer to the request for the session is reported."""
    aws.fail("CreateToken", Fault(status=400, error="InvalidClientException"))
    with pytest.raises(HelperError, match="AWS answered CreateToken with InvalidClientException"):
        sign_in_to_sso(ours, lambda _: None, lambda _: None)


def test_where_the_aws_cli_is(person: HelperProcess) -> None:
    """If the AWS CLI is installed, the line names its command."""
    path = write(person, "bin/aws", "#!/bin/sh\n")
    path.chmod(0o755)
    person.environ["PATH"] += f":{path.parent}"
    assert told(person.get().stderr).endswith(" yet; run: aws sso login --profile dev")
