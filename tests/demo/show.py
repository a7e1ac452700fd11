"""How a step looks on the terminal, and whether it gave what it should."""

import os
import re
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import TextIO

_WIDTH = 80
_LABEL_WIDTH = 10
_SHOWN_OF_SECRET = 8


class Presentation:
    """Numbered steps on ``stream``, and a count of those that went wrong.

    Colours only on a terminal, and not where NO_COLOR is set
    (https://no-color.org).
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if isinstance(stream, TextIOWrapper):  # each line at once, whatever the encoding
            stream.reconfigure(line_buffering=True, errors="replace")
        self._coloured = (
            stream.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "dumb") != "dumb"
        )
        self._width = min(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns)
        self._steps = 0
        self._failed: list[int] = []

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line; ``style`` is that of SGR, "1" for bold."""
        styled = f"\x1b[{style}m{text}\x1b[0m" if style and self._coloured else text
        print(styled, file=self._stream)

    def paragraph(self, text: str, style: str = "") -> None:
        """Print ``text`` wrapped."""
        for line in textwrap.wrap(text, self._width):
            self.line(line, style)

    def step(self, sentence: str) -> None:
        """Begin a step that shows what ``sentence`` says."""
        self._steps += 1
        number = f"{self._steps}. "
        self.line()
        indent = " " * len(number)
        for line in textwrap.wrap(number + sentence, self._width, subsequent_indent=indent):
            self.line(line, "1")

    def command(self, command: str) -> None:
        """Show a command line."""
        self.field("$", command, style="36")

    def field(self, label: str, text: str, style: str = "") -> None:
        """Show what went in or came out; nothing if it is empty."""
        width = max(20, self._width - _LABEL_WIDTH)
        for line in text.splitlines():
            for part in _folded(line, width):
                self.line(f"   {label:<{_LABEL_WIDTH - 3}}{part}", style)
                label = ""

    def check(self, expectations: Iterable[tuple[bool, str]]) -> None:
        """End a step: say what is not as it should be, by ``(holds, what should hold)``."""
        missed = [text for holds, text in expectations if not holds]
        for text in missed:
            self.field("WRONG", f"expected: {text}", style="31;1")
        if missed and self._steps not in self._failed:
            self._failed.append(self._steps)

    def verdict(self) -> int:
        """Say how it all went, and return the exit code."""
        self.line()
        if self._failed:
            steps = ", ".join(str(number) for number in self._failed)
            self.line(f"Not as it should be: {_numbered(self._failed)} {steps}.", "31;1")
            return 1
        self.line(f"All {self._steps} steps gave what they should. Nothing is left behind.", "32;1")
        return 0


def shortened(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with the beginning and the length of each of the ``secrets`` only."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 2 * _SHOWN_OF_SECRET:
            text = text.replace(secret, f"{secret[:_SHOWN_OF_SECRET]}...({len(secret)} characters)")
    return text


def duration(seconds: float) -> str:
    """Write a span of time: "7.4 ms", "380 ms", "1.2 s"."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def _numbered(steps: Sequence[int]) -> str:
    return "step" if len(steps) == 1 else "steps"


def _folded(line: str, width: int) -> list[str]:
    """Break ``line`` after blanks and commas; a longer word stays whole, to be copied."""
    parts = []
    while len(line) > width:
        breaks = [match.end() for match in re.finditer(r"[ ,]", line)]
        fitting = [end for end in breaks if end <= width] or breaks[:1]
        if not fitting:
            break
        parts.append(line[: fitting[-1]].rstrip())
        line = line[fitting[-1] :].lstrip()
    return [*parts, line]
