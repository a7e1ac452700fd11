"""The way to AWS: proxies, certificates, retries and time limits, through the executable."""

import os
import re
import signal
import socket
import ssl
import time

import pytest
import trustme

from tests.connect_proxy import NOBODY, aws_under_its_own_names
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import HOST, NOT_FOUND, OTHER_REGION, HelperProcess

API_HOST = "api.ecr.us-east-1.amazonaws.com"
OVERHEAD = 5
"""Seconds that starting Python and loading an SDK may add to a time limit, on a busy machine."""


def serve_tls(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Serve the emulator over TLS; return the path of the CA's certificate."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    helper.environ["AWS_ENDPOINT_URL"] = aws.listen("127.0.0.1", ssl_context=context)
    bundle = helper.home / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    return str(bundle)


# Proxies


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_https_proxy_is_used(variable: str, aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """HTTPS_PROXY, in either case, is asked for a tunnel to AWS's own endpoint."""
    with aws_under_its_own_names(aws, signed_in, API_HOST) as proxy:
        signed_in.environ[variable] = signed_in.environ.pop("HTTPS_PROXY")
        assert aws.issued(signed_in.get().secret)
    assert proxy.hosts == [f"{API_HOST}:443"]
    assert [call.host for call in aws.calls] == [API_HOST]


def test_proxy_is_asked_with_its_password(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """The user part of HTTPS_PROXY reaches the proxy, and neither AWS nor the log."""
    with aws_under_its_own_names(aws, signed_in, API_HOST) as proxy:
        signed_in.environ["HTTPS_PROXY"] = f"http://dev:hunter2@{proxy.address}"
        assert signed_in.get().secret
    assert "proxy-authorization: basic zgv2omh1bnrlcji=" in proxy.headers[0].lower()
    assert "proxy-authorization" not in aws.calls[0].headers
    assert "hunter2" not in signed_in.log


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy_is_honoured(variable: str, aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """A host in NO_PROXY is reached directly."""
    signed_in.environ["AWS_CA_BUNDLE"] = serve_tls(aws, signed_in)
    signed_in.environ |= {"HTTPS_PROXY": NOBODY, variable: "example.com,127.0.0.1"}
    assert aws.issued(signed_in.get().secret)


def test_proxy_answers_for_hosts_outside_no_proxy(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """A host that NO_PROXY does not name is not reached past the proxy."""
    signed_in.environ["AWS_CA_BUNDLE"] = serve_tls(aws, signed_in)
    signed_in.environ |= {"HTTPS_PROXY": NOBODY, "NO_PROXY": "example.com"}
    assert "the proxy http://127.0.0.1:1 cannot be used" in signed_in.get().stderr
    assert aws.calls == []


def test_hit_asks_no_proxy(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """A cached token is answered though the proxy is gone."""
    with aws_under_its_own_names(aws, signed_in, API_HOST):
        secret = signed_in.get().secret
    assert signed_in.get().secret == secret


# Certificates


def test_ca_bundle_is_trusted(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """AWS_CA_BUNDLE makes a private certificate authority trusted."""
    signed_in.environ["AWS_CA_BUNDLE"] = serve_tls(aws, signed_in)
    assert aws.issued(signed_in.get().secret)


def test_ca_bundle_of_the_profile_is_trusted(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """ca_bundle in the profile does the same."""
    signed_in.write_config(f"[default]\nca_bundle = {serve_tls(aws, signed_in)}\n")
    assert aws.issued(signed_in.get().secret)


def test_unknown_authority_is_not_trusted(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """Without it no request is sent, and the line mentions AWS_CA_BUNDLE."""
    serve_tls(aws, signed_in)
    outcome = signed_in.get()
    assert "is not trusted" in outcome.stderr
    assert "set AWS_CA_BUNDLE" in outcome.stderr
    assert aws.calls == []


def test_certificate_of_another_name_is_not_trusted(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """A proxy that answers with the certificate of another host is found out."""
    with aws_under_its_own_names(aws, signed_in, "images.example.com"):
        outcome = signed_in.get()
    assert f"TLS with https://{API_HOST} failed: hostname" in outcome.stderr
    assert "doesn't match 'images.example.com'" in outcome.stderr
    assert aws.calls == []


# Retries


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500, error="ServerException", message="Sorry."),
        Fault(status=503, body=b"<html>Service unavailable</html>", content_type="text/html"),
        Fault(drop="before"),
    ],
    ids=["500", "503_html", "connection_dropped"],
)
def test_failure_of_the_server_is_retried(
    fault: Fault, aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """What another try may cure is tried again."""
    aws.fail("GetAuthorizationToken", fault, times=1)
    assert aws.issued(signed_in.get().secret)
    assert aws.count("GetAuthorizationToken") == 2


def test_failure_of_the_server_is_tried_three_times(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """A server that does not recover is asked three times, and no more."""
    aws.fail("GetAuthorizationToken", Fault(status=500, error="ServerException", message="Sorry."))
    outcome = signed_in.get()
    assert "AWS answered GetAuthorizationToken with ServerException: Sorry" in outcome.stderr
    assert aws.count("GetAuthorizationToken") == 3


def test_refusal_is_not_retried(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """What another try cannot cure is not tried again."""
    aws.fail("GetAuthorizationToken", Fault(status=400, error="AccessDeniedException"))
    assert signed_in.get().status == 1
    assert aws.count("GetAuthorizationToken") == 1


def test_throttling_is_retried_until_it_ends(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """Being throttled more often than other failures are retried still ends in a token."""
    aws.fail("GetAuthorizationToken", Fault(status=400, error="ThrottlingException"), times=3)
    assert aws.issued(signed_in.get(AWS_ECR_TIMEOUT="15").secret)
    assert aws.count("GetAuthorizationToken") == 4


def test_throttling_by_sts_is_retried_too(aws: AwsEmulator, helper: HelperProcess) -> None:
    """A fleet that assumes a role is throttled by STS first."""
    user = aws.add_user()
    role = aws.add_role()
    helper.write_credentials(
        f"[base]\naws_access_key_id = {user.access_key_id}\n"
        f"aws_secret_access_key = {user.secret_access_key}\n"
        f"[default]\nrole_arn = {role.arn}\nsource_profile = base\n"
    )
    aws.fail("AssumeRole", Fault(status=400, error="Throttling"), times=3)
    assert aws.issued(helper.get().secret)
    assert aws.count("AssumeRole") == 4


def test_endless_throttling_ends_with_the_time_limit(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """Throttling is retried until the time limit, and then told as throttling."""
    aws.throttle(rate=0, burst=0)
    started = time.monotonic()
    outcome = signed_in.get(AWS_ECR_TIMEOUT="2")
    assert time.monotonic() - started < 2 + OVERHEAD
    assert "AWS throttled GetAuthorizationToken until the time limit" in outcome.stderr
    assert aws.count("GetAuthorizationToken") >= 2


# Time limits


def test_endpoint_that_hangs_ends_with_the_time_limit(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """An endpoint that never answers is given up after AWS_ECR_TIMEOUT seconds."""
    aws.fail("GetAuthorizationToken", Fault(hang=True))
    started = time.monotonic()
    outcome = signed_in.get(AWS_ECR_TIMEOUT="1")
    assert time.monotonic() - started < 1 + OVERHEAD
    assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
    assert "no answer within 1 second" in outcome.stderr


def test_answer_that_comes_in_time_is_waited_for(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """A slow answer within the limit is an answer."""
    aws.fail("GetAuthorizationToken", Fault(delay=0.5))
    assert aws.issued(signed_in.get(AWS_ECR_TIMEOUT="10.5").secret)
    assert aws.count("GetAuthorizationToken") == 1


def test_host_that_takes_no_connection_ends_with_the_time_limit(signed_in: HelperProcess) -> None:
    """A host that accepts and says nothing is given up as well."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        outcome = signed_in.get(AWS_ENDPOINT_URL=url, AWS_ECR_TIMEOUT="1")
    assert time.monotonic() - started < 1 + OVERHEAD
    assert "no answer within 1 second" in outcome.stderr


def test_credential_process_that_hangs_ends_with_the_time_limit(helper: HelperProcess) -> None:
    """A credential_process that waits for somebody is not waited for."""
    program = helper.home / "vend"
    program.write_text('#!/bin/sh\necho $$ >"$HOME/pid"\nexec sleep 60\n')
    program.chmod(0o700)
    helper.write_config(f"[default]\ncredential_process = {program}\n")
    started = time.monotonic()
    try:
        outcome = helper.get(AWS_ECR_TIMEOUT="2")
        assert time.monotonic() - started < 2 + OVERHEAD
        assert "no answer within 2 seconds" in outcome.stderr
    finally:
        os.kill(int((helper.home / "pid").read_text()), signal.SIGKILL)


def test_hanging_list_is_empty_after_its_own_limit(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """List waits no longer than AWS_ECR_TIMEOUT either, and is empty then."""
    aws.fail("GetAuthorizationToken", Fault(hang=True))
    started = time.monotonic()
    outcome = signed_in.list(AWS_REGION="us-east-1", AWS_ECR_TIMEOUT="1")
    assert time.monotonic() - started < 1 + OVERHEAD
    assert (outcome.stdout, outcome.stderr, outcome.status) == ("{}\n", "", 0)


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf", "1e999", "15s", "0x10", " "])
def test_bad_time_limit_is_named(value: str, aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """An AWS_ECR_TIMEOUT that is no time is an error that says what is allowed."""
    outcome = signed_in.get(AWS_ECR_TIMEOUT=value)
    assert outcome.stderr == (
        f"ecr-login: {HOST}: AWS_ECR_TIMEOUT must be a number of seconds above 0, "
        f"not {value!r}; unset it or set it to, say, 15\n"
    )
    assert aws.calls == []


def test_empty_time_limit_is_the_default(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """An empty AWS_ECR_TIMEOUT is none."""
    assert aws.issued(signed_in.get(AWS_ECR_TIMEOUT="").secret)


def test_time_taken_is_logged(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """The log says how long AWS took for a token."""
    assert aws.issued(signed_in.get(OTHER_REGION).secret)
    assert re.search(rf"{OTHER_REGION}: a new token from AWS in \d+ ms", signed_in.log)
