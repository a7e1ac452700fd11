"""Text files that are not in plain UTF-8: in which encoding, and what converts them."""

import codecs
import os
import shlex

_MARKS = {
    codecs.BOM_UTF8: ("UTF-8 with a byte order mark", "UTF-8"),
    codecs.BOM_UTF16_LE: ("UTF-16", "UTF-16"),
    codecs.BOM_UTF16_BE: ("UTF-16", "UTF-16"),
}


def foreign(content: bytes, path: str) -> tuple[str, str] | None:
    """Return the encoding of the ``content`` of the file at ``path``, and what converts it.

    That is a phrase and a command. None if it is plain UTF-8.
    """
    is_nul = [byte == 0 for byte in content[:2]]
    marked = next((mark for mark in _MARKS if content.startswith(mark)), None)
    if marked:
        said, name = _MARKS[marked]
    elif is_nul in ([False, True], [True, False]):  # of ASCII, as all such files begin
        said, name = "UTF-16", "UTF-16BE" if is_nul[0] else "UTF-16LE"
    else:
        try:
            content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            said, name = f"Latin-1 (line {line})", "WINDOWS-1252"
        else:
            return None
    return f"in {said}, but must be in UTF-8", f"run: {_conversion(name, path)}"


def _conversion(encoding: str, path: str) -> str:
    """Return a command that keeps owner and mode, and leaves the file alone if it fails."""
    if os.name == "nt":
        file = "'{}'".format(path.replace("'", "''"))
        text = f"[IO.File]::ReadAllText({file}, [Text.Encoding]::GetEncoding('{encoding}'))"
        return f'powershell -c "[IO.File]::WriteAllText({file}, {text})"'
    file = shlex.quote(path)
    text = f"tail -c +4 {file}" if encoding == "UTF-8" else f"iconv -f {encoding} -t UTF-8 {file}"
    return f"t=$({text}) && printf '%s\\n' \"$t\" >{file}"
