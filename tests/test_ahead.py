"""What is sent before botocore asks for it: the same outcome, and nothing that it would not ask."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import cache, reduce
from operator import or_
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st

from docker_credential_ecr_login.aws import ahead
from docker_credential_ecr_login.aws.ahead import SentAhead, foreseen
from docker_credential_ecr_login.aws.attempt import Attempt
from docker_credential_ecr_login.aws.credentials import sign_in
from docker_credential_ecr_login.aws.models import create_loader
from docker_credential_ecr_login.aws.session import create_client, open_session
from docker_credential_ecr_login.aws.worker import Worker
from docker_credential_ecr_login.deadline import Deadline
from docker_credential_ecr_login.errors import HelperError
from docker_credential_ecr_login.request import Request, Settings
from docker_credential_ecr_login.web_identity import WebIdentity
from tests import installation, names_of_aws
from tests import test_faults_of_aws as faults
from tests.credential_sources import (
    Source,
    environment_keys,
    environment_session,
)
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess
from tests.own_names import sent_ahead, serve_by_name
from tests.tokens import asked

OFF = {"AWS_SDK_LOAD_CONFIG": "true"}
"""Changes nothing, and is not known to."""

OTHER = "arn:aws:iam::111111111111:user/other"


@pytest.fixture
def job(aws: AwsEmulator, helper: HelperProcess) -> HelperProcess:
    """The executable as in a CI job: AWS has its own names, and nothing says otherwise."""
    helper.environ.pop("AWS_ENDPOINT_URL", None)
    helper.environ |= serve_by_name(aws)
    return helper


@pytest.mark.parametrize(
    "source",
    [environment_keys, environment_session],
)
def test_credentials_of_the_environment(
    source: Source, aws: AwsEmulator, job: HelperProcess
) -> None:
    """The one call is sent ahead, for the token that botocore would have got."""
    source(aws, job)
    token = aws.issued(job.get(AWS_ECR_DISABLE_CACHE="1").secret)
    assert sent_ahead(aws) == [call.operation for call in aws.calls] == [faults.ECR]

    other = aws.issued(job.get(AWS_ECR_DISABLE_CACHE="1", **OFF).secret)

    assert token is not None
    assert other is not None
    assert (token.principal, token.region) == (other.principal, other.region)
    assert len(sent_ahead(aws)) == 1
    assert len(aws.calls) == 2


def other_keys(aws: AwsEmulator, job: HelperProcess) -> dict[str, str]:
    """Ask by the keys of one user, and then have those of another in the environment."""
    environment_keys(aws, job)
    return aws.add_user(arn=OTHER).environ


def other_secret(aws: AwsEmulator, job: HelperProcess) -> dict[str, str]:
    """Ask by keys that are good, and then have a secret that is not theirs."""
    environment_keys(aws, job)
    return {"AWS_SECRET_ACCESS_KEY": "nobodys"}


@pytest.mark.parametrize("change", [other_keys, other_secret])
def test_change_between_what_is_sent_and_botocore(
    change: Callable[[AwsEmulator, HelperProcess], dict[str, str]],
    aws: AwsEmulator,
    job: HelperProcess,
) -> None:
    """It is whom boto3's chain finds that gets the token, whatever was answered before to whom."""
    job.environ[names_of_aws.LATER] = json.dumps(change(aws, job))
    outcome = job.get(AWS_ECR_DISABLE_CACHE="1")
    if change is other_secret:
        assert outcome.status == 1
        assert "refused" in outcome.stderr or "secret" in outcome.stderr, outcome
    else:
        issued = aws.issued(outcome.secret)
        assert issued is not None
        assert "other" in str(issued.principal)


# Faults

# All of them are tried so with `--names-of-aws`.
FAULTS = {case.__name__: case for case in faults.FAULTS}


@pytest.mark.parametrize(
    "fault",
    [
        "throttled_once",
        "error_500_always",
        "page_503_once",
        "closed_once",
        "reset_always",
        "cut_short_once",
        "never_answered",
        "answered_in_drops",
        "page_403",
        "json_null",
        "expired_already",
        "large_json",
    ],
)
def test_fault_of_the_first_call(fault: str, aws: AwsEmulator, job: HelperProcess) -> None:
    """What fails after it was sent counts as botocore's first try, and is told in its words."""
    faults.test_without_a_token(FAULTS[fault], aws, job)
    assert sent_ahead(aws) == [faults.ECR]


@pytest.mark.parametrize("port", ["silent", "closed", "of another"])
def test_nothing_can_be_sent(port: str, aws: AwsEmulator, job: HelperProcess) -> None:
    """Where no connection comes about, botocore tries as ever, and tells why."""
    environment_keys(aws, job)
    ports = {"silent": aws.listen_silently(), "closed": "127.0.0.1:1", "of another": aws.url}
    # Who does not answer is waited for until the limit; the others are told of before.
    limit = "1.5" if port == "silent" else "30"
    job.environ |= {names_of_aws.PORT: ports[port].rpartition(":")[2], "AWS_ECR_TIMEOUT": limit}
    assert job.get().stderr == job.get(AWS_ECR_DISABLE_CACHE="1", **OFF).stderr != ""
    assert aws.calls == []


# What is sent

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret/+key"}


OTHERS = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_ECR",
    "AWS_PROFILE",
    "AWS_SECURITY_TOKEN",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_WHAT_IS_TO_COME",
    "all_proxy",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)


@pytest.mark.parametrize(
    ("host", "environ"),
    [
        ("111111111111.dkr.ecr-fips.us-east-1.amazonaws.com", {}),
        ("111111111111.dkr-ecr.us-east-1.on.aws", {}),
        ("111111111111.dkr.ecr.us-gov-west-1.amazonaws.com", {}),
        ("111111111111.dkr.ecr.cn-north-1.amazonaws.com.cn", {}),
        ("public.ecr.aws", {}),
        *((HOST, {name: value}) for name in OTHERS for value in ("", "x")),
        (HOST, {"AWS_SECRET_ACCESS_KEY": ""}),
        (HOST, {"AWS_ACCESS_KEY_ID": ""}),
        (HOST, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}),
    ],
)
def test_what_is_not_sent_ahead(host: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Whatever else can decide who asks, or how, leaves all of it to botocore."""
    environ = {"HOME": str(tmp_path), **KEYS, **environ}
    assert foreseen(asked(host, environ)) is None


@pytest.mark.parametrize(
    "name",
    [
        ".aws/config",
        ".aws/credentials",
        ".aws/models/ecr/2015-09-21/service-2.json",
        ".boto",
        ".config/ecr-login/config.toml",
    ],
)
def test_files_are_left_to_botocore(name: str, tmp_path: Path) -> None:
    """Nothing is sent ahead where there is a file that botocore reads, empty even, or our own."""
    request = asked(HOST, {"HOME": str(tmp_path), **KEYS})
    assert foreseen(request)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert foreseen(request) is None


def test_settings_of_the_registry_are_left_to_botocore(tmp_path: Path) -> None:
    """Nothing is sent ahead where the config file says anything."""
    request = Request(
        HOST, asked(HOST).registry, Settings({"profile": "x"}), {"HOME": str(tmp_path), **KEYS}, ""
    )
    assert foreseen(request) is None


def test_a_service_account_is_left_to_botocore(tmp_path: Path) -> None:
    """The keys in a node's environment ask for nothing that a service account is to ask for."""
    request = asked(HOST, {"HOME": str(tmp_path), **KEYS})
    assert foreseen(request)
    assert (
        foreseen(request.replaced(web_identity=WebIdentity("issuer", "subject", "token"))) is None
    )


def test_it_waits_for_no_botocore() -> None:
    """What is sent ahead imports neither botocore nor urllib3, nor waits for them."""
    code = (
        "import sys; from docker_credential_ecr_login.aws import client, wire;"
        "wire.context_for_aws();"
        "print(*{'botocore', 'certifi', 'inspect', 'urllib3'} & {*sys.modules})"
    )
    run = [str(installation.PYTHON), "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "\n"


# What botocore would do


class _Asked(Exception):
    """Raised in place of asking."""


def asked_by_botocore(request: Request) -> list[Any]:
    """Return the requests that boto3's chain makes in this environment, as they are to be sent."""
    found: list[Any] = []

    def note(request: Any, **_: object) -> None:
        found.append(request)
        raise _Asked

    with mock.patch.dict(os.environ, request.environ, clear=True), LOADER:
        attempt = Attempt(request)
        session = open_session(attempt)
        session.get_component("event_emitter").register("before-send", note)
        with suppress(HelperError, BotoCoreError, _Asked):
            sign_in(session, attempt, Worker(Deadline(10)), None)
            create_client(session, request).get_authorization_token()
    return found


def difference(request: Request) -> tuple[object, object] | None:
    """Return what is sent ahead, and what botocore asks for in its place, where they differ."""
    if foreseen(request) is None:
        return None
    asked = asked_by_botocore(request)
    headers = {name.lower(): text(value) for each in asked for name, value in each.headers.items()}
    with mock.patch("time.strftime", return_value=headers.get("x-amz-date", "")):
        sent = foreseen(request)
    assert sent is not None
    names = sent.headers.keys() - {"host", "user-agent"}  # botocore adds the first later
    ours = [("POST", f"https://{sent.host}/", "{}", {name: sent.headers[name] for name in names})]
    theirs = [
        (each.method, each.url, text(each.body), {name: headers.get(name) for name in names})
        for each in asked
    ]
    is_same = ours == theirs and answer_of(sent, request) == TOKEN
    return None if is_same else (ours, theirs)


NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
TOKEN = "QVdTOnNlY3JldA=="
# One for all, which then reads each file once.
LOADER = mock.patch("docker_credential_ecr_login.aws.session.create_loader", cache(create_loader))
TEXTS = st.text(st.characters(codec="latin-1", exclude_characters="\0\r\n"), max_size=8)
PLAIN = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
KEYS_OF_SOME_KIND = st.fixed_dictionaries(
    {"AWS_ACCESS_KEY_ID": PLAIN, "AWS_SECRET_ACCESS_KEY": PLAIN | TEXTS},
    optional={"AWS_SESSION_TOKEN": PLAIN | st.just(""), "AWS_ROLE_ARN": PLAIN},
)
BESIDE = st.fixed_dictionaries(
    {},
    optional={
        "AWS_REGION": st.sampled_from(["", "eu-west-1", "cn-north-1", "nowhere"]),
        "AWS_DEFAULT_REGION": st.sampled_from(["", "eu-west-1", "nowhere"]),
        "AWS_ACCOUNT_ID": st.just("333333333333"),
        "AWS_DEFAULT_OUTPUT": TEXTS,
        "AWS_EXECUTION_ENV": PLAIN,
        "AWS_PAGER": TEXTS,
    },
)
HOSTS = st.sampled_from(["us-east-1", "eu-west-1", "ap-southeast-7", "us-nowhere-9"]).map(
    "111111111111.dkr.ecr.{}.amazonaws.com".format
)
NOTHING: dict[str, str] = {}
ANY = st.just(NOTHING) | st.dictionaries(
    st.sampled_from([*NAMES, "AWS_PROFILE", "AWS_USE_FIPS_ENDPOINT", "HTTP_PROXY"]),
    TEXTS | st.just("true"),
    max_size=2,
)
# Nobody is asked, and nothing kept.
QUIET = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_ECR_DISABLE_CACHE": "1"}
ENVIRONMENTS = st.builds(lambda *each: reduce(or_, each, QUIET), BESIDE, KEYS_OF_SOME_KIND, ANY)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A home that stays empty."""
    return str(tmp_path_factory.mktemp("home"))


# To make an example smaller takes minutes.
@settings(phases=[Phase.generate], max_examples=int(os.environ.get("QUESTIONS", "100")))
@given(host=HOSTS, environ=ENVIRONMENTS)
def test_what_is_sent_ahead_is_what_botocore_asks_for(
    host: str, environ: dict[str, str], home: str
) -> None:
    """Whatever the environment: what is sent ahead is what boto3's chain asks for, and signs."""
    request = asked(host, {"HOME": home, **environ})
    assume(foreseen(request))
    assert difference(request) is None


def harmless(name: str) -> tuple[str, object]:
    """Return a guess that is sure whatever this variable says."""
    return "_DECISIVE", re.compile(
        vars(ahead)["_DECISIVE"].pattern.replace("ECR_", f"{name}=|ECR_")
    )


@pytest.mark.parametrize(
    "guess",
    [
        harmless("PROFILE"),
        harmless("USE_FIPS_ENDPOINT"),
        ("SentAhead", lambda _, keys: SentAhead("us-east-1", keys)),
        ("SentAhead", lambda region, keys: SentAhead(region, (*keys[:2], ""))),
    ],
    ids=["any_profile", "any_fips", "one_region", "no_session_token"],
)
def test_a_guess_that_is_wrong_is_found(
    guess: tuple[str, object], home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If something else were sent ahead, such environments would tell."""
    monkeypatch.setattr(ahead, *guess)
    requests = st.builds(
        lambda host, environ: asked(host, {"HOME": home, **environ}), HOSTS, ENVIRONMENTS
    )
    assert find(
        requests,
        lambda request: difference(request) is not None,
        settings=settings(phases=[Phase.generate], max_examples=1000),
        random=Random(0),
    )


@settings(phases=[Phase.generate])
@given(
    keys=st.fixed_dictionaries(dict.fromkeys(NAMES, PLAIN)),
    name=st.sampled_from(NAMES),
    value=PLAIN | st.just(""),
)
def test_what_differs_is_not_the_same(
    keys: dict[str, str], name: str, value: str, home: str
) -> None:
    """An answer to other keys than those that boto3's chain finds is not used, nor handed on."""
    assume(value != keys[name])
    environ = {"HOME": home, **QUIET}
    sent = foreseen(asked(HOST, {**environ, **keys}))
    assert sent is not None
    assert answer_of(sent, asked(HOST, {**environ, **keys, name: value})) is None
    request = AWSRequest("POST", f"https://{sent.host}/")
    assert sent.take(request) is None


def answer_of(sent: SentAhead, request: Request) -> str | None:
    """Return the token in the answer, if it is used in the environment of the request."""
    sent.run = lambda: None  # type: ignore[method-assign]  # in place of asking
    sent.start()
    data = {"authorizationToken": TOKEN, "expiresAt": 2e9}
    sent.result = (200, {}, json.dumps({"authorizationData": [data]}).encode())
    with mock.patch.dict(os.environ, request.environ, clear=True):
        answer = sent.answer(Attempt(request), Deadline(10))
    return answer["authorizationData"][0]["authorizationToken"] if answer else None


def text(value: str | bytes) -> str:
    """Return the text of a header or a body, which botocore has in either form."""
    return value if isinstance(value, str) else value.decode()
