"""doctor beside real clients: what it finds is what they meet."""

from pathlib import Path

import pytest

from tests.clients.machine import IMAGE, Person, Skopeo
from tests.clients.servers import Registry
from tests.emulator import AwsEmulator
from tests.helper_process import EXECUTABLE, HOST

DOCTOR = ("docker-credential-ecr-login", "doctor")


@pytest.fixture
def person(person: Person) -> Person:
    """Somebody with keys, and with no other helper of this name on PATH."""
    person.environ["PATH"] = f"{EXECUTABLE.parent}:/usr/bin:/bin"
    return person


def test_a_new_machine(person: Person, registry: Registry, archive: Path) -> None:
    """Its remedies, typed as they stand, lead from nothing to a pull."""
    skopeo = Skopeo("skopeo", person, archive)
    outcome = person.run(*DOCTOR, HOST)
    assert outcome.status == 1
    (remedy,) = [line.strip() for line in outcome.stdout.splitlines() if "-> " in line]
    assert person.run(*remedy.removeprefix("-> ").split()).succeeded
    outcome = person.run(*DOCTOR)
    assert outcome.succeeded, outcome
    assert "warned" not in outcome.stdout
    assert f"https://{HOST}/v2/ takes the token" in outcome.stdout
    assert skopeo.pull(IMAGE).succeeded
    assert registry.pulled(IMAGE)


def test_a_token_that_is_refused(
    person: Person, registry: Registry, aws: AwsEmulator, archive: Path
) -> None:
    """A token that was revoked is found by asking the registry, and its remedy gets a new one."""
    skopeo = Skopeo("skopeo", person, archive)
    person.use_helper("credHelpers")
    assert skopeo.pull(IMAGE).succeeded
    aws.rotate_password()
    registry.admit({"AWS": aws.password})
    assert not skopeo.pull(IMAGE).succeeded
    outcome = person.run(*DOCTOR, HOST)
    assert outcome.status == 1
    *_, failure, remedy, summary = outcome.stdout.splitlines()
    assert failure.startswith(f"failed  registry: https://{HOST}/v2/ refuses the token (HTTP 401)")
    assert summary.endswith(" passed, 1 failed")
    assert person.run(*remedy.partition("new one: ")[2].split()).succeeded
    assert skopeo.pull(IMAGE).succeeded
