"""``doctor IMAGE``: whose rule keeps somebody from an image, and what to do about it."""

from collections.abc import Iterator

import pytest

from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess
from tests.image_machine import IMAGE, ImageMachine, image_machine
from tests.image_situations import CASES, Case


@pytest.fixture
def machine(helper: HelperProcess, aws: AwsEmulator) -> Iterator[ImageMachine]:
    """A machine on which all is well."""
    with image_machine(helper, aws) as machine:
        yield machine


@pytest.mark.parametrize("case", CASES, ids=[case.seed.__name__ for case in CASES])
def test_situations(machine: ImageMachine, case: Case) -> None:
    """Each cause is the first failure that is told, with its remedy; nothing is made by asking."""
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
    """Of an image that can be pulled, manifest and one byte of a layer are asked for, and shown."""
    found = machine.doctor(IMAGE)
    assert {each["status"] for each in found} == {"passed"}
