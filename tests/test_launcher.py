"""How the launcher becomes Python: it finds Python and the package, wherever they are.

The launcher under test is the real one; the package beside it is a probe that
answers what has reached it.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

NAME = "docker-credential-ecr-login"
PACKAGE = "docker_credential_ecr_login"
LAUNCHERS = Path(__file__).parent.parent / PACKAGE / "launcher"
PYTHON = Path(sys.executable).resolve()
VERSION = f"python3.{sys.version_info.minor}"
PART = "it is a part of its environment: link to it there, or install it again"

SHELLS = {
    "sh": ["sh"],
    "dash": ["dash"],
    "busybox": ["busybox", "sh"],
    "bash": ["bash", "--posix"],
    "ksh": ["ksh"],
}

PROBE = """
def main(stdin_variable):
    import json, os, resource, sys
    if sys.argv[1:2] == ["exit"]:
        os._exit(int(sys.argv[2]))
    report = {
        "arguments": sys.argv[1:],
        "read": os.environ.get(stdin_variable),
        "stdin": sys.stdin.buffer.read().decode("utf-8", "surrogateescape"),
        "environ": dict(os.environ),
        "pid": os.getpid(),
        "package": os.path.realpath(os.path.dirname(__file__)),
        "paths": sys.path,
        "without_site": bool(sys.flags.no_site),
        "warnings": sys.warnoptions,
        # Survives exec, and counts only those that were waited for.
        "children": resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt,
    }
    os.write(1, json.dumps(report).encode())
    os._exit(0)
"""


@dataclass(frozen=True)
class Run:
    """What one run of the launcher gave."""

    stdout: str
    stderr: str
    status: int
    pid: int

    @property
    def report(self) -> dict[str, object]:
        """What the probe has answered; fails the test if it was not reached."""
        assert self.status == 0, self
        assert self.stderr == "", self
        report = json.loads(self.stdout)
        assert isinstance(report, dict)
        return report


def run(
    command: Sequence[str | Path],
    *,
    path: str = "/nonexistent",
    stdin: bytes = b"",
    cwd: Path = Path("/"),
    environ: Mapping[str, str] | None = None,
) -> Run:
    """Run a command with no environment but PATH and ``environ``."""
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={"PATH": path, **(environ or {})},
    )
    stdout, stderr = process.communicate(stdin, timeout=60)
    return Run(
        stdout.decode("utf-8", "surrogateescape"),
        stderr.decode("utf-8", "surrogateescape"),
        process.returncode,
        process.pid,
    )


def write_package(packages: Path) -> Path:
    """Write the probe into a directory of packages; returns where it is."""
    package = packages / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(PROBE)
    return package.resolve()


def write_launcher(directory: Path, *changes: tuple[str, str]) -> Path:
    """Write the launcher, with some of its text replaced, into a directory of programs."""
    directory.mkdir(parents=True, exist_ok=True)
    text = (LAUNCHERS / NAME).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    launcher = directory / NAME
    launcher.write_text(text)
    launcher.chmod(0o755)
    return launcher


@dataclass(frozen=True)
class Installation:
    """A virtual environment, in so far as the launcher looks at it."""

    launcher: Path
    package: Path

    @property
    def root(self) -> Path:
        """Where it is installed."""
        return self.launcher.parent.parent


def install(root: Path) -> Installation:
    """Make an installation at ``root``."""
    launcher = write_launcher(root / "bin")
    (root / "bin" / VERSION).symlink_to(PYTHON)
    return Installation(launcher, write_package(root / "lib" / VERSION / "site-packages"))


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """An installation in an ordinary place."""
    return install(tmp_path / "venv")


def link(path: Path, target: str | Path) -> Path:
    """Make a symbolic link, and its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


@pytest.fixture(params=[name for name, command in SHELLS.items() if shutil.which(command[0])])
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Each of the shells that are installed, as the beginning of a command line."""
    program, *options = SHELLS[request.param]
    found = shutil.which(program)
    assert found
    return [found, *options]


class TestInAnyShell:
    """Every shell that can be /bin/sh does the same."""

    def test_starts_the_package_without_site(
        self, installation: Installation, shell: list[str]
    ) -> None:
        """Python runs the package beside the launcher, and does not import site first."""
        report = run([*shell, installation.launcher]).report
        assert report["package"] == str(installation.package)
        assert report["without_site"]

    def test_passes_arguments_and_stdin_on(
        self, installation: Installation, shell: list[str]
    ) -> None:
        """Arguments with every odd character, and standard input, arrive as they are."""
        arguments = ["get", "", "a b", "*", "$HOME", '"', "'", "\\n", "-c", "é", "a\nb"]
        stdin = b"first\nsecond \\n \x00\xff"
        result = run([*shell, installation.launcher, *arguments], stdin=stdin)
        assert result.report["arguments"] == arguments
        assert result.report["stdin"] == stdin.decode("utf-8", "surrogateescape")

    def test_without_a_place_for_temporary_files(
        self, installation: Installation, shell: list[str]
    ) -> None:
        """What a client asks reaches Python even if the shell cannot make a temporary file."""
        if Path(shell[0]).name == "ksh":
            pytest.skip("it loses what od prints without a word, and is /bin/sh on no Linux")
        limited = ["/bin/sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh", *shell]
        result = run(
            [*limited, installation.launcher, "get"], path=os.environ["PATH"], stdin=b"ghcr.io"
        )
        report = json.loads(result.stdout)
        assert (result.status, report["arguments"]) == (0, ["get"])
        assert (report["read"], report["stdin"]) == (f"{b'ghcr.io'.hex()}.", "")

    def test_becomes_python(self, installation: Installation, shell: list[str]) -> None:
        """The process stays the same, so that signals and the exit code are Python's."""
        result = run([*shell, installation.launcher])
        assert result.report["pid"] == result.pid
        assert run([*shell, installation.launcher, "exit", "7"]).status == 7

    def test_forks_only_for_a_link(
        self, installation: Installation, shell: list[str], tmp_path: Path
    ) -> None:
        """Except for ``get`` and for a link, no process is started on the way to Python."""
        assert run([*shell, installation.launcher]).report["children"] == 0
        if "busybox" not in shell[0]:  # which has readlink built in
            through_link = run([*shell, link(tmp_path / "link", installation.launcher)])
            assert through_link.report["children"] != 0

    def test_follows_links(
        self, installation: Installation, shell: list[str], tmp_path: Path
    ) -> None:
        """A link, a relative link, and a link to a link to it are followed."""
        absolute = link(tmp_path / "absolute" / NAME, installation.launcher)
        relative = link(tmp_path / "relative" / NAME, f"../venv/bin/{NAME}")
        chain = link(tmp_path / "chain" / NAME, f"../relative/{NAME}")
        for path in (absolute, relative, chain):
            assert run([*shell, path]).report["package"] == str(installation.package)

    def test_survives_odd_install_paths(self, shell: list[str], tmp_path: Path) -> None:
        """Blanks, quotes, pattern characters, backslashes and non-ASCII in the path are fine."""
        odd = install(tmp_path / 'it\'s a "path" [a-z]* $HOME `x` \\n größe 名前')
        through_link = link(tmp_path / "ein Verzeichnis" / NAME, odd.launcher)
        for path in (odd.launcher, through_link):
            assert run([*shell, path]).report["package"] == str(odd.package)

    def test_leaves_the_environment_alone(
        self, installation: Installation, shell: list[str]
    ) -> None:
        """Variables of the caller arrive unchanged, whatever their names."""
        names = ("self", "bin", "python", "version", "package", "library", "target", "x")
        environ = {name: f"{name} of the caller" for name in names}
        reported = run([*shell, installation.launcher], environ=environ).report["environ"]
        assert isinstance(reported, dict)
        assert environ.items() <= reported.items()

    def test_says_on_stdout_that_python_is_missing(self, shell: list[str], tmp_path: Path) -> None:
        """Without any Python, one line on stdout says so, and the exit code is 1."""
        launcher = write_launcher(
            tmp_path / "a \\n b" / "bin",
            ("/usr/local/bin/", "/nonexistent/"),
            ("/usr/bin/", "/nonexistent/"),
        )
        result = run([*shell, launcher, "get"])
        assert result.stdout == f"{NAME}: no Python found beside {launcher}; {PART}\n"
        assert (result.stderr, result.status) == ("", 1)

    def test_says_on_stdout_that_the_package_is_missing(
        self, installation: Installation, shell: list[str]
    ) -> None:
        """A package that cannot be imported is reported in one line on stdout, with exit code 1."""
        (installation.package / "__main__.py").write_text("import no_such_module\n")
        result = run([*shell, installation.launcher, "get"])
        assert result.stdout == (
            f"{NAME}: it cannot start (No module named 'no_such_module'); install it again\n"
        )
        assert (result.stderr, result.status) == ("", 1)

    def test_says_on_stdout_that_it_is_no_more_than_a_part(
        self, installation: Installation, shell: list[str], tmp_path: Path
    ) -> None:
        """A copy, which leaves the package behind, says so in one line, and what to do instead."""
        copy = write_launcher(tmp_path / "elsewhere")
        link(tmp_path / "programs" / "python3", PYTHON)
        result = run([*shell, copy, "get"], path=str(tmp_path / "programs"))
        missing = f"No module named '{PACKAGE}'"
        assert result.stdout == f"{NAME}: it cannot start ({missing}); {PART}\n"
        assert (result.stderr, result.status) == ("", 1)
        instead = link(tmp_path / "link" / NAME, installation.launcher)
        assert run([*shell, instead]).report["package"] == str(installation.package)

    def test_says_on_stdout_that_python_is_too_old(
        self, installation: Installation, shell: list[str], tmp_path: Path
    ) -> None:
        """Where Python is too old for the package, the line says which is needed, and who has it.

        This Python plays the older one; what that one would parse is looked at in the next test.
        """
        shutil.copy(LAUNCHERS.parent / "__init__.py", installation.package)
        older = tmp_path / "older" / VERSION
        older.parent.mkdir()
        older.write_text(
            f"""#!/bin/sh
options=$1 code=$3
shift 3
exec '{PYTHON}' "$options" -c "import sys
sys.version_info = (3, 9, 25, 'final', 0)
$code" "$@"
"""
        )
        older.chmod(0o755)
        python = installation.launcher.with_name(VERSION)
        python.unlink()
        python.symlink_to(older)
        result = run([*shell, installation.launcher, "get"])
        assert result.stdout == (
            f"{NAME}: it cannot start (it needs Python 3.11 or later, and this is 3.9; uv brings "
            "one: uv tool install --python 3.12); install it again\n"
        )
        assert (result.stderr, result.status) == ("", 1)

    def test_an_old_python_can_read_that_it_is_too_old(self) -> None:
        """What is read before the version is looked at has the syntax of Python 3.6."""
        code = LAUNCHERS.joinpath(NAME).read_text().partition(" -c '")[2].partition("'")[0]
        for text in (code, (LAUNCHERS.parent / "__init__.py").read_text()):
            ast.parse(text, feature_version=(3, 6))


class TestHowItIsFound:
    """PATH and callers name it in several ways."""

    @pytest.mark.parametrize(
        ("path", "directory"),
        [("bin", "."), ("../venv/bin", "."), ("/nonexistent:bin", "."), ("", "bin"), (".", "bin")],
    )
    def test_through_a_relative_directory_in_path(
        self, installation: Installation, path: str, directory: str
    ) -> None:
        """A relative or empty PATH entry leads to the package, under an absolute path."""
        started: list[str | Path] = [PYTHON, "-c", f"import os; os.execvp({NAME!r}, [{NAME!r}])"]
        report = run(started, path=path, cwd=installation.root / directory).report
        assert report["package"] == str(installation.package)
        paths = report["paths"]
        assert isinstance(paths, list)
        assert all(map(os.path.isabs, paths))

    def test_in_a_linked_directory(self, installation: Installation, tmp_path: Path) -> None:
        """A PATH entry that is a link to the directory of programs is fine."""
        directory = link(tmp_path / "elsewhere" / "programs", installation.launcher.parent)
        report = run([directory / NAME]).report
        assert report["package"] == str(installation.package)

    def test_with_a_readlink_in_path_only(self, installation: Installation, tmp_path: Path) -> None:
        """A readlink in PATH is used, because some systems have no /usr/bin."""
        programs = tmp_path / "programs"
        found = shutil.which("readlink")
        assert found
        link(programs / "readlink", found)
        launcher = write_launcher(installation.root / "bin", ("command -p readlink", "false"))
        report = run([link(tmp_path / "link", launcher)], path=str(programs)).report
        assert report["package"] == str(installation.package)

    def test_with_a_readlink_that_only_reads(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        """If the readlink in PATH does not know the option -f, the system's is used."""
        programs = tmp_path / "programs"
        programs.mkdir()
        readlink = programs / "readlink"
        found = shutil.which("readlink")
        readlink.write_text(f'#!/bin/sh\n[ $# = 1 ] && exec {found} "$1"\necho usage >&2; exit 1\n')
        readlink.chmod(0o755)
        through_link = link(tmp_path / "links" / "first", "second")
        link(tmp_path / "links" / "second", installation.launcher)
        report = run([through_link], path=str(programs)).report
        assert report["package"] == str(installation.package)

    def test_without_any_readlink(self, installation: Installation, tmp_path: Path) -> None:
        """Where a link cannot be read at all, one line on stdout says that nothing was found."""
        launcher = write_launcher(
            installation.root / "bin",
            ("readlink", "no-such-readlink"),
            ("/usr/local/bin/", "/nonexistent/"),
            ("/usr/bin/", "/nonexistent/"),
        )
        through_link = link(tmp_path / "link", launcher)
        result = run([through_link, "get"])
        assert result.stdout == f"{NAME}: no Python found beside {through_link}; {PART}\n"
        assert (result.stderr, result.status) == ("", 1)


class TestWhichPython:
    """The one that belongs to the package."""

    def test_a_library_without_its_python_is_skipped(self, installation: Installation) -> None:
        """What another version of Python has left behind is skipped."""
        for stale in ("python3.10", "python3.99"):
            package = write_package(installation.root / "lib" / stale / "site-packages")
            (package / "__main__.py").write_text("raise RuntimeError('stale')")
        (installation.root / "bin" / "python3.99").symlink_to("/nonexistent/python3.99")
        assert run([installation.launcher]).report["package"] == str(installation.package)

    @pytest.mark.parametrize("kind", ["directory", "not executable"])
    def test_what_is_no_program_is_skipped(self, installation: Installation, kind: str) -> None:
        """A directory, or a file that cannot be run, is not taken for Python."""
        other = installation.root / "bin" / "python3.99"
        write_package(installation.root / "lib" / "python3.99" / "site-packages")
        if kind == "directory":
            other.mkdir()
        else:
            other.touch(mode=0o644)
        assert run([installation.launcher]).report["package"] == str(installation.package)

    def test_leftovers_of_an_uninstalled_package_are_skipped(
        self, installation: Installation
    ) -> None:
        """A directory in which only compiled files are left is not the package."""
        leftover = installation.root / "lib" / "python3.99" / "site-packages" / PACKAGE
        (leftover / "__pycache__").mkdir(parents=True)
        (installation.root / "bin" / "python3.99").symlink_to(PYTHON)
        assert run([installation.launcher]).report["package"] == str(installation.package)

    def test_the_newest_of_several(self, installation: Installation) -> None:
        """If the package is in two versions of Python, the newer one runs it."""
        newer = write_package(installation.root / "lib" / "python3.99" / "site-packages")
        (installation.root / "bin" / "python3.99").symlink_to(PYTHON)
        assert run([installation.launcher]).report["package"] == str(newer)

    @pytest.mark.parametrize("packages", ["site-packages", "dist-packages"])
    def test_in_path_where_none_is_beside_it(self, tmp_path: Path, packages: str) -> None:
        """``pip install --user`` and ``--prefix`` leave Python elsewhere: PATH has it."""
        launcher = write_launcher(tmp_path / "prefix" / "bin")
        package = write_package(tmp_path / "prefix" / "lib" / VERSION / packages)
        programs = tmp_path / "programs"
        link(programs / VERSION, PYTHON)
        report = run([launcher], path=str(programs)).report
        assert report["package"] == str(package)
        assert report["without_site"]

    def test_at_its_usual_place_where_path_has_none(self, tmp_path: Path) -> None:
        """With a PATH that lacks Python, the usual directories of programs are tried."""
        programs = tmp_path / "programs"
        launcher = write_launcher(tmp_path / "prefix" / "bin", ("/usr/bin/", f"{programs}/"))
        package = write_package(tmp_path / "prefix" / "lib" / VERSION / "site-packages")
        link(programs / VERSION, PYTHON)
        assert run([launcher]).report["package"] == str(package)

    def test_in_a_directory_of_packages(self, tmp_path: Path) -> None:
        """``pip install --target`` leaves it in ``bin``, below the package: PATH has Python."""
        launcher = write_launcher(tmp_path / "target" / "bin")
        package = write_package(tmp_path / "target")
        link(tmp_path / "programs" / "python3", PYTHON)
        report = run([launcher], path=str(tmp_path / "programs")).report
        assert report["package"] == str(package)
        assert report["without_site"]

    def test_an_editable_install(self, tmp_path: Path) -> None:
        """A package that a .pth file names is run by the Python beside the launcher."""
        launcher, package = install_editable(tmp_path)
        report = run([launcher, "a b"], cwd=tmp_path).report
        assert report["package"] == str(package)
        assert report["arguments"] == ["a b"]

    def test_an_editable_install_of_a_user(self, tmp_path: Path) -> None:
        """Where the user's own packages name it, Python looks there."""
        launcher = write_launcher(tmp_path / ".local" / "bin")
        package = write_package(tmp_path / "source")
        packages = tmp_path / ".local" / "lib" / VERSION / "site-packages"
        packages.mkdir(parents=True)
        (packages / "probe.pth").write_text(f"{tmp_path / 'source'}\n")
        programs = tmp_path / "programs"
        link(programs / "python3", PYTHON)
        report = run([launcher], path=str(programs), environ={"HOME": str(tmp_path)}).report
        assert report["package"] == str(package)


def install_editable(directory: Path) -> tuple[Path, Path]:
    """Make a virtual environment that names the package elsewhere: launcher and package."""
    root = directory / "editable"
    launcher = write_launcher(root / "bin")
    (root / "bin" / "python3").symlink_to(PYTHON)
    (root / "pyvenv.cfg").write_text(f"home = {PYTHON.parent}\n")
    package = write_package(directory / "source")
    packages = root / "lib" / VERSION / "site-packages"
    packages.mkdir(parents=True)
    (packages / "probe.pth").write_text(f"{directory / 'source'}\n")
    return launcher, package


class TestIsolation:
    """The caller's surroundings do not affect the helper."""

    @pytest.fixture(params=["installed", "editable"])
    def installed(self, request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
        """Launcher and package of an ordinary and of an editable install."""
        if request.param == "editable":
            return install_editable(tmp_path)
        ordinary = install(tmp_path / "venv")
        return ordinary.launcher, ordinary.package

    @pytest.fixture
    def hostile(self, tmp_path: Path) -> Path:
        """A directory of modules that nobody may import."""
        directory = tmp_path / "hostile"
        package = write_package(directory)
        for path in (
            *(directory / f"{name}.py" for name in ("os", "json", "site", "sitecustomize", "sys")),
            package / "__init__.py",
            package / "__main__.py",
        ):
            path.write_text("raise RuntimeError('imported from a foreign directory')\n")
        return directory

    def test_the_working_directory(self, installed: tuple[Path, Path], hostile: Path) -> None:
        """Modules in the working directory are not imported."""
        launcher, package = installed
        assert run([launcher], cwd=hostile).report["package"] == str(package)

    @pytest.mark.parametrize(
        "environ",
        [
            {"PYTHONPATH": "{hostile}"},
            {"PYTHONPATH": ""},
            {"PYTHONHOME": "/nonexistent"},
            {"PYTHONSTARTUP": "{hostile}/os.py"},
            {"PYTHONWARNINGS": "error"},
            {"PYTHONINSPECT": "1", "PYTHONVERBOSE": "1", "PYTHONPROFILEIMPORTTIME": "1"},
            {"PYTHONPLATLIBDIR": "nonexistent"},
            {"ENV": "{hostile}/os.py", "BASH_ENV": "{hostile}/os.py"},
        ],
        ids="-".join,
    )
    def test_environment_variables_of_python_and_of_shells(
        self, installed: tuple[Path, Path], hostile: Path, environ: dict[str, str]
    ) -> None:
        """Neither Python's variables nor those of shells have any effect."""
        launcher, package = installed
        changes = {name: value.format(hostile=hostile) for name, value in environ.items()}
        report = run([launcher], cwd=hostile, environ=changes).report
        assert report["package"] == str(package)
        assert report["warnings"] == []

    @pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
    @pytest.mark.parametrize("option", ["noglob", "nounset", "errexit"])
    def test_options_that_bash_takes_from_its_environment(
        self, installed: tuple[Path, Path], option: str
    ) -> None:
        """Python is found whatever options a bash that is sh was given by the environment."""
        launcher, package = installed
        bash = shutil.which("bash") or "bash"
        report = run([bash, launcher], environ={"SHELLOPTS": option}).report
        assert report["package"] == str(package)

    def test_no_environment_at_all(self, installed: tuple[Path, Path]) -> None:
        """It works with an empty environment, without even PATH."""
        launcher, package = installed
        completed = subprocess.run([launcher], env={}, cwd="/", capture_output=True, check=True)
        assert json.loads(completed.stdout)["package"] == str(package)


class TestForPeople:
    """The text of the launcher."""

    @pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
    def test_shellcheck_has_no_remark(self) -> None:
        """The launcher is plain sh by shellcheck's judgement, optional checks included."""
        command = ["shellcheck", "--shell=sh", "--severity=style", str(LAUNCHERS / NAME)]
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
        assert completed.stdout + completed.stderr == ""
