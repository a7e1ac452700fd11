"""The commands that people type: ``docker-credential-ecr-login <command>``.

Only `__main__` imports this package, and only to run one of them.
"""

import argparse
import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import NoReturn

from ..errors import BadInput
from ..process import complete_python
from ..protocol import NAME, VERSION
from . import completion, configure, doctor, login, logout


def run(arguments: list[str], environ: Mapping[str, str]) -> tuple[str, str, int]:
    """Return what goes to stdout, a remark for stderr or "", and the exit code.

    Raises `HelperError`; `BadInput` for arguments that make no sense.
    """
    with redirect_stdout(io.StringIO()) as output:
        try:
            top = parser()
            top.command = arguments[0]
            options = top.parse_args(arguments)
        except SystemExit:  # after --help
            return output.getvalue(), "", 0
    complete_python()
    outcome: tuple[str, str, int] = options.run(options, environ)
    return outcome


def parser() -> "_Parser":
    """Return the parser of the arguments, from which completions and manual are made, too."""
    top = _Parser(
        prog=NAME,
        description="Gives credentials for Amazon ECR to docker, podman, skopeo, buildah, Helm and "
        "other clients of the Docker credential helper protocol. Once their configuration names "
        "it (see the command configure), they need no docker login.",
        epilog="Clients run it with get, store, erase or list, and kubelet runs it with kubelet; "
        "the request is on stdin.",
    )
    top.add_argument("-v", "--version", action="version", version=VERSION)
    commands = top.add_subparsers(required=True, metavar="COMMAND", title="commands")
    completion.add_to(commands)
    configure.add_to(commands)
    doctor.add_to(commands)
    login.add_to(commands)
    logout.add_to(commands)
    return top


class _Parser(argparse.ArgumentParser):
    examples: tuple[str, ...] = ()
    command = ""

    def format_help(self) -> str:
        """Return the help, with the examples at its end."""
        shown = "".join(f"  {NAME} {example}\n" for example in self.examples)
        return super().format_help() + (f"\nexamples:\n{shown}" if shown else "")

    def error(self, message: str) -> NoReturn:
        """Raise `BadInput`: `__main__` prints it, and exits with code 1."""
        raise BadInput(message, f"see: {' '.join(filter(None, (self.prog, self.command)))} --help")
