"""The way to AWS: proxies, certificates, retries and time limits, through the executable."""

import re
import ssl

import pytest
import trustme

from tests.connect_proxy import NOBODY, aws_under_its_own_names
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import HOST, OTHER_REGION, HelperProcess

API_HOST = "api.ecr.us-east-1.amazonaws.com"


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


# Time limits


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf", "1e999", "15s", "0x10", " "])
def test_bad_time_limit_is_named(value: str, aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """An AWS_ECR_TIMEOUT that is no time is an error that says what is allowed."""
    outcome = signed_in.get(AWS_ECR_TIMEOUT=value)
    assert outcome.stderr == (
        f"ecr-login: {HOST}: AWS_ECR_TIMEOUT must be a number of seconds above 0, "
        f"not {value!r}; unset it or set it to, say, 15\n"
    )
    assert aws.calls == []


@pytest.mark.parametrize("value", ["99999999999", "1e300"])
def test_a_time_limit_that_never_comes(
    value: str, aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """An AWS_ECR_TIMEOUT of thousands of years is as good as none."""
    assert aws.issued(signed_in.get(AWS_ECR_TIMEOUT=value).secret)


def test_empty_time_limit_is_the_default(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """An empty AWS_ECR_TIMEOUT is none."""
    assert aws.issued(signed_in.get(AWS_ECR_TIMEOUT="").secret)


def test_time_taken_is_logged(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """The log says how long AWS took for a token."""
    assert aws.issued(signed_in.get(OTHER_REGION).secret)
    assert re.search(rf"{OTHER_REGION}: a new token from AWS in \d+ ms", signed_in.log)
