"""kubelet's credential provider protocol, as kubelet speaks it with the executable."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login import kubelet as protocol
from docker_credential_ecr_login.cache.tokens import Cache, Entry
from docker_credential_ecr_login.errors import BadInput
from docker_credential_ecr_login.protocol import PUBLIC_GOES_ON
from docker_credential_ecr_login.registry import (
    PUBLIC_HOSTS,
    REGION_PREFIXES,
    SUFFIXES,
    identify,
    parse,
)
from docker_credential_ecr_login.request import Request
from docker_credential_ecr_login.resolve import resolve
from docker_credential_ecr_login.web_identity import web_identity
from tests.credential_sources import instance_role
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import (
    EXECUTABLE,
    HOST,
    OTHER_REGION,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
    Outcome,
    leaks,
    matches,
    told,
)
from tests.service_accounts import AUDIENCE, ROLE_ANNOTATION, ServiceAccount, question, unsigned
from tests.tokens import HOUR, asked, cache_of, keep_token, password

IMAGE = f"{HOST}/team/app:1"
PULL = "arn:aws:iam::222222222222:role/pull"
OTHER = "arn:aws:iam::222222222222:role/other"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def auth(outcome: Outcome) -> dict[str, str]:
    """The password for each registry that was answered."""
    assert (outcome.stderr, outcome.status) == ("", 0)
    entries = json.loads(outcome.stdout)["auth"]
    assert all(each.keys() == {"username", "password"} for each in entries.values())
    assert {each["username"] for each in entries.values()} <= {"AWS"}
    return {host: each["password"] for host, each in entries.items()}


def secret(outcome: Outcome, host: str = HOST) -> str:
    """The password that was answered for one registry, and for no other."""
    found = auth(outcome)
    assert list(found) == [host]
    return found[host]


def seconds(outcome: Outcome) -> int:
    """How long an answer may be kept, in seconds."""
    duration: str = json.loads(outcome.stdout)["cacheDuration"]
    assert duration.endswith("s")
    return int(duration[:-1])


def refused(outcome: Outcome) -> str:
    """The one line of a failure; nothing else is answered."""
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert outcome.stderr.startswith("ecr-login: ")
    assert outcome.stderr.count("\n") == 1
    return outcome.stderr.removeprefix("ecr-login: ").removesuffix("\n")


def ask(helper: HelperProcess, image: object = IMAGE, **fields: Any) -> Outcome:
    """Ask as kubelet does without tokenAttributes."""
    return helper.run("kubelet", stdin=question(image, **fields))


class TestRequestAndAnswer:
    """The two JSON objects."""

    @pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
    def test_answers_in_the_version_asked(
        self, signed_in: HelperProcess, aws: AwsEmulator, version: str
    ) -> None:
        """The answer has the version of the request, and the fields of a response, no others."""
        version = f"credentialprovider.kubelet.k8s.io/{version}"
        outcome = ask(signed_in, version=version)
        assert aws.accepts(secret(outcome))
        answer = json.loads(outcome.stdout)
        assert answer.pop("auth")
        assert answer.pop("cacheDuration")
        assert answer == {
            "apiVersion": version,
            "kind": "CredentialProviderResponse",
            "cacheKeyType": "Registry",
        }

    @pytest.mark.parametrize(
        "host",
        [
            HOST,
            "111111111111.dkr.ecr-fips.us-east-1.amazonaws.com",
            "111111111111.dkr-ecr.us-east-1.on.aws",
            "111111111111.dkr-ecr-fips.us-east-1.on.aws",
            "111111111111.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "111111111111.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
            "111111111111.dkr.ecr.us-gov-west-1.amazonaws.com",
            "111111111111.dkr.ecr.eusc-de-east-1.amazonaws.eu",
            "111111111111.dkr.ecr.us-iso-east-1.c2s.ic.gov",
            PUBLIC,
            "ecr-public.aws.com",
            f"{HOST}:443",
            HOST.upper(),
        ],
    )
    def test_every_host_of_ecr(self, signed_in: HelperProcess, aws: AwsEmulator, host: str) -> None:
        """The token is for the host's region and service; the key is the host as it was written."""
        issued = aws.issued(secret(ask(signed_in, f"{host}/team/app"), host))
        registry, _ = identify(host)
        assert issued
        assert registry
        assert (issued.region, issued.service) == (registry.region, registry.service)

    @pytest.mark.parametrize(
        "image",
        [
            "gcr.io/project/app:1",
            "ubuntu",
            "team/app@" + DIGEST,
            "localhost:5000/app",
            "[::1]:5000/app",
            f"{HOST}.example.com/app",
            f"x{HOST}/app",
            f"mirror.example.com/{HOST}/app",
            HOST,  # which is a name at Docker Hub
        ],
    )
    def test_another_registry(self, signed_in: HelperProcess, aws: AwsEmulator, image: str) -> None:
        """An image elsewhere is answered without credentials, and that answer is not kept."""
        signed_in.write_own_config('fallback = "not-there"\n')
        outcome = ask(signed_in, image, serviceAccountToken="of another registry's plugin")
        assert auth(outcome) == {}
        assert seconds(outcome) == 0
        assert aws.calls == []

    @pytest.mark.parametrize(
        ("frame", "line"),
        [
            ("", "the request is not valid JSON at character 0"),
            (HOST, "the request is not valid JSON at character 12"),
            ("[" * 30_000, "the request is not valid JSON: nested too deeply"),
            ("[]", "the request is not a JSON object"),
            (b"\xff", "the input is not UTF-8"),
            (" " * 70_000, "the input is larger than 64 KiB"),
            (
                question(IMAGE, version="credentialprovider.kubelet.k8s.io/v2"),
                (
                    "the apiVersion must be one of credentialprovider.kubelet.k8s.io/v1, *, not "
                    '"credentialprovider.kubelet.k8s.io/v2"'
                ),
            ),
            ("{}", "the apiVersion must be one of *, not null"),
            (question(IMAGE, apiVersion=["v1"]), 'the apiVersion must be one of *, not ["v1"]'),
            (
                question(IMAGE, kind="CredentialProviderResponse"),
                'the kind must be CredentialProviderRequest, not "CredentialProviderResponse"',
            ),
            (
                question(IMAGE, serviceAccountToken=1),
                "the serviceAccountToken must be a JSON string",
            ),
            (
                question(IMAGE, serviceAccountAnnotations={ROLE_ANNOTATION: 1}),
                "the serviceAccountAnnotations must be a JSON object of strings",
            ),
            (
                question(IMAGE, serviceAccountAnnotations=[ROLE_ANNOTATION]),
                "the serviceAccountAnnotations must be a JSON object of strings",
            ),
        ],
        ids=str,
    )
    def test_an_invalid_request(
        self, signed_in: HelperProcess, aws: AwsEmulator, frame: str | bytes, line: str
    ) -> None:
        """An invalid request gets one line that says what is wrong with it, and exit code 1."""
        assert matches(refused(signed_in.run("kubelet", stdin=frame)), line)
        assert aws.calls == []

    @pytest.mark.parametrize(
        "image",
        [
            None,
            7,
            "",
            f"https://{IMAGE}",
            f"{HOST}/",
            f"{HOST}//app",
            f"{HOST}/App",
            f"{HOST}/app:",
            f"{HOST}/app:{'x' * 129}",
            f"{HOST}/app@sha256:1",
            f"{HOST}/app 1",
            f"{HOST}:port/app",
            f"{HOST}/app\n",
            f"user:password@{IMAGE}",
            f"{HOST}/äpp",
        ],
    )
    def test_an_invalid_image(self, signed_in: HelperProcess, image: object) -> None:
        """An invalid reference of an image gets such a line, too."""
        line = refused(ask(signed_in, image))
        assert line.startswith("the image must be a reference such as 123456789012.dkr.ecr.")
        assert "password" not in line

    @pytest.mark.parametrize(
        ("image", "host"),
        [
            ("ubuntu", "docker.io"),
            ("team/app:1", "docker.io"),
            ("localhost/app", "localhost"),
            ("Images/app", "Images"),
            ("images:5000/app", "images:5000"),
            ("[2001:db8::1]:5000/app:1@" + DIGEST, "[2001:db8::1]:5000"),
            ("images.example.com/a/b-c/d__e/f.g:v1.2_3-x", "images.example.com"),
        ],
    )
    def test_the_host_of_an_image(self, image: str, host: str) -> None:
        """What precedes the first slash is a host if it has a dot, a colon or a capital letter."""
        assert protocol._host(image) == host  # noqa: SLF001

    @given(st.text())
    def test_any_text_is_an_image_or_none(self, text: str) -> None:
        """Any text is a reference, or an error on one line."""
        try:
            assert "/" not in protocol._host(text)  # noqa: SLF001
        except BadInput as error:
            assert "\n" not in str(error)  # noqa: PT017


class TestCacheDuration:
    """For how long kubelet keeps an answer."""

    @pytest.mark.parametrize(("lifetime", "kept"), [(12 * HOUR, 6 * HOUR), (600, 300), (130, 65)])
    def test_half_of_a_new_token(
        self, signed_in: HelperProcess, aws: AwsEmulator, lifetime: int, kept: int
    ) -> None:
        """A new token is kept for half of its life, until it is due for a refresh."""
        aws.token_lifetime = lifetime
        assert kept - 10 < seconds(ask(signed_in)) <= kept

    def test_what_is_left_until_the_refresh(
        self, signed_in: HelperProcess, aws: AwsEmulator
    ) -> None:
        """A cached token is kept until it is due for a refresh; then all get the new one."""
        token = keep_token(aws, signed_in, refresh_in=1000)
        outcome = ask(signed_in)
        assert secret(outcome) == token
        assert 990 < seconds(outcome) <= 1000

    def test_an_identity_that_can_change(self, helper: HelperProcess, aws: AwsEmulator) -> None:
        """With the instance's role it is an hour, because the role can change."""
        instance_role(aws, helper)
        assert HOUR - 10 < seconds(ask(helper)) <= HOUR

    def test_a_token_past_its_refresh(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """A token that is being refreshed is kept for a minute, after which there is a new one."""
        token = keep_token(aws, signed_in, refresh_in=-1)
        outcome = ask(signed_in)
        assert secret(outcome) == token
        assert 50 < seconds(outcome) <= 60

    def test_a_login(self, signed_in: HelperProcess) -> None:
        """What docker login has stored is kept until a minute before it expires."""
        signed_in.store(HOST, password(expires_in=500))
        assert 430 < seconds(ask(signed_in)) <= 440


class TestAsGet:
    """Cache, config file and failures are those of ``get``."""

    def test_one_cache(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """A token that one has fetched, the other answers, for all accounts of the region."""
        token = signed_in.get().secret
        assert secret(ask(signed_in)) == token
        assert secret(ask(signed_in, f"{SECOND_ACCOUNT}/app"), SECOND_ACCOUNT) == token
        assert aws.count("GetAuthorizationToken") == 1
        other = secret(ask(signed_in, f"{OTHER_REGION}/app"), OTHER_REGION)
        assert signed_in.get(OTHER_REGION).secret == other
        assert aws.count("GetAuthorizationToken") == 2

    def test_logins(self, signed_in: HelperProcess) -> None:
        """Docker login gives kubelet its token, and docker logout takes it away."""
        stored = password(expires_in=HOUR)
        signed_in.store(HOST, stored)
        assert secret(ask(signed_in)) == stored
        signed_in.erase(HOST)
        assert secret(ask(signed_in)) != stored

    def test_the_config_file(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """Roles, domain names and anonymous registries of the config file apply here, too."""
        aws.add_role(arn=PULL)
        signed_in.write_own_config(
            f'[[registry]]\nmatch = "images.example.com:5000"\nregistry = "{HOST}"\n'
            f'role_arn = "{PULL}"\n'
            f'[[registry]]\nmatch = "{PUBLIC}"\nanonymous = true\n'
        )
        own = "images.example.com:5000"
        issued = aws.issued(secret(ask(signed_in, f"{own}/team/app"), own))
        assert issued
        assert matches(str(issued.principal), "arn:aws:sts::222222222222:assumed-role/pull/*")
        assert auth(ask(signed_in, f"{PUBLIC}/docker/library/nginx")) == {}

    @pytest.mark.parametrize(("host", "end"), [(HOST, ""), (PUBLIC, PUBLIC_GOES_ON)])
    def test_the_line_of_a_failure(self, helper: HelperProcess, host: str, end: str) -> None:
        """A failure is the same line as for get, and there is no answer."""
        line = refused(ask(helper, f"{host}/app", version=protocol.VERSIONS[2]))
        assert line.endswith(end)
        assert line == f"{host}: {told(helper.get(host).stderr, host)}"
        assert line.removesuffix(end) in helper.log


@dataclass
class Pods:
    """kubelet with tokenAttributes: it asks for the pods of service accounts."""

    helper: HelperProcess
    aws: AwsEmulator
    tokens: list[str] = field(default_factory=list)

    def ask(
        self,
        account: ServiceAccount,
        image: str = IMAGE,
        role: str | None = None,
        **changes: str,
    ) -> Outcome:
        """Ask with a new token of the service account, annotated with a ``role``."""
        fields: dict[str, Any] = {"serviceAccountToken": account.token()}
        if role is not None:
            fields["serviceAccountAnnotations"] = {ROLE_ANNOTATION: role}
        frame = question(image, **fields)
        self.tokens.append(account.tokens[-1])
        return self.helper.run("kubelet", stdin=frame, changes=changes)

    def trust(self, account: ServiceAccount, role: str = PULL) -> None:
        """Have a role that the service account may assume."""
        self.aws.add_role(arn=role, web_identity_token=account.token())

    def principal(self, outcome: Outcome) -> str:
        """The principal to whom the answered token was issued."""
        issued = self.aws.issued(secret(outcome))
        assert issued
        return str(issued.principal)

    @property
    def operations(self) -> list[str]:
        """What AWS was asked."""
        return [call.operation for call in self.aws.calls]


APP = ("AssumeRoleWithWebIdentity", "GetAuthorizationToken")
SESSION = "arn:aws:sts::222222222222:assumed-role/{}/ecr-credential-provider"


@pytest.fixture
def pods(signed_in: HelperProcess, aws: AwsEmulator) -> Iterator[Pods]:
    """Kubelet on a node with its own credentials; checks that no token of a pod is left behind."""
    pods = Pods(signed_in, aws)
    yield pods
    parts = [part for token in pods.tokens for part in (token, *token.split(".")[1:])]
    assert leaks(signed_in, parts) == []
    home = signed_in.home
    texts = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert not any(part.encode() in text for part in parts for text in texts)


class TestServiceAccounts:
    """A service account gets its own token, with its own role."""

    def test_the_annotation(self, pods: Pods) -> None:
        """The role of the annotation is assumed by the token of the pod, and by nothing else."""
        account = ServiceAccount()
        pods.trust(account)
        outcome = pods.ask(account, role=PULL)
        assert pods.principal(outcome) == SESSION.format("pull")
        assert pods.operations == list(APP)
        assert 6 * HOUR - 10 < seconds(outcome) <= 6 * HOUR
        assert not (pods.helper.home / ".aws").exists()  # where others keep sessions

    def test_the_variable(self, pods: Pods) -> None:
        """Without an annotation it is the role of AWS_ECR_ROLE_ARN; an annotation wins."""
        account = ServiceAccount()
        pods.trust(account)
        pods.trust(account, OTHER)
        outcome = pods.ask(account, AWS_ECR_ROLE_ARN=OTHER)
        assert pods.principal(outcome) == SESSION.format("other")
        outcome = pods.ask(account, role=PULL, AWS_ECR_ROLE_ARN=OTHER)
        assert pods.principal(outcome) == SESSION.format("pull")

    def test_the_config_file(self, pods: Pods) -> None:
        """Without both it is the config file's role, with the service account's names in it."""
        pods.helper.write_own_config(
            f'[[registry]]\nmatch = "{HOST}"\nrole_session_name = "node-7"\n'
            'role_arn = "arn:aws:iam::{registry_id}:role/{region}/{namespace}-{service_account}"\n'
        )
        account = ServiceAccount("team-a", "web.front")
        role = "arn:aws:iam::111111111111:role/us-east-1/team-a-web.front"
        pods.trust(account, role)
        session = "arn:aws:sts::111111111111:assumed-role/team-a-web.front/node-7"
        assert pods.principal(pods.ask(account)) == session
        pods.trust(account, PULL)
        outcome = pods.ask(account, AWS_ECR_ROLE_ARN=PULL)
        assert pods.principal(outcome) == "arn:aws:sts::222222222222:assumed-role/pull/node-7"

    def test_get_has_no_service_account(self, pods: Pods) -> None:
        """A role with placeholders for a service account fails with get, which says so."""
        path = pods.helper.home / ".config/ecr-login/config.toml"
        pods.helper.write_own_config(
            f'[[registry]]\nmatch = "{HOST}"\nrole_arn = "{PULL}-{{namespace}}"\n'
        )
        line = f"{path}: role_arn contains {{namespace}}, which only a service account of "
        assert told(pods.helper.get().stderr).startswith(line)
        assert refused(ask(pods.helper)).startswith(f"{HOST}: {line}")
        assert pods.operations == []

    def test_no_role(self, pods: Pods) -> None:
        """Without any role it fails: neither the node's nor other credentials are used."""
        pods.helper.get()
        assert refused(pods.ask(ServiceAccount())) == (
            f"{HOST}: the service account team/app has no role; give it the annotation "
            f"{ROLE_ANNOTATION}, or set AWS_ECR_ROLE_ARN, or role_arn in config.toml"
        )
        assert pods.operations == ["GetAuthorizationToken"]

    @pytest.mark.parametrize(
        "role", ["", "pull", "arn:aws:iam::222222222222:user/dev", f"{PULL}\n"]
    )
    def test_an_invalid_arn(self, pods: Pods, role: str) -> None:
        """An annotation that is not a role's ARN is an error, even if something else names one."""
        line = refused(pods.ask(ServiceAccount(), role=role, AWS_ECR_ROLE_ARN=PULL))
        expected = f"{HOST}: the annotation {ROLE_ANNOTATION} must be *"
        assert matches(line, expected)
        line = refused(pods.ask(ServiceAccount(), AWS_ECR_ROLE_ARN=role or "none"))
        assert line.startswith(f"{HOST}: AWS_ECR_ROLE_ARN must be ")
        assert pods.operations == []

    @pytest.mark.parametrize(
        ("claims", "line"),
        [
            ("nonsense", "the serviceAccountToken is not a JSON web token"),
            ("a.b.c", "the serviceAccountToken is not a JSON web token"),
            ([], "the serviceAccountToken is not a JSON web token"),
            ({}, "the serviceAccountToken does not name its issuer (iss)"),
            (
                {"iss": "a\nrole_arn=b", "sub": "system:serviceaccount:a:b"},
                "the serviceAccountToken does not name its issuer (iss)",
            ),
            (
                {"iss": "https://x", "sub": "system:serviceaccount:a:b\n"},
                "the serviceAccountToken does not name a service account (sub)",
            ),
            (
                {"iss": "https://x", "sub": "alice"},
                "the serviceAccountToken does not name a service account (sub)",
            ),
        ],
    )
    def test_an_invalid_token(self, pods: Pods, claims: object, line: str) -> None:
        """A token that does not say whose it is is an error, which quotes nothing of it."""
        token = claims if isinstance(claims, str) else unsigned(claims)
        pods.tokens.append(token)
        frame = question(
            IMAGE,
            serviceAccountToken=token,
            serviceAccountAnnotations={ROLE_ANNOTATION: PULL},
        )
        assert refused(pods.helper.run("kubelet", stdin=frame)) == f"{HOST}: {line}"
        assert pods.operations == []

    @given(st.text())
    def test_any_token(self, token: str) -> None:
        """Any text is a token, or an error that quotes nothing of it."""
        with pytest.raises(BadInput, match=r"^the serviceAccountToken is not a JSON web token$"):
            web_identity(token)

    @pytest.mark.parametrize(
        ("fault", "line"),
        [
            (
                Fault(status=403, error="AccessDenied", message="Not authorized to {token}"),
                (
                    f"the role {PULL} (from the annotation {ROLE_ANNOTATION}) of the service "
                    "account team/app cannot be assumed: AccessDenied: Not authorized to ***; the "
                    "role's trust policy must allow sts:AssumeRoleWithWebIdentity to this identity"
                ),
            ),
            (
                Fault(status=400, error="ExpiredTokenException", message="Token expired: {token}"),
                (
                    "the token of the service account team/app has expired: ExpiredTokenException: "
                    "Token expired: ***; it was just issued: set the clock of the cluster"
                ),
            ),
            (
                Fault(status=400, error="InvalidIdentityToken", message="Not {token}"),
                (
                    "AWS refused the token of the service account team/app: InvalidIdentityToken: "
                    "Not ***; check kubelet's serviceAccountTokenAudience, the role and its "
                    "identity provider in IAM"
                ),
            ),
        ],
        ids=["denied", "expired", "refused"],
    )
    def test_aws_refuses(self, pods: Pods, fault: Fault, line: str) -> None:
        """The line has AWS's message, role and service account, but no token that AWS quotes."""
        account = ServiceAccount()
        message = fault.message.format(token=account.token())
        pods.tokens += account.tokens
        pods.aws.fail(APP[0], Fault(status=fault.status, error=fault.error, message=message))
        assert refused(pods.ask(account, role=PULL)) == f"{HOST}: {line}"

    def test_its_session_may_not(self, pods: Pods) -> None:
        """A role without permission is named as the principal that lacks it."""
        account = ServiceAccount()
        pods.aws.add_role(
            arn=PULL, web_identity_token=account.token(), deny=["ecr:GetAuthorizationToken"]
        )
        line = refused(pods.ask(account, role=PULL))
        session = SESSION.format("pull")
        assert line.startswith(f"{HOST}: ecr:GetAuthorizationToken is denied to {session}")

    def test_secrets_in_the_log(self, pods: Pods) -> None:
        """At level debug, too, nothing of a token is in the log, which has each answer."""
        account = ServiceAccount()
        pods.trust(account)
        for _ in range(2):
            assert auth(pods.ask(account, role=PULL, AWS_ECR_LOG_LEVEL="debug"))
        assert "answered with the cached token" in pods.helper.log
        assert "assume-role-with-web-identity" in pods.helper.log


class TestNothingIsShared:
    """A principal is identified by the role, and by issuer and subject of the token."""

    def test_another_token_of_the_same(self, pods: Pods) -> None:
        """A new token of the same service account has the same credentials, without a call."""
        account = ServiceAccount()
        pods.trust(account)
        tokens = {secret(pods.ask(account, role=PULL)) for _ in range(3)}
        assert len(tokens) == 1
        assert pods.operations == list(APP)

    def test_principals(self, pods: Pods) -> None:
        """Each name, namespace, issuer, role and region, and the node, has its own token."""
        cases = [
            (ServiceAccount(), PULL, IMAGE),
            (ServiceAccount(name="app2"), PULL, IMAGE),
            (ServiceAccount(namespace="team2"), PULL, IMAGE),
            (ServiceAccount(issuer="https://example.com"), PULL, IMAGE),
            (ServiceAccount(), OTHER, IMAGE),
            (ServiceAccount(), PULL, f"{OTHER_REGION}/app"),
        ]
        tokens = {pods.helper.get().secret}
        for account, role, image in cases:
            pods.trust(account, role)
            tokens |= set(auth(pods.ask(account, image, role=role)).values())
        assert len(tokens) == 1 + len(cases)
        assert pods.operations == ["GetAuthorizationToken", *APP * len(cases)]
        for account, role, image in cases:
            assert set(auth(pods.ask(account, image, role=role)).values()) <= tokens
        assert pods.helper.get().secret in tokens
        assert len(pods.operations) == 1 + 2 * len(cases)

    def test_logins(self, pods: Pods) -> None:
        """A service account does not get what docker login has stored on the node."""
        account = ServiceAccount()
        pods.trust(account)
        stored = password(expires_in=HOUR)
        pods.helper.store(HOST, stored)
        assert secret(ask(pods.helper)) == stored
        assert secret(pods.ask(account, role=PULL)) != stored

    def test_the_node_afterwards(self, pods: Pods) -> None:
        """After a pod, get and list are the node's again; docker logout forgets the pod's token."""
        account = ServiceAccount()
        pods.trust(account)
        of_pod = secret(pods.ask(account, role=PULL))
        assert pods.helper.list().hosts == [HOST]
        assert pods.helper.get().secret != of_pod
        assert pods.helper.erase(HOST) == Outcome("", "", 0)
        assert secret(pods.ask(account, role=PULL)) != of_pod

    def test_failures(self, pods: Pods) -> None:
        """A failure of one service account is not remembered for another."""
        denied, account = ServiceAccount(name="denied"), ServiceAccount()
        pods.trust(account)
        for _ in range(2):
            assert "cannot be assumed" in refused(pods.ask(denied, role=OTHER))
        assert secret(pods.ask(account, role=PULL))
        assert secret(ask(pods.helper))

    def test_keys(self) -> None:
        """No two principals share an address in the cache, or the text in a token file."""
        plain = resolve(HOST, {})
        claims = [("a", "b:c"), ("a ", "b:c"), ("a", "b:cc"), ("a", "bc:c"), ("a:b", "c:c")]
        requests: list[Request] = [plain]
        for issuer, name in claims:
            identity = web_identity(
                unsigned({"iss": issuer, "sub": f"system:serviceaccount:{name}"})
            )
            requests.append(plain.replaced(web_identity=identity))
        cache = Cache("/nowhere", "")
        assert len({cache.key(each) for each in requests}) == len(requests)
        assert len({cache.token_path(each) for each in requests}) == len(requests)


class TestRefresh:
    """For a service account, whose token is there only when it asks."""

    @pytest.fixture
    def account(self, pods: Pods) -> ServiceAccount:
        """One whose token is past its refresh time."""
        account = ServiceAccount()
        pods.trust(account)
        pods.ask(account, role=PULL)
        asks = web_identity(account.token()).assuming(PULL, "")
        request, cache = asked().replaced(web_identity=asks), cache_of(pods.helper)
        entry = cache.token(request)
        assert entry
        cache.store_token(request, Entry(entry.secret, entry.expires_at, int(time.time()) - 1))
        return account

    def test_who_asks_renews(self, pods: Pods, account: ServiceAccount) -> None:
        """The caller gets the new token at once, by its own credentials; no process is started."""
        outcome = pods.ask(account, role=PULL)
        assert pods.operations == list(APP * 2)
        assert secret(pods.ask(account, role=PULL)) == secret(outcome)
        assert seconds(outcome) > 5 * HOUR

    def test_aws_fails(self, pods: Pods, account: ServiceAccount) -> None:
        """If AWS refuses, the old one is answered, and it is not tried again for a minute."""
        pods.aws.fail(APP[0], Fault(status=403, error="AccessDenied", message="no"))
        first, second = pods.ask(account, role=PULL), pods.ask(account, role=PULL)
        assert secret(first) == secret(second)
        assert seconds(first) <= 60
        assert pods.aws.count(APP[0]) == 2
        assert "cannot be assumed" in pods.helper.log


class TestAsKubeletRunsIt:
    """By a link in its directory of providers, with next to no environment."""

    def test_a_bare_environment(
        self, signed_in: HelperProcess, aws: AwsEmulator, tmp_path: Path
    ) -> None:
        """It works without HOME and PATH, as any user, by a link, from the root directory."""
        program = tmp_path / "providers" / EXECUTABLE.name
        program.parent.mkdir()
        program.symlink_to(EXECUTABLE)
        kept = {name: signed_in.environ[name] for name in sorted(signed_in.environ)}
        environ = {
            **kept,
            "AWS_ECR_CACHE_DIR": str(signed_in.cache_directory),
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "XDG_CONFIG_HOME": str(tmp_path),
        }
        account = ServiceAccount()
        aws.add_role(arn=PULL, web_identity_token=account.token())
        pod: dict[str, Any] = {
            "serviceAccountToken": account.token(),
            "serviceAccountAnnotations": {ROLE_ANNOTATION: PULL},
        }
        for fields in ({}, {}, pod, pod):
            completed = subprocess.run(
                [program, "kubelet"],
                input=question(IMAGE, **fields).encode(),
                capture_output=True,
                env=environ,
                cwd="/",
                check=False,
            )
            outcome = Outcome(
                completed.stdout.decode(), completed.stderr.decode(), completed.returncode
            )
            assert aws.accepts(secret(outcome))
        assert aws.count("GetAuthorizationToken") == 2

    def test_a_hundred_pods(self, helper: HelperProcess, aws: AwsEmulator) -> None:
        """A hundred pods at once make one call for each principal and region."""
        accounts = [ServiceAccount(name=f"app-{number}") for number in range(2)]
        frames = []
        for account in accounts:
            role = f"{PULL}-{account.name}"
            aws.add_role(arn=role, web_identity_token=account.token())
            frames += [
                question(
                    f"{host}/team/app:{number}",
                    serviceAccountToken=account.token(),
                    serviceAccountAnnotations={ROLE_ANNOTATION: role},
                )
                for host in (HOST, OTHER_REGION)
                for number in range(25)
            ]
        processes = [helper.start("kubelet") for _ in frames]
        for process, frame in zip(processes, frames, strict=True):
            assert process.stdin is not None
            process.stdin.write(frame.encode())
            process.stdin.close()
            process.stdin = None
        answers = set()
        for process in processes:
            stdout, stderr = process.communicate(timeout=60)
            assert (stderr, process.returncode) == (b"", 0)
            answers.add(json.dumps(json.loads(stdout)["auth"]))
        assert len(answers) == 4
        assert [aws.count(operation) for operation in APP] == [4, 4]


class TestConfiguration:
    """``configure --kubelet``."""

    def test_it_matches_the_hosts_of_ecr(self, helper: HelperProcess) -> None:
        """It makes kubelet ask about every host of ECR and every listed name, and no other."""
        own = "images.example.com:5000"
        helper.write_own_config(
            f'[[registry]]\nmatch = ["{own}", "{HOST}"]\nregistry = "{HOST}"\n'
            '[[registry]]\nmatch = ["gcr.io", "quay.io:*"]\nanonymous = true\n'
        )
        globs = self._provider(helper)["matchImages"]
        assert globs.count(own) == 1
        globs.remove(own)
        regions = [f"{prefix}east-1" for prefix in ("us-", *REGION_PREFIXES.values())]
        for glob in globs:
            assert any(parse(self._filled(glob, region)) for region in regions), glob
        hosts = [
            f"111111111111.{kind}.{region}.{suffix}"
            for kind in ("dkr.ecr", "dkr.ecr-fips", "dkr-ecr", "dkr-ecr-fips")
            for region in regions
            for suffix in SUFFIXES
        ]
        of_ecr = [*filter(parse, hosts), *PUBLIC_HOSTS]
        assert len(of_ecr) == 2 * (len(SUFFIXES) + 2) + 2  # GovCloud has two of the suffixes, too
        for host in of_ecr:
            assert [self._is_match(glob, host) for glob in globs].count(True) == 1, host

    @staticmethod
    def _provider(helper: HelperProcess, *, tokens: bool = False) -> dict[str, Any]:
        """Return the provider that is printed, with the commented lines if they are wanted."""
        outcome = helper.run("configure", "--kubelet")
        assert (outcome.stderr, outcome.status) == ("", 0)
        text = outcome.stdout
        if tokens:
            comment, _, attributes = text.partition("    # tokenAttributes:")
            text = comment + ("    # tokenAttributes:" + attributes).replace("    # ", "    ")
        config = yaml.safe_load(text)
        names = {"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig"}
        (provider,) = config.pop("providers")
        assert config == names
        assert isinstance(provider, dict)
        return provider

    @staticmethod
    def _filled(glob: str, region: str) -> str:
        """Return a host that fits a glob."""
        return glob.replace("*", "1" * 12, 1).replace("*", region)

    @staticmethod
    def _is_match(glob: str, host: str) -> bool:
        """Say whether a host fits by kubelet's rule: label by label."""
        globs, labels = glob.split("."), host.split(".")
        return len(globs) == len(labels) and all(map(fnmatchcase, labels, globs))

    def test_the_rest_of_it(self, helper: HelperProcess) -> None:
        """It names this program and its arguments; tokenAttributes are a comment."""
        provider = self._provider(helper)
        assert provider.pop("matchImages")
        assert provider == {
            "name": EXECUTABLE.name,
            "apiVersion": protocol.VERSIONS[0],
            "args": ["kubelet"],
            "defaultCacheDuration": "0s",
        }
        attributes = self._provider(helper, tokens=True)["tokenAttributes"]
        assert attributes == {
            "serviceAccountTokenAudience": AUDIENCE,
            "cacheType": "ServiceAccount",
            "requireServiceAccount": False,
            "optionalServiceAccountAnnotationKeys": [ROLE_ANNOTATION],
        }

    @pytest.mark.parametrize("option", ["--public", "--dry-run", "--profile=dev", HOST])
    def test_it_takes_nothing_else(self, helper: HelperProcess, option: str) -> None:
        """With any other argument it is one line, and exit code 1."""
        line = refused(helper.run("configure", "--kubelet", option))
        assert line == "--kubelet covers all registries, and takes no other argument"
