"""Builds start from a private image."""

import pytest

from tests.clients.machine import IMAGE, Client, Person, docker_programs, has_buildkit
from tests.clients.network import AWS_ADDRESS, names_at
from tests.clients.servers import Registry
from tests.emulator import AwsEmulator

BUILDKIT_PROGRAMS = [program for program in docker_programs() if has_buildkit(program)]
DOCKERFILE = f"FROM {IMAGE}\nLABEL built=yes\n"


@pytest.mark.parametrize("docker", BUILDKIT_PROGRAMS, indirect=True)
def test_buildkit(docker: Client, registry: Registry, aws: AwsEmulator) -> None:
    """A BuildKit build needs one token."""
    docker.person.environ["DOCKER_BUILDKIT"] = "1"
    docker.person.write("context/Dockerfile", DOCKERFILE)
    assert docker.run("build", "context").succeeded
    assert registry.pulled(IMAGE)
    assert aws.count("GetAuthorizationToken") == 1


def test_classic_build_with_creds_store(
    docker: Client, registry: Registry, aws: AwsEmulator
) -> None:
    """The classic builder asks `list` first, which fetches what a build may need."""
    docker.person.use_helper("credsStore")
    docker.person.environ |= {"DOCKER_BUILDKIT": "0", "AWS_REGION": "us-east-1"}
    docker.person.write("context/Dockerfile", DOCKERFILE)
    assert docker.run("build", "context").succeeded
    assert registry.pulled(IMAGE)
    assert sorted(call.service for call in aws.calls) == ["ecr", "ecr-public"]


def test_classic_build_with_cred_helpers(
    docker: Client, registry: Registry, aws: AwsEmulator
) -> None:
    """The classic builder asks for each configured registry: one token for each that needs it."""
    docker.person.use_helper("credHelpers")
    docker.person.environ["DOCKER_BUILDKIT"] = "0"
    docker.person.write("context/Dockerfile", DOCKERFILE)
    assert docker.run("build", "context").succeeded
    assert registry.pulled(IMAGE)
    asked = [call.host for call in aws.calls]
    assert len(asked) == len(set(asked))
    assert set(asked) < set(names_at(AWS_ADDRESS))


@pytest.mark.parametrize("program", ["podman", "buildah"])
def test_build_without_docker(
    person: Person, program: str, registry: Registry, aws: AwsEmulator
) -> None:
    """Podman and buildah build from a private image."""
    person.use_helper("credential-helpers")
    person.write("context/Dockerfile", DOCKERFILE)
    assert person.run(program, "build", "context").succeeded
    assert registry.pulled(IMAGE)
    assert aws.count("GetAuthorizationToken") == 1
