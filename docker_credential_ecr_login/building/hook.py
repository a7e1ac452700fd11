"""The build hook of hatchling: puts completions and manual into the wheel.

They are made of what `commands` tells argparse, so nobody has to write them again, and no
program that runs later needs what makes them.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildHook(BuildHookInterface[Any]):
    """Makes the files that are shared with other programs, in wheels and editable ones."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Write the files to where hatchling takes them from."""
        sys.path.insert(0, self.root)  # the source that is built, whatever is installed
        from docker_credential_ecr_login import __version__, commands
        from docker_credential_ecr_login.building import completions, man_page
        from docker_credential_ecr_login.commands.completion import SCRIPTS

        parser = commands.parser()
        files = {path: completions.script(parser, shell) for shell, path in SCRIPTS.items()}
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        files[man_page.PATH] = man_page.text(parser, __version__, readme)
        self._directory = tempfile.TemporaryDirectory()
        for number, (path, text) in enumerate(files.items()):
            source = Path(self._directory.name, str(number))
            source.write_text(text, encoding="utf-8", newline="\n")
            build_data["shared_data"][str(source)] = path

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove them."""
        self._directory.cleanup()
