"""What pyproject.toml says of the project, in whose directory all this runs."""

import tomllib
from pathlib import Path


def repository() -> str:
    """Return the URL of the repository."""
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    return str(project["urls"]["Repository"])
