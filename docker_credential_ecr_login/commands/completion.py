"""``completion``: the script that completes this program's arguments in a shell.

It is made from the arguments of all commands when the wheel is built, by ``building/``, and
installed where shells look for system-wide scripts. This command is for all other installations.
It prints a second copy of the script, because its output may be redirected to the first one.
"""

import argparse
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from ..errors import BadConfiguration
from ..protocol import NAME

SCRIPTS = {
    "bash": f"share/bash-completion/completions/{NAME}",
    "fish": f"share/fish/vendor_completions.d/{NAME}.fish",
    "zsh": f"share/zsh/site-functions/_{NAME}",
}
"""Where each shell's script is, below the prefix of the installation."""

OWN_SCRIPTS = {shell: f"share/{NAME}/completion.{shell}" for shell in SCRIPTS}
"""Where the copy to print is, for which no shell looks."""


def add_to(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    parser = commands.add_parser(
        "completion",
        help="print the script that completes this program's arguments in a shell",
        description="Print the script that lets a shell complete this program's commands, options "
        "and values, the names of profiles, and the registries used before.",
        epilog=f'In ~/.bashrc, write: eval "$({NAME} completion bash)"; in ~/.zshrc, after '
        "compinit, the same with zsh.",
    )
    parser.add_argument("shell", metavar="SHELL", choices=sorted(SCRIPTS), help="bash, fish or zsh")
    parser.examples = ("completion fish | source",)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, _: Mapping[str, str]) -> tuple[str, str, int]:
    """Return the script. Raises `BadConfiguration` if it is not installed."""
    try:
        for path in distribution(NAME).files or ():
            if path.as_posix().endswith(f"/{OWN_SCRIPTS[options.shell]}"):
                return path.read_text(encoding="utf-8"), "", 0
    except (PackageNotFoundError, OSError):
        pass
    raise BadConfiguration(
        f"the script for {options.shell} is not where it was installed", f"install {NAME} again"
    )
