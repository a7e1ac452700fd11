"""``completion``: the script that completes this program's arguments in a shell.

It was made from the arguments of all commands when the wheel was built, by ``building/``,
and is installed where a system-wide shell looks for such scripts. Not every installation is
system-wide, so that it can be had from here.
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


def add_to(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    parser = commands.add_parser(
        "completion",
        help="print the script that completes this program's arguments in a shell",
        description="Print the script with which a shell completes the commands, options and "
        "values of this program, the names of profiles, and the registries asked for before.",
    )
    parser.add_argument("shell", metavar="SHELL", choices=sorted(SCRIPTS), help="bash, fish or zsh")
    parser.examples = ("completion bash > ~/.local/share/bash-completion/completions/" + NAME,)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, _: Mapping[str, str]) -> tuple[str, str, int]:
    """Return the script. Raises `BadConfiguration` if it is not installed."""
    try:
        for path in distribution(NAME).files or ():
            if path.as_posix().endswith(f"/{SCRIPTS[options.shell]}"):
                return path.read_text(encoding="utf-8"), "", 0
    except (PackageNotFoundError, OSError):
        pass
    raise BadConfiguration(
        f"the script for {options.shell} is not where it was installed", f"install {NAME} again"
    )
