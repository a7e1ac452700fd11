"""No secret is anywhere but in tokens and in answers; `conftest` looks for them after each test."""

from collections.abc import Callable

import pytest

from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess, leaks

SECRET = "a-secret-of-somebody"


def _said(helper: HelperProcess) -> None:
    helper.said.append(f"ecr-login: {SECRET}")


def _logged(helper: HelperProcess) -> None:
    path = helper.cache_directory / "log" / "ecr-login.log"
    path.write_text(f"{path.read_text()} {SECRET}\n")


def _named(helper: HelperProcess) -> None:
    (helper.cache_directory / "tokens" / SECRET).touch()


def _noted(helper: HelperProcess) -> None:
    path = next(helper.cache_directory.glob("ready/*"))
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
