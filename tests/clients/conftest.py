"""The machine, the registries and the AWS of these tests, and what a failure shows of them."""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.clients.gate import gate
from tests.clients.machine import (
    IMAGE,
    Client,
    Docker,
    Person,
    Skopeo,
    client_kind,
    client_programs,
    docker_programs,
    version,
    write_image_archive,
)
from tests.clients.network import (
    AWS_ADDRESS,
    ORDINARY_ADDRESS,
    PRIVATE_ADDRESS,
    PUBLIC_ADDRESS,
    Authority,
)
from tests.clients.servers import DockerEngine, Registry
from tests.emulator import AwsEmulator

OUTSIDE = os.environ.get("ECR_LOGIN_CLIENT_TESTS") != "inside"  # `run` sets it, in its namespaces
if OUTSIDE:
    collect_ignore_glob = ["test_*.py"]

ALL_WAYS = [(program, way) for program in client_programs() for way in client_kind(program).ways]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that everybody here trusts."""
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image, as a file."""
    path = tmp_path_factory.mktemp("image") / "image.tar"
    write_image_archive(path)
    return path


@pytest.fixture(scope="session")
def engine(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[DockerEngine]:
    """A docker engine."""
    engine = DockerEngine(tmp_path_factory.mktemp("engine"), authority)
    with engine.serving():
        yield engine


@pytest.fixture(scope="session")
def filled_storage(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, archive: Path
) -> Path:
    """The storage of a registry that holds the one image, ``team/app:1``."""
    directory = tmp_path_factory.mktemp("filled")
    registry = Registry(directory / "registry", PRIVATE_ADDRESS, authority)
    person = Person(directory / "home", {"SSL_CERT_FILE": str(authority.ca_bundle)})
    with registry.serving():
        outcome = Skopeo("skopeo", person, archive).push(IMAGE)
    assert outcome.succeeded, outcome
    return registry.storage


@pytest.fixture
def aws(authority: Authority) -> Iterator[AwsEmulator]:
    """AWS, under its own names."""
    with AwsEmulator(AWS_ADDRESS, 443, authority.server_context()) as emulator:
        yield emulator


@pytest.fixture
def registry(
    tmp_path: Path, authority: Authority, filled_storage: Path, aws: AwsEmulator
) -> Iterator[Registry]:
    """The private registries, of all accounts and regions: one process, one password."""
    registry = Registry(tmp_path / "registry", PRIVATE_ADDRESS, authority)
    shutil.copytree(filled_storage, registry.storage)
    registry.admit({"AWS": aws.password})
    with registry.serving():
        yield registry


@pytest.fixture
def public_registry(tmp_path: Path, authority: Authority, filled_storage: Path) -> Registry:
    """ECR Public, not serving yet."""
    registry = Registry(tmp_path / "public", PUBLIC_ADDRESS, authority)
    shutil.copytree(filled_storage, registry.storage)
    return registry


@pytest.fixture
def ordinary_registry(tmp_path: Path, authority: Authority, filled_storage: Path) -> Registry:
    """A registry that is not ECR, not serving yet."""
    registry = Registry(tmp_path / "ordinary", ORDINARY_ADDRESS, authority)
    shutil.copytree(filled_storage, registry.storage)
    return registry


@pytest.fixture
def guarded_registry(
    ordinary_registry: Registry, authority: Authority, aws: AwsEmulator
) -> Iterator[Registry]:
    """The private registries, which let only those pull and push who may, by session policies."""
    ordinary_registry.admit({"AWS": aws.password})
    with (
        ordinary_registry.serving(),
        gate(PRIVATE_ADDRESS, ORDINARY_ADDRESS, authority, aws),
    ):
        yield ordinary_registry


@pytest.fixture
def stranger(tmp_path: Path, authority: Authority) -> Person:
    """Somebody without AWS credentials."""
    ca_bundle = str(authority.ca_bundle)
    return Person(tmp_path / "home", {"SSL_CERT_FILE": ca_bundle, "AWS_CA_BUNDLE": ca_bundle})


@pytest.fixture
def person(stranger: Person, aws: AwsEmulator) -> Person:
    """Somebody with the access key of an IAM user in the environment."""
    stranger.environ |= aws.add_user().environ
    return stranger


@pytest.fixture(params=client_programs())
def client(request: pytest.FixtureRequest, person: Person, archive: Path) -> Client:
    """Each client in turn, set up to use the helper, in the hands of an IAM user."""
    return _prepared(request, request.param, person, archive)


@pytest.fixture(params=client_programs())
def strangers_client(request: pytest.FixtureRequest, stranger: Person, archive: Path) -> Client:
    """Each client in turn, set up to use the helper, on a machine without AWS credentials."""
    return _prepared(request, request.param, stranger, archive)


@pytest.fixture(params=client_programs())
def unconfigured_client(request: pytest.FixtureRequest, person: Person, archive: Path) -> Client:
    """Each client in turn, which knows nothing of the helper, in the hands of an IAM user."""
    return _client(request, request.param, person, archive)


@pytest.fixture(params=docker_programs())
def unconfigured_docker(request: pytest.FixtureRequest, person: Person, archive: Path) -> Client:
    """Each docker CLI in turn, which knows nothing of the helper."""
    return _client(request, request.param, person, archive)


@pytest.fixture(params=[each for each in client_programs() if client_kind(each) is not Docker])
def unconfigured_podman(request: pytest.FixtureRequest, person: Person, archive: Path) -> Client:
    """Each of podman and its like in turn, which knows nothing of the helper."""
    return _client(request, request.param, person, archive)


@pytest.fixture(params=docker_programs())
def docker(request: pytest.FixtureRequest, person: Person, archive: Path) -> Client:
    """Each docker CLI in turn, set up to use the helper, in the hands of an IAM user."""
    return _prepared(request, request.param, person, archive)


@pytest.fixture(params=docker_programs())
def strangers_docker(request: pytest.FixtureRequest, stranger: Person, archive: Path) -> Client:
    """Each docker CLI in turn, set up to use the helper, on a machine without AWS credentials."""
    return _prepared(request, request.param, stranger, archive)


@pytest.fixture(params=ALL_WAYS, ids="-".join)
def client_in_each_way(request: pytest.FixtureRequest, person: Person, archive: Path) -> Client:
    """Each client, set up in each way that it knows, in the hands of an IAM user."""
    program, way = request.param
    client = _prepared(request, program, person, archive)
    person.use_helper(way)
    return client


def _prepared(
    request: pytest.FixtureRequest, program: str, person: Person, archive: Path
) -> Client:
    client = _client(request, program, person, archive)
    person.use_helper(client.ways[0])
    return client


def _client(request: pytest.FixtureRequest, program: str, person: Person, archive: Path) -> Client:
    client = client_kind(program)(program, person, archive)
    if isinstance(client, Docker):
        engine: DockerEngine = request.getfixturevalue("engine")
        engine.remove_images()
        person.environ["DOCKER_HOST"] = engine.url
    return client


def pytest_report_header() -> list[str]:
    """Name the clients under test."""
    return [] if OUTSIDE else [f"{program}: {version(program)}" for program in client_programs()]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failure what was run, and what reached AWS and the registries."""
    report = yield
    if report.when == "call" and report.failed and isinstance(item, pytest.Function):
        # One fixture may hand on what another returned.
        fixtures = {id(fixture): (name, fixture) for name, fixture in item.funcargs.items()}
        for name, fixture in fixtures.values():
            report.sections += _evidence(name, fixture)
    return report


def _evidence(name: str, fixture: object) -> list[tuple[str, str]]:
    match fixture:
        case Person(history=history, log=log):
            return [("commands", "\n".join(map(str, history))), ("log of the helper", log)]
        case AwsEmulator(calls=calls):
            return [("calls to AWS", "\n".join(map(str, calls)))]
        case Registry(requests=requests):
            return [(f"requests to {name}", "\n".join(map(str, requests)))]
        case _:
            return []
