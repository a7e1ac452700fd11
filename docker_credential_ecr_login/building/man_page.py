"""The manual, for man(1): ``manual.1`` with the help of all commands."""

import argparse
from pathlib import Path

from ..protocol import NAME

PATH = f"share/man/man1/{NAME}.1"
"""Where it is, below the prefix of the installation."""

_ESCAPES = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}


def text(parser: argparse.ArgumentParser, version: str) -> str:
    """Return the manual of ``parser``, in the man macros of troff."""
    lines = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to see them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, command in sorted(action.choices.items()):
                lines += _command(name, command)
    manual = Path(__file__).with_name("manual.1").read_text(encoding="utf-8")
    for mark, words in {
        "@VERSION@": _escaped(version),
        "@DESCRIPTION@": f"{_escaped(parser.description)}\n.PP\n{_escaped(parser.epilog)}",
        "@COMMANDS@": "\n".join(lines),
    }.items():
        manual = manual.replace(mark, words)
    return manual


def _command(name: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return the lines on one command."""
    lines = [f".SS {_escaped(name)}", _escaped(parser.description)]
    formatter = parser._get_formatter()  # noqa: SLF001 - it fills in %(default)s and the like
    for action in parser._actions:  # noqa: SLF001
        if action.help == argparse.SUPPRESS or action.dest == "help":
            continue
        words = ", ".join(rf"\fB{_escaped(option)}\fR" for option in action.option_strings)
        if action.nargs != 0:
            value = action.metavar or action.dest.upper()
            words += " " * bool(words) + rf"\fI{_escaped(str(value))}\fR"
        lines += [".TP", words, _escaped(formatter._expand_help(action))]  # noqa: SLF001
        if action.choices:
            choices = ", ".join(rf"\fB{_escaped(choice)}\fR" for choice in action.choices)
            lines += [".br", f"One of: {choices}."]
    if parser.epilog:
        lines += [".PP", _escaped(parser.epilog)]
    if examples := getattr(parser, "examples", ()):
        shown = [_escaped(f"{NAME} {example}") for example in examples]
        lines += [".PP", "Examples:", ".PP", ".nf", *shown, ".fi"]
    return lines


def _escaped(words: str | None) -> str:
    """Return text as troff shows it, character by character, on one line."""
    line = "".join(
        _ESCAPES.get(letter, letter if letter.isascii() else rf"\[u{ord(letter):04X}]")
        for letter in " ".join((words or "").split())
    )
    return r"\&" * line.startswith(".") + line  # a dot begins a request
