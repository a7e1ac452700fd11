"""The AWS emulator, tested with AWS's SDK, because other tests rely on it."""

from __future__ import annotations

import base64
import datetime as dt
import http.client
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import botocore.auth
import botocore.session
import pytest
import trustme
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ContainerProvider, Credentials
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from botocore.utils import (
    ContainerMetadataFetcher,
    InstanceMetadataFetcher,
    MetadataRetrievalError,
)

from tests.emulator import AwsEmulator, Fault, Principal
from tests.emulator.partitions import partition_of, service_and_region
from tests.helper_process import EXECUTABLE, HelperProcess

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
REFUSED_SIGNATURE = "The request signature we calculated does not match"
INVALID_TOKEN = "The security token included in the request is invalid."


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the machine's own AWS configuration, and its proxies, out of every test."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "missing"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@cache
def sdk() -> botocore.session.Session:
    """Return the session of all clients, which keeps the service models it has read."""
    return botocore.session.Session()


def client(
    aws: AwsEmulator | str,
    principal: Principal | None = None,
    service: str = "ecr",
    region: str = "us-east-1",
    verify: str | None = None,
    **options: Any,
) -> Any:
    """Make a client of botocore that signs as `principal` and calls the emulator, once per call.

    `aws` is an emulator or its URL, `verify` a CA bundle; `options` are those of botocore's Config.
    """
    config = Config(
        retries={"max_attempts": 0}, connect_timeout=5, **{"read_timeout": 10} | options
    )
    return sdk().create_client(
        service,
        region_name=region,
        endpoint_url=aws if isinstance(aws, str) else aws.url,
        config=config,
        verify=verify,
        aws_access_key_id=None if principal is None else principal.access_key_id,
        aws_secret_access_key=None if principal is None else principal.secret_access_key,
        aws_session_token=None if principal is None else principal.session_token,
    )


def error_of(call: Callable[[], Any]) -> tuple[int, str, str]:
    """Return status, code and message of the AWS error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    error = response["Error"]
    return response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def password_of(answer: Any) -> str:
    """Return the password in an answer of GetAuthorizationToken."""
    data = answer["authorizationData"]
    token = (data[0] if isinstance(data, list) else data)["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    assert user == "AWS"
    return password


def fetch(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Send a request without an SDK; return status and body. Header names are written with _."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, headers=named)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


# Amazon ECR


def test_ecr_token_has_the_form_of_a_real_one(aws: AwsEmulator) -> None:
    """An authorization token holds a 2 kB password that expires in 12 hours, and names its host."""
    answer = client(aws, aws.add_user()).get_authorization_token()

    [data] = answer["authorizationData"]
    password = password_of(answer)
    content = json.loads(base64.b64decode(password))
    assert data["proxyEndpoint"] == "https://111111111111.dkr.ecr.us-east-1.amazonaws.com"
    assert list(content) == ["payload", "datakey", "version", "type", "expiration"]
    assert (content["version"], content["type"]) == ("2", "DATA_KEY")
    assert 1800 <= len(password) <= 2400
    assert data["expiresAt"].timestamp() == pytest.approx(time.time() + 12 * 3600, abs=60)
    assert content["expiration"] == int(data["expiresAt"].timestamp())


@pytest.mark.parametrize(
    ("region", "suffix"),
    [
        ("eu-west-1", "amazonaws.com"),
        ("us-gov-west-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu"),
        ("us-iso-east-1", "c2s.ic.gov"),
    ],
)
def test_proxy_endpoint_follows_the_region(aws: AwsEmulator, region: str, suffix: str) -> None:
    """The registry's host ends in the domain of the region's partition."""
    answer = client(aws, aws.add_user(), region=region).get_authorization_token()

    [data] = answer["authorizationData"]
    assert data["proxyEndpoint"] == f"https://111111111111.dkr.ecr.{region}.{suffix}"


def test_registry_ids_change_only_the_proxy_endpoint(aws: AwsEmulator) -> None:
    """For several registries, ECR answers one entry each, all with the same token."""
    registry_ids = ["123456789012", "210987654321"]

    answer = client(aws, aws.add_user()).get_authorization_token(registryIds=registry_ids)

    data = answer["authorizationData"]
    assert [entry["proxyEndpoint"][8:20] for entry in data] == registry_ids
    assert len({entry["authorizationToken"] for entry in data}) == 1


def test_token_lifetime_can_be_set(aws: AwsEmulator) -> None:
    """A token lives as long as the test says, and is refused by the registry afterwards."""
    aws.token_lifetime = 60
    answer = client(aws, aws.add_user()).get_authorization_token()
    password = password_of(answer)
    accepted_when_young = aws.accepts(password)

    aws.clock_offset = 61

    assert accepted_when_young
    assert not aws.accepts(password)


def test_denied_action_is_answered_in_the_words_of_iam(aws: AwsEmulator) -> None:
    """A principal without the permission gets AccessDeniedException with the sentence of IAM."""
    user = aws.add_user(deny={"ecr:GetAuthorizationToken"})

    assert error_of(client(aws, user).get_authorization_token) == (
        400,
        "AccessDeniedException",
        (
            "User: arn:aws:iam::111111111111:user/dev is not authorized to perform: "
            "ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the "
            "ecr:GetAuthorizationToken action"
        ),
    )


def test_ecr_public_hands_out_a_token_in_us_east_1(aws: AwsEmulator) -> None:
    """ECR Public answers one token, without a proxy endpoint."""
    answer = client(aws, aws.add_user(), "ecr-public").get_authorization_token()

    issued = aws.issued(password_of(answer))
    assert set(answer["authorizationData"]) == {"authorizationToken", "expiresAt"}
    assert issued is not None
    assert (issued.service, issued.region) == ("ecr-public", "us-east-1")


def test_ecr_public_knows_no_other_region(aws: AwsEmulator) -> None:
    """A request to ECR Public that is signed for another region is refused."""
    public = client(aws, aws.add_user(), "ecr-public", region="eu-west-1")

    assert error_of(public.get_authorization_token) == (
        400,
        "InvalidSignatureException",
        "Credential should be scoped to a valid region, not 'eu-west-1'.",
    )


@pytest.mark.parametrize(
    "action", ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"]
)
def test_ecr_public_needs_two_permissions(aws: AwsEmulator, action: str) -> None:
    """ECR Public refuses a principal that lacks either of the two actions, and names it."""
    user = aws.add_user(deny={action})

    _, code, message = error_of(client(aws, user, "ecr-public").get_authorization_token)

    assert code == "AccessDeniedException"
    assert f"is not authorized to perform: {action} on resource: *" in message


# Who may sign


def test_long_term_and_temporary_credentials_are_accepted(aws: AwsEmulator) -> None:
    """Both kinds of access keys sign, and have the identifiers of their kind."""
    user = aws.add_user()
    session = aws.add_user(session_token="a-session-token")

    client(aws, user).get_authorization_token()
    client(aws, session).get_authorization_token()

    assert user.access_key_id.startswith("AKIA")
    assert session.access_key_id.startswith("ASIA")
    assert {len(user.access_key_id), len(session.access_key_id)} == {20}
    assert len(user.secret_access_key) == 40


@pytest.mark.parametrize(
    ("service", "operation", "status", "code"),
    [
        ("ecr", "get_authorization_token", 400, "InvalidSignatureException"),
        ("ecr-public", "get_authorization_token", 400, "InvalidSignatureException"),
        ("sts", "get_caller_identity", 403, "SignatureDoesNotMatch"),
    ],
)
def test_wrong_secret_key_is_refused(
    aws: AwsEmulator, service: str, operation: str, status: int, code: str
) -> None:
    """A signature made with another secret key is refused, in the words of the service."""
    user = aws.add_user()
    liar = Principal(user.arn, user.access_key_id, user.secret_access_key.swapcase())

    answered = error_of(getattr(client(aws, liar, service), operation))

    assert answered[:2] == (status, code)
    assert answered[2].startswith(REFUSED_SIGNATURE)


@pytest.mark.parametrize(
    ("service", "operation", "status", "code"),
    [
        ("ecr", "get_authorization_token", 400, "UnrecognizedClientException"),
        ("ecr-public", "get_authorization_token", 400, "UnrecognizedClientException"),
        ("sts", "get_caller_identity", 403, "InvalidClientTokenId"),
    ],
)
def test_unknown_access_key_is_refused(
    aws: AwsEmulator, service: str, operation: str, status: int, code: str
) -> None:
    """An access key that was never issued is refused, in the words of the service."""
    nobody = Principal("", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

    answered = error_of(getattr(client(aws, nobody, service), operation))

    assert answered == (status, code, INVALID_TOKEN)


@pytest.mark.parametrize("session_token", [None, "another-session-token"])
def test_session_token_must_be_the_one_issued(aws: AwsEmulator, session_token: str | None) -> None:
    """Temporary credentials without their session token, or with another, are refused."""
    session = aws.add_user(session_token="a-session-token")
    thief = Principal(session.arn, session.access_key_id, session.secret_access_key, session_token)

    assert error_of(client(aws, thief).get_authorization_token) == (
        400,
        "UnrecognizedClientException",
        INVALID_TOKEN,
    )


def test_expired_session_is_refused(aws: AwsEmulator) -> None:
    """Temporary credentials past their time get ExpiredTokenException, ExpiredToken from STS."""
    session = aws.add_user(session_token="a-session-token", expires_at=time.time() - 1)
    message = "The security token included in the request is expired"

    from_ecr = error_of(client(aws, session).get_authorization_token)
    from_sts = error_of(client(aws, session, "sts").get_caller_identity)

    assert from_ecr == (400, "ExpiredTokenException", message)
    assert from_sts == (403, "ExpiredToken", message)


@pytest.mark.parametrize(
    ("offset", "sentence"), [(400, "Signature expired: "), (-400, "Signature not yet current: ")]
)
def test_clock_must_be_right_within_five_minutes(
    aws: AwsEmulator, offset: float, sentence: str
) -> None:
    """A request that was signed more than five minutes from now, either way, is refused."""
    user = aws.add_user()
    aws.clock_offset = offset / 2
    client(aws, user).get_authorization_token()
    aws.clock_offset = offset

    status, code, message = error_of(client(aws, user).get_authorization_token)

    assert (status, code) == (400, "InvalidSignatureException")
    assert message.startswith(sentence)


def test_date_of_answers_is_that_of_aws(aws: AwsEmulator) -> None:
    """The Date of an answer is by the emulated clock: SDKs measure their own against it."""
    aws.clock_offset = 3600
    answer = client(aws, service="sts").assume_role_with_web_identity
    with pytest.raises(ClientError) as caught:
        answer(
            RoleArn="arn:aws:iam::222222222222:role/x",
            RoleSessionName="xx",
            WebIdentityToken="abcd",
        )

    date = caught.value.response["ResponseMetadata"]["HTTPHeaders"]["date"]

    read = dt.datetime.strptime(date, "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=dt.UTC)
    assert read.timestamp() == pytest.approx(time.time() + 3600, abs=60)


# Every rule of a signature, on a request made by hand


def signed_request(
    aws: AwsEmulator,
    user: Principal,
    *,
    service: str = "ecr",
    region: str = "us-east-1",
    host: str = "",
) -> AWSRequest:
    """Sign a GetAuthorizationToken with botocore's signer, without sending it."""
    request = AWSRequest(
        method="POST",
        url=aws.url + "/",
        data=b"{}",
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "Host": host or urlsplit(aws.url).netloc,
            "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
        },
    )
    credentials = Credentials(user.access_key_id, user.secret_access_key, user.session_token)
    botocore.auth.SigV4Auth(credentials, service, region).add_auth(request)
    return request


def send(
    aws: AwsEmulator, request: AWSRequest, *, target: str = "/", body: bytes = b"{}"
) -> tuple[int, str]:
    """Send a signed request, with whatever was changed since; return status and error code."""
    connection = http.client.HTTPConnection(urlsplit(aws.url).netloc, timeout=10)
    try:
        connection.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, json.loads(response.read()).get("__type", "")
    finally:
        connection.close()


def test_untouched_request_is_accepted(aws: AwsEmulator) -> None:
    """The request that the next tests spoil is accepted before they do."""
    assert send(aws, signed_request(aws, aws.add_user())) == (200, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Amz-Target", "SpencerFrontendService.GetAuthorizationToken"),
        ("Content-Type", "application/json"),
        ("Host", "localhost:1"),
        ("X-Amz-Added-Later", "1"),
        ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
    ],
)
def test_changed_header_spoils_the_signature(aws: AwsEmulator, name: str, value: str) -> None:
    """A header that is changed after signing, or a new one of AWS, makes the signature invalid."""
    request = signed_request(aws, aws.add_user())

    del request.headers[name]
    request.headers[name] = value

    assert send(aws, request) == (400, "InvalidSignatureException")


@pytest.mark.parametrize(("target", "body"), [("/other", b"{}"), ("/?a=b", b"{}"), ("/", b"{ }")])
def test_changed_request_spoils_the_signature(aws: AwsEmulator, target: str, body: bytes) -> None:
    """Path, query and body are covered by the signature."""
    request = signed_request(aws, aws.add_user())

    assert send(aws, request, target=target, body=body) == (400, "InvalidSignatureException")


@pytest.mark.parametrize(
    ("scope", "host"),
    [
        ({"service": "ecr-public"}, ""),
        ({"service": "sts"}, ""),
        ({"region": ""}, ""),
        ({"region": "us-east-1"}, "api.ecr.eu-west-1.amazonaws.com"),
        ({"region": "eu-west-1"}, "ecr-fips.us-east-1.api.aws"),
        ({"region": "us-east-1"}, "api.ecr-public.us-east-1.amazonaws.com"),
    ],
)
def test_scope_must_be_that_of_the_endpoint(
    aws: AwsEmulator, scope: dict[str, str], host: str
) -> None:
    """A credential scope of another service, or of another region than the host's, is refused."""
    request = signed_request(aws, aws.add_user(), host=host, **scope)

    assert send(aws, request) == (400, "InvalidSignatureException")


@pytest.mark.parametrize(
    "host",
    [
        "api.ecr.eu-west-1.amazonaws.com",
        "api.ecr-fips.eu-west-1.amazonaws.com",
        "ecr.eu-west-1.api.aws",
        "ecr-fips.eu-west-1.api.aws",
        "localhost",
    ],
)
def test_scope_fits_every_endpoint_of_the_region(aws: AwsEmulator, host: str) -> None:
    """Ordinary, FIPS and dual-stack endpoints, and hosts that are none of AWS, take the region."""
    request = signed_request(aws, aws.add_user(), host=host, region="eu-west-1")

    answered = send(aws, request)

    [call] = aws.calls
    assert answered == (200, "")
    assert (call.host, call.region) == (host, "eu-west-1")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("Basic QVdTOnB3", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=A/B", "IncompleteSignatureException"),
    ],
)
def test_request_without_a_signature_is_refused(
    aws: AwsEmulator, authorization: str | None, code: str
) -> None:
    """A signed API answers an error where the signature is missing or not of its kind."""
    request = signed_request(aws, aws.add_user())

    del request.headers["Authorization"]
    if authorization is not None:
        request.headers["Authorization"] = authorization

    assert send(aws, request) == (400, code)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.ecr.us-east-1.amazonaws.com", ("ecr", "us-east-1")),
        ("API.ECR.US-EAST-1.AMAZONAWS.COM:443", ("ecr", "us-east-1")),
        ("api.ecr.cn-north-1.amazonaws.com.cn", ("ecr", "cn-north-1")),
        ("ecr-public.us-east-1.api.aws", ("ecr-public", "us-east-1")),
        ("sts.amazonaws.com", ("sts", "us-east-1")),
        ("sts-fips.us-gov-west-1.amazonaws.com", ("sts", "us-gov-west-1")),
        ("portal.sso.eu-west-1.amazonaws.com", ("sso", "eu-west-1")),
        ("oidc.eu-west-1.amazonaws.com", ("sso-oidc", "eu-west-1")),
        ("api.ecr.cn-north-1.amazonaws.com", None),
        ("127.0.0.1:4566", None),
        ("public.ecr.aws", None),
    ],
)
def test_host_names_of_aws_are_known(host: str, expected: tuple[str, str] | None) -> None:
    """Service and region are read from the API hosts of AWS, and from no other name."""
    assert service_and_region(host) == expected


def test_partitions_agree_with_botocore() -> None:
    """The emulator's own table of partitions names them, and their domains, as botocore does."""
    data = botocore.session.Session().get_component("data_loader").load_data("partitions")

    for partition in data["partitions"]:
        outputs = partition["outputs"]
        region = outputs["implicitGlobalRegion"]
        expected = (partition["id"], outputs["dnsSuffix"])
        assert partition_of(region)[:2] == expected


# AWS STS


def assume(aws: AwsEmulator, user: Principal, **parameters: str) -> Callable[[], Any]:
    """Prepare an AssumeRole call."""
    named = {"RoleArn": "arn:aws:iam::222222222222:role/pull", "RoleSessionName": "ci"} | parameters
    return lambda: client(aws, user, "sts").assume_role(**named)


def principal_of(answer: Any) -> Principal:
    """Return the session in an answer of AssumeRole."""
    credentials = answer["Credentials"]
    return Principal(
        answer["AssumedRoleUser"]["Arn"],
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        credentials["SessionToken"],
    )


def test_assumed_role_signs_as_its_session(aws: AwsEmulator) -> None:
    """The credentials that AssumeRole answers sign, as the session of that name."""
    user = aws.add_user()
    aws.add_role(trusted=[user.arn])

    answer = assume(aws, user)()
    session = principal_of(answer)
    client(aws, session).get_authorization_token()

    arn = "arn:aws:sts::222222222222:assumed-role/pull/ci"
    assert answer["AssumedRoleUser"]["Arn"] == arn
    assert answer["Credentials"]["Expiration"].timestamp() == pytest.approx(
        time.time() + 3600, abs=60
    )
    assert [(call.principal, call.session_name) for call in aws.calls] == [
        (user.arn, "ci"),
        (arn, "ci"),
    ]


def test_role_chain_is_trusted_by_the_arn_of_the_role(aws: AwsEmulator) -> None:
    """A session is trusted where its role is, and everybody where the account's root is."""
    user = aws.add_user()
    second = "arn:aws:iam::444444444444:role/second"
    first = aws.add_role(trusted=["arn:aws:iam::111111111111:root"])
    aws.add_role(arn=second, trusted=[first.arn])

    session = principal_of(assume(aws, user)())
    answer = assume(aws, session, RoleArn=second)()

    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::444444444444:assumed-role/second/ci"


def test_role_that_does_not_trust_the_caller_is_refused(aws: AwsEmulator) -> None:
    """An untrusted caller, a missing role and a denied action get the same sentence of IAM."""
    user = aws.add_user()
    denied = aws.add_user(deny={"sts:AssumeRole"})
    aws.add_role(trusted=["arn:aws:iam::111111111111:user/other"])
    aws.add_role(arn="arn:aws:iam::222222222222:role/open")
    refused = {
        "arn:aws:iam::222222222222:role/pull": user,
        "arn:aws:iam::222222222222:role/missing": user,
        "arn:aws:iam::222222222222:role/open": denied,
    }

    for arn, caller in refused.items():
        assert error_of(assume(aws, caller, RoleArn=arn)) == (
            403,
            "AccessDenied",
            f"User: {user.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
        )


def test_external_id_must_match(aws: AwsEmulator) -> None:
    """A role with an external id is opened by that id alone."""
    user = aws.add_user()
    aws.add_role(external_id="customer-1")

    without = error_of(assume(aws, user))
    other = error_of(assume(aws, user, ExternalId="customer-2"))
    answer = assume(aws, user, ExternalId="customer-1")()

    assert (without[1], other[1]) == ("AccessDenied", "AccessDenied")
    assert answer["Credentials"]


def test_mfa_code_must_match(aws: AwsEmulator) -> None:
    """A role that demands MFA is opened by the code of that device alone."""
    user = aws.add_user()
    device = "arn:aws:iam::111111111111:mfa/dev"
    aws.add_role(mfa_serial=device, mfa_code="123456")

    without = error_of(assume(aws, user))
    wrong = error_of(assume(aws, user, SerialNumber=device, TokenCode="654321"))
    answer = assume(aws, user, SerialNumber=device, TokenCode="123456")()

    assert "is not authorized to perform: sts:AssumeRole" in without[2]
    assert wrong == (
        403,
        "AccessDenied",
        "MultiFactorAuthentication failed with invalid MFA one time pass code.",
    )
    assert answer["Credentials"]


@pytest.mark.parametrize("parameters", [{"RoleSessionName": "a b"}, {"RoleSessionName": "é" * 3}])
def test_session_name_must_be_valid(aws: AwsEmulator, parameters: dict[str, str]) -> None:
    """A session name with other characters than the API allows is a validation error."""
    aws.add_role()

    assert error_of(assume(aws, aws.add_user(), **parameters))[:2] == (400, "ValidationError")


def test_session_policy_restricts_the_session(aws: AwsEmulator) -> None:
    """A session may do what its policy allows, and its passwords are good for no more."""
    user, start = aws.add_user(), "arn:aws:ecr:us-east-1:222222222222:repository/"
    aws.add_role()
    allowed = [
        {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {"Effect": "Allow", "Action": ["ECR:batch*"], "Resource": [f"{start}team/*"]},
        {"Effect": "Deny", "Action": "*", "Resource": f"{start}team/secret"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    session = principal_of(assume(aws, user, Policy=policy)())
    password = password_of(client(aws, session).get_authorization_token())
    assert aws.denial(password, "ecr:BatchGetImage", f"{start}team/app/web") is None
    for action, name in (("BatchGetImage", "app"), ("PutImage", "team/a"), ("*", "team/secret")):
        assert aws.denial(password, f"ecr:{action}", start + name) == (
            f"User: {session.arn} is not authorized to perform: ecr:{action} on resource: "
            f"{start}{name} because no session policy allows the ecr:{action} action"
        )
    for wrong, code in (("{", "MalformedPolicyDocument"), ("x" * 2049, "ValidationError")):
        assert error_of(assume(aws, user, Policy=wrong))[:2] == (400, code)


def test_web_identity_opens_its_role_unsigned(aws: AwsEmulator) -> None:
    """AssumeRoleWithWebIdentity needs the token of the role, and no signature."""
    role = aws.add_role(web_identity_token="eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
    sts = client(aws, service="sts")
    parameters = {"RoleArn": role.arn, "RoleSessionName": "pod"}

    wrong = error_of(
        lambda: sts.assume_role_with_web_identity(**parameters, WebIdentityToken="not-that-one")
    )
    answer = sts.assume_role_with_web_identity(
        **parameters, WebIdentityToken=role.web_identity_token
    )
    client(aws, principal_of(answer)).get_authorization_token()

    assert wrong[:2] == (400, "InvalidIdentityToken")
    assert [call.principal for call in aws.calls] == [
        None,
        None,
        "arn:aws:sts::222222222222:assumed-role/pull/pod",
    ]


def test_web_identity_opens_no_other_role(aws: AwsEmulator) -> None:
    """A role that trusts no web identity cannot be assumed by one."""
    role = aws.add_role()
    sts = client(aws, service="sts")

    answered = error_of(
        lambda: sts.assume_role_with_web_identity(
            RoleArn=role.arn, RoleSessionName="pod", WebIdentityToken="a-token"
        )
    )

    assert answered == (
        403,
        "AccessDenied",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    )


def test_caller_identity_is_that_of_the_signer(aws: AwsEmulator) -> None:
    """GetCallerIdentity answers the ARN and the account of the signer, permitted or not."""
    answer = client(aws, aws.add_user(deny={"sts:GetCallerIdentity"}), "sts").get_caller_identity()

    assert answer["Arn"] == "arn:aws:iam::111111111111:user/dev"
    assert answer["Account"] == "111111111111"
    assert answer["UserId"].startswith("AIDA")


# IAM Identity Center


def role_credentials(aws: AwsEmulator, access_token: str, **parameters: str) -> Callable[[], Any]:
    """Prepare a GetRoleCredentials call."""
    named = {"accountId": "333333333333", "roleName": "Developer"} | parameters
    return lambda: client(aws, service="sso").get_role_credentials(
        accessToken=access_token, **named
    )


def test_sso_access_token_opens_its_role(aws: AwsEmulator) -> None:
    """GetRoleCredentials answers credentials that sign as a session of the role."""
    sso = aws.add_sso()

    credentials = role_credentials(aws, sso.access_token)()["roleCredentials"]
    session = Principal(
        "", credentials["accessKeyId"], credentials["secretAccessKey"], credentials["sessionToken"]
    )
    identity = client(aws, session, "sts").get_caller_identity()

    assert identity["Arn"].startswith(
        "arn:aws:sts::333333333333:assumed-role/AWSReservedSSO_Developer_"
    )
    assert credentials["expiration"] / 1000 == pytest.approx(time.time() + 3600, abs=60)


def test_sso_access_token_opens_no_other_role(aws: AwsEmulator) -> None:
    """A role that was not given to the person is forbidden."""
    sso = aws.add_sso()

    answered = error_of(role_credentials(aws, sso.access_token, roleName="Admin"))

    assert answered == (403, "ForbiddenException", "No access")


def test_unknown_and_expired_sso_access_tokens_are_refused(aws: AwsEmulator) -> None:
    """An access token that is unknown, or past its time, is answered 401."""
    sso = aws.add_sso(expired=True)

    for access_token in (sso.access_token, "unknown"):
        assert error_of(role_credentials(aws, access_token)) == (
            401,
            "UnauthorizedException",
            "Session token not found or invalid",
        )


def test_refresh_token_gives_a_new_access_token(aws: AwsEmulator) -> None:
    """CreateToken exchanges the refresh token of a client for an access token that works."""
    sso = aws.add_sso(expired=True, refresh_token="a-refresh-token")

    answer = client(aws, service="sso-oidc").create_token(
        clientId=sso.client_id,
        clientSecret=sso.client_secret,
        grantType="refresh_token",
        refreshToken="a-refresh-token",
    )

    assert (answer["tokenType"], answer["expiresIn"]) == ("Bearer", 3600)
    assert role_credentials(aws, answer["accessToken"])()["roleCredentials"]


def test_wrong_refresh_token_is_refused(aws: AwsEmulator) -> None:
    """CreateToken refuses a refresh token that it does not know."""
    sso = aws.add_sso(refresh_token="a-refresh-token")

    answered = error_of(
        lambda: client(aws, service="sso-oidc").create_token(
            clientId=sso.client_id,
            clientSecret=sso.client_secret,
            grantType="refresh_token",
            refreshToken="another",
        )
    )

    assert answered[:2] == (400, "InvalidGrantException")


@pytest.mark.parametrize("session_name", [None, "corp"])
def test_sso_cache_file_is_read_by_the_sdk(
    aws: AwsEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session_name: str | None
) -> None:
    """The file that `cache_file` describes signs the SDK in, refreshing what has expired."""
    sso = aws.add_sso(expired=session_name is not None, refresh_token="a-refresh-token")
    name, text = sso.cache_file(session_name)
    cache = tmp_path / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    (cache / name).write_text(text)
    where = f"sso_start_url = {sso.start_url}\nsso_region = {sso.region}\n"
    what = f"sso_account_id = {sso.account_id}\nsso_role_name = {sso.role_name}\n"
    config = tmp_path / "config"
    if session_name is None:
        config.write_text(f"[default]\n{where}{what}")
    else:
        config.write_text(f"[default]\nsso_session = corp\n{what}[sso-session corp]\n{where}")
    program = (
        "import botocore.session\n"
        "client = botocore.session.Session().create_client('ecr', 'us-east-1')\n"
        "client.get_authorization_token()\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

    operations = [call.operation for call in aws.calls]
    refresh = [] if session_name is None else ["CreateToken"]
    assert operations == [*refresh, "GetRoleCredentials", "GetAuthorizationToken"]


# What a machine serves to itself


def test_instance_role_is_read_by_the_sdk(aws: AwsEmulator) -> None:
    """The SDK's metadata client gets credentials that sign as the instance."""
    principal = aws.set_instance_role("ec2-pull")
    fetcher = InstanceMetadataFetcher(
        env={}, config={"ec2_metadata_service_endpoint": aws.url + "/"}
    )

    found = fetcher.retrieve_iam_role_credentials()
    client(aws, principal).get_authorization_token()

    assert found["role_name"] == "ec2-pull"
    assert (found["access_key"], found["secret_key"], found["token"]) == (
        principal.access_key_id,
        principal.secret_access_key,
        principal.session_token,
    )
    assert [call.operation for call in aws.calls] == [
        "GetMetadataToken",
        "ListInstanceRoles",
        "GetInstanceRoleCredentials",
        "GetAuthorizationToken",
    ]
    assert str(aws.calls[-1].principal).startswith(
        "arn:aws:sts::111111111111:assumed-role/ec2-pull/i-"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/latest/meta-data/iam/security-credentials/",
        "/latest/meta-data/iam/security-credentials/ec2-pull",
        "/latest/dynamic/instance-identity/document",
    ],
)
def test_metadata_needs_a_session_token(aws: AwsEmulator, path: str) -> None:
    """IMDSv2 answers 401 without a session token, and with one that it never issued."""
    aws.set_instance_role("ec2-pull")
    _, issued = fetch(
        f"{aws.url}/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60"
    )

    assert fetch(aws.url + path)[0] == 401
    assert fetch(aws.url + path, X_aws_ec2_metadata_token="made-up")[0] == 401
    assert fetch(aws.url + path, X_aws_ec2_metadata_token=issued.decode())[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"X_aws_ec2_metadata_token_ttl_seconds": "0"}, 400),
        ({"X_aws_ec2_metadata_token_ttl_seconds": "21601"}, 400),
        ({"X_aws_ec2_metadata_token_ttl_seconds": "60", "X_Forwarded_For": "192.0.2.1"}, 403),
        ({"X_aws_ec2_metadata_token_ttl_seconds": "21600"}, 200),
    ],
)
def test_metadata_session_token_needs_a_lifetime(
    aws: AwsEmulator, headers: dict[str, str], status: int
) -> None:
    """IMDSv2 issues a session token for 1 to 21600 seconds, and none through a proxy."""
    assert fetch(f"{aws.url}/latest/api/token", "PUT", **headers)[0] == status


def test_machine_without_a_role_has_no_credentials(aws: AwsEmulator) -> None:
    """Without an instance role, metadata answers 404 to a caller with a session token."""
    _, issued = fetch(
        f"{aws.url}/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60"
    )
    path = "/latest/meta-data/iam/security-credentials/"

    assert fetch(aws.url + path, X_aws_ec2_metadata_token=issued.decode())[0] == 404


def test_container_credentials_are_read_by_the_sdk(aws: AwsEmulator) -> None:
    """The SDK's container client gets credentials that sign as the task's role."""
    principal = aws.set_container_credentials("/v2/credentials/task", "a-container-token")
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{aws.url}/v2/credentials/task",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a-container-token",
    }

    found = ContainerProvider(environ=environ).load()

    assert found is not None
    assert (found.access_key, found.secret_key, found.token) == (
        principal.access_key_id,
        principal.secret_access_key,
        principal.session_token,
    )
    assert aws.calls[0].operation == "GetContainerCredentials"


def test_container_credentials_demand_their_authorization(aws: AwsEmulator) -> None:
    """The credentials of a container are refused without its authorization token."""
    aws.set_container_credentials("/v2/credentials/task", "a-container-token")
    fetcher = ContainerMetadataFetcher(sleep=lambda _seconds: None)

    with pytest.raises(MetadataRetrievalError, match="non 200 response 401"):
        fetcher.retrieve_full_uri(f"{aws.url}/v2/credentials/task")


# What goes wrong


def test_unknown_operation_is_answered_and_recorded(aws: AwsEmulator) -> None:
    """What the emulator does not know is a clear error, and a call like any other."""
    user = aws.add_user()

    from_ecr = error_of(client(aws, user).describe_registry)
    from_sts = error_of(client(aws, user, "sts").get_session_token)
    from_nowhere = fetch(f"{aws.url}/nothing")

    assert from_ecr[:2] == (400, "UnknownOperationException")
    assert from_sts[:2] == (400, "InvalidAction")
    assert from_nowhere[0] == 400
    assert [(call.service, call.operation, call.status) for call in aws.calls] == [
        ("ecr", "DescribeRegistry", 400),
        ("sts", "GetSessionToken", 400),
        ("unknown", "unknown", 400),
    ]


@pytest.mark.parametrize(
    ("service", "operation"),
    [("ecr", "GetAuthorizationToken"), ("sts", "GetCallerIdentity"), ("sts", "*")],
)
def test_fault_answers_an_error_of_the_api(aws: AwsEmulator, service: str, operation: str) -> None:
    """A fault with a status and a code is answered in the form of the API, that many times."""
    aws.fail(operation, Fault(status=503, error="ServiceUnavailable", message="later"), times=2)
    caller = client(aws, aws.add_user(), service)
    call = caller.get_authorization_token if service == "ecr" else caller.get_caller_identity

    answered = [error_of(call), error_of(call)]
    call()

    assert answered == [(503, "ServiceUnavailable", "later")] * 2
    assert [made.status for made in aws.calls] == [503, 503, 200]


def test_fault_answers_an_error_of_sso(aws: AwsEmulator) -> None:
    """A fault takes the form of the REST APIs as well."""
    aws.fail("GetRoleCredentials", Fault(status=429, error="TooManyRequestsException", message="x"))

    assert error_of(role_credentials(aws, "any")) == (429, "TooManyRequestsException", "x")


def test_faults_come_in_order_and_can_be_cleared(aws: AwsEmulator) -> None:
    """Faults follow each other as planned, until they are used up or cleared."""
    call = client(aws, aws.add_user()).get_authorization_token
    aws.fail("GetAuthorizationToken", Fault(error="First"), times=1)
    aws.fail("GetAuthorizationToken", Fault(error="Second"))

    codes = [error_of(call)[1] for _ in range(3)]
    aws.clear_faults()

    assert codes == ["First", "Second", "Second"]
    assert call()["authorizationData"]


def test_fault_leaves_other_operations_alone(aws: AwsEmulator) -> None:
    """A fault meets the operation it was planned for, and no other."""
    aws.fail("AssumeRole", Fault(status=500))

    assert client(aws, aws.add_user()).get_authorization_token()["authorizationData"]


def test_fault_answers_raw_bytes(aws: AwsEmulator) -> None:
    """A fault with a body is answered as it is, whatever the API's form."""
    aws.fail(
        "GetAuthorizationToken",
        Fault(status=502, body=b"<html>Bad Gateway</html>", content_type="text/html"),
    )

    with pytest.raises(ClientError) as caught:
        client(aws, aws.add_user()).get_authorization_token()

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 502
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/html"


def test_fault_drops_the_connection_before_an_answer(aws: AwsEmulator) -> None:
    """A connection can be closed without an answer; the next call is served."""
    aws.fail("GetAuthorizationToken", Fault(drop="before"), times=1)
    ecr = client(aws, aws.add_user())

    with pytest.raises(ConnectionClosedError):
        ecr.get_authorization_token()

    assert aws.calls[0].status == 0
    assert ecr.get_authorization_token()["authorizationData"]


def test_fault_drops_the_connection_in_mid_answer(aws: AwsEmulator) -> None:
    """A connection can be closed half-way through an answer that was announced in full.

    What becomes of it depends on the SDK: older botocore raises ConnectionClosedError, newer does
    not compare the body with Content-Length and takes half a JSON text for an answer without data
    (`enforce_content_length` in botocore/httpsession.py). So this looks at the bytes.
    """
    aws.fail("*", Fault(drop="mid"), times=1)

    with pytest.raises(http.client.IncompleteRead) as caught:
        send(aws, signed_request(aws, aws.add_user()))

    assert caught.value.partial.startswith(b'{"authorizationData"')
    assert caught.value.expected == pytest.approx(len(caught.value.partial), abs=1)
    assert [call.status for call in aws.calls] == [200]


def test_fault_resets_the_connection_in_mid_answer(aws: AwsEmulator) -> None:
    """A connection can be reset, which is another end than that of half an answer."""
    aws.fail("*", Fault(drop="reset"), times=1)

    with pytest.raises(ConnectionResetError):
        send(aws, signed_request(aws, aws.add_user()))


@pytest.mark.parametrize("manner", ["flood", "drip"])
def test_fault_goes_on_with_an_answer(aws: AwsEmulator, manner: Literal["flood", "drip"]) -> None:
    """An answer can go on without end, quickly or slowly."""
    aws.fail("*", Fault(body=b"{}", endless=manner), times=1)

    with urllib.request.urlopen(aws.url, timeout=10) as response:  # noqa: S310
        assert response.read(4) == b"{}  "
        assert "Content-Length" not in response.headers


def test_silent_address_takes_connections_and_says_nothing(aws: AwsEmulator) -> None:
    """A client that connects to it waits until the emulator is closed."""
    host, port = aws.listen_silently().split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert select.select([connection], [], [], 0.1)[0] == []
        aws.close()
        assert select.select([connection], [], [], 10)[0] == [connection]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses")
def test_a_connection_that_is_neither_accepted_nor_refused(aws: AwsEmulator) -> None:
    """A connection to it is neither accepted nor refused."""
    host, port = aws.unreachable_address().split(":")
    with pytest.raises(TimeoutError):
        socket.create_connection((host, int(port)), timeout=0.1)


def test_fault_hangs_until_the_client_gives_up(aws: AwsEmulator) -> None:
    """A hanging call is recorded, and ends with the patience of the client."""
    aws.fail("GetAuthorizationToken", Fault(hang=True))

    with pytest.raises(ReadTimeoutError):
        client(aws, aws.add_user(), read_timeout=0.2).get_authorization_token()

    assert [call.status for call in aws.calls] == [0]


def test_fault_and_emulator_delay_the_answer(aws: AwsEmulator) -> None:
    """An answer can be late, for one operation or for all of AWS, and is right all the same."""
    call = client(aws, aws.add_user()).get_authorization_token
    aws.delay = 0.05
    aws.fail("GetAuthorizationToken", Fault(delay=0.1), times=1)

    started = time.monotonic()
    assert call()["authorizationData"]
    both = time.monotonic() - started
    started = time.monotonic()
    assert call()["authorizationData"]
    one = time.monotonic() - started

    assert both >= 0.15
    assert one >= 0.05


def test_throttle_lets_a_burst_through(aws: AwsEmulator) -> None:
    """Past the burst, GetAuthorizationToken answers ThrottlingException."""
    call = client(aws, aws.add_user()).get_authorization_token
    aws.throttle(rate=0, burst=2)

    call()
    call()

    assert error_of(call) == (400, "ThrottlingException", "Rate exceeded")


def test_throttle_refills_with_time(aws: AwsEmulator) -> None:
    """The bucket fills again at its rate."""
    call = client(aws, aws.add_user()).get_authorization_token
    aws.throttle(rate=1e6, burst=1)

    assert all(call()["authorizationData"] for _ in range(3))


def test_close_cuts_hanging_and_idle_connections() -> None:
    """A closed emulator serves nobody, not even hanging calls and open connections."""
    aws = AwsEmulator()
    ecr = client(aws, aws.add_user())
    ecr.get_authorization_token()
    aws.fail("GetCallerIdentity", Fault(hang=True))
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(client(aws, aws.add_user(), "sts").get_caller_identity)
        while aws.count("GetCallerIdentity") == 0 and not hanging.done():
            pass
        aws.close()
        error = hanging.exception(timeout=10)

    assert isinstance(error, ConnectionClosedError)
    with pytest.raises(EndpointConnectionError):
        ecr.get_authorization_token()


# The record


def test_call_is_recorded_with_everything_but_secrets(aws: AwsEmulator) -> None:
    """A call says who called what, from where and how, without the headers that carry secrets."""
    session = aws.add_user(session_token="a-session-token")
    client(aws, session, region="eu-west-1").get_authorization_token()

    [call] = aws.calls
    assert (call.service, call.operation, call.region) == (
        "ecr",
        "GetAuthorizationToken",
        "eu-west-1",
    )
    assert (call.principal, call.access_key_id) == (session.arn, session.access_key_id)
    assert call.host == urlsplit(aws.url).netloc
    assert call.user_agent.startswith("Botocore/")
    assert call.headers["content-type"] == "application/x-amz-json-1.1"
    assert (call.status, call.body) == (200, b"{}")
    assert call.time == pytest.approx(time.time(), abs=60)
    assert not [value for value in call.headers.values() if "a-session-token" in value]
    assert "authorization" not in call.headers


def test_refused_call_is_recorded_without_a_principal(aws: AwsEmulator) -> None:
    """A caller that could not be authenticated has no principal, but its access key is recorded."""
    error_of(client(aws, Principal("", "AKIAIOSFODNN7EXAMPLE", "secret")).get_authorization_token)

    [call] = aws.calls
    assert (call.principal, call.access_key_id) == (None, "AKIAIOSFODNN7EXAMPLE")
    assert (call.region, call.status) == ("us-east-1", 400)


def test_count_counts_one_operation(aws: AwsEmulator) -> None:
    """Calls are counted by operation, refused ones included."""
    user = aws.add_user(deny={"ecr:GetAuthorizationToken"})
    error_of(client(aws, user).get_authorization_token)
    client(aws, user, "sts").get_caller_identity()

    assert aws.count("GetAuthorizationToken") == 1
    assert aws.count("GetCallerIdentity") == 1
    assert aws.count("AssumeRole") == 0


def test_every_secret_is_remembered(aws: AwsEmulator) -> None:
    """Every secret that goes in or out is remembered, to be searched for afterwards."""
    user = aws.add_user(session_token="a-session-token")
    sso = aws.add_sso(refresh_token="a-refresh-token")
    aws.add_role(web_identity_token="a-web-identity-token")
    instance = aws.set_instance_role()
    aws.set_container_credentials(authorization_token="a-container-token")
    answer = client(aws, user).get_authorization_token()
    assumed = principal_of(assume(aws, user)())
    _, metadata_token = fetch(
        f"{aws.url}/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60"
    )

    assert aws.secrets >= {
        "a-session-token",
        "a-refresh-token",
        "a-web-identity-token",
        "a-container-token",
        user.secret_access_key,
        sso.access_token,
        sso.client_secret,
        str(instance.session_token),
        assumed.secret_access_key,
        str(assumed.session_token),
        metadata_token.decode(),
        aws.password,
        password_of(answer),
        answer["authorizationData"][0]["authorizationToken"],
    }


# The registry's passwords


def test_every_call_gives_a_password_of_its_own(aws: AwsEmulator) -> None:
    """Two calls give two passwords, both accepted, with the same first 72 bytes for bcrypt."""
    ecr = client(aws, aws.add_user())

    first, second = (password_of(ecr.get_authorization_token()) for _ in range(2))

    assert first != second
    assert first[:72] == second[:72] == aws.password[:72]
    assert aws.accepts(first)
    assert aws.accepts(second)
    assert aws.accepts(aws.password)


def test_password_knows_whom_it_was_issued_to(aws: AwsEmulator) -> None:
    """The emulator knows whom a password belongs to, and refuses one that it never issued."""
    user = aws.add_user(arn="arn:aws:iam::111111111111:user/other")

    password = password_of(client(aws, user, region="eu-west-1").get_authorization_token())

    issued = aws.issued(password)
    assert issued is not None
    assert (issued.principal, issued.service, issued.region) == (user.arn, "ecr", "eu-west-1")
    assert not aws.accepts("made-up")
    assert aws.issued("made-up") is None


def test_rotation_makes_older_passwords_worthless(aws: AwsEmulator) -> None:
    """After a rotation only newer passwords are accepted, and bcrypt can tell them apart."""
    ecr = client(aws, aws.add_user())
    older = password_of(ecr.get_authorization_token())
    standing = aws.password

    aws.rotate_password()
    newer = password_of(ecr.get_authorization_token())

    assert not aws.accepts(older)
    assert not aws.accepts(standing)
    assert aws.accepts(newer)
    assert older[:72] != newer[:72]


# Many, elsewhere, alone


def test_many_calls_at_once_are_all_served(aws: AwsEmulator) -> None:
    """Sixty-four callers at once are all answered and all recorded."""
    ecr = client(aws, aws.add_user(), max_pool_connections=64)
    aws.delay = 0.05

    with ThreadPoolExecutor(64) as pool:
        calls = [pool.submit(ecr.get_authorization_token) for _ in range(64)]
        passwords = {password_of(call.result()) for call in calls}

    assert len(passwords) == 64
    assert all(map(aws.accepts, passwords))
    assert aws.count("GetAuthorizationToken") == 64


@pytest.fixture
def certificate_authority() -> trustme.CA:
    """Make a certificate authority for one test."""
    return trustme.CA()


def test_aws_is_served_over_tls(certificate_authority: trustme.CA, tmp_path: Path) -> None:
    """With a TLS context the same APIs are served over HTTPS."""
    bundle = tmp_path / "ca.pem"
    certificate_authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate_authority.issue_cert("127.0.0.1").configure_cert(context)

    with AwsEmulator(ssl_context=context) as aws:
        ecr = client(aws, aws.add_user(), verify=str(bundle))
        assert aws.url.startswith("https://")
        assert ecr.get_authorization_token()["authorizationData"]


def test_one_emulator_listens_on_several_addresses(aws: AwsEmulator) -> None:
    """A second address serves the same users, and the same record."""
    user = aws.add_user()
    aws.url = aws.listen("127.0.0.1")

    client(aws, user).get_authorization_token()

    assert aws.calls[0].host == urlsplit(aws.url).netloc


def test_emulator_runs_as_a_program(helper: HelperProcess) -> None:
    """With the variables that it prints, AWS and a registry answer, until it is stopped."""
    command = [sys.executable, "-m", "tests.emulator", "--user", "AKIAEXAMPLE:secret"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        *exports, comment = [program.stdout.readline() for _ in range(8)]
        found = dict(line.removeprefix("export ").strip().split("=", 1) for line in exports)
        image, _, rest_of_comment = comment.removeprefix("# ").partition(" ")
        helper.environ = {**found, "PATH": f"{EXECUTABLE.parent}:/usr/bin:/bin"}
        helper.run("configure", image.partition("/")[0])
        diagnosis = helper.run("doctor", image)
        program.send_signal(signal.SIGTERM)
        rest = program.stdout.read()

    assert (found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]) == ("AKIAEXAMPLE", "secret")
    assert rest_of_comment == "can be pulled\n"
    assert diagnosis.status == 0, diagnosis
    assert image in diagnosis.stdout
    assert (rest, program.returncode) == ("", 0)
