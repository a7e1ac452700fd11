"""The package as it is built, and the executable as pip leaves it.

Nothing is downloaded: the dependencies of this Python are linked into every layout. The other ways
to install, and to upgrade, are in installers.py.
"""

import ast
import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from configparser import ConfigParser
from dataclasses import replace
from email.message import Message
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from filelock import FileLock

from docker_credential_ecr_login import __version__
from docker_credential_ecr_login.__main__ import main
from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess

NAME = "docker-credential-ecr-login"
PACKAGE = "docker_credential_ecr_login"
ROOT = Path(__file__).parent.parent
LAUNCHERS = ROOT / PACKAGE / "launcher"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SITE_PACKAGES = Path("lib") / f"python3.{sys.version_info.minor}" / "site-packages"


def execute(*command: str | Path, **environ: str) -> str:
    """Run a command that must succeed, and return what it printed."""
    completed = subprocess.run(
        list(map(str, command)),
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout
    return completed.stdout


def pip(python: Path, *arguments: str | Path) -> None:
    """Run this Python's pip for another one, without network and dependencies."""
    execute(
        *(sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"),
        *("--python", python, "install", "--quiet", "--no-index", "--no-deps", "--no-compile"),
        *arguments,
    )


def add_dependencies(packages: Path) -> None:
    """Link all that is installed here, but for the package itself, into a directory."""
    packages.mkdir(parents=True, exist_ok=True)
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(PACKAGE) and not (packages / path.name).exists():
            (packages / path.name).symlink_to(path)


def make_venv(directory: Path) -> Path:
    """Make a virtual environment with the dependencies, and return its Python."""
    venv.create(directory, symlinks=True)
    add_dependencies(directory / SITE_PACKAGES)
    return directory / "bin" / "python"


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the sdist and of both wheels, built once for all tests."""
    directory = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        directory = directory.parent  # which the workers share
    built = directory / "distributions"
    with FileLock(directory / "distributions.lock"):
        if not built.exists():
            unfinished = directory / "unfinished"
            build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", unfinished, ROOT)
            execute(*build)
            execute(*build, "--wheel", _PYTHON_HOST_PLATFORM="win-amd64")
            unfinished.rename(built)
    return built


@pytest.fixture
def wheel(distributions: Path) -> Path:
    """The wheel."""
    return distributions / f"{PACKAGE}-{__version__}-py3-none-any.whl"


@pytest.fixture
def wheel_for_windows(distributions: Path) -> Path:
    """The wheel for Windows."""
    (built,) = distributions.glob("*-win*.whl")
    return built


@pytest.fixture
def sdist(distributions: Path) -> Path:
    """The source distribution."""
    return distributions / f"{PACKAGE}-{__version__}.tar.gz"


def test_what_touches_a_dependency_is_tried_with_the_oldest() -> None:
    """No test file that is not tried with the oldest imports a dependency, or what imports one."""
    ignored = PROJECT["tool"]["tox"]["without_dependencies"]
    assert ignored
    for option in ignored:
        name = option.removeprefix("--ignore=")
        imported = {
            module
            for node in ast.walk(ast.parse((ROOT / name).read_text()))
            for module in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [f"{node.module}.{alias.name}" for alias in node.names]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        touching = re.compile(rf"(boto3|botocore|filelock|platformdirs|{PACKAGE}\.aws)\b.*")
        assert not list(filter(touching.match, imported)), name


class TestWheel:
    """What the wheel holds, and nothing else."""

    @pytest.fixture
    def archive(self, wheel: Path) -> zipfile.ZipFile:
        """The wheel, opened."""
        return zipfile.ZipFile(wheel)

    @pytest.fixture
    def metadata(self, archive: zipfile.ZipFile) -> Message:
        """Its metadata."""
        return email.message_from_bytes(archive.read(f"{PACKAGE}-{__version__}.dist-info/METADATA"))

    def test_holds_the_package_and_the_launcher(self, archive: zipfile.ZipFile) -> None:
        """All modules, the launcher, completions, manual and LICENSE are in it, and no tests."""
        modules = {
            str(path.relative_to(ROOT))
            for path in (ROOT / PACKAGE).rglob("*")
            if path.suffix == ".py" or path.name in ("py.typed", "public_suffixes.txt")
            if path.parent.name != "building"
        }
        assert f"{PACKAGE}/py.typed" in modules
        info = f"{PACKAGE}-{__version__}.dist-info"
        scripts = f"{PACKAGE}-{__version__}.data/scripts"
        share = f"{PACKAGE}-{__version__}.data/data/share"
        assert set(archive.namelist()) == modules | {
            f"{scripts}/{NAME}",
            f"{share}/bash-completion/completions/{NAME}",
            f"{share}/fish/vendor_completions.d/{NAME}.fish",
            f"{share}/man/man1/{NAME}.1",
            f"{share}/zsh/site-functions/_{NAME}",
            *(f"{share}/{NAME}/completion.{shell}" for shell in ("bash", "fish", "zsh")),
            f"{info}/METADATA",
            f"{info}/RECORD",
            f"{info}/WHEEL",
            f"{info}/licenses/LICENSE",
        }

    def test_holds_the_launcher_as_it_is(self, archive: zipfile.ZipFile) -> None:
        """The launcher is in it byte for byte, and executable."""
        script = f"{PACKAGE}-{__version__}.data/scripts/{NAME}"
        assert archive.read(script) == (LAUNCHERS / NAME).read_bytes()
        assert archive.getinfo(script).external_attr >> 16 & 0o111 == 0o111

    def test_windows_has_one_with_an_entry_point(
        self, archive: zipfile.ZipFile, wheel_for_windows: Path
    ) -> None:
        """In the wheel for Windows an entry point is in the place of the launcher."""
        info = f"{PACKAGE}-{__version__}.dist-info"
        with zipfile.ZipFile(wheel_for_windows) as other:
            assert set(archive.namelist()) ^ set(other.namelist()) == {
                f"{PACKAGE}-{__version__}.data/scripts/{NAME}",
                f"{info}/entry_points.txt",
            }
            assert {
                Path(name).name
                for name in set(archive.namelist()) & set(other.namelist())
                if archive.read(name) != other.read(name)
            } == {"RECORD", "WHEEL"}
            entry_points = ConfigParser()
            entry_points.read_string(other.read(f"{info}/entry_points.txt").decode())
        executables = dict(entry_points["console_scripts"])
        assert list(executables) == [NAME]
        assert EntryPoint(NAME, executables[NAME], "console_scripts").load() is main

    @pytest.mark.parametrize(
        ("platform", "chosen"),
        [("macosx_11_0_arm64", "any"), ("win_amd64", "win32.win_amd64.win_arm64")],
    )
    def test_is_chosen_by_the_system(
        self, distributions: Path, tmp_path: Path, platform: str, chosen: str
    ) -> None:
        """Of both wheels, pip takes the one for the system."""
        execute(
            *(sys.executable, "-m", "pip", "--isolated", "download", "--quiet", "--no-index"),
            *("--find-links", distributions, "--no-deps", "--only-binary=:all:"),
            *("--platform", platform, "--dest", tmp_path, NAME),
        )
        (taken,) = tmp_path.iterdir()
        assert taken.name == f"{PACKAGE}-{__version__}-py3-none-{chosen}.whl"

    def test_needs_three_packages_at_run_time(self, metadata: Message) -> None:
        """boto3, filelock and platformdirs are its dependencies; all others are extras."""
        requirements = metadata.get_all("Requires-Dist") or []
        names = {
            re.split("[<>]", requirement)[0]
            for requirement in requirements
            if "extra ==" not in requirement
        }
        assert names == {"boto3", "filelock", "platformdirs"}

    def test_names_its_licence_and_python(self, metadata: Message) -> None:
        """The licences are Apache-2.0 and that of a list; Python must be 3.11 or later."""
        assert metadata["License-Expression"] == "Apache-2.0 AND MPL-2.0"
        assert metadata["Requires-Python"] == ">=3.11"


def test_the_sdist_can_be_built_and_tested(sdist: Path) -> None:
    """The source distribution holds what building and testing need, and no leftovers."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "Makefile",
        "README.md",
        "docs/ci.md",
        "action.yml",
        ".github/SECURITY.md",
        "CHANGELOG.md",
        "pyproject.toml",
        f"{PACKAGE}/building/hook.py",
        f"{PACKAGE}/launcher/{NAME}",
        "tests/conftest.py",
        "tests/demo/__main__.py",
    } <= names
    assert [name for name in names if name.endswith((".pyc", ".log")) or "_cache/" in name] == []


@pytest.mark.parametrize(
    "on",
    [
        pytest.param((), id="the same day"),
        pytest.param(
            ("faketime", "2031-05-06 07:08:09"),
            id="another day",
            marks=pytest.mark.skipif(
                not shutil.which("faketime"), reason="there is no faketime to build on another day"
            ),
        ),
    ],
)
def test_builds_are_equal(wheel: Path, sdist: Path, tmp_path: Path, on: tuple[str, ...]) -> None:
    """Built again, elsewhere in time and space, both are the same, byte for byte."""
    options = ("--sdist", "--wheel", "--no-isolation", "--outdir", tmp_path)
    execute(*on, sys.executable, "-m", "build", *options, ROOT, TZ="Pacific/Auckland", COLUMNS="40")
    for built in (wheel, sdist):
        assert (tmp_path / built.name).read_bytes() == built.read_bytes()


def test_pip_says_that_python_is_too_old(wheel: Path, tmp_path: Path) -> None:
    """For an older Python, pip refuses the wheel, and says in one line which it needs."""
    refused = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install"),
            *("--no-index", "--no-deps", "--python-version=3.9", "--only-binary=:all:"),
            *("--target", tmp_path, wheel),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert refused.stderr == (
        f"ERROR: Package '{NAME}' requires a different Python: 3.9.0 not in '>=3.11'\n"
    )


def test_the_lock_is_whole() -> None:
    """All that development needs is locked to versions, and each of them to hashes."""
    project = PROJECT["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    locked = re.split(r"\n(?=\w)", (ROOT / "tests" / "requirements.txt").read_text())
    names = {normalized(re.split("[<>=;]", line)[0]) for line in locked}
    assert {normalized(re.split("[<>; ]", line)[0]) for line in needed} <= names
    assert [line for line in locked if "--hash=sha256:" not in line] == []


def normalized(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub("[-_.]+", "-", name).lower()


class TestInstalled:
    """In every layout the executable gets a token from AWS, and answers it again."""

    @pytest.fixture
    def python(self, tmp_path: Path) -> Path:
        """The Python of a virtual environment without the package."""
        return make_venv(tmp_path / "venv")

    def assert_works(
        self, helper: HelperProcess, aws: AwsEmulator, executable: Path, *arguments: str
    ) -> None:
        """Check ``version``, ``completion``, and two answers to ``get`` for one call."""
        installed = replace(helper, executable=executable)
        version = installed.run(*arguments, "version")
        assert version.stdout == f"{NAME} ({PACKAGE}) {__version__}\n", version
        calls_before = aws.count("GetAuthorizationToken")
        host = "111111111111.dkr.ecr.us-east-1.amazonaws.com"
        first = installed.run(*arguments, "get", stdin=host)
        assert aws.accepts(first.secret)
        assert installed.run(*arguments, "get", stdin=host).secret == first.secret
        assert installed.run(*arguments, "completion", "zsh").stdout.startswith("#compdef ")
        assert aws.count("GetAuthorizationToken") == calls_before + 1

    def test_by_pip(
        self, python: Path, wheel: Path, signed_in: HelperProcess, aws: AwsEmulator
    ) -> None:
        """``pip install`` puts the launcher, unchanged, beside the Python of the environment."""
        pip(python, wheel)
        executable = python.parent / NAME
        assert executable.read_bytes() == (LAUNCHERS / NAME).read_bytes()
        self.assert_works(signed_in, aws, executable)
        # A shell empties the file that it is told to write the script to before that is printed.
        (python.parent.parent / "share/bash-completion/completions" / NAME).write_text("")
        printed = replace(signed_in, executable=executable).run("completion", "bash").stdout
        assert f"complete -o bashdefault -F _ecr_login {NAME}" in printed

    def test_as_a_module(
        self, python: Path, wheel: Path, signed_in: HelperProcess, aws: AwsEmulator
    ) -> None:
        """``python -m docker_credential_ecr_login`` does the same as the executable."""
        pip(python, wheel)
        self.assert_works(signed_in, aws, python, "-m", PACKAGE)

    def test_beside_another_python(
        self, wheel: Path, tmp_path: Path, signed_in: HelperProcess, aws: AwsEmulator
    ) -> None:
        """``pip install --prefix`` leaves it where no Python is: PATH has one."""
        base = Path(sys.executable).resolve()
        directory = tmp_path / "base"
        pip(base, wheel, "--prefix", directory, "--break-system-packages")
        executable = next(directory.rglob(f"bin/{NAME}"))
        add_dependencies(next(directory.rglob(f"*-packages/{PACKAGE}")).parent)
        programs = tmp_path / "programs"
        programs.mkdir()
        (programs / f"python3.{sys.version_info.minor}").symlink_to(base)
        signed_in.environ["PATH"] = str(programs)
        self.assert_works(signed_in, aws, executable)

    def test_editable(
        self,
        python: Path,
        sdist: Path,
        tmp_path: Path,
        signed_in: HelperProcess,
        aws: AwsEmulator,
    ) -> None:
        """``pip install --editable`` runs the source where it is."""
        with tarfile.open(sdist) as archive:
            # Python 3.11.4 brought filters, which later ones demand.
            archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            archive.extractall(tmp_path / "source")  # noqa: S202 - our own
        source = tmp_path / "source" / f"{PACKAGE}-{__version__}"
        pip(python, "--no-build-isolation", "--editable", source)
        assert not (python.parent.parent / SITE_PACKAGES / PACKAGE).exists()
        self.assert_works(signed_in, aws, python.parent / NAME)
        self.assert_works(replace(signed_in, home=source), aws, python, "-m", PACKAGE)
