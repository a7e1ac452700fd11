"""The recipes of docs/ci.md with real docker and skopeo."""

import os
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from tests.clients.machine import Person, Skopeo, docker_programs
from tests.clients.servers import DockerEngine, Registry
from tests.emulator import AwsEmulator
from tests.recipes import (
    COMMIT,
    OUR_ACTION,
    ROOT,
    GitHub,
    IdTokens,
    Machine,
    Recipe,
    id_token,
    needs_node,
    recipes,
    run_at_a_shell,
    run_on_circleci,
    run_on_codebuild,
    run_on_gitlab,
    run_on_jenkins,
)
from tests.releases import Releases, build_name
from tests.stand_ins import SOURCE

ACCOUNT = "123456789012"
REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
IMAGE = f"{REGISTRY}/app:{COMMIT}"
RECIPES = recipes()
IN = ["AssumeRoleWithWebIdentity", "GetAuthorizationToken"]
AFTERWARDS = f"""
docker rmi {IMAGE}
docker pull {IMAGE}
skopeo copy docker://{IMAGE} dir:copy
"""


@pytest.fixture(params=docker_programs())
def machine(
    request: pytest.FixtureRequest, tmp_path: Path, stranger: Person, engine: DockerEngine
) -> Machine:
    """A machine with each docker CLI in turn, and without this helper."""
    engine.remove_images()
    environ = {
        **stranger.environ,
        "DOCKER_HOST": engine.url,
        "PATH": f"{Path(request.param).parent}:{os.environ['PATH']}",
    }
    return Machine(tmp_path / "machine", environ, ("apk", "git", "pipx"), allow_images)


def allow_images(machine: Machine) -> None:
    """Let skopeo copy images that nobody has signed, and keep its logins in the home."""
    policy = machine.home / ".config" / "containers" / "policy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    machine.environ["XDG_RUNTIME_DIR"] = str(machine.temporary)


@pytest.fixture
def github(machine: Machine, aws: AwsEmulator) -> Iterator[GitHub]:
    """GitHub, whose tokens the roles of the recipes trust."""
    for name in ("ci", "pull"):
        trust(aws, name, "sts.amazonaws.com")
    with IdTokens() as id_tokens:
        yield GitHub(machine, id_tokens, aws.listen("127.0.0.1"))


def trust(aws: AwsEmulator, role: str, audience: str) -> None:
    """Let the OIDC tokens for an audience assume a role."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    aws.add_role(arn=arn, web_identity_token=id_token(audience))


def fill(registry: Registry, aws: AwsEmulator, person: Person, archive: Path, image: str) -> None:
    """Push an image that recipes pull."""
    person.environ |= aws.add_user(arn=f"arn:aws:iam::{ACCOUNT}:user/dev").environ
    person.use_helper("credential-helpers")
    assert Skopeo("skopeo", person, archive).push(image).succeeded
    assert registry.pushed(image)


def operations(aws: AwsEmulator) -> list[str]:
    """What AWS was asked for."""
    return [call.operation for call in aws.calls]


def assert_pushed_and_pulled(registry: Registry) -> None:
    """Assert that the registry saw the image come and go, with a good password."""
    assert registry.pushed(IMAGE)
    assert registry.pulled(IMAGE)


@pytest.mark.parametrize("by_action", [True, False], ids=["action", "no action"])
def test_github(github: GitHub, registry: Registry, aws: AwsEmulator, by_action: bool) -> None:
    """The workflow's docker pushes; then docker and skopeo pull, and AWS is not asked again."""
    recipe = deepcopy(RECIPES["Image"])
    steps = recipe["jobs"]["push"]["steps"]
    if not by_action:
        steps[2:3] = RECIPES["OIDC without an action"]
    github.run({**recipe, "jobs": {"push": {"steps": [*steps, {"run": AFTERWARDS}]}}})
    assert_pushed_and_pulled(registry)
    assert operations(aws) == IN


@needs_node
def test_action(github: GitHub, registry: Registry, aws: AwsEmulator) -> None:
    """With the release's own build, the job's docker pushes and pulls; then nothing is left.

    Here the build is the one in dist/.
    """
    build = ROOT / "dist" / f"{build_name()}.tar.gz"
    if not build.exists():
        pytest.skip(f"NOT TRIED: dist/{build.name} is missing: make standalone")
    recipe = deepcopy(RECIPES["Image"])
    steps = recipe["jobs"]["push"]["steps"]
    steps[1:2] = []  # pipx installs nothing
    steps[-1:] = RECIPES["In place of amazon-ecr-login"]
    steps.append({"run": AFTERWARDS})
    with Releases(OUR_ACTION, build.read_bytes()) as releases:
        github.server_url = releases.url
        github.run(recipe)
    assert_pushed_and_pulled(registry)
    assert operations(aws) == IN
    home = github.machine.home
    assert not (home / ".ecr").exists()
    assert (home / ".docker" / "config.json").read_text() == "{}\n"


def in_place_of_push(name: str) -> Recipe:
    """Return the workflow with the steps of that name in place of the last one."""
    recipe = deepcopy(RECIPES["Image"])
    recipe["jobs"]["push"]["steps"][-1:] = RECIPES[name]
    return recipe


def test_three_regions(github: GitHub, registry: Registry, aws: AwsEmulator) -> None:
    """Docker pushes one image to the registries of three regions."""
    github.run(in_place_of_push("One image in three regions"))
    for region in ("us-east-1", "eu-west-1", "ap-southeast-2"):
        assert registry.pushed(f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/app:{COMMIT}")
    assert operations(aws) == [*IN, *["GetAuthorizationToken"] * 2]


@pytest.mark.skipif(not shutil.which("helm"), reason="there is no Helm here")
def test_helm(
    github: GitHub, registry: Registry, public_registry: Registry, aws: AwsEmulator
) -> None:
    """Helm pushes a chart to both registries."""
    public_registry.admit({"AWS": aws.password})
    with public_registry.serving():
        github.run(in_place_of_push("A Helm chart, to a private registry and to ECR Public"))
    assert registry.pushed(f"{REGISTRY}/app:0.1.0")
    assert public_registry.pushed("public.ecr.aws/alias/app:0.1.0")
    assert operations(aws) == [*IN, "GetAuthorizationToken"]


def test_service(
    github: GitHub, registry: Registry, aws: AwsEmulator, person: Person, archive: Path
) -> None:
    """The runner signs in with what a job has put out, and pulls the image of the service."""
    image = f"{REGISTRY}/database:latest"
    fill(registry, aws, person, archive, image)
    github.run(RECIPES["Service"])
    (service,) = github.services
    assert service["image"] == image
    machine = github.machine
    machine.begin_job()
    script = (
        'printf %s "$PASSWORD" | docker login --username "$NAME" --password-stdin "$REGISTRY"\n'
        'docker pull "$IMAGE"'
    )
    credentials = {"NAME": service["username"], "PASSWORD": service["password"]}
    run_at_a_shell(machine, script, {**credentials, "REGISTRY": REGISTRY, "IMAGE": image})
    assert registry.pulled(image)
    assert operations(aws) == ["GetAuthorizationToken", *IN]


def test_circleci(machine: Machine, registry: Registry, aws: AwsEmulator) -> None:
    """The job's docker pushes, skopeo signs in by itself; then both pull."""
    trust(aws, "ci", "of-the-organization")
    recipe = deepcopy(RECIPES["CircleCI"])
    recipe["jobs"]["push"]["steps"].append({"run": AFTERWARDS})
    run_on_circleci(machine, recipe)
    assert "Login Succeeded!" in machine.shown
    assert_pushed_and_pulled(registry)
    assert operations(aws) == IN


def test_gitlab(machine: Machine, registry: Registry, aws: AwsEmulator) -> None:
    """The job's docker pushes; then a runner without AWS credentials pulls the job's image."""
    trust(aws, "ci", "sts.amazonaws.com")
    image, authentication = run_on_gitlab(machine, RECIPES["GitLab"])[-1]
    machine.begin_job()
    (machine.home / ".docker").mkdir()
    (machine.home / ".docker" / "config.json").write_text(authentication)
    run_at_a_shell(machine, AFTERWARDS, {})
    assert image == IMAGE
    assert_pushed_and_pulled(registry)
    assert operations(aws) == IN * 2


def test_jenkins(machine: Machine, registry: Registry, aws: AwsEmulator) -> None:
    """The agent's docker pushes with the role of the instance."""
    aws.listen("169.254.169.254", 80)
    aws.set_instance_role()
    machine.environ["AWS_EC2_METADATA_DISABLED"] = "false"
    run_on_jenkins(machine, RECIPES["Jenkins"], {})
    assert registry.pushed(IMAGE)


def test_codebuild(machine: Machine, registry: Registry, aws: AwsEmulator) -> None:
    """Docker pushes with the service role, from the address that containers ask."""
    machine.programs = ("git", "pip")
    aws.listen("169.254.170.2", 80)
    aws.set_container_credentials("/v2/credentials/of-the-project")
    uri = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/of-the-project"}
    run_on_codebuild(machine, RECIPES["AWS CodeBuild"], uri)
    assert registry.pushed(IMAGE)
    assert operations(aws) == ["GetContainerCredentials", "GetAuthorizationToken"]


@pytest.mark.parametrize(
    ("name", "pull"),
    [
        ("In place of aws ecr get-login-password", f"docker pull {REGISTRY}/app:latest"),
        ("For programs that read Docker's configuration but run no helpers", ""),
    ],
    ids=["docker", "skopeo"],
)
def test_at_a_shell(
    machine: Machine,
    registry: Registry,
    aws: AwsEmulator,
    person: Person,
    archive: Path,
    name: str,
    pull: str,
) -> None:
    """What somebody types signs docker in, and has skopeo pull with the file it is shown."""
    image = f"{REGISTRY}/app:latest"
    fill(registry, aws, person, archive, image)
    keys = aws.add_user(arn=f"arn:aws:iam::{ACCOUNT}:user/dev").environ
    script = f"set -e\npipx install {SOURCE}\n{RECIPES[name]}{pull}"
    path = f"{machine.home}/.local/bin:{machine.environ['PATH']}"
    run_at_a_shell(machine, script, {**keys, "PATH": path})
    assert registry.pulled(image)
    assert operations(aws) == ["GetAuthorizationToken"] * 2
    assert (machine.work / "app" / "manifest.json").exists() == (not pull)


def test_tags(
    machine: Machine, registry: Registry, aws: AwsEmulator, person: Person, archive: Path
) -> None:
    """Curl gets the tags of a repository from the registry."""
    fill(registry, aws, person, archive, f"{REGISTRY}/app:latest")
    keys = aws.add_user(arn=f"arn:aws:iam::{ACCOUNT}:user/dev").environ
    script = f"set -e\npipx install {SOURCE}\n{RECIPES['The tags of a repository, by curl']}"
    path = f"{machine.home}/.local/bin:{machine.environ['PATH']}"
    run_at_a_shell(machine, script, {**keys, "PATH": path})
    assert '{"name":"app","tags":["latest"]}' in machine.shown
