"""The manual, for man(1): of the help of all commands, and of tables of the README."""

import argparse
import re

from ..protocol import NAME

PATH = f"share/man/man1/{NAME}.1"
"""Where it is, below the prefix of the installation."""

_ESCAPES = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
_HEAD = """\
.TH {title} 1 "" "{source}" "User Commands"
.SH NAME
{name} \\- Docker credential helper for Amazon ECR
.SH SYNOPSIS
.B {name}
.I command
.RI [ option ...]
.RI [ registry ...]
.br
.B {name}
.BR get | store | erase | list | version
.SH DESCRIPTION
{description}
.PP
{epilog}
.SH COMMANDS
"""
_CONFIG_FILE = (
    r"\fB\(ti/.config/ecr\-login/config.toml\fR, in TOML: a few settings for all registries, and "
    r"[[registry]] tables, of which the first that matches applies."
)
_TAIL = """\
.SH EXIT STATUS
0 if all was done, 1 if not: one line on standard error then says why, and what to do.
.SH SEE ALSO
.BR docker\\-login (1),
.BR podman\\-login (1),
.BR containers\\-auth.json (5),
.BR containers\\-registries.conf (5)
"""


def text(parser: argparse.ArgumentParser, version: str, readme: str) -> str:
    """Return the manual of ``parser``, in the man macros of troff."""
    name, source = _escaped(NAME), _escaped(f"{NAME} {version}")
    words = {"description": _escaped(parser.description), "epilog": _escaped(parser.epilog)}
    lines = [_HEAD.format(title=name.upper(), source=source, name=name, **words)]
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to see them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command, each in sorted(action.choices.items()):
                lines += _command(command, each)
    lines.append(".SH ENVIRONMENT\n")
    for variable, default, meaning in _table(readme, "variable", "default", "meaning"):
        addition = f" (default: {default})" if default else ""
        lines.append(f".TP\n{_of_markdown(variable)}\n{_of_markdown(meaning + addition)}\n")
    lines.append(f".SH CONFIG FILE\n{_CONFIG_FILE}\n")
    for key, meaning in _table(readme, "key", "meaning"):
        lines.append(f".TP\n{_of_markdown(key)}\n{_of_markdown(meaning)}\n")
    lines.append(".SH FILES\nIn the cache directory:\n")
    for file, content in _table(readme, "file", "holds"):
        lines.append(f".TP\n{_of_markdown(file)}\n{_of_markdown(content)}\n")
    return "".join(lines) + _TAIL


def _command(name: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return the lines on one command."""
    lines = [f".SS {_escaped(name)}\n", f"{_escaped(parser.description)}\n"]
    formatter = parser._get_formatter()  # noqa: SLF001 - it fills in %(default)s and the like
    for action in parser._actions:  # noqa: SLF001
        if action.help == argparse.SUPPRESS or action.dest == "help":
            continue
        words = ", ".join(rf"\fB{_escaped(option)}\fR" for option in action.option_strings)
        if action.nargs != 0:
            value = action.metavar or action.dest.upper()
            words += " " * bool(words) + rf"\fI{_escaped(str(value))}\fR"
        lines.append(f".TP\n{words}\n{_escaped(formatter._expand_help(action))}\n")  # noqa: SLF001
        if action.choices:
            choices = ", ".join(rf"\fB{_escaped(choice)}\fR" for choice in action.choices)
            lines.append(f".br\nOne of: {choices}.\n")
    if parser.epilog:
        lines.append(f".PP\n{_escaped(parser.epilog)}\n")
    if examples := getattr(parser, "examples", ()):
        shown = "".join(f"{_escaped(f'{NAME} {example}')}\n" for example in examples)
        lines.append(f".PP\nExamples:\n.PP\n.nf\n{shown}.fi\n")
    return lines


def _table(readme: str, *columns: str) -> list[list[str]]:
    """Return the rows of the README's table with these columns."""
    head = f"| {' | '.join(columns)} |\n"
    rows = readme[readme.index(head) + len(head) :].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in rows]


def _of_markdown(line: str) -> str:
    """Return a line of Markdown as one of troff: code in bold, links as their text."""
    line = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", line)
    parts = [_in_troff(part) for part in line.split("`")]
    parts[1::2] = [rf"\fB{part}\fR" for part in parts[1::2]]
    return _no_request("".join(parts))


def _escaped(words: str | None) -> str:
    """Return text as troff shows it, character by character, on one line."""
    return _no_request(_in_troff(" ".join((words or "").split())))


def _in_troff(words: str) -> str:
    return "".join(
        _ESCAPES.get(letter, letter if letter.isascii() else rf"\[u{ord(letter):04X}]")
        for letter in words
    )


def _no_request(line: str) -> str:
    return r"\&" * line.startswith(".") + line  # a dot begins a request
