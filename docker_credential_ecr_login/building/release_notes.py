"""What ``make release-notes`` prints: the section of CHANGELOG.md for this version.

With ``TAG=`` and ``REPOSITORY=`` (owner/name), as in a release, it fails if the tag is not that of
the version, or the repository not the one that pyproject.toml names.
"""

import re
import sys
from pathlib import Path

from ..protocol import __version__
from .project import repository as named_repository

_HOST = "https://github.com/"


def section(changelog: str, version: str) -> str:
    """Return the section of a version in a changelog, without its heading; "" if there is none."""
    pattern = rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## |\Z)"
    found = re.search(pattern, changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def complaint(tag: str, repository: str, version: str, named: str) -> str:
    """Return why a version cannot be released, or "".

    ``named`` is the URL of the repository in pyproject.toml; ``tag`` and ``repository`` may be "".
    """
    if tag and tag != f"v{version}":
        return f"the tag is {tag}, and the version {version}: tag v{version}, or change protocol.py"
    if repository and named != _HOST + repository:
        return f"pyproject.toml names {named}, and this is {_HOST}{repository}: correct it there"
    return ""


def main(tag: str = "", repository: str = "") -> None:
    """Print the section, or exit with what is wrong."""
    wrong = complaint(tag, repository, __version__, named_repository())
    text = section(Path("CHANGELOG.md").read_text("utf-8"), __version__)
    if wrong or not text:
        sys.exit(wrong or f"CHANGELOG.md has no section for {__version__}: ## [{__version__}]")
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
