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
        self._directory = tempfile.TemporaryDirectory()
        if sys.version_info < (3, 11):  # noqa: UP036 - hooks run before pip looks at it
            return  # to have pip say that, and not the import of the package
        sys.path.insert(0, self.root)  # the source that is built, whatever is installed
        from docker_credential_ecr_login import __version__, commands
        from docker_credential_ecr_login.building import completions, man_page
        from docker_credential_ecr_login.commands.completion import OWN_SCRIPTS, SCRIPTS

        parser = commands.parser()
        scripts = {shell: completions.script(parser, shell) for shell in SCRIPTS}
        manual = self._write("manual", man_page.text(parser, __version__))
        build_data["shared_data"][manual] = man_page.PATH
        for shell, text in scripts.items():
            build_data["shared_data"][self._write(f"shared-{shell}", text)] = SCRIPTS[shell]
            build_data["shared_data"][self._write(f"own-{shell}", text)] = OWN_SCRIPTS[shell]

    def _write(self, name: str, text: str) -> str:
        source = Path(self._directory.name, name)
        source.write_text(text, encoding="utf-8", newline="\n")
        return str(source)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove them."""
        self._directory.cleanup()
