"""The machine, the registries and the AWS of these tests, and what a failure shows of them."""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.clients.catalogue import CLIENTS, Way
from tests.clients.gate import gate
from tests.clients.machine import (
    COMPARED,
    IMAGE,
    Client,
    Docker,
    ListedClient,
    Person,
    Skopeo,
    client_kind,
    client_programs,
    docker_programs,
    make_client,
    release,
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
from tests.clients.servers import DockerEngine, Registry, buildkitd
from tests.clients.table import Results
from tests.emulator import AwsEmulator
from tests.helper_process import HOST

OUTSIDE = os.environ.get("ECR_LOGIN_CLIENT_TESTS") != "inside"  # `run` sets it, in its namespaces
if OUTSIDE:
    collect_ignore_glob = ["test_*.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have options for how much is tried, and for what becomes of it."""
    parser.addoption(
        "--every-client", action="store_true", help="those too that take long to build"
    )
    parser.addoption("--results", type=Path, help="a file for what `table` is made from")


def pytest_configure(config: pytest.Config) -> None:
    """Write down the results if they are wanted."""
    if path := config.getoption("--results", default=None):
        config.pluginmanager.register(Results(path))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have the tests that each client goes through run with each."""
    for fixture in {"each_client", "strangers_each_client"} & set(metafunc.fixturenames):
        metafunc.parametrize(fixture, _clients_to_try(metafunc), indirect=True, ids="-".join)


def _clients_to_try(metafunc: pytest.Metafunc) -> list[tuple[str, Way]]:
    """Return each client, in its first configuration or in all, if it can do what a test takes."""
    column = metafunc.definition.get_closest_marker("column")
    takes = column.kwargs["takes"] if column else ""
    ways = slice(None if metafunc.definition.get_closest_marker("in_each_way") else 1)
    tried = {program: client_kind(program).ways for program in client_programs()}
    for name, listed in CLIENTS.items():
        is_wanted = listed.cheap or metafunc.config.getoption("--every-client")
        if is_wanted and (not takes or getattr(listed, takes)):
            tried[name] = listed.ways
    return [(program, way) for program in tried for way in tried[program][ways]]


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


@pytest.fixture
def buildkit(tmp_path: Path, authority: Authority) -> Iterator[None]:
    """BuildKit, where it listens by default."""
    with buildkitd(CLIENTS["buildx"].directory / "buildkitd", tmp_path / "buildkit", authority):
        yield


@pytest.fixture(scope="session")
def filled_storage(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, archive: Path
) -> Path:
    """The storage of a registry that holds the image, and what else clients pull."""
    directory = tmp_path_factory.mktemp("filled")
    registry = Registry(directory / "registry", PRIVATE_ADDRESS, authority)
    person = Person(directory / "home", {"SSL_CERT_FILE": str(authority.ca_bundle)})
    with registry.serving():
        outcome = Skopeo("skopeo", person, archive).push(IMAGE)
        assert outcome.succeeded, outcome
        for listed in CLIENTS.values():
            image = f"{HOST}/{listed.pulls}"
            if image != IMAGE and listed.push and listed.directory.exists():
                outcome = ListedClient(listed, person, archive).push(image)
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


@pytest.fixture
def each_client(request: pytest.FixtureRequest, person: Person, archive: Path) -> Client:
    """Each client of the catalogue, set up to use the helper, in the hands of an IAM user."""
    return _tried(request, person, archive)


@pytest.fixture
def strangers_each_client(
    request: pytest.FixtureRequest, stranger: Person, archive: Path
) -> Client:
    """Each client of the catalogue, set up likewise, on a machine without AWS credentials."""
    return _tried(request, stranger, archive)


def _tried(request: pytest.FixtureRequest, person: Person, archive: Path) -> Client:
    program, way = request.param
    if program in CLIENTS and not CLIENTS[program].directory.exists():
        reason = CLIENTS[program].lack or "make clients-all builds it"
        pytest.skip(f"NOT TRIED: {program}: {reason}")
    if column := request.node.get_closest_marker("column"):
        title = column.args[0].format(way=way)
        cell = f"{Path(program).name} {release(program)}", title
        request.node.user_properties.append(("cell", cell))
        if not COMPARED and program in CLIENTS and title in CLIENTS[program].fails:
            request.applymarker(pytest.mark.xfail(reason=CLIENTS[program].fails[title]))
    client = _client(request, program, person, archive)
    person.use_helper(way)
    return client


def _prepared(
    request: pytest.FixtureRequest, program: str, person: Person, archive: Path
) -> Client:
    client = _client(request, program, person, archive)
    person.use_helper(client.ways[0])
    return client


def _client(request: pytest.FixtureRequest, program: str, person: Person, archive: Path) -> Client:
    client = make_client(program, person, archive)
    if client.server == "engine":
        engine: DockerEngine = request.getfixturevalue("engine")
        engine.remove_images()
        person.environ["DOCKER_HOST"] = engine.url
    elif client.server == "buildkit":
        request.getfixturevalue("buildkit")
    return client


def pytest_report_header() -> list[str]:
    """Name the clients under test."""
    return [] if OUTSIDE else [f"{each}: {version(each)}" for each in client_programs()]


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
