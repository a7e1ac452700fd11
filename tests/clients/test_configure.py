"""From an empty home to a pull, by one command."""

import json

import pytest

from tests.clients.machine import IMAGE, Client, Outcome
from tests.clients.servers import Registry
from tests.emulator import AwsEmulator
from tests.helper_process import EXECUTABLE, HOST

RUNTIME = "run/containers/auth.json"
"""Where podman keeps logins, below the home."""


def configure(client: Client, *arguments: str) -> Outcome:
    """Run ``configure``, which must succeed."""
    outcome = client.person.run(EXECUTABLE.name, "configure", *arguments)
    assert outcome.succeeded, outcome
    return outcome


def test_a_registry(unconfigured_client: Client, registry: Registry) -> None:
    """All clients use the helper for a host that Docker's file names, until it is taken out."""
    client = unconfigured_client
    assert not client.pull(IMAGE).succeeded
    assert configure(client, HOST).remarks == []
    assert client.pull(IMAGE).succeeded
    assert registry.pulled(IMAGE)
    client.forget(IMAGE)
    configure(client, HOST, "--remove")
    assert not client.pull(IMAGE).succeeded


def test_a_name_of_ones_own(unconfigured_client: Client, registry: Registry) -> None:
    """All clients use the helper for a name that the helper's own config file lists."""
    client, name = unconfigured_client, "images.example.com"
    client.person.configure(f'[[registry]]\nmatch = "{name}"\nregistry = "{HOST}"\n')
    assert configure(client, name).remarks == []
    assert client.pull(IMAGE.replace(HOST, name)).succeeded
    assert any(request.signed_in for request in registry.requests)


def test_all_registries(unconfigured_docker: Client, registry: Registry) -> None:
    """A docker CLI uses the helper for all hosts after --global."""
    assert configure(unconfigured_docker, "--global").remarks == []
    assert unconfigured_docker.pull(IMAGE).succeeded
    assert registry.pulled(IMAGE)


def test_podman(unconfigured_podman: Client, registry: Registry) -> None:
    """Podman, buildah and skopeo use the helper for a host that their own file names."""
    client = unconfigured_podman
    client.person.write(RUNTIME, "{}")  # as after a logout
    assert configure(client, "--podman", HOST).remarks == []
    assert not (client.person.home / ".docker").exists()
    assert client.pull(IMAGE).succeeded
    assert registry.pulled(IMAGE)
    client.forget(IMAGE)
    configure(client, "--podman", HOST, "--remove")
    assert not client.pull(IMAGE).succeeded


@pytest.mark.parametrize("option", [["--podman"], []], ids=["podman", "docker"])
def test_a_former_login(
    unconfigured_podman: Client, registry: Registry, aws: AwsEmulator, option: list[str]
) -> None:
    """An expired login of podman gets in the way, as the warning says, until --clean removes it."""
    client = unconfigured_podman
    assert client.login(HOST, aws.password).succeeded
    assert HOST in (client.person.home / RUNTIME).read_text()
    aws.rotate_password()
    registry.admit({"AWS": aws.password})
    (remark,) = configure(client, HOST, *option).remarks
    assert remark.endswith("add --clean to remove it")
    assert not client.pull(IMAGE).succeeded
    assert configure(client, HOST, "--clean", *option).remarks == []
    assert client.pull(IMAGE).succeeded


def test_another_helper(unconfigured_podman: Client, registry: Registry) -> None:
    """Another helper in podman's runtime file wins, as the warning says."""
    client = unconfigured_podman
    path = client.person.write(RUNTIME, json.dumps({"credHelpers": {HOST: "other"}}))
    (remark,) = configure(client, HOST, "--podman").remarks
    assert remark.endswith("which podman asks first: remove that entry")
    assert not client.pull(IMAGE).succeeded
    path.write_text("{}")
    assert client.pull(IMAGE).succeeded
    assert registry.pulled(IMAGE)
