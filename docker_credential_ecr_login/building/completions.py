"""The scripts that complete arguments: shtab's, and what they look up when somebody presses TAB.

Registries are those that were used before, profiles those of the AWS configuration. The shell
looks them up by itself, with ``completion.*``: starting Python takes longer than a key press
should.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import shtab

from ..protocol import NAME

_REGISTRIES = {
    "bash": "_ecr_login_registries",
    "zsh": "_ecr_login_registries",
    "fish": "(__ecr_login_registries)",
}
_PROFILES = {shell: name.replace("registries", "profiles") for shell, name in _REGISTRIES.items()}
_IS_OPTION_OF_ZSH = re.compile(r'^( +"\*?--[a-z-]+)(?=\[.*\]:)', re.MULTILINE)


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script that completes the arguments of ``parser`` in ``shell``."""
    for action in _actions(parser):
        if action.metavar == "REGISTRY":
            action.complete = _REGISTRIES  # type: ignore[attr-defined]
        elif "--profile" in action.option_strings:
            action.complete = _PROFILES  # type: ignore[attr-defined]
    functions = Path(__file__).with_name(f"completion.{shell}").read_text(encoding="utf-8")
    text = shtab.complete(parser, shell, root_prefix="ecr_login", preamble=functions)
    if shell == "zsh":
        text = _IS_OPTION_OF_ZSH.sub(r"\1=", text)  # --output=json, too
        text = text.replace('"(*)::', '"*:')  # not one REGISTRY, but any number
    if shell == "bash":
        text += f"\ncomplete -o bashdefault -F _ecr_login {NAME}"
    return text.rstrip("\n") + "\n"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Return the arguments of a parser, and those of its commands."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to see them
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                yield from _actions(command)
