"""No secret is anywhere but in tokens and in answers; `conftest` looks for them after each test."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable

import pytest

from tests.credential_sources import (
    Source,
    container_token,
    credential_process,
    environment_session,
    instance_role,
    keys,
    source_profile,
    sso_session_refreshed,
    web_identity_of_the_environment,
    write,
)
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, OTHER_REGION, HelperProcess, leaks
from tests.tokens import keep_token

SECRET = "a-secret-of-somebody"

# The programs that strace notes: argument lists and environments, of strings in C.
_STRING = r'"(?:[^"\\]|\\.)*"'
_STRINGS = rf"\[((?:{_STRING}(?:, )?)*)\]"
_PROGRAM = re.compile(rf"execve\({_STRING}, {_STRINGS}, {_STRINGS}")

STRACE = ("strace", "-f", "-v", "-s", "65536", "-e", "trace=execve", "-A", "-o")
needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None
    or subprocess.run([*STRACE, "/dev/null", "true"], check=False).returncode != 0,
    reason="needs strace",
)


def _said(helper: HelperProcess) -> None:
    helper.said.append(f"ecr-login: {SECRET}")


def _logged(helper: HelperProcess) -> None:
    path = helper.cache_directory / "log" / "ecr-login.log"
    path.write_text(f"{path.read_text()} {SECRET}\n")


def _named(helper: HelperProcess) -> None:
    (helper.cache_directory / "tokens" / SECRET).touch()


def _noted(helper: HelperProcess) -> None:
    path = next(helper.cache_directory.glob("records/*"))
    path.write_text(path.read_text() + SECRET)


@pytest.mark.parametrize("leak", [_said, _logged, _named, _noted])
def test_leaks_are_found(signed_in: HelperProcess, leak: Callable[[HelperProcess], None]) -> None:
    """A secret is found in what was said, in the log, in a file's name, and in other files."""
    assert signed_in.get().secret
    assert leaks(signed_in, {SECRET}) == []
    leak(signed_in)
    assert len(leaks(signed_in, {SECRET})) == 1
    signed_in.said.clear()


@pytest.mark.parametrize(
    "command",
    [
        ("get",),
        ("list",),
        ("login", HOST),
        ("login", "111111111111", "--proxy", f"http://me:{SECRET}@127.0.0.1:1"),
        ("configure", HOST, "--dry-run"),
        ("doctor", HOST),
        ("logout", HOST),
    ],
    ids=" ".join,
)
def test_passwords_in_urls(signed_in: HelperProcess, aws: AwsEmulator, command: list[str]) -> None:
    """The password of a proxy or of an endpoint is never shown, logged or kept in a file."""
    proxy = f"http://me:{SECRET}@127.0.0.1:1"
    endpoint = aws.url.replace("://", f"://me:{SECRET}@")
    names = ("HTTPS_PROXY", "HTTP_PROXY", "AWS_ENDPOINT_URL_STS")
    environ = {**dict.fromkeys(names, proxy), "AWS_REGION": "us-east-1"}
    for url in (aws.url, endpoint, proxy):
        changes = {**environ, "AWS_ENDPOINT_URL": url, "AWS_ECR_LOG_LEVEL": "debug"}
        outcome = signed_in.run(*command, stdin=HOST, changes=changes)
        assert SECRET not in outcome.stdout + outcome.stderr
    assert leaks(signed_in, {SECRET}) == []
    tokens = signed_in.cache_directory.glob("tokens/*/aws*")
    assert [path.name for path in tokens if SECRET in path.read_text()] == []


@pytest.fixture
def traced(helper: HelperProcess) -> HelperProcess:
    """The executable, with a note of each program that it and its children execute."""
    helper.prefix = (*STRACE, str(helper.home / "programs"))
    return helper


def programs(traced: HelperProcess) -> list[tuple[list[str], list[str]]]:
    """The command line and the environment of each program that was noted."""
    found = _PROGRAM.findall((traced.home / "programs").read_text())
    return [(_strings(line), _strings(environ)) for line, environ in found]


def _strings(texts: str) -> list[str]:
    return [text[1:-1] for text in re.findall(_STRING, texts)]


def exposed(traced: HelperProcess, secrets: Iterable[str]) -> list[str]:
    """The secrets that others could see, except those that the caller has in its environment.

    A command line can be seen by every user, an environment by all programs of the same one.
    """
    own = {f"{name}={value}" for name, value in traced.environment().items()}
    texts = {
        text
        for line, environ in programs(traced)
        for text in (*line, *(variable for variable in environ if variable not in own))
    }
    return [text for text in texts if any(secret in text for secret in secrets)]


# One of each way in which secrets come to the helper.
WAYS = (
    environment_session,
    source_profile,
    credential_process,
    sso_session_refreshed,
    web_identity_of_the_environment,
    container_token,
    instance_role,
)


@needs_strace
@pytest.mark.parametrize("source", WAYS, ids=lambda source: source.__name__)
def test_programs_of_get(traced: HelperProcess, aws: AwsEmulator, source: Source) -> None:
    """Neither asking AWS, nor a cached answer, nor the refresh hands a secret to a program."""
    source(aws, traced)
    assert traced.get().secret
    assert traced.get().secret
    keep_token(aws, traced, refresh_in=-1)
    assert traced.get().secret
    assert any("refresh" in line for line, _ in programs(traced))
    assert exposed(traced, aws.secrets) == []


@pytest.fixture
def handing_on(traced: HelperProcess, aws: AwsEmulator) -> HelperProcess:
    """One with a fallback that keeps what it is given, and a program that gives an MFA code."""
    device = "arn:aws:iam::111111111111:mfa/dev"
    user = aws.add_user(arn="arn:aws:iam::111111111111:user/dev")
    role = "arn:aws:iam::222222222222:role/pull"
    aws.add_role(arn=role, trusted=[user.arn], mfa_serial=device, mfa_code="123456")
    traced.write_credentials(f"[base]\n{keys(user)}")
    traced.write_config(
        f"[profile pull]\nrole_arn = {role}\nsource_profile = base\nmfa_serial = {device}\n"
        "mfa_process = cat ~/code\n"
    )
    write(traced, "code", "123456\n")
    traced.write_own_config('fallback = "keeper"\n')
    write(traced, "bin/docker-credential-keeper", "#!/bin/sh\ncat >>~/kept\n").chmod(0o700)
    traced.environ |= {"AWS_PROFILE": "pull", "PATH": f"{traced.home}/bin:{os.environ['PATH']}"}
    return traced


@needs_strace
def test_programs_of_commands(handing_on: HelperProcess, aws: AwsEmulator) -> None:
    """Secrets that are given to a program, or come from one, are on no command line."""
    assert handing_on.store("ghcr.io", SECRET, "someone").status == 0
    assert SECRET in (handing_on.home / "kept").read_text()
    assert handing_on.run("login", HOST, OTHER_REGION).status == 0
    assert handing_on.run("login", HOST, "--output", "json").status == 0
    (token,) = handing_on.cache_directory.glob("tokens/*/aws.us-east-1.ecr")
    assert handing_on.store(HOST, token.read_text().split("\n")[3]).status == 0
    for command in (("list",), ("configure", HOST), ("doctor", HOST)):
        handing_on.run(*command)
    started = {os.path.basename(line[0]) for line, _ in programs(handing_on)}
    assert {"docker-credential-keeper", "cat"} <= started
    assert exposed(handing_on, {*aws.secrets, SECRET}) == []


@needs_strace
@pytest.mark.parametrize("careless", ["/bin/true $(cat)", "GIVEN=$(cat) /bin/true"])
def test_exposed_secrets_are_found(handing_on: HelperProcess, careless: str) -> None:
    """A secret on a command line or in the environment of a program is found."""
    write(handing_on, "bin/docker-credential-keeper", f"#!/bin/sh\n{careless}\n").chmod(0o700)
    handing_on.store("ghcr.io", SECRET, "someone")
    assert len(exposed(handing_on, {SECRET})) == 1
