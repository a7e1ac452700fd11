"""GitHub's workflows and the Makefile, for the tests of what they run."""

import re
from pathlib import Path
from typing import Any

import yaml

_ROOT = Path(__file__).parent.parent
TARGETS = set(re.findall(r"^([a-z-]+):", (_ROOT / "Makefile").read_text(), re.MULTILINE))
"""The targets of the Makefile."""


def jobs_of(name: str) -> dict[str, Any]:
    """Return the jobs of a workflow."""
    text = (_ROOT / ".github" / "workflows" / name).read_text()
    found: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return found
