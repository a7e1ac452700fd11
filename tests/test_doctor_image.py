"""``doctor IMAGE``: which policy or rule denies an image, and what to do about it."""

from collections.abc import Iterator

import pytest

from tests.credential_sources import DEV
from tests.documents import README, blocks
from tests.emulator import AwsEmulator, Fault
from tests.emulator.registry_http import PUBLIC_HOST, PUBLIC_STORAGE, STORAGE
from tests.emulator.repositories import PUBLIC
from tests.helper_process import HOST, HelperProcess
from tests.image_machine import IMAGE, ImageMachine, image_machine
from tests.image_situations import CASES, Case

GET = "ecr:BatchGetImage"
REPOSITORY = "arn:aws:ecr:us-east-1:111111111111:repository/team/app"


@pytest.fixture
def machine(helper: HelperProcess, aws: AwsEmulator) -> Iterator[ImageMachine]:
    """A machine without any fault."""
    with image_machine(helper, aws) as machine:
        yield machine


@pytest.mark.parametrize("case", CASES, ids=[case.seed.__name__ for case in CASES])
def test_situations(machine: ImageMachine, case: Case) -> None:
    """Each cause is the first failure that is shown, with its remedy; asking creates nothing."""
    case.seed(machine)
    before = dict(machine.aws.registries.repositories)
    failures = [each for each in machine.doctor(*case.arguments) if each["status"] == "failed"]
    assert failures[0]["check"] == case.check
    assert [words for words in case.words if words not in failures[0]["message"]] == []
    assert [words for words in case.remedy if words not in failures[0]["remedy"]] == []
    assert len(failures) == 1
    assert machine.aws.registries.repositories == before
    assert machine.aws.registries.uploads == {}


def test_an_image_that_can_be_pulled(machine: ImageMachine) -> None:
    """Its manifest, its configuration and one byte of a layer are asked for, without the password.

    Storage is not shown the password: S3 refuses what is signed twice.
    """
    found = machine.doctor(IMAGE)
    assert {each["status"] for each in found} == {"passed"}
    assert [each["check"] for each in found] == ["image", "layer"]
    assert found[-1]["message"] == f"one byte of a layer came from {STORAGE}"
    layers = [call for call in machine.aws.calls if call.operation == "GetLayer"]
    assert [call.headers.get("range") for call in layers] == ["bytes=0-0", None]
    asked = {call.operation for call in machine.aws.calls if call.service == "ecr"}
    assert asked == {
        "GetAuthorizationToken",
        "DescribeRepositories",
        "BatchGetImage",
        "BatchCheckLayerAvailability",
    }


def test_an_image_that_can_be_pushed(machine: ImageMachine) -> None:
    """An upload is started and cancelled."""
    found = machine.doctor("--push", f"{HOST}/team/app:2.0")
    assert [(each["check"], each["status"]) for each in found] == [
        ("repository", "passed"),
        ("upload", "passed"),
    ]
    registries = machine.aws.registries
    assert (len(registries.cancelled), registries.uploads) == (1, {})


def test_a_list_of_platforms(machine: ImageMachine) -> None:
    """In a list, only the image for this platform is checked."""
    machine.app.add_image("1.4", ["linux/arm64", "linux/amd64"])
    assert {each["status"] for each in machine.doctor(IMAGE)} == {"passed"}
    digest = machine.app.tags["1.4"]
    assert {each["status"] for each in machine.doctor(f"{HOST}/team/app@{digest}")} == {"passed"}


@pytest.mark.parametrize("keys", [True, False])
def test_an_image_of_ecr_public(machine: ImageMachine, keys: bool) -> None:
    """An image of ECR Public is checked through the token server, with credentials or without."""
    machine.aws.registries.add("nginx/nginx", PUBLIC).add_image("1.27")
    if not keys:
        del machine.helper.environ["AWS_ACCESS_KEY_ID"]
        del machine.helper.environ["AWS_SECRET_ACCESS_KEY"]
        machine.helper.environ["AWS_ECR_PUBLIC_ANONYMOUS"] = "true"
    outcome = machine.helper.run("doctor", f"{PUBLIC_HOST}/nginx/nginx:1.27")
    assert outcome.status == 0
    lines = outcome.stdout.splitlines()[-3:-1]
    assert lines == [
        f"passed  image: {PUBLIC_HOST}/nginx/nginx:1.27 exists, and its manifest can be downloaded",
        f"passed  layer: one byte of a layer came from {PUBLIC_STORAGE}",
    ]
    assert {call.service for call in machine.aws.calls} <= {"sts", "ecr-public", "registry", "s3"}


def test_nothing_is_asked_without_the_network(machine: ImageMachine) -> None:
    """The image is skipped with --no-network, and if the registry accepts no token."""
    outcome = machine.helper.run("doctor", "--no-network", IMAGE)
    assert "skipped image: this needs the network\n" in outcome.stdout
    assert machine.aws.calls == []
    machine.aws.fail("CheckVersion", Fault(status=401, error="DENIED"))
    outcome = machine.helper.run("doctor", IMAGE)
    assert "skipped image: the registry has not accepted a token\n" in outcome.stdout
    assert machine.aws.count("GetManifest") == 0


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        (
            "with an explicit deny in a service control policy",
            "remove the deny from that service control policy, or add an exception to it",
        ),
        (
            f"because no VPC endpoint policy allows the {GET} action",
            f"allow {GET}, ecr:GetDownloadUrlForLayer on {REPOSITORY} in that VPC endpoint policy",
        ),
    ],
)
def test_policies_of_others(machine: ImageMachine, reason: str, remedy: str) -> None:
    """The finding quotes AWS (IAM's access denied messages) on which policy denies it."""
    said = f"User: {DEV} is not authorized to perform: {GET} on resource: {REPOSITORY} {reason}"
    machine.aws.fail("GetManifest", Fault(status=403, error="DENIED", message=said))
    (found,) = machine.doctor(IMAGE)
    assert found["message"] == f"{GET} is denied to {DEV} {reason}"
    assert found["remedy"].startswith(remedy)


def test_what_has_no_known_cause(machine: ImageMachine) -> None:
    """For an unknown cause, the finding quotes the registry."""
    fault = Fault(status=429, error="TOOMANYREQUESTS", message="Rate exceeded")
    machine.aws.fail("GetManifest", fault)
    (found,) = machine.doctor(IMAGE)
    assert found["message"] == f"the answer for {IMAGE} is TOOMANYREQUESTS: Rate exceeded"


def test_where_the_api_does_not_answer(machine: ImageMachine) -> None:
    """If the network has no route to the API, it is asked only once, and the registry decides."""
    machine.aws.fail("DescribeRepositories", Fault(drop="before"))
    assert {each["status"] for each in machine.doctor(IMAGE)} == {"passed"}
    assert machine.aws.count("BatchGetImage") == 0
    (found,) = machine.doctor("--push", IMAGE)
    assert (found["check"], found["status"]) == ("repository", "warned")
    assert "so no upload was started: no answer: " in found["message"]


@pytest.mark.parametrize(
    ("access", "status", "words"),
    [
        ("pull", "failed", f'restricts {HOST} to pulling (access = "pull")'),
        ("push", "skipped", "cannot look up repositories: no push is tried"),
    ],
)
def test_a_push_with_restricted_access(
    machine: ImageMachine, access: str, status: str, words: str
) -> None:
    """If config.toml restricts the registry to some access, doctor says so, and pushes nothing."""
    role = "arn:aws:iam::111111111111:role/ci"
    machine.aws.add_role(arn=role, trusted=[DEV])
    table = f'[[registry]]\nmatch = "{HOST}"\nrole_arn = "{role}"\naccess = "{access}"\n'
    machine.helper.write_own_config(table)
    (found,) = machine.doctor("--push", IMAGE)
    assert (found["check"], found["status"]) == ("image", status)
    assert found["message"].endswith(words)
    assert machine.aws.count("StartUpload") == 0


def test_a_push_to_ecr_public(machine: ImageMachine) -> None:
    """For ECR Public it is not known whether a push is allowed, and no upload is started."""
    (found,) = machine.doctor("--push", f"{PUBLIC_HOST}/team/app:1")
    assert (found["check"], found["status"]) == ("repository", "warned")
    assert found["message"].endswith("so no upload was started: its API was not asked")
    assert machine.aws.count("StartUpload") == 0


def test_the_example_of_the_readme(machine: ImageMachine) -> None:
    """`doctor IMAGE` prints what the README shows."""
    (block,) = blocks(README, "console")
    block = block.replace("123456789012", HOST.partition(".")[0])
    for example in block.split("$ docker-credential-ecr-login ")[1:]:
        command, _, expected = example.partition("\n")
        outcome = machine.helper.run(*command.split())
        head, *_ = outcome.stdout.splitlines()
        assert head == f"Image: {command.split()[-1]}"
        assert outcome.stdout.rpartition("takes the token\n")[2].startswith(expected)
        assert outcome.status == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            (f"{HOST}/Team/app:1",),
            f"'{HOST}/Team/app:1' is not the name of an image; such a name is HOST/team/app:1.4, ",
        ),
        (
            (f"{HOST}/team/app@sha256:12",),
            "is not the name of an image; such a name is HOST/team/app:1.4, ",
        ),
        (
            ("docker.io/library/nginx:1",),
            "'docker.io' is neither the host of an ECR registry nor an account",
        ),
        (("--push", HOST), "--push needs an image; name one, with its registry"),
        (("--push",), "--push needs an image; name one, with its registry"),
    ],
)
def test_bad_arguments(helper: HelperProcess, arguments: tuple[str, ...], words: str) -> None:
    """A name that is not that of an image of ECR is one line on stderr, and exit code 1."""
    outcome = helper.run("doctor", *arguments)
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert outcome.stderr.startswith("ecr-login: ")
    assert words in outcome.stderr
    assert outcome.stderr.count("\n") == 1
