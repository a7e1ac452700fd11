"""``login --sso``: show a person what to confirm in a browser, and open it where there is one."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from ..errors import BadInput, printable
from ..process import has_terminal
from ..protocol import NAME
from .arguments import with_profile
from .output import iso_time

_BROWSERS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")  # on Unix, one is set if there is a browser
_OPEN = "import sys, webbrowser; webbrowser.open_new_tab(sys.argv[1])"


def sign_in(profile: str | None, environ: Mapping[str, str]) -> str:
    """Have a person sign in to SSO, and return the line that says so. Raises `HelperError`."""
    from ..aws.sso import Prompt, sign_in_to_sso

    if profile:
        environ = with_profile(profile, environ)
    has_browser = os.name == "nt" or sys.platform == "darwin" or any(map(environ.get, _BROWSERS))
    if not has_browser and not has_terminal():
        raise BadInput(
            "signing in to SSO needs a person, and there is neither a terminal nor a browser here",
            f"run in a terminal: {NAME} login --sso" + (f" --profile {profile}" if profile else ""),
        )

    def ask(prompt: Prompt) -> None:
        url, code = printable(prompt.url), printable(prompt.code)
        told = (
            f"ecr-login: to sign in to SSO for {prompt.profile}, open {url} in a browser and "
            f"confirm the code {code} there, within {prompt.seconds // 60} minutes\n"
        )
        with suppress(OSError):
            os.write(2, told.encode(errors="replace"))
        if has_browser and prompt.complete_url.startswith(("https://", "http://")):
            # A separate process, which neither writes between passwords nor keeps anybody waiting.
            command = [sys.executable, "-I", "-c", _OPEN, prompt.complete_url]
            no = subprocess.DEVNULL
            with suppress(OSError):  # it only saves typing
                subprocess.Popen(  # noqa: S603
                    command, stdin=no, stdout=no, stderr=no, start_new_session=True
                )

    named, until = sign_in_to_sso(environ, ask)
    return f"signed in to SSO for {named}, until {iso_time(until.timestamp())}\n"
