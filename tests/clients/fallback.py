"""An ordinary credential helper, for all registries, whose file anybody can read.

It is a program of its own: `FallbackHelper` puts it on somebody's PATH.
"""

import json
import shlex
import sys
from pathlib import Path

_LOGINS = "fallback-logins.json"
_ASKED = "fallback-asked"


class FallbackHelper:
    """``docker-credential-test`` on the PATH of whoever has this home directory."""

    NAME = "test"

    def __init__(self, home: Path, environ: dict[str, str]) -> None:
        self._home = home
        program = home / "bin" / f"docker-credential-{self.NAME}"
        program.parent.mkdir()
        program.write_text(
            f'#!/bin/sh\nexec {shlex.join([sys.executable, "-IS", __file__, str(home)])} "$@"\n'
        )
        program.chmod(0o755)
        environ["PATH"] = f"{program.parent}:{environ['PATH']}"

    @property
    def logins(self) -> dict[str, dict[str, str]]:
        """What it keeps, by the name that the client gave the registry."""
        path = self._home / _LOGINS
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Action and registry of every request; ``list`` is about none."""
        path = self._home / _ASKED
        lines = path.read_text().splitlines() if path.exists() else []
        return [(action, server) for action, _, server in (line.partition(" ") for line in lines)]


def _main(home: Path, action: str) -> int:
    """Do what the protocol of credential helpers says."""
    path = home / _LOGINS
    logins = json.loads(path.read_text()) if path.exists() else {}
    frame = sys.stdin.read()
    server = json.loads(frame)["ServerURL"] if action == "store" else frame.strip()
    with (home / _ASKED).open("a") as asked:
        asked.write(f"{action} {server}\n")
    match action:
        case "store":
            path.write_text(json.dumps(logins | {server: json.loads(frame)}))
        case "get" if server in logins:
            sys.stdout.write(json.dumps(logins[server]))
        case "get":
            sys.stdout.write("credentials not found in native keychain\n")
            return 1
        case "erase":
            logins.pop(server, None)
            path.write_text(json.dumps(logins))
        case "list":
            users = {name: login["Username"] for name, login in logins.items()}
            sys.stdout.write(json.dumps(users))
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), sys.argv[2]))
