"""An installation of the working tree, in which the tests run the executable.

It is laid out as pip leaves one: the launcher beside a Python, and the package, as of now, in a
library with all that this Python has installed. It takes one more authority for one of AWS's. The
first process makes it, and removes it in the end; those that it starts share it.

With ECR_LOGIN_STANDALONE in the environment, the executable is that of the standalone build, as
`make standalone` has left it.
"""

import atexit
import compileall
import os
import re
import shutil
import stat
import sys
import sysconfig
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import trustme

from docker_credential_ecr_login.building.standalone import tree
from tests import names_of_aws

NAME = "docker-credential-ecr-login"
PACKAGE = "docker_credential_ecr_login"
_VERSION = f"python3.{sys.version_info.minor}"
_SOURCE = Path(__file__).parent.parent / PACKAGE
_VARIABLE = "ECR_LOGIN_INSTALLATION"  # the directory, for processes that this one starts

IS_STANDALONE = "ECR_LOGIN_STANDALONE" in os.environ
"""Whether the executable is that of the standalone build."""


def _install(directory: Path) -> None:
    directory.chmod(0o755)  # other users run it, too
    programs = directory / "bin"
    library = directory / "lib" / _VERSION / "site-packages"
    programs.mkdir()
    library.mkdir(parents=True)
    shutil.copy(_SOURCE / "launcher" / NAME, programs)
    for name in ("python", "python3", _VERSION):
        (programs / name).symlink_to(sys.executable)
    shutil.copy(Path(sys.prefix, "pyvenv.cfg"), directory)
    (directory / "share").symlink_to(Path(sys.prefix, "share"))  # completions, manual: as built
    installed = Path(sysconfig.get_path("purelib"))
    for path in installed.iterdir():
        if path.name != PACKAGE:
            (library / path.name).symlink_to(path)
    if not is_open(installed / "botocore" / "__init__.py"):
        _copy_dependencies(installed, library)
    _add_authority(directory, library)
    shutil.copy(Path(names_of_aws.__file__), library)
    (library / "names_of_aws.pth").write_text("import names_of_aws\n")
    # A copy, compiled: the tree can be changed while tests run, or be read-only.
    package = library / PACKAGE
    shutil.copytree(_SOURCE, package, ignore=shutil.ignore_patterns("building", "launcher"))
    compileall.compile_dir(package, quiet=1)
    for path in directory.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent == programs else 0o644)
    if IS_STANDALONE:
        shutil.copytree(tree(), directory / "standalone", symlinks=True)


def _add_authority(directory: Path, library: Path) -> None:
    """Make botocore trust the certificates of an authority, which is kept in the directory."""
    authority = trustme.CA()
    authority.private_key_pem.write_to_path(str(directory / "authority.key"))
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    source = (library / "certifi").resolve()
    (library / "certifi").unlink()
    shutil.copytree(source, library / "certifi")
    with (library / "certifi" / "cacert.pem").open("ab") as bundle:
        bundle.write(b'\n# Label: "Amazon Root CA of the tests"\n' + authority.cert_pem.bytes())


def authority() -> trustme.CA:
    """Return the authority that the installation takes for one of AWS's."""
    certificate, key = (DIRECTORY / f"authority.{end}" for end in ("pem", "key"))
    return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())


def is_open(path: Path) -> bool:
    """Say whether every user may read a file."""
    path = path.resolve()
    above = all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
    return above and bool(path.stat().st_mode & stat.S_IROTH)


def _copy_dependencies(installed: Path, library: Path) -> None:
    """Copy into a library what the package imports itself, instead of linking it."""
    for name in dependencies():
        for first in {path.parts[0] for path in distribution(name).files or ()} - {".."}:
            (library / first).unlink(missing_ok=True)
            source = installed / first
            (shutil.copytree if source.is_dir() else shutil.copy)(source, library / first)


def dependencies() -> set[str]:
    """Return the names of what the package needs, and of what those need."""
    names = {PACKAGE}
    while new := {each for name in names for each in _requirements(name)} - names:
        names |= new
    return names - {PACKAGE}


def _requirements(name: str) -> set[str]:
    lines = distribution(name).requires or []
    return {re.split(r"[^\w.-]", line)[0] for line in lines if "extra ==" not in line}


def _directory() -> Path:
    if os.environ.get("ECR_LOGIN_CLIENT_TESTS") == "inside":  # they test what is installed
        return Path(sys.prefix)
    if _VARIABLE not in os.environ:
        directory = tempfile.mkdtemp(prefix="ecr-login-")
        atexit.register(shutil.rmtree, directory)
        _install(Path(directory))
        os.environ[_VARIABLE] = directory
    return Path(os.environ[_VARIABLE])


DIRECTORY = _directory()
EXECUTABLE = DIRECTORY / ("standalone" if IS_STANDALONE else "") / "bin" / NAME
PYTHON = DIRECTORY / "bin" / _VERSION
LIBRARY = DIRECTORY / "lib" / _VERSION / "site-packages"
