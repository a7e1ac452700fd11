"""Faults of AWS and of the network: what each does to a caller, without a token and with one.

In the expected lines ``*`` stands for what differs from run to run. They leave out the
``ecr-login: <host>: `` that every line begins with.
"""

import base64
import json
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from tests.connect_proxy import NOBODY
from tests.credential_sources import (
    PULL,
    container_full_uri,
    credential_source_instance,
    environment_keys,
    instance_role,
    source_profile,
    sso_session,
    write,
)
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import (
    HOST,
    NOT_FOUND,
    OVERHEAD,
    HelperProcess,
    matches,
    processes_of,
    told,
    wait_for,
)
from tests.own_names import as_told, environment_decides, sent_ahead
from tests.tokens import HOUR, keep_token, stored

TIMEOUT, LIST_TIMEOUT = 15, 3  # seconds, by default

ECR = "GetAuthorizationToken"
IMDS = ("GetMetadataToken", "ListInstanceRoles", "GetInstanceRoleCredentials")


def calls_of(aws: AwsEmulator) -> dict[str, int]:
    """Return how often each operation was called."""
    return dict(Counter(call.operation for call in aws.calls))


@dataclass(frozen=True)
class Expected:
    """The result of a ``get`` without a token: the line if it fails, and the calls that AWS sees.

    Without ``calls`` there are as many as fit into the time.
    """

    line: str
    calls: dict[str, int] | None

    def allows(self, aws: AwsEmulator) -> bool:
        """Say whether AWS saw these calls; of those that end with the time limit, or none.

        For a machine can be so busy that the time is over before the first.
        """
        calls = calls_of(aws)
        is_late = self.line.startswith("no answer within")
        return self.calls in (None, calls) or (is_late and not calls)


Case = Callable[[AwsEmulator, HelperProcess], Expected]
"""Seeds a fault, and says what comes of it."""

FAULTS: list[Case] = []
TYPICAL: list[Case] = []
"""One or two of each kind, for what is alike for all that have one outcome."""


def seeded(case: Case) -> Case:
    """Add a case to `FAULTS`."""
    FAULTS.append(case)
    return case


def typical(case: Case) -> Case:
    """Add a case to `TYPICAL`, too."""
    TYPICAL.append(case)
    return seeded(case)


def token(calls: int = 1, **others: int) -> Expected:
    """Expect a token, after as many calls of GetAuthorizationToken, and ``others``."""
    return Expected("", {**others, ECR: calls})


def fails(line: str, calls: int = 0, **others: int) -> Expected:
    """Expect a line, after as many calls of GetAuthorizationToken, and ``others``."""
    return Expected(line, {**others, ECR: calls} if calls else others)


def hasten(helper: HelperProcess) -> str:
    """Set a time limit of some seconds; return what the line says of it."""
    helper.environ["AWS_ECR_TIMEOUT"] = "1.5"
    return (
        "no answer within 1.5 seconds; "
        "check the network, the proxy and credential_process, or increase AWS_ECR_TIMEOUT"
    )


CHECK = "check AWS_ENDPOINT_URL, the network and HTTPS_PROXY"


def nonsense(reason: str) -> str:
    """Return the line for an answer that makes no sense."""
    return (
        f"AWS's answer makes no sense: {reason}; "
        "check AWS_ENDPOINT_URL and the proxy settings, and try again"
    )


# Throttling and failures that AWS tells

THROTTLED = Fault(status=400, error="ThrottlingException", message="Rate exceeded")
SORRY = Fault(status=500, error="ServerException", message="Sorry.")
UNAVAILABLE = Fault(status=503, body=b"<html>Service Unavailable</html>", content_type="text/html")


@typical
def throttled_once(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Throttle the first call."""
    environment_keys(aws, helper)
    aws.fail(ECR, THROTTLED, times=1)
    return token(2)


@typical
def throttled_always(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Throttle every call until the time is over."""
    environment_keys(aws, helper)
    hasten(helper)
    aws.throttle(rate=0, burst=0)
    return Expected(
        "AWS throttled GetAuthorizationToken until the time limit (ThrottlingException: "
        "Rate exceeded); try again later, or increase AWS_ECR_TIMEOUT",
        None,
    )


@seeded
def error_500_once(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer 500 to the first call."""
    environment_keys(aws, helper)
    aws.fail(ECR, SORRY, times=1)
    return token(2)


@typical
def error_500_always(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer 500 to every call."""
    environment_keys(aws, helper)
    aws.fail(ECR, SORRY)
    return fails(
        "AWS answered GetAuthorizationToken with ServerException: Sorry; "
        "see the log, */.ecr/log/ecr-login.log",
        3,
    )


@seeded
def page_503_once(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer the first call with the error page of a load balancer."""
    environment_keys(aws, helper)
    aws.fail(ECR, UNAVAILABLE, times=1)
    return token(2)


@seeded
def page_503_always(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer every call with the error page of a load balancer."""
    environment_keys(aws, helper)
    aws.fail(ECR, UNAVAILABLE)
    return fails(nonsense("HTTP 503: Service Unavailable"), 3)


# Connections


@typical
def connection_refused(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Have nobody listen at the endpoint."""
    environment_keys(aws, helper)
    helper.environ["AWS_ENDPOINT_URL"] = NOBODY
    return fails(f"{NOBODY} cannot be reached: Connection refused; {CHECK}")


@seeded
def packets_dropped(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Drop what is sent to the endpoint, as a firewall does."""
    environment_keys(aws, helper)
    helper.environ["AWS_ENDPOINT_URL"] = f"http://{aws.unreachable_address()}"
    return fails(hasten(helper))


@seeded
def name_not_resolved(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name an endpoint whose name does not exist."""
    environment_keys(aws, helper)
    helper.environ["AWS_ENDPOINT_URL"] = "http://ecr.invalid"
    return fails(
        f"the name of http://ecr.invalid cannot be resolved; {CHECK}, "
        "and the region in the host name"
    )


@seeded
def closed_once(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Close the first connection without an answer."""
    environment_keys(aws, helper)
    aws.fail(ECR, Fault(drop="before"), times=1)
    return token(2)


@seeded
def closed_always(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Close every connection without an answer."""
    environment_keys(aws, helper)
    aws.fail(ECR, Fault(drop="before"))
    return fails(
        f"{aws.url} cannot be reached: Remote end closed connection without response; {CHECK}", 3
    )


@seeded
def reset_once(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Reset the first connection in mid-answer."""
    environment_keys(aws, helper)
    aws.fail(ECR, Fault(drop="reset"), times=1)
    return token(2)


@seeded
def reset_always(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Reset every connection in mid-answer."""
    environment_keys(aws, helper)
    aws.fail(ECR, Fault(drop="reset"))
    return fails(f"{aws.url} cannot be reached: Connection reset by peer; {CHECK}", 3)


@seeded
def cut_short_once(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Close the first connection in mid-answer."""
    environment_keys(aws, helper)
    aws.fail(ECR, Fault(drop="mid"), times=1)
    return token(2)


@seeded
def cut_short_always(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Close every connection in mid-answer."""
    environment_keys(aws, helper)
    aws.fail(ECR, Fault(drop="mid"))
    return fails(f"{aws.url} cannot be reached: *; {CHECK}", 3)


@typical
def never_answered(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Take the call and never answer it."""
    environment_keys(aws, helper)
    aws.fail(ECR, Fault(hang=True))
    return fails(hasten(helper), 1)


@seeded
def never_answered_once(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Never answer the first call; the second one is answered within the time limit."""
    environment_keys(aws, helper)
    aws.fail(ECR, Fault(hang=True), times=1)
    return token(2)


@seeded
def answered_slowly(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer within the time, but late."""
    environment_keys(aws, helper)
    helper.environ["AWS_ECR_TIMEOUT"] = "10.5"
    aws.fail(ECR, Fault(delay=0.5))
    return token()


@seeded
def answered_in_drops(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Send an answer without end, a byte at a time."""
    environment_keys(aws, helper)
    aws.fail(ECR, Fault(endless="drip"))
    return fails(hasten(helper), 1)


@seeded
def silence(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Accept connections, and never begin a TLS handshake."""
    environment_keys(aws, helper)
    helper.environ["AWS_ENDPOINT_URL"] = f"https://{aws.listen_silently()}"
    return fails(hasten(helper))


# TLS


def _serve_tls(
    aws: AwsEmulator,
    helper: HelperProcess,
    *,
    trusted: bool,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> str:
    """Move AWS to an address with TLS; return its URL."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = authority.issue_cert("127.0.0.1", not_before=not_before, not_after=not_after)
    certificate.configure_cert(context)
    url = aws.listen("127.0.0.1", ssl_context=context)
    helper.environ["AWS_ENDPOINT_URL"] = url
    if trusted:
        authority.cert_pem.write_to_path(str(helper.home / "ca.pem"))
        helper.environ["AWS_CA_BUNDLE"] = str(helper.home / "ca.pem")
    return url


@typical
def certificate_not_trusted(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Serve TLS with the certificate of an unknown authority."""
    environment_keys(aws, helper)
    url = _serve_tls(aws, helper, trusted=False)
    return fails(
        f"the certificate of {url} is not trusted: certificate verify failed: "
        "unable to get local issuer certificate; "
        "behind a proxy that inspects TLS, set AWS_CA_BUNDLE to its certificates"
    )


@seeded
def certificate_expired(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Serve TLS with a certificate that was good until yesterday."""
    environment_keys(aws, helper)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    url = _serve_tls(aws, helper, trusted=True, not_after=yesterday)
    return fails(
        f"the certificate of {url} is not trusted: certificate verify failed: "
        "certificate has expired; "
        "check the clock of this machine; if it is right, the certificate must be renewed"
    )


@seeded
def certificate_of_tomorrow(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Serve TLS with a certificate that is good from tomorrow on, as a wrong clock sees it."""
    environment_keys(aws, helper)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    url = _serve_tls(aws, helper, trusted=True, not_before=tomorrow)
    return fails(
        f"the certificate of {url} is not trusted: certificate verify failed: "
        "certificate is not yet valid; "
        "check the clock of this machine; if it is right, the certificate must be renewed"
    )


# Proxies


def _behind(proxy: str, helper: HelperProcess) -> None:
    helper.environ |= {"AWS_ENDPOINT_URL": "https://ecr.example.com", "HTTPS_PROXY": proxy}


@typical
def proxy_refuses(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a proxy where nobody listens."""
    environment_keys(aws, helper)
    _behind("http://dev:hunter2@127.0.0.1:1", helper)
    return fails(
        "the proxy http://***@127.0.0.1:1 cannot be used: Connection refused; "
        "check HTTPS_PROXY and NO_PROXY"
    )


@seeded
def proxy_answers_an_error(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a proxy that opens no tunnels."""
    environment_keys(aws, helper)
    _behind(aws.url, helper)
    return fails(
        f"the proxy {aws.url} cannot be used: Tunnel connection failed: 501 *; "
        "check HTTPS_PROXY and NO_PROXY"
    )


@seeded
def proxy_hangs(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a proxy that accepts connections, and never answers."""
    environment_keys(aws, helper)
    _behind(f"http://{aws.listen_silently()}", helper)
    return fails(hasten(helper))


# Clocks


@typical
def clock_is_slow(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Let the clock of this machine be 10 minutes slow."""
    environment_keys(aws, helper)
    aws.clock_offset = 600
    return fails(
        "AWS does not accept the time of this machine: Signature expired: *; set the clock", 1
    )


@seeded
def clock_is_fast(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Let the clock of this machine be 10 minutes fast."""
    environment_keys(aws, helper)
    aws.clock_offset = -600
    return fails(
        "AWS does not accept the time of this machine: Signature not yet current: *; set the clock",
        1,
    )


# Answers that make no sense


def _answer(**fields: object) -> bytes:
    """Return an answer of GetAuthorizationToken, whole but for the fields given."""
    data = {
        "authorizationToken": _encoded("AWS:password"),
        "expiresAt": time.time() + HOUR,
        "proxyEndpoint": f"https://{HOST}",
        **fields,
    }
    present = {name: value for name, value in data.items() if value is not None}
    return json.dumps({"authorizationData": [present]}).encode()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def answers(name: str, fault: Fault, reason: str = "", calls: int = 1) -> Case:
    """Return a case of that name: ECR answers so, which makes no sense for that reason, if any."""

    def case(aws: AwsEmulator, helper: HelperProcess) -> Expected:
        environment_keys(aws, helper)
        aws.fail(ECR, fault)
        return fails(nonsense(reason), calls) if reason else token(calls)

    case.__name__ = name
    return case


NO_TOKEN = "it holds no authorization token"
PAGE = "it is a web page"
NOT_ECR = "its authorization token is not one of ECR"
TOO_LARGE = "it is larger than 1 MiB"
MUCH = b"x" * (10 * 1024 * 1024)

FAULTS += (
    answers("not_json", Fault(body=b"Welcome!"), NO_TOKEN),
    answers("sign_in_page", Fault(body=b"<html>Sign in to the hotel</html>"), PAGE),
    answers("page_403", Fault(status=403, body=b"<p>Blocked"), "HTTP 403: <p>Blocked"),
    answers("redirection", Fault(status=302, body=b""), "HTTP 302*"),
    answers("half_json", Fault(body=_answer()[:40]), NO_TOKEN),
    answers("json_array", Fault(body=b"[]"), "*"),
    answers("json_null", Fault(body=b"null"), "it cannot be read"),
    answers("json_number", Fault(body=b"7"), "*"),
    answers("nested_deeply", Fault(body=b"[" * 500_000), "*"),
    answers("no_data", Fault(body=b"{}"), NO_TOKEN),
    answers("empty_data", Fault(body=b'{"authorizationData": []}'), NO_TOKEN),
    answers("data_is_text", Fault(body=b'{"authorizationData": "x"}'), "*"),
    answers("data_of_texts", Fault(body=b'{"authorizationData": ["x"]}'), "*"),
    answers("no_token", Fault(body=_answer(authorizationToken=None)), NO_TOKEN),
    answers("token_is_number", Fault(body=_answer(authorizationToken=7)), NO_TOKEN),
    answers("token_not_base64", Fault(body=_answer(authorizationToken="!")), NO_TOKEN),
    answers(
        "token_not_utf8",
        Fault(body=_answer(authorizationToken=base64.b64encode(b"AWS:\xff\xff").decode())),
        NO_TOKEN,
    ),
    answers("no_colon", Fault(body=_answer(authorizationToken=_encoded("AWS"))), NOT_ECR),
    answers("wrong_user", Fault(body=_answer(authorizationToken=_encoded("root:pass"))), NOT_ECR),
    answers("no_password", Fault(body=_answer(authorizationToken=_encoded("AWS:"))), NOT_ECR),
    answers(
        "line_break_in_password",
        Fault(body=_answer(authorizationToken=_encoded('AWS:a"\n,b'))),
        NOT_ECR,
    ),
    answers("no_expiry", Fault(body=_answer(expiresAt=None)), NO_TOKEN),
    answers("expiry_is_word", Fault(body=_answer(expiresAt="tomorrow")), "*"),
    answers("expiry_is_huge", Fault(body=_answer(expiresAt=1e300)), "*"),
    answers("expiry_is_list", Fault(body=_answer(expiresAt=[1])), "*"),
    answers(
        "expired_already",
        Fault(body=_answer(expiresAt=time.time() - HOUR)),
        "its token has expired already; is this machine's clock right?",
    ),
    answers("proxy_endpoint_missing", Fault(body=_answer(proxyEndpoint=None))),
    answers("proxy_endpoint_is_number", Fault(body=_answer(proxyEndpoint=7))),
    answers("large_page", Fault(body=MUCH, content_type="text/html"), TOO_LARGE),
    answers("large_json", Fault(body=_answer(padding=MUCH.decode())), TOO_LARGE),
    answers("large_error", Fault(status=500, body=MUCH), TOO_LARGE),
)
typical(answers("empty", Fault(body=b""), NO_TOKEN))
typical(answers("endless", Fault(endless="flood"), TOO_LARGE))
typical(
    answers("proxy_endpoint_elsewhere", Fault(body=_answer(proxyEndpoint="https://example.com")))
)


# STS


@seeded
def sts_throttled_thrice(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Throttle STS first, as a fleet that assumes a role finds it."""
    source_profile(aws, helper)
    aws.fail("AssumeRole", Fault(status=400, error="Throttling"), times=3)
    return token(AssumeRole=4)


@seeded
def sts_error_500_once(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer 500 to the first call of STS."""
    source_profile(aws, helper)
    aws.fail("AssumeRole", SORRY, times=1)
    return token(AssumeRole=2)


@typical
def sts_down(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer 500 to every call of STS, while ECR is up."""
    source_profile(aws, helper)
    aws.fail("AssumeRole", SORRY)
    return fails(
        'AWS answered AssumeRole for profile "pull" (from AWS_PROFILE) with '
        "ServerException: Sorry; see the log, */.ecr/log/ecr-login.log",
        AssumeRole=3,
    )


@seeded
def sts_refuses_connections(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Have nobody listen at the endpoint of STS, while ECR is up."""
    source_profile(aws, helper)
    helper.environ["AWS_ENDPOINT_URL_STS"] = NOBODY
    return fails(f"{NOBODY} cannot be reached: Connection refused; {CHECK}")


@seeded
def sts_never_answers(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Let STS take the call and never answer it, while ECR is up."""
    source_profile(aws, helper)
    aws.fail("AssumeRole", Fault(hang=True))
    return fails(hasten(helper), AssumeRole=1)


@seeded
def ecr_down_sts_up(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer 500 to every call of ECR, while STS is up."""
    source_profile(aws, helper)
    aws.fail(ECR, SORRY)
    return fails(
        "AWS answered GetAuthorizationToken with ServerException: Sorry; "
        "see the log, */.ecr/log/ecr-login.log",
        3,
        AssumeRole=1,
    )


def sts_answers(name: str, fault: Fault, line: str) -> Case:
    """Return a case of that name: STS answers so, instead of with a session of the role."""

    def case(aws: AwsEmulator, helper: HelperProcess) -> Expected:
        source_profile(aws, helper)
        aws.fail("AssumeRole", fault)
        return fails(line, AssumeRole=1)

    case.__name__ = name
    return case


FAULTS += (
    sts_answers("sts_empty", Fault(body=b"", content_type="text/xml"), nonsense("*")),
    sts_answers("sts_page", Fault(body=b"\n<!DOCTYPE html><html>"), nonsense(PAGE)),
    sts_answers("sts_page_403", Fault(status=403, body=b"<html></html>"), nonsense("HTTP 403")),
    sts_answers(
        "sts_without_credentials",
        Fault(body=b"<AssumeRoleResponse/>", content_type="text/xml"),
        'the credentials of profile "pull" (from AWS_PROFILE) cannot be '
        "obtained: its content is invalid; see the log, */.ecr/log/ecr-login.log",
    ),
    sts_answers("sts_json", Fault(body=b"{}", content_type="text/xml"), nonsense("*")),
    sts_answers("sts_endless", Fault(endless="flood"), nonsense(TOO_LARGE)),
)


# IAM Identity Center


@typical
def sso_portal_down(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer 500 to every call of the SSO portal."""
    sso_session(aws, helper)
    aws.fail("GetRoleCredentials", Fault(status=500, error="InternalServerException"))
    return fails(
        'AWS answered GetRoleCredentials for profile "dev" (from AWS_PROFILE) with '
        "InternalServerException; see the log, */.ecr/log/ecr-login.log",
        GetRoleCredentials=3,
    )


@seeded
def sso_portal_throttled(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Throttle the first call of the SSO portal."""
    sso_session(aws, helper)
    aws.fail("GetRoleCredentials", Fault(status=429, error="TooManyRequestsException"), times=1)
    return token(GetRoleCredentials=2)


@seeded
def sso_page(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer with the page of a proxy in place of the SSO portal."""
    sso_session(aws, helper)
    aws.fail("GetRoleCredentials", Fault(body=b"<html>Sign in</html>"))
    return fails(nonsense(PAGE), GetRoleCredentials=1)


# Instances and containers

NOWHERE = (
    'no AWS credentials found: not in the environment, not in profile "default", '
    "not from a container"
)
SIGN_IN = "run: aws configure sso, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
NO_CREDENTIALS = f"{NOWHERE} or an instance role; {SIGN_IN}"
NO_ROLE = (
    "the instance has no role (404 from its metadata service); on EC2, give it one: "
    "aws ec2 associate-iam-instance-profile --iam-instance-profile Name=... --instance-id ..."
)


@seeded
def metadata_slow(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Let the instance metadata service take its time, but less than a second."""
    instance_role(aws, helper)
    for operation in IMDS:
        aws.fail(operation, Fault(delay=0.3))
    return token(**dict.fromkeys(IMDS, 1))


@typical
def metadata_silent(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Let the instance metadata service take calls and never answer."""
    instance_role(aws, helper)
    for operation in IMDS:
        aws.fail(operation, Fault(hang=True))
    return fails(NO_CREDENTIALS, GetMetadataToken=1, ListInstanceRoles=1)


@seeded
def metadata_one_hop_away(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Lose the token of IMDSv2 on its way into a container, and insist on it."""
    instance_role(aws, helper)
    aws.fail("GetMetadataToken", Fault(hang=True))
    aws.fail("ListInstanceRoles", Fault(status=401, body=b""))
    return fails(
        f"{NOWHERE}; the instance metadata service requires a token, but gives none here (401), as "
        "in a container; on EC2, raise its hop limit: aws ec2 modify-instance-metadata-options "
        f"--http-put-response-hop-limit 2 --instance-id ..., or {SIGN_IN}",
        GetMetadataToken=1,
        ListInstanceRoles=1,
    )


@typical
def metadata_refused(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer 403 to every call of the instance metadata service: it is switched off."""
    instance_role(aws, helper)
    for operation in IMDS:
        aws.fail(operation, Fault(status=403, error="Forbidden"))
    return fails(
        f"{NOWHERE}; the instance metadata service refuses to answer (403); on EC2, switch it on: "
        "aws ec2 modify-instance-metadata-options --http-endpoint enabled --instance-id ..., "
        f"or {SIGN_IN}",
        GetMetadataToken=1,
        ListInstanceRoles=1,
    )


@seeded
def metadata_without_a_role(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Take the role from the instance."""
    instance_role(aws, helper)
    aws.instance = None
    return fails(f"{NOWHERE}; {NO_ROLE}, or {SIGN_IN}", GetMetadataToken=1, ListInstanceRoles=1)


@seeded
def metadata_without_the_role_of_a_profile(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Take the role from an instance that a profile starts from."""
    credential_source_instance(aws, helper)
    aws.instance = None
    return fails(
        f'no credentials for profile "pull" (from AWS_PROFILE): {NO_ROLE}',
        GetMetadataToken=1,
        ListInstanceRoles=1,
    )


@seeded
def metadata_endless(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer the instance's credentials without end."""
    instance_role(aws, helper)
    aws.fail("GetInstanceRoleCredentials", Fault(endless="flood"))
    return fails(nonsense(TOO_LARGE), **dict.fromkeys(IMDS, 1))


@seeded
def metadata_unreachable(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Have no instance metadata service at all."""
    instance_role(aws, helper)
    helper.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = NOBODY
    return fails(NO_CREDENTIALS)


@seeded
def container_error_500(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer 500 to every call for the container's credentials."""
    container_full_uri(aws, helper)
    aws.fail("GetContainerCredentials", Fault(status=500, body=b"Sorry."))
    return fails(
        "the container gave no credentials: Received non 200 response 500 from container "
        "metadata: Sorry; check AWS_CONTAINER_CREDENTIALS_* and the role of the task or pod",
        GetContainerCredentials=3,
    )


@typical
def container_silent(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Let the container's agent take the call and never answer it."""
    container_full_uri(aws, helper)
    aws.fail("GetContainerCredentials", Fault(hang=True))
    return fails(hasten(helper), GetContainerCredentials=1)


@seeded
def container_endless(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Answer the container's credentials without end."""
    container_full_uri(aws, helper)
    aws.fail("GetContainerCredentials", Fault(endless="flood"))
    return fails(nonsense(TOO_LARGE), GetContainerCredentials=1)


# Programs


LATE = (
    "failed: it took longer than the time limit of 1.5 seconds; run the command by hand to see why"
)


def _process(helper: HelperProcess, script: str) -> str:
    path = write(helper, "vend", f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return f"credential_process = '{path}'\n"


@typical
def process_hangs(_: AwsEmulator, helper: HelperProcess) -> Expected:
    """Let the credential_process, and what it starts, wait for somebody."""
    helper.write_config(f"[default]\n{_process(helper, 'sleep 60; exit')}")
    hasten(helper)
    return fails(f'credential_process of profile "default" {LATE}')


@seeded
def process_of_the_source_hangs(_: AwsEmulator, helper: HelperProcess) -> Expected:
    """Let the credential_process of the source_profile of a role wait for somebody."""
    helper.write_config(
        f"[profile base]\n{_process(helper, 'exec sleep 60')}"
        f"[default]\nrole_arn = {PULL}\nsource_profile = base\n"
    )
    hasten(helper)
    return fails(f'credential_process of profile "base" (source of profile "default") {LATE}')


@typical
def process_endless(_: AwsEmulator, helper: HelperProcess) -> Expected:
    """Let the credential_process print without end."""
    helper.write_config(f"[default]\n{_process(helper, 'exec yes')}")
    return fails(
        'credential_process of profile "default" failed: it prints more than 1 MiB; '
        "run the command by hand to see why"
    )


all_faults = pytest.mark.parametrize("fault", FAULTS, ids=lambda case: case.__name__)
each_kind_of_fault = pytest.mark.parametrize("fault", TYPICAL, ids=lambda case: case.__name__)


def time_limit(helper: HelperProcess) -> float:
    """Return the seconds that an answer may take, with all that a busy machine adds."""
    return float(helper.environ.get("AWS_ECR_TIMEOUT", TIMEOUT)) + OVERHEAD


@all_faults
def test_without_a_token(fault: Case, aws: AwsEmulator, helper: HelperProcess) -> None:
    """A fault is overcome, or is one line and remembered, in time; no process is left."""
    expected = fault(aws, helper)

    started = time.monotonic()
    outcome = helper.get()

    assert time.monotonic() - started < time_limit(helper)
    assert expected.allows(aws), (outcome, calls_of(aws))
    calls = calls_of(aws)
    assert sent_ahead(aws) == ([ECR] if calls and environment_decides(helper) else [])
    wait_for(lambda: processes_of(helper.home) == [])
    if not expected.line:
        assert outcome.secret
        return
    assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
    line = told(outcome.stderr)
    assert matches(line, as_told(expected.line, aws, helper)), line
    assert "Traceback" not in helper.log
    assert f" ERROR {HOST}: {line}" in helper.log
    again = helper.get(AWS_ECR_STRICT="true")
    assert (again.stdout, again.status) == (f"{HOST}: {line}\n", 1)
    assert told(again.stderr) == line
    assert calls_of(aws) == calls


@each_kind_of_fault
def test_with_a_young_token(fault: Case, aws: AwsEmulator, helper: HelperProcess) -> None:
    """A young token is answered, by Python and by the launcher, without asking AWS."""
    fault(aws, helper)
    secret = keep_token(aws, helper, refresh_in=HOUR)

    assert [helper.get().secret for _ in range(2)] == [secret] * 2
    listed = helper.list(AWS_REGION="us-east-1")
    assert (listed.hosts, listed.stderr) == ([HOST], "")
    assert aws.calls == []


@each_kind_of_fault
def test_with_a_token_past_its_refresh_time(
    fault: Case, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """A token past its refresh time is answered at once; a failed refresh does not remove it."""
    expected = fault(aws, helper)
    secret = keep_token(aws, helper, refresh_in=-1)

    started = time.monotonic()
    assert helper.get().secret == secret
    assert time.monotonic() - started < OVERHEAD
    if expected.line:
        wait_for(lambda: f" ERROR {HOST}: " in helper.log)
        assert stored(helper)[1].secret == secret
        assert helper.get().secret == secret
    else:
        wait_for(lambda: stored(helper)[1].secret != secret)
    assert expected.allows(aws), calls_of(aws)


@each_kind_of_fault
def test_list(fault: Case, aws: AwsEmulator, helper: HelperProcess) -> None:
    """``list`` has a registry with a token, or says why not, in time, and with exit code 0."""
    expected = fault(aws, helper)

    started = time.monotonic()
    outcome = helper.list(AWS_REGION="us-east-1")

    assert time.monotonic() - started < LIST_TIMEOUT + OVERHEAD
    if outcome.stderr or expected.line:
        assert matches(outcome.stderr, "ecr-login: list: your own registry: *\n")
        assert outcome.hosts == []
    calls = calls_of(aws)
    for host in outcome.hosts:
        assert helper.get(host).secret
        assert not expected.line
    assert calls_of(aws) == calls
