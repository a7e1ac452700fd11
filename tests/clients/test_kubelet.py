"""kubelet's own code, on a node, asks for the images of pods; `run` builds it where Go is there."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.network import Authority
from tests.emulator import AwsEmulator
from tests.helper_process import EXECUTABLE, HOST, OTHER_REGION, PUBLIC
from tests.service_accounts import ROLE_ANNOTATION, ServiceAccount

PROGRAM = Path(sys.prefix, "bin", "kubelet-credentials")
ROLE = "arn:aws:iam::222222222222:role/pull"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="make clients-all builds it")


@dataclass(frozen=True)
class Pod:
    """A pod with one image; one without service account is static."""

    image: str
    account: ServiceAccount | None = None
    role: str = ""

    def described(self, number: int) -> dict[str, object]:
        """Say what the program is to know of it."""
        found: dict[str, object] = {"Name": f"pod-{number}", "Namespace": "", "Image": self.image}
        if self.account:
            found |= {
                "Namespace": self.account.namespace,
                "ServiceAccount": self.account.name,
                "Token": self.account.token(),
                "Annotations": {ROLE_ANNOTATION: self.role} if self.role else {},
            }
        return found


@dataclass(frozen=True)
class Node:
    """A machine with the role of an instance, and no environment beside what kubelet is told."""

    directory: Path
    environ: dict[str, str]
    aws: AwsEmulator

    def look_up(
        self, *rounds: list[Pod], version: str = "v1", by_account: bool = False
    ) -> tuple[list[list[str]], str]:
        """Return who the credentials for each pod are of, round by round, and what kubelet logs.

        All pods of a round ask at once; "" stands for no credentials.
        """
        providers = self.directory / "providers"
        providers.mkdir()
        (providers / EXECUTABLE.name).symlink_to(EXECUTABLE)
        config = self.directory / "credential-providers.yaml"
        config.write_text(self._configuration(version, by_account=by_account))
        numbers = iter(range(1_000_000))
        completed = subprocess.run(
            [PROGRAM, config, providers],
            input=json.dumps([[each.described(next(numbers)) for each in pods] for pods in rounds]),
            capture_output=True,
            env={},
            cwd="/",
            text=True,
            timeout=100,
            check=True,
        )
        found = json.loads(completed.stdout)
        return [[self._owner(*each) for each in answers] for answers in found], completed.stderr

    def _configuration(self, version: str, *, by_account: bool) -> str:
        """Return what is printed for kubelet, with the environment of these tests."""
        text = subprocess.run(
            [EXECUTABLE, "configure", "--kubelet"],
            env=self.environ,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        environ = "".join(
            f"      - {{name: {name}, value: {value}}}\n" for name, value in self.environ.items()
        )
        text = text.replace("    matchImages:", f"    env:\n{environ}    matchImages:")
        if by_account:
            head, mark, attributes = text.partition("    # tokenAttributes:")
            text = head + (mark + attributes).replace("    # ", "    ")
        return text.replace("kubelet.k8s.io/v1", f"kubelet.k8s.io/{version}")

    def _owner(self, *credentials: dict[str, str]) -> str:
        if not credentials:
            return ""
        (found,) = credentials
        assert found["Username"] == "AWS"
        issued = self.aws.issued(found["Password"])
        assert issued
        return f"{str(issued.principal).split('/')[1]} {issued.service} {issued.region}"

    @property
    def log(self) -> list[str]:
        """The lines of the helper's log."""
        return (self.directory / "cache/log/ecr-login.log").read_text().splitlines()


@pytest.fixture
def node(tmp_path: Path, authority: Authority, aws: AwsEmulator) -> Node:
    """A node."""
    aws.listen("169.254.169.254", 80)
    aws.set_instance_role("node")
    environ = {
        "AWS_CA_BUNDLE": str(authority.ca_bundle),
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_ECR_CACHE_DIR": str(tmp_path / "cache"),
        "AWS_ECR_LOG_LEVEL": "debug",
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    return Node(tmp_path, environ, aws)


def test_a_hundred_pods(node: Node) -> None:
    """A hundred pods at once cost a call for each region; then kubelet has all that it asks for."""
    hosts = {HOST: "node ecr us-east-1", OTHER_REGION: "node ecr eu-west-1"}
    pods = [Pod(f"{host}/team/app-{number}") for host in hosts for number in range(50)]
    found, log = node.look_up(pods, pods)
    assert log == ""
    assert found == [[hosts[pod.image.partition("/")[0]] for pod in pods]] * 2
    assert node.aws.count("GetAuthorizationToken") == 2
    assert len(node.log) == len(pods)  # runs of the helper


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_versions(node: Node, version: str) -> None:
    """Each version of the protocol gives the runtime credentials for ECR, and for nothing else."""
    fips = "111111111111.dkr.ecr-fips.us-east-1.amazonaws.com"
    hosts = {
        HOST: "node ecr us-east-1",
        fips: "node ecr us-east-1",
        PUBLIC: "node ecr-public us-east-1",
        "registry.example.org": "",
        f"{HOST}.example.org": "",
    }
    found, log = node.look_up([Pod(f"{host}/team/app") for host in hosts], version=version)
    assert log == ""
    assert found == [list(hosts.values())]


def test_service_accounts(node: Node) -> None:
    """Each service account has the credentials of its own role, and static pods those of the node.

    One without a role has none: why, is in kubelet's log. No token of theirs is anywhere.
    """
    accounts = [ServiceAccount(name=f"app{number}") for number in range(3)]
    pods = [Pod(f"{HOST}/static")]
    for account in accounts:
        role = f"{ROLE}-{account.name}"
        node.aws.add_role(arn=role, web_identity_token=account.token())
        pods += [Pod(f"{HOST}/team/app:{number}", account, role) for number in range(10)]
    without = ServiceAccount(name="without")
    found, log = node.look_up([*pods, Pod(f"{HOST}/team/app", without)], pods, by_account=True)
    expected = ["node", *(f"pull-{account.name}" for account in accounts for _ in range(10))]
    expected = [f"{name} ecr us-east-1" for name in expected]
    assert found == [[*expected, ""], expected]
    assert node.aws.count("AssumeRoleWithWebIdentity") == len(accounts)
    assert node.aws.count("GetAuthorizationToken") == len(accounts) + 1
    assert f"ecr-login: {HOST}: the service account team/without has no role; give it" in log
    texts = [log, *(path.read_text() for path in node.directory.rglob("*") if path.is_file())]
    tokens = [token for account in (*accounts, without) for token in account.tokens]
    assert not any(token in text for token in tokens for text in texts)
