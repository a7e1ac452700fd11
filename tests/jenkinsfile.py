"""Reads declarative Jenkinsfiles: the little of Groovy that recipes need.

All other Groovy is an error, such as expressions, escapes in strings, and double quotes, between
which Jenkins itself would replace variables.
"""

import re
from collections.abc import Iterator
from itertools import chain

Statement = tuple[tuple[str, ...], list["Statement"]]
"""The words of a line, without quotes, and the statements in the braces that follow it."""

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
    """Yield the words of each line. An opening brace ends a line, a closing one is a line."""
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
