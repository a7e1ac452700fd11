"""Reaching AWS: proxies, certificates, retries and time limits, through the executable."""

import re
import ssl
import sys
from base64 import b64encode
from pathlib import Path

import pytest
import trustme
from urllib3 import Timeout

from docker_credential_ecr_login.aws.proxies import pool_manager, proxy_for
from docker_credential_ecr_login.errors import BadConfiguration
from tests.connect_proxy import NOBODY, SocksProxy, aws_under_its_own_names
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import HOST, OTHER_REGION, HelperProcess, told
from tests.mounts import mounted

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
    """HTTPS_PROXY, or https_proxy, is asked for a tunnel to AWS's own endpoint."""
    with aws_under_its_own_names(aws, signed_in, API_HOST) as proxy:
        signed_in.environ[variable] = signed_in.environ.pop("HTTPS_PROXY")
        assert aws.issued(signed_in.get().secret)
    assert proxy.hosts == [f"{API_HOST}:443"]
    assert [call.host for call in aws.calls] == [API_HOST]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("dev:hunter2", "dev:hunter2"),
        ("dev:h%C3%BCnter2%40%2f%23", "dev:hünter2@/#"),
        (r"CORP\dev:hünter2:@/#?%", r"CORP\dev:hünter2:@/#?%"),
        ("dev:h\udcfcnter2", "dev:h\udcfcnter2"),  # in Latin-1
        ("hunter2", "hunter2:"),
    ],
)
def test_proxy_is_asked_with_its_password(
    written: str, meant: str, aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """The user part of HTTPS_PROXY, encoded or not, reaches the proxy, neither AWS nor the log."""
    with aws_under_its_own_names(aws, signed_in, API_HOST) as proxy:
        signed_in.environ["HTTPS_PROXY"] = f"http://{written}@{proxy.address}"
        assert signed_in.get().secret
    pair = b64encode(meant.encode(errors="surrogateescape")).decode()
    assert f"proxy-authorization: basic {pair}".lower() in proxy.headers[0].lower()
    assert "proxy-authorization" not in aws.calls[0].headers
    assert "hunter2" not in signed_in.log


@pytest.mark.parametrize("scheme", ["socks5", "SOCKS5H"])
def test_socks_proxy_is_used(scheme: str, aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """A SOCKS proxy gets its user and password, and AWS's host name, which it resolves."""
    with aws_under_its_own_names(aws, signed_in, API_HOST, kind=SocksProxy) as proxy:
        signed_in.environ["HTTPS_PROXY"] = f"{scheme}://dev:hunter%2F2@{proxy.address}"
        assert aws.issued(signed_in.get().secret)
    assert proxy.hosts == [f"{API_HOST}:443"]
    assert proxy.headers == ["dev:hunter/2"]


def test_socks_proxy_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the library for SOCKS is not installed, the line names it, and shows no password."""
    monkeypatch.setitem(sys.modules, "socks", None)
    with pytest.raises(BadConfiguration) as caught:
        pool_manager(
            "socks5://dev:hunter2@proxy.example.com", ssl.create_default_context(), Timeout(1)
        )
    assert str(caught.value) == (
        "the proxy socks5://***@proxy.example.com needs a library that is not installed: PySocks; "
        "run: pip install PySocks where this helper is installed"
    )


def test_proxy_of_another_kind_is_named(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """For a proxy of an unknown kind, the line names it and the schemes that are known."""
    signed_in.environ["HTTPS_PROXY"] = "gopher://127.0.0.1:1"
    assert told(signed_in.get(AWS_ENDPOINT_URL="https://ecr.invalid").stderr) == (
        "the proxy gopher://127.0.0.1:1 is of an unknown kind; "
        "HTTPS_PROXY takes http://, https://, and socks5://"
    )
    assert aws.calls == []


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy_is_honoured(variable: str, signed_in: HelperProcess) -> None:
    """A host in NO_PROXY, written as in docker's manual, is reached directly, others are not."""
    signed_in.environ |= {"HTTPS_PROXY": NOBODY, "AWS_ENDPOINT_URL": "https://ecr.invalid"}
    assert "the proxy http://127.0.0.1:1 cannot be used" in signed_in.get().stderr
    direct = signed_in.get(OTHER_REGION, **{variable: "example.com, *.invalid"})
    assert "the name of https://ecr.invalid cannot be resolved" in direct.stderr


AMAZON = "https://api.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("exceptions", "url"),
    [
        ("*", AMAZON),
        ("example.com, *", AMAZON),
        ("*.amazonaws.com", AMAZON),
        (".amazonaws.com", AMAZON),
        ("AmazonAWS.com", AMAZON),
        ("api.ecr.us-east-1.amazonaws.com", AMAZON),
        ("api.ecr.us-east-1.amazonaws.com:443", AMAZON),
        ("*.amazonaws.com:443", AMAZON),
        (".amazonaws.com.", AMAZON),
        ("example.com amazonaws.com", AMAZON),
        ("[,*.,amazonaws.com", AMAZON),
        (".amazonaws.com", "https://amazonaws.com"),
        ("10.1.2.3", "https://10.1.2.3"),
        ("10.0.0.0/8", "https://10.1.2.3:8443"),
        ("10.1.2.3:8443", "https://10.1.2.3:8443"),
        ("2001:db8::/32", "https://[2001:db8::7]"),
        ("2001:DB8::7", "https://[2001:db8::7]"),
        ("[2001:db8::7]:443", "https://[2001:db8::7]"),
        # Whatever stands there: this machine, its link, and EC2's own.
        ("", "http://localhost:4566"),
        ("", "http://127.0.0.2"),
        ("", "http://[::1]:4566"),
        ("", "http://169.254.169.254/latest/api/token"),
        ("", "http://169.254.170.2"),
        ("", "http://169.254.170.23"),
        ("", "http://[fe80::1]"),
        ("", "http://[fd00:ec2::254]/latest/api/token"),
    ],
)
def test_direct_way(exceptions: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All forms of NO_PROXY of docker, curl and Go work; local addresses never need one."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, NOBODY)
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert proxy_for(url) is None


@pytest.mark.parametrize(
    ("exceptions", "url"),
    [
        ("", AMAZON),
        ("zonaws.com", AMAZON),
        ("us-east-1.amazonaws", AMAZON),
        ("amazonaws.com:8443", AMAZON),
        ("amazonaws.com:https", AMAZON),
        ("*., [, https://, :443", AMAZON),
        ("10.0.0.0/8", AMAZON),
        ("10.0.0.0/8", "https://11.1.2.3"),
        ("10.1.2.3:443", "https://10.1.2.3:8443"),
        ("::/0", "https://10.1.2.3"),
    ],
)
def test_way_through_the_proxy(exceptions: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that NO_PROXY does not name, or with another port, is reached through the proxy."""
    monkeypatch.setenv("HTTPS_PROXY", NOBODY)
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert proxy_for(url) == NOBODY


@pytest.mark.parametrize(
    ("proxy", "url"),
    [
        ("proxy:3128", "http://proxy:3128"),
        ("//proxy:3128", "http://proxy:3128"),
        ("dev:hunter2@proxy:3128", "http://dev:hunter2@proxy:3128"),
        ("HTTPS://Proxy:3128", "https://Proxy:3128"),
        ("Socks5://proxy", "socks5://proxy"),
    ],
)
def test_spellings_of_a_proxy(proxy: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheme of a proxy may be left out, or be in capitals."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert proxy_for(AMAZON) == url


def test_a_proxy_that_answers_for_the_metadata_service(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """If a proxy answers for the metadata service, the hint is about the proxy."""
    helper.environ |= {
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://metadata.invalid",
        "HTTP_PROXY": aws.url,
    }
    for operation in ("GetMetadataToken", "ListInstanceRoles"):
        aws.fail(operation, Fault(status=403))
    assert (
        f"the proxy {aws.url} answers for the metadata service (403); add that service to NO_PROXY"
        in told(helper.get().stderr)
    )


def test_hit_asks_no_proxy(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """A cached token is answered even if the proxy does not work."""
    with aws_under_its_own_names(aws, signed_in, API_HOST):
        secret = signed_in.get().secret
    assert signed_in.get().secret == secret


# Certificates


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_ca_bundle_is_trusted(variable: str, aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """A private certificate authority is trusted by botocore's variables, or by the system."""
    signed_in.environ[variable] = serve_tls(aws, signed_in)
    assert aws.issued(signed_in.get().secret)


@pytest.mark.parametrize(
    "place",
    [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ],
)
def test_what_the_system_trusts_is_trusted(
    place: str, aws: AwsEmulator, signed_in: HelperProcess, tmp_path: Path
) -> None:
    """A private authority is found where each distribution has it, wherever OpenSSL looks.

    What SSL_CERT_FILE names is in its place.
    """
    bundle = serve_tls(aws, signed_in)
    signed_in.environ["AWS_ECR_DISABLE_CACHE"] = "1"  # nor is a failure remembered
    upper, work = tmp_path / "upper", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    script = (
        f"mount -t overlay overlay -o lowerdir=/etc,upperdir={upper},workdir={work} $0"
        f" && rm -rf $0/ssl $0/pki && mkdir -p {place.rpartition('/')[0]} && cp {bundle} {place}"
    )
    with mounted(signed_in, Path("/etc"), script) as (there, _):
        assert "is not trusted" in there.get(SSL_CERT_FILE="/nowhere").stderr
        assert aws.issued(there.get().secret)


def test_ca_bundle_of_the_profile_is_trusted(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """ca_bundle in the profile does the same; an empty variable does not count."""
    signed_in.write_config(f"[default]\nca_bundle = {serve_tls(aws, signed_in)}\n")
    outcome = signed_in.get(AWS_CA_BUNDLE="", REQUESTS_CA_BUNDLE=" ")
    assert aws.issued(outcome.secret)


def test_ca_bundle_is_for_containers_too(aws: AwsEmulator, helper: HelperProcess) -> None:
    """The server of the container's credentials is trusted by the same certificates as AWS."""
    task = aws.set_container_credentials("/task")
    bundle = serve_tls(aws, helper)
    uri = f"{helper.environ['AWS_ENDPOINT_URL']}/task"
    outcome = helper.get(AWS_CA_BUNDLE=bundle, AWS_CONTAINER_CREDENTIALS_FULL_URI=uri)
    issued = aws.issued(outcome.secret)
    assert issued
    assert issued.principal == task.arn


def test_missing_ca_bundle(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """If the file of certificates is missing, the line names its variable."""
    serve_tls(aws, signed_in)
    signed_in.environ["REQUESTS_CA_BUNDLE"] = "/nowhere"
    assert told(signed_in.get().stderr) == (
        "the certificates of REQUESTS_CA_BUNDLE cannot be read: /nowhere: "
        "No such file or directory; correct the path or the file"
    )


def test_certificate_of_the_proxy_is_not_trusted(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """If the certificate of a TLS proxy is not trusted, the line says so."""
    serve_tls(aws, signed_in)
    proxy = signed_in.environ["AWS_ENDPOINT_URL"]
    signed_in.environ |= {"AWS_ENDPOINT_URL": "https://ecr.invalid", "HTTPS_PROXY": proxy}
    said = f"the proxy {proxy} is not trusted: certificate verify failed: "
    assert said in told(signed_in.get().stderr)


def test_certificate_of_another_name_is_not_trusted(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """A proxy with the certificate of another host is refused."""
    with aws_under_its_own_names(aws, signed_in, "images.example.com"):
        outcome = signed_in.get()
    assert f"TLS with https://{API_HOST} through the proxy http://127.0.0.1:" in outcome.stderr
    assert "doesn't match 'images.example.com'" in outcome.stderr
    assert aws.calls == []


# Retries


def test_refusal_is_not_retried(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """A refusal is not tried again."""
    aws.fail("GetAuthorizationToken", Fault(status=400, error="AccessDeniedException"))
    assert signed_in.get().status == 1
    assert aws.count("GetAuthorizationToken") == 1


def test_throttling_is_retried_until_it_ends(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """Throttled calls are repeated until there is a token, more often than other failures."""
    aws.fail("GetAuthorizationToken", Fault(status=400, error="ThrottlingException"), times=3)
    assert aws.issued(signed_in.get(AWS_ECR_TIMEOUT="15").secret)
    assert aws.count("GetAuthorizationToken") == 4


# Time limits


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf", "1e999", "15s", "0x10", " "])
def test_bad_time_limit_is_named(value: str, aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """An invalid AWS_ECR_TIMEOUT is an error that says what is allowed."""
    outcome = signed_in.get(AWS_ECR_TIMEOUT=value)
    assert outcome.stderr == (
        f"ecr-login: {HOST}: AWS_ECR_TIMEOUT must be a number of seconds above 0, "
        f"not {value!r}; unset it, or set it to 15, for example\n"
    )
    assert aws.calls == []


@pytest.mark.parametrize("value", ["99999999999", "1e300"])
def test_a_very_long_time_limit(value: str, aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """An AWS_ECR_TIMEOUT of thousands of years is no error."""
    assert aws.issued(signed_in.get(AWS_ECR_TIMEOUT=value).secret)


def test_empty_time_limit_is_the_default(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """An empty AWS_ECR_TIMEOUT means the default."""
    assert aws.issued(signed_in.get(AWS_ECR_TIMEOUT="").secret)


def test_time_taken_is_logged(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """The log says how long AWS took for a token."""
    assert aws.issued(signed_in.get(OTHER_REGION).secret)
    assert re.search(rf"{OTHER_REGION}: a new token from AWS in \d+ ms", signed_in.log)
