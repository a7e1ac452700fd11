"""The environment of tests: nothing in it comes from the user who runs them."""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

# What AWS, registries' clients, the helper, HTTP, C and Python take from the environment.
_OF_SOMEBODY = re.compile(
    r"(AWS|BOTO|CONTAINERS?|DOCKER|REGISTRY|XDG)_.*|(https?|all|no)_proxy|LANG(UAGE)?|LC_.*"
    r"|PYTHON.*",  # one of them has each worker compile all tests
    re.IGNORECASE,
)
_HELPER = "docker-credential-*"


def forget() -> None:
    """Take home, settings and credential helpers away from this process and those it starts."""
    os.umask(0o022)
    for name in filter(_OF_SOMEBODY.fullmatch, list(os.environ)):
        del os.environ[name]
    directory = Path(tempfile.mkdtemp(prefix="ecr-login-surroundings-"))
    atexit.register(shutil.rmtree, directory)
    directory.chmod(0o755)  # some programs are run by other users
    home = directory / "home"
    home.mkdir()
    os.environ["HOME"] = str(home)
    path = map(Path, os.environ["PATH"].split(os.pathsep))
    os.environ["PATH"] = os.pathsep.join(
        str(_without_helpers(each, directory / f"path-{number}"))
        for number, each in enumerate(path)
    )


def _without_helpers(programs: Path, links: Path) -> Path:
    """Return a directory of the same programs without credential helpers; make it if need be."""
    can_look = os.access(programs, os.R_OK | os.X_OK)
    helpers = set(programs.glob(_HELPER)) if can_look else set()
    if not helpers:
        return programs
    links.mkdir()
    for program in set(programs.iterdir()) - helpers:
        (links / program.name).symlink_to(program.absolute())
    return links
