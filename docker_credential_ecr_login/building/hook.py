"""The hooks of hatchling: put the executable, completions and manual into the wheel.

There are two wheels. That for Windows has an entry point, of which installers make an .exe; all
other systems have the launcher, for what installers would make there imports site before it does
anything, which takes longer than a cached answer.

Completions and manual are made of what `commands` tells argparse, so nobody has to write them
again, and no program that runs later needs what makes them.
"""

import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

# The system to build for: this one, or that in _PYTHON_HOST_PLATFORM, as for setuptools.
_IS_WINDOWS = sysconfig.get_platform().startswith("win")


class MetadataHook(MetadataHookInterface):
    """Names the function of which installers make an executable."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the entry point, for Windows."""
        if _IS_WINDOWS:
            metadata["scripts"] = {metadata["name"]: "docker_credential_ecr_login.__main__:main"}


class BuildHook(BuildHookInterface[Any]):
    """Adds the files outside the package, to wheels and editable installs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Add the launcher, and write the other files to where hatchling reads them."""
        self._directory = tempfile.TemporaryDirectory()
        if sys.version_info < (3, 11):  # noqa: UP036 - hooks run before pip looks at it
            return  # so that pip reports it, instead of a failed import
        sys.path.insert(0, self.root)  # the source that is built, whatever is installed
        from docker_credential_ecr_login import __version__, commands
        from docker_credential_ecr_login.building import completions, man_page
        from docker_credential_ecr_login.commands.completion import OWN_SCRIPTS, SCRIPTS
        from docker_credential_ecr_login.protocol import NAME

        if _IS_WINDOWS:
            build_data["tag"] = "py3-none-win32.win_amd64.win_arm64"
        else:
            launcher = f"docker_credential_ecr_login/launcher/{NAME}"
            build_data["shared_scripts"][launcher] = NAME
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
