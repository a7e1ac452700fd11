"""docker-py, the Python client of the engine, which runs the helper itself."""

import json
import sys

from tests.clients.machine import IMAGE, Person
from tests.clients.servers import DockerEngine, Registry
from tests.emulator import AwsEmulator
from tests.helper_process import HOST

STORE = f"""
import json
from docker.credentials import Store
store = Store("ecr-login")
found = store.get("{HOST}")
listed = store.list()
store.erase("{HOST}")
print(json.dumps([found, listed, store.list()]))
"""

PULL = f"""
import docker
client = docker.from_env()
print(client.images.pull("{IMAGE}").tags)
client.close()
"""


def test_store(person: Person, aws: AwsEmulator) -> None:
    """`docker.credentials.Store` gets, lists and erases."""
    outcome = person.run(sys.executable, "-c", STORE)
    assert outcome.succeeded, outcome
    found, listed, left = json.loads(outcome.stdout)
    assert found["Username"] == "AWS"
    assert aws.accepts(found["Secret"])
    assert listed == {HOST: "AWS"}
    assert left == {}
    assert aws.count("GetAuthorizationToken") == 1


def test_pull(person: Person, engine: DockerEngine, registry: Registry, aws: AwsEmulator) -> None:
    """`docker.from_env().images.pull` finds the helper in docker's configuration."""
    engine.remove_images()
    person.environ["DOCKER_HOST"] = engine.url
    person.use_helper("credHelpers")
    outcome = person.run(sys.executable, "-c", PULL)
    assert outcome.succeeded, outcome
    assert registry.pulled(IMAGE)
    assert aws.count("GetAuthorizationToken") == 1
