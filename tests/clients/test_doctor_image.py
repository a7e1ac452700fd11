"""doctor IMAGE beside real skopeo: what it says of an image is what skopeo meets."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess, Outcome
from tests.image_machine import IMAGE, ImageMachine, image_machine
from tests.image_situations import CASES, Case


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[ImageMachine]:
    """A machine on which all is well, with a registry that answers as ECR does."""
    home = tmp_path / "home"
    home.mkdir()
    with (
        AwsEmulator() as aws,
        image_machine(HelperProcess(home, {"AWS_ENDPOINT_URL": aws.url}), aws) as machine,
    ):
        yield machine


def moved(machine: ImageMachine, case: Case, image: str, archive: Path) -> Outcome:
    """Pull or push an image, as the case has it."""
    return machine.push(archive, image) if case.push else machine.pull(image)


@pytest.mark.parametrize("case", CASES, ids=[case.seed.__name__ for case in CASES])
def test_after_the_remedy(machine: ImageMachine, case: Case, archive: Path) -> None:
    """Real skopeo fails, the remedy is carried out as it stands, and skopeo pulls or pushes."""
    case.seed(machine)
    before = moved(machine, case, case.image, archive)
    assert before.status != 0
    found = json.loads(machine.helper.run("doctor", "--json", *case.arguments).stdout)["checks"]
    remedy = next(each["remedy"] for each in found if each["status"] == "failed")
    image = case.cure(machine, remedy) or case.image
    after = moved(machine, case, image, archive)
    assert after.status == 0, after


@pytest.mark.parametrize("push", [False, True])
def test_nothing_is_wrong(machine: ImageMachine, archive: Path, push: bool) -> None:
    """Where doctor finds nothing, skopeo has no trouble, either."""
    found = machine.doctor(*(["--push"] if push else []), IMAGE)
    assert {each["status"] for each in found} == {"passed"}
    assert (machine.push(archive, IMAGE) if push else machine.pull(IMAGE)).status == 0
