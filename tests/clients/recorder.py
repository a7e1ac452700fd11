"""A helper that notes what it is asked, and has the real one answer.

It is a program of its own: `Recorder` puts it on somebody's PATH.
"""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_SECRET = re.compile(r'("Secret":\s*)"[^"]*"')


@dataclass(frozen=True)
class Question:
    """What one process of a helper was given and what it answered, without secrets."""

    action: str
    stdin: str
    answer: str
    status: int


class Recorder:
    """The first helper of its name on the PATH of whoever has this home directory."""

    def __init__(self, home: Path, environ: dict[str, str], helper: Path) -> None:
        self._notes = home / "asked-of-the-helper"
        program = home / "recorder" / helper.name
        program.parent.mkdir()
        command = [sys.executable, "-IS", __file__, str(self._notes), str(helper)]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        program.chmod(0o755)
        environ["PATH"] = f"{program.parent}:{environ['PATH']}"

    def take(self) -> list[Question]:
        """Return what was asked since this was looked at last."""
        if not self._notes.exists():
            return []
        lines = self._notes.read_text().splitlines()
        self._notes.unlink()
        return [Question(**json.loads(line)) for line in lines]


def _main(notes: Path, helper: str, action: str) -> int:
    stdin = sys.stdin.read()
    completed = subprocess.run(
        [helper, action], input=stdin, stdout=subprocess.PIPE, text=True, check=False
    )
    with notes.open("a") as file:
        question = {
            "action": action,
            "stdin": _SECRET.sub(r'\1"…"', stdin),
            "answer": _SECRET.sub(r'\1"…"', completed.stdout),
            "status": completed.returncode,
        }
        file.write(json.dumps(question) + "\n")
    sys.stdout.write(completed.stdout)
    return completed.returncode


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), *sys.argv[2:]))
