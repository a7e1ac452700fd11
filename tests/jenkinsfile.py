"""Reads a declarative Jenkinsfile, as far as recipes need its language.

Groovy that is not read here is an error: double quotes, in which Jenkins itself would put in
variables; escapes in strings; expressions.
"""

import re
from collections.abc import Iterator
from itertools import chain

Statement = tuple[tuple[str, ...], list["Statement"]]
"""What stands on a line, word by word and without quotes; and what is in the braces behind it."""

_TOKEN = re.compile(
    r"""[ ]*(?: '''(?P<script> (?: [^'\\] | '(?!'') )* )'''
              | '(?P<string> [^'\\\n]* )'
              | (?P<word> \w+ | [][()=:] )
              | (?P<end> [{}\n] ) )""",
    re.VERBOSE,
)


def read_jenkinsfile(text: str) -> list[Statement]:
    """Return the statements of the outermost level."""
    lines = chain(_lines(text), [["}"]])
    statements = list(_block(lines))
    assert next(lines, None) is None, "there is a brace too many"
    return statements


def _lines(text: str) -> Iterator[list[str]]:
    """Yield lines in their words; a brace ends one, and one that closes is a line of its own."""
    line: list[str] = []
    end = 0
    while match := _TOKEN.match(text, end):
        end = match.end()
        kind, token = str(match.lastgroup), match[str(match.lastgroup)]
        if kind != "end":
            line.append(token)
            continue
        if token == "{":
            line.append(token)
        if line:
            yield line
        line = []
        if token == "}":
            yield [token]
    assert end == len(text), text[end:]


def _block(lines: Iterator[list[str]]) -> Iterator[Statement]:
    for line in lines:
        if line == ["}"]:
            return
        if line[-1] == "{":
            yield tuple(line[:-1]), list(_block(lines))
        else:
            yield tuple(line), []
    raise AssertionError("a brace is missing")
