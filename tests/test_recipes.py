"""The recipes of docs/ci.md, run step by step against AWS, and what amazon-ecr-login puts out."""

import json
import shutil
from base64 import b64decode
from collections.abc import Iterator
from copy import deepcopy
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from docker_credential_ecr_login.registry import parse
from tests.connect_proxy import aws_under_its_own_names
from tests.credential_sources import IMDS_OPERATIONS
from tests.emulator import AwsEmulator, Principal
from tests.helper_process import EXECUTABLE, HelperProcess
from tests.jenkinsfile import read_jenkinsfile
from tests.recipes import (
    COMMIT,
    OUR_ACTION,
    ROOT,
    GitHub,
    IdTokens,
    Machine,
    Recipe,
    StepFailed,
    id_token,
    needs_node,
    read_github_file,
    recipes,
    run_at_a_shell,
    run_in_dev_container,
    run_on_circleci,
    run_on_codebuild,
    run_on_gitlab,
    run_on_jenkins,
    run_on_kubernetes,
)
from tests.releases import Releases, archive_of, build_name
from tests.stand_ins import SOURCE

ACCOUNT = "123456789012"
REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
OTHER_ACCOUNT = "210987654321"
IMAGE = f"{REGISTRY}/app:{COMMIT}"
CI_ROLE = f"arn:aws:iam::{ACCOUNT}:role/ci"
CI_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/*"
PULL_ROLE = f"arn:aws:iam::{ACCOUNT}:role/pull"
PULL_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/pull/*"
CREDENTIALS = "aws-actions/configure-aws-credentials"
USER = f"arn:aws:iam::{ACCOUNT}:user/dev"

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="steps are run by bash")

RECIPES = recipes()
RUN: set[str] = set()


def runs(name: str) -> pytest.MarkDecorator:
    """Mark a test as the one that runs the recipe of that name, which is its argument."""
    RUN.add(name)
    return pytest.mark.parametrize("recipe", [deepcopy(RECIPES[name])], ids=[name])


@pytest.fixture
def machine(tmp_path: Path, aws: AwsEmulator) -> Machine:
    """A machine as CI systems have it: with docker, without this helper, but with another."""
    image = tmp_path / "image"
    image.mkdir()
    other_helper = image / "docker-credential-ecr-login"
    other_helper.write_text("#!/bin/sh\necho credentials not found in native keychain\nexit 1\n")
    other_helper.chmod(0o755)
    environ = {
        "PATH": f"{image}:/usr/local/bin:/usr/bin:/bin",
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return Machine(tmp_path / "machine", environ, ("docker", "git", "helm", "pipx", "skopeo"))


@pytest.fixture
def releases(github: GitHub) -> Iterator[Releases]:
    """Where the action finds the helper."""
    with Releases(OUR_ACTION, archive_of(EXECUTABLE)) as server:
        github.server_url = server.url
        yield server


@pytest.fixture
def id_tokens() -> Iterator[IdTokens]:
    """GitHub's endpoint for OIDC tokens."""
    with IdTokens() as endpoint:
        yield endpoint


@pytest.fixture
def github(machine: Machine, id_tokens: IdTokens, aws: AwsEmulator) -> GitHub:
    """GitHub, whose tokens the roles of the recipes trust."""
    for role in (CI_ROLE, PULL_ROLE):
        aws.add_role(arn=role, web_identity_token=id_token("sts.amazonaws.com"))
    return GitHub(machine, id_tokens, aws.url)


def in_place_of(name: str, steps: Recipe) -> Recipe:
    """Return the workflow with others in place of the step of that name, or with that action."""
    workflow = deepcopy(RECIPES["Image"])
    job = workflow["jobs"]["push"]
    (place,) = (
        place
        for place, step in enumerate(job["steps"])
        if name in {step.get("name"), step.get("uses", "").partition("@")[0]}
    )
    job["steps"][place : place + 1] = steps
    return workflow


def assert_signed_in(
    machine: Machine, aws: AwsEmulator, *expected: tuple[str, str, str], by: str
) -> None:
    """Assert which programs signed in at which registries, all with good passwords of ``by``.

    And that nobody can read one, or any other secret, in the log.
    """
    notes = [note for note in machine.notes if "secret" in note]
    assert [(note["program"], note["did"], note["host"]) for note in notes] == list(expected)
    for note in notes:
        assert_good(aws, note, by=by)
    assert [secret for secret in aws.secrets if secret in machine.shown] == []


def assert_good(aws: AwsEmulator, credentials: dict[str, str], *, by: str) -> None:
    """Assert that a registry lets somebody in: with a password of its region, issued to ``by``."""
    registry = parse(credentials["host"])
    issued = aws.issued(credentials["secret"])
    assert registry
    assert issued
    assert (credentials["username"], issued.region) == ("AWS", registry.region)
    assert issued.service == ("ecr-public" if registry.host == "public.ecr.aws" else "ecr")
    assert fnmatchcase(issued.principal or "", by)
    assert aws.accepts(credentials["secret"])


def files_with_secrets(aws: AwsEmulator, *directories: Path) -> list[Path]:
    """What below these directories holds a secret of AWS."""
    files = [path for each in directories for path in each.rglob("*") if path.is_file()]
    texts = {path: path.read_text(errors="replace") for path in files}
    return [path for path, text in texts.items() if any(each in text for each in aws.secrets)]


def operations(aws: AwsEmulator) -> list[str]:
    """What AWS was asked for."""
    return [call.operation for call in aws.calls]


IN = ["AssumeRoleWithWebIdentity", "GetAuthorizationToken"]


def test_every_recipe_is_run() -> None:
    """There is a test for each recipe of docs/ci.md."""
    assert set(RECIPES) == RUN
    assert len(RECIPES) >= 25


# GitHub Actions


@runs("Image")
def test_image(recipe: Recipe, github: GitHub, aws: AwsEmulator) -> None:
    """The workflow pushes with a token that the role of the job gets by one call."""
    github.run(recipe)
    assert_signed_in(github.machine, aws, ("docker", "push", REGISTRY), by=CI_SESSION)
    assert github.machine.notes[-1]["reference"] == IMAGE
    assert operations(aws) == IN
    assert not (github.machine.home / ".aws" / "credentials").exists()


@runs("ECR Public")
def test_public(recipe: Recipe, github: GitHub, aws: AwsEmulator) -> None:
    """ECR Public is pushed to with a token of its own API."""
    github.run(in_place_of("Push", recipe))
    assert_signed_in(github.machine, aws, ("docker", "push", "public.ecr.aws"), by=CI_SESSION)
    assert operations(aws) == IN


@runs("Several accounts and regions, one role")
def test_accounts_and_regions(recipe: Recipe, github: GitHub, aws: AwsEmulator) -> None:
    """Four registries are configured, and those of a region cost one call."""
    github.run(in_place_of("Push", recipe))
    hosts = [
        f"{OTHER_ACCOUNT}.dkr.ecr.{region}.amazonaws.com" for region in ("us-east-1", "eu-west-1")
    ]
    assert_signed_in(
        github.machine, aws, *(("docker", "pull", host) for host in hosts), by=CI_SESSION
    )
    assert operations(aws) == [*IN, "GetAuthorizationToken"]
    configuration = json.loads((github.machine.home / ".docker" / "config.json").read_text())
    assert len(configuration["credHelpers"]) == 4


@runs("One image in three regions")
def test_three_regions(recipe: Recipe, github: GitHub, aws: AwsEmulator) -> None:
    """One image is pushed to the registries of three regions, each with a token of that region."""
    github.run(in_place_of("Push", recipe))
    hosts = [
        f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"
        for region in ("us-east-1", "eu-west-1", "ap-southeast-2")
    ]
    pushed = [("docker", "push", host) for host in hosts]
    assert_signed_in(github.machine, aws, *pushed, by=CI_SESSION)
    assert operations(aws) == [*IN, *["GetAuthorizationToken"] * 2]


@runs("A role in another account")
def test_role_in_another_account(recipe: Recipe, github: GitHub, aws: AwsEmulator) -> None:
    """The role of the job assumes the one of the other account, for that registry."""
    aws.add_role(arn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/push", trusted=[CI_ROLE])
    github.run(in_place_of("Push", recipe))
    host = f"{OTHER_ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
    session = f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/push/*"
    assert_signed_in(github.machine, aws, ("docker", "push", host), by=session)
    assert operations(aws) == [IN[0], "AssumeRole", IN[1]]


@runs("Several platforms")
def test_platforms(recipe: Recipe, github: GitHub, aws: AwsEmulator) -> None:
    """Buildx pushes for both platforms with the helper's answer."""
    github.run(in_place_of("Push", recipe))
    did = "push linux/amd64,linux/arm64"
    assert_signed_in(github.machine, aws, ("docker", did, REGISTRY), by=CI_SESSION)
    assert operations(aws) == IN


@runs("A Helm chart, to a private registry and to ECR Public")
def test_helm(recipe: Recipe, github: GitHub, aws: AwsEmulator) -> None:
    """Helm pushes a chart to both with the helper's answers."""
    github.run(in_place_of("Push", recipe))
    expected = (("helm", "push", REGISTRY), ("helm", "push", "public.ecr.aws"))
    assert_signed_in(github.machine, aws, *expected, by=CI_SESSION)
    assert operations(aws) == [*IN, "GetAuthorizationToken"]


@runs("Behind a proxy")
def test_proxy(recipe: Recipe, github: GitHub, aws: AwsEmulator) -> None:
    """AWS is reached by the proxy alone, once; docker's own call of the helper needs none."""
    machine = HelperProcess(github.machine.directory, github.machine.environ)
    with aws_under_its_own_names(aws, machine, "api.ecr.us-east-1.amazonaws.com") as proxy:
        github.variables["PROXY"] = github.machine.environ.pop("HTTPS_PROXY")
        github.run(in_place_of("Push", recipe))
    assert proxy.hosts == ["api.ecr.us-east-1.amazonaws.com:443"]
    assert_signed_in(github.machine, aws, ("docker", "push", REGISTRY), by=CI_SESSION)
    assert operations(aws) == IN


@runs("Self-hosted, where other jobs have the same home")
@pytest.mark.parametrize("fails", [False, True])
def test_self_hosted(recipe: Recipe, github: GitHub, aws: AwsEmulator, fails: bool) -> None:
    """However the job ends, it leaves no token behind, and never one in the home."""
    if fails:
        recipe[1]["run"] += "false\n"
        with pytest.raises(StepFailed):
            github.run(in_place_of("Push", recipe))
    else:
        github.run(in_place_of("Push", recipe))
    machine = github.machine
    assert_signed_in(machine, aws, ("docker", "push", REGISTRY), by=CI_SESSION)
    assert operations(aws) == IN
    assert (machine.temporary / "docker" / "config.json").exists()
    assert [path for path in machine.home.iterdir() if path.name != ".local"] == []
    assert files_with_secrets(aws, machine.home, machine.temporary) == []


@runs("The outputs of amazon-ecr-login, for other steps")
def test_outputs(recipe: Recipe, github: GitHub, aws: AwsEmulator) -> None:
    """Another step has the password, which is masked before anything else is written."""
    github.run(in_place_of("Push", recipe))
    assert_signed_in(github.machine, aws, ("skopeo", "login", REGISTRY), by=CI_SESSION)
    assert github.machine.notes[-1]["secret"] == github.masks[-1]
    assert "  PASSWORD: ***" in github.machine.log
    assert operations(aws) == IN


@runs("OIDC without an action")
def test_oidc_without_an_action(
    recipe: Recipe, github: GitHub, id_tokens: IdTokens, aws: AwsEmulator
) -> None:
    """GitHub's token is used once, at once: later, when it is worth nothing, ECR's is there."""
    github.before["Push"] = lambda: aws.add_role(arn=CI_ROLE)
    github.run(in_place_of(CREDENTIALS, recipe))
    assert_signed_in(github.machine, aws, ("docker", "push", REGISTRY), by=CI_SESSION)
    assert id_tokens.audiences == ["sts.amazonaws.com"]
    assert operations(aws) == IN
    path = github.machine.temporary / "id-token"
    assert path.read_text() == id_token("sts.amazonaws.com")
    assert path.stat().st_mode & 0o077 == 0


def test_oidc_without_a_token(github: GitHub, id_tokens: IdTokens, aws: AwsEmulator) -> None:
    """Where GitHub gives no token, the step fails, and AWS is not asked."""
    id_tokens.works = False
    with pytest.raises(StepFailed, match="The requested URL returned error: 500"):
        github.run(in_place_of(CREDENTIALS, RECIPES["OIDC without an action"]))
    assert aws.calls == []


@runs("Service")
def test_service(recipe: Recipe, github: GitHub, aws: AwsEmulator) -> None:
    """The runner pulls the image of a service with what the job before has put out."""
    github.run(recipe)
    (service,) = github.services
    assert service["image"] == f"{REGISTRY}/database:latest"
    credentials = {"host": REGISTRY, "username": service["username"], "secret": service["password"]}
    assert_good(aws, credentials, by=PULL_SESSION)
    assert github.dropped == []
    assert service["password"] not in github.machine.shown
    assert operations(aws) == IN


def test_service_with_a_masked_password(github: GitHub) -> None:
    """Without --no-mask GitHub would drop the password on its way to the other job."""
    recipe = deepcopy(RECIPES["Service"])
    (step,) = (step for step in recipe["jobs"]["login"]["steps"] if "id" in step)
    step["run"] = step["run"].replace(" --no-mask", "")
    github.run(recipe)
    assert github.dropped == ["password"]
    assert github.services[0]["password"] == ""
    assert github.services[0]["username"] == "AWS"


# Others


@runs("CircleCI")
def test_circleci(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """Docker pushes by the helper, and skopeo signs in by $BASH_ENV: with one token."""
    aws.add_role(arn=CI_ROLE, web_identity_token=id_token("of-the-organization"))
    run_on_circleci(machine, recipe)
    expected = [("docker", "push", REGISTRY), ("skopeo", "login", REGISTRY)]
    assert_signed_in(machine, aws, *expected, by=CI_SESSION)
    assert operations(aws) == IN


@runs("GitLab")
def test_gitlab(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """Docker pushes by the helper, and the runner pulls by DOCKER_AUTH_CONFIG."""
    machine.programs = ("apk", "docker")
    aws.add_role(arn=CI_ROLE, web_identity_token=id_token("sts.amazonaws.com"))
    pulled = run_on_gitlab(machine, recipe)
    assert_signed_in(machine, aws, ("docker", "push", REGISTRY), by=CI_SESSION)
    assert [image for image, _ in pulled] == ["docker:28", "docker:28", IMAGE]
    auths = json.loads(pulled[-1][1])["auths"]
    assert list(auths) == [REGISTRY]
    username, _, secret = b64decode(auths[REGISTRY]["auth"]).decode().partition(":")
    assert_good(aws, {"host": REGISTRY, "username": username, "secret": secret}, by=CI_SESSION)
    assert operations(aws) == IN * 2  # each job is on a machine of its own


@runs("Jenkins")
def test_jenkins(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """The agent's docker pushes with the role of the instance."""
    aws.set_instance_role("agent")
    machine.environ |= {
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url,
    }
    run_on_jenkins(machine, recipe, {})
    role = "arn:aws:sts::*:assumed-role/agent/*"
    assert_signed_in(machine, aws, ("docker", "push", REGISTRY), by=role)
    assert operations(aws) == [*IMDS_OPERATIONS, "GetAuthorizationToken"]


@runs("Push with keys that Jenkins keeps")
def test_jenkins_with_keys(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """In place of that stage, this one pushes with Jenkins's keys, and leaves no token behind."""
    ((words, sections),) = RECIPES["Jenkins"]
    pipeline = [(words, [*sections[:-1], (("stages",), recipe)])]
    run_on_jenkins(machine, pipeline, {"ecr": aws.add_user(arn=USER).environ})
    assert_signed_in(machine, aws, ("docker", "push", REGISTRY), by=USER)
    assert operations(aws) == ["GetAuthorizationToken"]
    assert files_with_secrets(aws, machine.home) == []


@pytest.mark.parametrize(
    "step", ['sh "$REGISTRY"', r"sh 'a\tb'", "bat 'docker'", "sh 'true' }", "steps {"]
)
def test_jenkins_without_more_groovy(machine: Machine, step: str) -> None:
    """These tests refuse a Jenkinsfile with anything that they do not know."""
    with pytest.raises(AssertionError):
        run_on_jenkins(machine, read_jenkinsfile(f"pipeline {{\n{step}\n}}\n"), {})


@runs("AWS CodeBuild")
def test_codebuild(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """Docker pushes with the service role, which the container's credentials are of.

    CodeBuild sets AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, whose host cannot be served here.
    """
    machine.programs = ("docker", "git", "pip")
    role = aws.set_container_credentials("/v2/credentials/of-the-project")
    uri = f"{aws.url}/v2/credentials/of-the-project"
    run_on_codebuild(machine, recipe, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": uri})
    assert_signed_in(machine, aws, ("docker", "push", REGISTRY), by=role.arn)
    assert operations(aws) == ["GetContainerCredentials", "GetAuthorizationToken"]


def keep_keys(home: Path, profile: str, principal: Principal) -> None:
    """Write the keys of a profile into a home."""
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text(
        f"[{profile}]\n"
        f"aws_access_key_id = {principal.access_key_id}\n"
        f"aws_secret_access_key = {principal.secret_access_key}\n"
    )


@runs("Docker-in-docker, with the AWS profile of the shell")
def test_docker_in_docker(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """Docker in the container pushes with the profile that AWS_PROFILE names outside."""
    keep_keys(machine.home, "mine", aws.add_user(arn=USER))
    machine.check_out()
    run_at_a_shell(machine, recipe, {"AWS_PROFILE": "mine"})
    assert_signed_in(machine, aws, ("docker", "push", REGISTRY), by=USER)
    assert operations(aws) == ["GetAuthorizationToken"]
    assert not (machine.home / ".docker").exists()


@runs("Dev containers")
def test_dev_container(recipe: Recipe, machine: Machine, aws: AwsEmulator, tmp_path: Path) -> None:
    """Docker in the container pulls with the profile in the home that is mounted."""
    keep_keys(tmp_path, "dev", aws.add_user(arn=USER))
    run_in_dev_container(machine, recipe, tmp_path, f"docker pull {REGISTRY}/app")
    assert_signed_in(machine, aws, ("docker", "pull", REGISTRY), by=USER)
    assert operations(aws) == ["GetAuthorizationToken"]


@runs("Kubernetes")
def test_kubernetes(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """The CronJob applies a pull secret, which is all that its role allows it."""
    aws.add_role(arn=PULL_ROLE, web_identity_token=id_token("sts.amazonaws.com"))
    run_on_kubernetes(machine, recipe)
    assert_signed_in(machine, aws, ("kubectl", "apply ecr", REGISTRY), by=PULL_SESSION)
    assert operations(aws) == IN
    kinds = {manifest["kind"]: manifest for manifest in recipe}
    (name,) = {manifest["metadata"]["name"] for manifest in recipe}
    assert kinds["RoleBinding"]["roleRef"]["name"] == name
    assert kinds["RoleBinding"]["subjects"] == [{"kind": "ServiceAccount", "name": name}]
    rules = kinds["Role"]["rules"]
    assert [(rule["apiGroups"], rule["resources"]) for rule in rules] == [([""], ["secrets"])] * 2
    # A name cannot restrict what does not exist yet.
    assert (rules[0]["verbs"], "resourceNames" in rules[0]) == (["create"], False)
    assert (rules[1]["verbs"], rules[1]["resourceNames"]) == (["get", "patch"], ["ecr"])


def test_kubernetes_without_a_token(machine: Machine, aws: AwsEmulator) -> None:
    """Where AWS gives no token, the job fails with the reason, and the secret stays as it is."""
    aws.add_role(
        arn=PULL_ROLE,
        web_identity_token=id_token("sts.amazonaws.com"),
        deny=["ecr:GetAuthorizationToken"],
    )
    with pytest.raises(StepFailed, match=r"ecr-login: .* is denied to"):
        run_on_kubernetes(machine, RECIPES["Kubernetes"])
    assert [note["program"] for note in machine.notes] == ["pipx"]


@runs("Kaniko")
def test_kaniko(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """The executor pushes with what the init container has written."""
    aws.add_role(arn=CI_ROLE, web_identity_token=id_token("sts.amazonaws.com"))
    run_on_kubernetes(machine, [recipe])
    assert_signed_in(machine, aws, ("executor", "push", REGISTRY), by=CI_SESSION)
    assert operations(aws) == IN


@runs("buildkit")
def test_buildkit(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """In place of Kaniko, BuildKit pushes with the same."""
    aws.add_role(arn=CI_ROLE, web_identity_token=id_token("sts.amazonaws.com"))
    job = deepcopy(RECIPES["Kaniko"])
    job["spec"]["template"]["spec"]["containers"] = recipe
    run_on_kubernetes(machine, [job])
    pushed = ("buildctl-daemonless.sh", "push", REGISTRY)
    assert_signed_in(machine, aws, pushed, by=CI_SESSION)
    assert operations(aws) == IN


@runs("In place of aws ecr get-login-password")
def test_docker_login(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """The password goes straight from one program to the other."""
    machine.run(["pipx", "install", SOURCE], {})
    run_at_a_shell(machine, recipe, {**aws.add_user(arn=USER).environ, **installed(machine)})
    assert_signed_in(machine, aws, ("docker", "login", REGISTRY), by=USER)
    assert operations(aws) == ["GetAuthorizationToken"]


@runs("For programs that read Docker's configuration but run no helpers")
def test_file_without_helpers(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """A program that is shown the file signs in with it, and nobody else can read it."""
    machine.run(["pipx", "install", SOURCE], {})
    run_at_a_shell(machine, recipe, {**aws.add_user(arn=USER).environ, **installed(machine)})
    assert_signed_in(machine, aws, ("skopeo", "pull", REGISTRY), by=USER)
    assert operations(aws) == ["GetAuthorizationToken"]
    assert (machine.work / "auth.json").stat().st_mode & 0o077 == 0


@runs("The tags of a repository, by curl")
def test_tags(recipe: Recipe, machine: Machine, aws: AwsEmulator) -> None:
    """Curl asks the registry with the header that the helper prints."""
    machine.programs += ("curl",)
    machine.begin_job()
    machine.run(["pipx", "install", SOURCE], {})
    run_at_a_shell(machine, recipe, {**aws.add_user(arn=USER).environ, **installed(machine)})
    assert_signed_in(machine, aws, ("curl", "GET /v2/app/tags/list", REGISTRY), by=USER)
    assert operations(aws) == ["GetAuthorizationToken"]


def installed(machine: Machine) -> dict[str, str]:
    """The variable with which a shell finds what pipx has installed."""
    return {"PATH": f"{machine.home}/.local/bin:{machine.environ['PATH']}"}


# What amazon-ecr-login puts out

OTHER_REGISTRY = "998877665544.dkr.ecr.us-east-1.amazonaws.com"
ONE = {
    "registry": "123456789012.dkr.ecr.us-east-1.amazonaws.com",
    "docker_username_123456789012_dkr_ecr_us_east_1_amazonaws_com": "AWS",
    "docker_password_123456789012_dkr_ecr_us_east_1_amazonaws_com": "PASSWORD",
}
TWO = {
    "docker_username_123456789012_dkr_ecr_us_east_1_amazonaws_com": "AWS",
    "docker_password_123456789012_dkr_ecr_us_east_1_amazonaws_com": "PASSWORD",
    "docker_username_998877665544_dkr_ecr_us_east_1_amazonaws_com": "AWS",
    "docker_password_998877665544_dkr_ecr_us_east_1_amazonaws_com": "PASSWORD",
}
PUBLIC = {
    "registry": "public.ecr.aws",
    "docker_username_public_ecr_aws": "AWS",
    "docker_password_public_ecr_aws": "PASSWORD",
}
CHINA = {
    "registry": "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
    "docker_username_123456789012_dkr_ecr_cn_north_1_amazonaws_com_cn": "AWS",
    "docker_password_123456789012_dkr_ecr_cn_north_1_amazonaws_com_cn": "PASSWORD",
}


@pytest.mark.parametrize(
    ("region", "arguments", "outputs", "registries"),
    [
        ("us-east-1", [], ONE, [REGISTRY]),
        ("us-east-1", ["123456789012"], ONE, [REGISTRY]),
        ("us-east-1", ["--no-mask", "123456789012"], ONE, [REGISTRY]),
        ("us-east-1", ["123456789012,998877665544"], TWO, [REGISTRY, OTHER_REGISTRY]),
        ("eu-west-1", ["--public"], PUBLIC, ["public.ecr.aws"]),
        ("cn-north-1", ["123456789012"], CHINA, [CHINA["registry"]]),
    ],
    ids=["own", "one", "not masked", "several", "public", "China"],
)
def test_outputs_of_amazon_ecr_login(
    helper: HelperProcess,
    aws: AwsEmulator,
    tmp_path: Path,
    region: str,
    arguments: list[str],
    outputs: dict[str, str],
    registries: list[str],
) -> None:
    """The same keys with the same values in the same order, and ``registries``; masks come first.

    Source: what dist/index.js of aws-actions/amazon-ecr-login 2.1.7 wrote for the same registries
    and the same AWS, with ``mask-password`` at its default and "false"; its README.md and index.js.
    """
    file = tmp_path / "output"
    helper.environ |= aws.add_user(arn=USER).environ
    helper.environ |= {"AWS_REGION": region, "GITHUB_OUTPUT": str(file)}
    outcome = helper.run("login", "--output", "github", *arguments)
    assert (outcome.stderr, outcome.status) == ("", 0)
    found = read_github_file(file.read_text())
    passwords = [value for name, value in found.items() if name.startswith("docker_password_")]
    assert all(map(aws.accepts, passwords))
    assert found.pop("registries") == ",".join(registries)
    shown = {name: "PASSWORD" if aws.issued(value) else value for name, value in found.items()}
    assert list(shown.items()) == list(outputs.items())
    masks = [] if "--no-mask" in arguments else passwords[:1]  # one token serves a region
    assert outcome.stdout == "".join(f"::add-mask::{password}\n" for password in masks)


# The action, which takes the place of amazon-ecr-login


@needs_node
@runs("In place of amazon-ecr-login")
def test_action(recipe: Recipe, github: GitHub, releases: Releases, aws: AwsEmulator) -> None:
    """What follows the action pushes by this helper, to the registry that the action has put out.

    The helper comes from the release of the action's repository; another one is on PATH.
    """
    workflow = in_place_of("Push", recipe)
    steps = workflow["jobs"]["push"]["steps"]
    del steps[1]  # pipx installs nothing
    github.run(workflow)
    assert_signed_in(github.machine, aws, ("docker", "push", REGISTRY), by=CI_SESSION)
    assert operations(aws) == IN
    assert releases.asked[-1] == f"/elsewhere/{build_name()}.tar.gz"


def action(**inputs: str) -> Recipe:
    """Return the step with the action."""
    return {"id": "ecr", "uses": f"{OUR_ACTION}@v1", "with": inputs}


def sign_in(github: GitHub, aws: AwsEmulator) -> None:
    """Give the machine the keys of a user, which are no business of the workflow's."""
    github.machine.environ |= aws.add_user(arn=USER).environ


def workflow(*steps: Recipe, **environ: str) -> Recipe:
    """Return a workflow of these steps."""
    return {"permissions": {}, "env": environ, "jobs": {"job": {"steps": list(steps)}}}


PULL = {"run": f"docker pull {REGISTRY}/app"}


@needs_node
@pytest.mark.usefixtures("releases")
@pytest.mark.parametrize(
    ("region", "inputs", "outputs"),
    [
        ("us-east-1", {}, ONE),
        ("us-east-1", {"registries": "123456789012"}, ONE),
        ("us-east-1", {"registries": "123456789012", "mask-password": "false"}, ONE),
        ("us-east-1", {"registries": "123456789012,998877665544"}, TWO),
        ("eu-west-1", {"registry-type": "public"}, PUBLIC),
        ("eu-west-1", {"registry-type": "public", "registries": "123456789012"}, PUBLIC),
        ("cn-north-1", {"registries": "123456789012"}, CHINA),
    ],
)
def test_outputs_of_the_action(
    github: GitHub, aws: AwsEmulator, region: str, inputs: dict[str, str], outputs: dict[str, str]
) -> None:
    """The same keys as amazon-ecr-login's, with the same values; all passwords are masked, or none.

    Source: as above, by the inputs.
    """
    sign_in(github, aws)
    github.run(workflow(action(**inputs), AWS_REGION=region))
    found = github.outputs["ecr"]
    registries = found.pop("registries").split(",")
    shown = {name: "PASSWORD" if aws.issued(value) else value for name, value in found.items()}
    assert list(shown.items()) == list(outputs.items())
    assert len(registries) == len([name for name in outputs if "password" in name])
    passwords = {value for name, value in found.items() if "password" in name}
    is_masked = inputs.get("mask-password") != "false"
    assert set(github.masks) == (passwords if is_masked else set())
    assert ("::warning::" in github.machine.shown) == (not is_masked)
    assert [secret for secret in aws.secrets if secret in github.machine.shown] == []


def test_inputs_of_the_action() -> None:
    """Inputs, defaults and outputs are those of amazon-ecr-login, and one output more.

    Source: action.yml of aws-actions/amazon-ecr-login 2.1.7.
    """
    said = yaml.safe_load((ROOT / "action.yml").read_text())
    assert {name: each.get("default") for name, each in said["inputs"].items()} == {
        "http-proxy": None,
        "mask-password": "true",
        "registries": None,
        "registry-type": "private",
        "skip-logout": "false",
    }
    assert set(said["outputs"]) == {"registry", "registries"}


@needs_node
@pytest.mark.usefixtures("releases")
def test_the_action_keeps_its_token(github: GitHub, aws: AwsEmulator) -> None:
    """Whatever the job's credentials become, its registries have the token of the step."""
    sign_in(github, aws)
    later = "echo AWS_ACCESS_KEY_ID= >> $GITHUB_ENV; echo AWS_SECRET_ACCESS_KEY= >> $GITHUB_ENV"
    role = {"role-to-assume": PULL_ROLE, "aws-region": "us-east-1"}
    recipe = workflow(
        action(registries=ACCOUNT),
        {"run": later},
        PULL,
        {"uses": f"{CREDENTIALS}@v6", "with": role},
        PULL,
        AWS_REGION="us-east-1",
    )
    github.run({**recipe, "permissions": {"id-token": "write"}})
    pull = ("docker", "pull", REGISTRY)
    assert_signed_in(github.machine, aws, pull, pull, by=USER)
    assert operations(aws) == ["GetAuthorizationToken", "AssumeRoleWithWebIdentity"]


@needs_node
@pytest.mark.usefixtures("releases")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("has_entry", [False, True])
def test_the_action_leaves_nothing(
    github: GitHub, aws: AwsEmulator, tmp_path: Path, fails: bool, has_entry: bool
) -> None:
    """Docker's configuration, which the job has elsewhere, is used as it is, and is so again.

    However the job ends: no token is left, and nothing in the home. An entry that was there stays.
    """
    docker = tmp_path / "docker"
    docker.mkdir()
    before: dict[str, dict[str, Any]] = {
        "auths": {"example.com": {}},
        "credHelpers": {"example.com": "other"},
    }
    if has_entry:
        before["credHelpers"][REGISTRY] = "ecr-login"
    (docker / "config.json").write_text(json.dumps(before, indent=2))
    sign_in(github, aws)
    copy = {"run": f'cp "{docker}/config.json" "{tmp_path}/during.json"'}
    recipe = workflow(
        action(registries=f"{ACCOUNT},998877665544"),
        PULL,
        copy,
        {"run": "false" if fails else "true"},
        AWS_REGION="us-east-1",
        DOCKER_CONFIG=str(docker),
    )
    if fails:
        with pytest.raises(StepFailed):
            github.run(recipe)
    else:
        github.run(recipe)
    assert_signed_in(github.machine, aws, ("docker", "pull", REGISTRY), by=USER)
    during = json.loads((tmp_path / "during.json").read_text())
    assert during["auths"] == before["auths"]
    assert during["credHelpers"] == before["credHelpers"] | dict.fromkeys(
        (REGISTRY, OTHER_REGISTRY), "ecr-login"
    )
    assert json.loads((docker / "config.json").read_text()) == before
    assert list(github.machine.home.iterdir()) == []
    outputs = {github.machine.temporary / name for name in ("GITHUB_OUTPUT", "GITHUB_STATE")}
    assert set(files_with_secrets(aws, github.machine.temporary)) <= outputs


@needs_node
@pytest.mark.usefixtures("releases")
def test_the_action_twice(github: GitHub, aws: AwsEmulator) -> None:
    """A job can have it for its own registries and for ECR Public; each takes away its own."""
    sign_in(github, aws)
    public = {"run": "docker pull public.ecr.aws/alias/app"}
    both = (action(registries=ACCOUNT), action(**{"registry-type": "public"}))
    github.run(workflow(*both, PULL, public, AWS_REGION="us-east-1"))
    expected = (("docker", "pull", REGISTRY), ("docker", "pull", "public.ecr.aws"))
    assert_signed_in(github.machine, aws, *expected, by=USER)
    assert (github.machine.home / ".docker" / "config.json").read_text() == "{}\n"


@needs_node
@pytest.mark.usefixtures("releases")
def test_the_action_without_logout(github: GitHub, aws: AwsEmulator) -> None:
    """With ``skip-logout``, the entries stay, for other jobs in this home."""
    sign_in(github, aws)
    step = action(registries=ACCOUNT, **{"skip-logout": "true"})
    github.run(workflow(step, AWS_REGION="us-east-1"))
    configuration = json.loads((github.machine.home / ".docker" / "config.json").read_text())
    assert configuration == {"credHelpers": {REGISTRY: "ecr-login"}}


@needs_node
@pytest.mark.usefixtures("releases")
@pytest.mark.parametrize("variable", ["", "HTTP_PROXY", "http_proxy"])
def test_the_action_behind_a_proxy(github: GitHub, aws: AwsEmulator, variable: str) -> None:
    """AWS is reached by the proxy of the input, else by the environment's, for HTTP too."""
    machine = HelperProcess(github.machine.directory, github.machine.environ)
    sign_in(github, aws)
    with aws_under_its_own_names(aws, machine, "api.ecr.us-east-1.amazonaws.com") as proxy:
        address = github.machine.environ.pop("HTTPS_PROXY")
        given = {variable: address, "NO_PROXY": "127.0.0.1"} if variable else {}
        step = action(registries=ACCOUNT, **({} if variable else {"http-proxy": address}))
        github.run(workflow(step, **given, AWS_REGION="us-east-1"))
    assert proxy.hosts == ["api.ecr.us-east-1.amazonaws.com:443"]
    assert aws.accepts(github.masks[0])


@needs_node
@pytest.mark.parametrize(
    ("inputs", "files", "line"),
    [
        ({}, {"SHA256SUMS": b"0" * 64}, r"tar\.gz is not the file that SHA256SUMS beside it is"),
        ({}, {"SHA256SUMS": b""}, r"/SHA256SUMS: HTTP status 404"),
        ({"registry-type": "both"}, {}, "registry-type must be private or public, and is both"),
        ({"registries": "12"}, {}, "::error::ecr-login: "),
    ],
    ids=["checksum", "no release", "type", "account"],
)
def test_the_action_fails(
    github: GitHub,
    releases: Releases,
    aws: AwsEmulator,
    inputs: dict[str, str],
    files: dict[str, bytes],
    line: str,
) -> None:
    """What is wrong is one line that GitHub shows as an error, and nothing is put out."""
    releases.files |= files
    sign_in(github, aws)
    with pytest.raises(StepFailed, match=line) as caught:
        github.run(workflow(action(**inputs), AWS_REGION="us-east-1"))
    assert str(caught.value).count("::error::") == 1
    assert github.outputs["ecr"] == {}
    assert not (github.machine.home / ".docker").exists()
    assert aws.calls == []
