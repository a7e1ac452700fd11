"""What pyproject.toml says about the project, in whose directory this runs."""

import tomllib
from pathlib import Path


def repository() -> str:
    """Return the URL of the repository."""
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    return str(project["urls"]["Repository"])
