"""``make sbom``: a bill of materials of what an interpreter contains, in CycloneDX.

cyclonedx-py lists the distributions. It knows neither our version, which is not in pyproject.toml,
nor the machine code of the standalone build.
"""

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from ..protocol import NAME, __version__


class _Library(NamedTuple):
    """A C library: the Python module that links it, and the attribute with its version."""

    module: str
    name: str
    licence: str
    attribute: str = ""
    cpe: str = ""


# Some Pythons have them as separate modules; others, such as uv's, in the interpreter.
_LIBRARIES = (
    _Library("sys", "python", "Python-2.0.1", "version", "python:python"),
    _Library("_ssl", "openssl", "Apache-2.0", "OPENSSL_VERSION", "openssl:openssl"),
    _Library("zlib", "zlib", "Zlib", "ZLIB_RUNTIME_VERSION", "zlib:zlib"),
    _Library("pyexpat", "expat", "MIT", "EXPAT_VERSION", "libexpat_project:libexpat"),
    _Library("_decimal", "mpdecimal", "BSD-2-Clause", "__libmpdec_version__"),
    _Library("_ctypes", "libffi", "MIT"),
    _Library("_bz2", "bzip2", "bzip2-1.0.6"),
    _Library("_curses", "ncurses", "X11-distribute-modifications-variant"),
    _Library("_lzma", "xz", "0BSD"),
    _Library("_sqlite3", "sqlite", "blessing", "sqlite_version", "sqlite:sqlite"),
    _Library("_uuid", "libuuid", "BSD-3-Clause"),
    _Library("readline", "libedit", "BSD-3-Clause"),
)
_CODE = """
import importlib, json, sys
found = {}
for module, attribute in json.loads(sys.argv[1]):
    try:
        found[module] = getattr(importlib.import_module(module), attribute or "__name__")
    except ImportError:
        pass
json.dump(found, sys.stdout)
"""


def of_environment(python: Path, *options: str) -> dict[str, Any]:
    """Return the bill of this program and of the distributions that an interpreter finds."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", *options, str(python)]
    described = ("--pyproject", "pyproject.toml", "--output-reproducible")
    bill: dict[str, Any] = json.loads(_output(*command, *described))
    bill["metadata"]["component"] |= {
        "version": __version__,
        "purl": f"pkg:pypi/{NAME}@{__version__}",
    }
    return bill


def of_standalone(python: Path) -> str:
    """Return the bill of the standalone build whose interpreter this is."""
    bill = of_environment(python, "-S")  # without which it does not accept -c
    asked = json.dumps([(library.module, library.attribute) for library in _LIBRARIES])
    found = json.loads(_output(str(python), "-I", "-c", _CODE, asked))
    components = [
        _component(library, found[library.module])
        for library in _LIBRARIES
        if library.module in found
    ]
    bootloader = version("pyinstaller")
    components.append(
        {
            "bom-ref": f"pyinstaller=={bootloader}",
            "type": "library",
            "name": "pyinstaller",
            "version": bootloader,
            "description": "its bootloader",
            "purl": f"pkg:pypi/pyinstaller@{bootloader}",
            "licenses": [{"expression": "GPL-2.0-or-later WITH Bootloader-exception"}],
        }
    )
    references = [component["bom-ref"] for component in components]
    subject = bill["metadata"]["component"]["bom-ref"]
    for each in bill["dependencies"]:
        if each["ref"] == subject:
            each["dependsOn"] += references
    bill["components"] += components
    bill["dependencies"] += [{"ref": reference} for reference in references]
    return _text(bill)


def _component(library: _Library, said: str) -> dict[str, Any]:
    number = re.search(r"\d+(\.\w+)+", said)
    known = number[0] if number else ""
    component: dict[str, Any] = {
        "bom-ref": f"{library.name}=={known}",
        "type": "library",
        "name": library.name,
        "licenses": [{"license": {"id": library.licence}}],
    }
    if known:
        component |= {"version": known, "purl": f"pkg:generic/{library.name}@{known}"}
    if known and library.cpe:
        component["cpe"] = f"cpe:2.3:a:{library.cpe}:{known}:*:*:*:*:*:*:*"
    return component


def _text(bill: dict[str, Any]) -> str:
    return f"{json.dumps(bill, indent=2)}\n"


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(_text(of_environment(Path(sys.argv[1]))), encoding="utf-8")
