"""README.md and docs/, for the tests of what they say."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
"""The texts by their paths."""

README = DOCUMENTS["README.md"]
CONFIG = DOCUMENTS["docs/config.md"]
CI = DOCUMENTS["docs/ci.md"]


def section(text: str, heading: str) -> str:
    """Return the text below a heading, up to the next one of its level or above."""
    found = re.search(rf"^(##+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found, heading
    end = re.compile(rf"^##{{0,{len(found[1]) - 1}}} ", re.MULTILINE).search(
        _without_code(text), found.end()
    )
    return text[found.end() : end.start() if end else len(text)]


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def headings(text: str) -> list[str]:
    """Return all headings but the title, in order."""
    return re.findall(r"^##+ (.*)$", _without_code(text), re.MULTILINE)


def _without_code(text: str) -> str:
    """Return the text with blanks in place of code blocks, where # begins a comment."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0])

    return re.sub(r"^```.*?^```", blank, text, flags=re.MULTILINE | re.DOTALL)
