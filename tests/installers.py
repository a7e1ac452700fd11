"""The helper as people install it, by pip, pipx and uv themselves: `make installers`.

Nothing is downloaded. Wheels that are made of what is installed here are what the index has, and
all that installers leave is in a directory whose name has a blank and letters that are not ASCII.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

import pytest

from docker_credential_ecr_login import __version__
from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess
from tests.installation import NAME, PACKAGE, dependencies
from tests.ways_to_install import WAYS, environ, run

ROOT = Path(__file__).parent.parent
NEWER = "99.0"
_OF_THE_INSTALLER = ("INSTALLER", "REQUESTED", "direct_url.json")


def pack(name: str, directory: Path) -> None:
    """Make a wheel of an installed distribution of Python modules."""
    found = distribution(name)
    wheel = f"{found.name.replace('-', '_')}-{found.version}-py3-none-any.whl"
    with zipfile.ZipFile(directory / wheel, "w") as archive:
        for path in found.files or ():
            if not {"..", "__pycache__", *_OF_THE_INSTALLER} & set(path.parts):
                archive.write(str(path.locate()), str(path))


def renew(wheel: Path, directory: Path) -> None:
    """Make the same wheel of a newer version."""
    older, newer = __version__, NEWER
    with (
        zipfile.ZipFile(wheel) as archive,
        zipfile.ZipFile(directory / wheel.name.replace(older, newer), "w") as renewed,
    ):
        for member in archive.infolist():
            content = archive.read(member).replace(older.encode(), newer.encode())
            member.filename = member.filename.replace(older, newer)
            renewed.writestr(member, content)


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the index has: the package, all that it needs, and pip, which pipx wants."""
    directory = tmp_path_factory.mktemp("index")
    for name in (*dependencies(), "pip"):
        pack(name, directory)
    build = ("-m", "build", "--wheel", "--no-isolation", "--outdir", directory, ROOT)
    subprocess.run([sys.executable, *build], stdout=subprocess.DEVNULL, check=True)
    return directory


@pytest.fixture(scope="session")
def later_index(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the index has when there is a newer version."""
    directory = tmp_path_factory.mktemp("later")
    shutil.copytree(index, directory, dirs_exist_ok=True, copy_function=os.link)
    (wheel,) = index.glob(f"{PACKAGE}-*")
    renew(wheel, directory)
    return directory


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where installers leave what they leave."""
    directory = tmp_path / "größere Geräte"
    (directory / "home").mkdir(parents=True)
    return directory


def offline(index: Path) -> dict[str, str]:
    """Return what tells installers of no other index."""
    return {
        "PIP_FIND_LINKS": str(index),
        "PIP_NO_COMPILE": "1",  # which would take longer than all else
        "PIP_NO_INDEX": "1",
        "UV_FIND_LINKS": str(index),
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
    }


def remains(directory: Path) -> list[Path]:
    """Return all of ours that is there, but for what uv keeps of what it has downloaded."""
    paths = (path.relative_to(directory) for path in directory.rglob("*"))
    ours = re.compile(r"_?docker[-_]credential[-_]ecr[-_]login")
    return [path for path in paths if path.parts[0] != "cache" and ours.match(path.name)]


@pytest.mark.parametrize("name", WAYS)
def test_installed_upgraded_and_uninstalled(
    name: str,
    index: Path,
    later_index: Path,
    directory: Path,
    signed_in: HelperProcess,
    aws: AwsEmulator,
) -> None:
    """It answers; after an upgrade it has the same token; uninstalled, it leaves but the cache."""
    way = WAYS[name]
    for command in way.install:
        run(command, directory, NAME, **offline(index))
    executable = directory / way.executable
    helper = replace(signed_in, home=directory / "home", executable=executable)
    assert helper.run("version").stdout == f"{NAME} ({PACKAGE}) {__version__}\n"
    secret = helper.get().secret
    assert aws.accepts(secret)
    assert [path.name for path in executable.parent.glob(f"{NAME}*")] == [NAME]
    run(way.upgrade, directory, NAME, **offline(later_index))
    assert helper.run("version").stdout == f"{NAME} ({PACKAGE}) {NEWER}\n"
    assert helper.get().secret == secret
    assert aws.count("GetAuthorizationToken") == 1
    run(way.uninstall, directory, NAME)
    assert remains(directory) == []
    assert (directory / "home" / ".ecr").is_dir()


def test_by_uvx(index: Path, directory: Path, signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """``uvx`` runs it without an installation."""
    signed_in.environ |= offline(index) | {"UV_CACHE_DIR": environ(directory)["UV_CACHE_DIR"]}
    helper = replace(signed_in, prefix=("uvx", "--quiet"), executable=Path(NAME))
    assert aws.accepts(helper.get().secret)


def test_copied(index: Path, directory: Path, helper: HelperProcess) -> None:
    """A copy of the executable says that it is a part of its environment, and what to do."""
    way = WAYS["uv tool"]
    for command in way.install:
        run(command, directory, NAME, **offline(index))
    copy = Path(shutil.copy(directory / way.executable, directory))
    refused = replace(helper, executable=copy, environ={"PATH": "/nonexistent"}).get()
    assert (refused.stderr, refused.status) == ("", 1)
    assert refused.stdout.endswith(
        "; it is a part of its environment: link to it there, or install it again\n"
    )


@pytest.fixture(params=["3.9", "3.10"])
def older_python(request: pytest.FixtureRequest) -> Path:
    """A Python that is too old: one on PATH that can be started, or one that pyenv has."""
    name = f"python{request.param}"
    paths = [Path(each, name) for each in os.environ["PATH"].split(os.pathsep)]
    paths += Path(os.environ.get("PYENV_ROOT", ""), "versions").glob(f"*/bin/{name}")
    for path in filter(Path.is_file, paths):
        if not subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode:
            return path
    pytest.skip(f"there is no {name}")


def test_by_the_pip_of_an_older_python(older_python: Path, index: Path, directory: Path) -> None:
    """It installs nothing, and says in one line which Python is needed."""
    (wheel,) = index.glob(f"{PACKAGE}-*")
    refused = subprocess.run(
        [older_python, "-m", "pip", "install", "-q", "--no-deps", "--target", directory, wheel],
        env={**environ(directory), **offline(index), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert re.fullmatch(
        rf"ERROR: Package '{NAME}' requires a different Python: \S+ not in '>=3.11'\n",
        refused.stderr,
    )
    assert remains(directory) == []


def test_by_an_older_python(
    older_python: Path, index: Path, directory: Path, helper: HelperProcess
) -> None:
    """Where the Python on PATH is an older one now, it says which it needs, and what brings one."""
    way = WAYS["pip --target"]
    for command in way.install:
        run(command, directory, NAME, **offline(index))
    (directory / "python3").symlink_to(older_python)
    helper.environ["PATH"] = f"{directory}:{os.environ['PATH']}"
    refused = replace(helper, executable=directory / way.executable).get()
    assert (refused.stderr, refused.status) == ("", 1)
    assert refused.stdout == (
        f"{NAME}: it cannot start (it needs Python 3.11 or later, and this is "
        f"{older_python.name.removeprefix('python')}; uv brings one: uv tool install "
        "--python 3.12); install it again\n"
    )
