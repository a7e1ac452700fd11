"""What a credential_process says to the person in front of it."""

import json
import os
from collections.abc import Iterator

import pytest

from tests.credential_sources import write
from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess, told
from tests.terminal import Terminal, outcome

URL = "https://device.example.com/?user_code=ABCD-EFGH"
PROGRAM = f"""\
#!/bin/sh
printf '%.9s' "$AWS_SECRET_ACCESS_KEY" >&2
echo "${{AWS_SECRET_ACCESS_KEY#?????????}}: open {URL}" >&2
printf 'Touch your key: ' >&2
read -r touch <"$HOME/key"
"""


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal."""
    with Terminal() as terminal:
        yield terminal


@pytest.fixture
def helper(helper: HelperProcess, aws: AwsEmulator) -> HelperProcess:
    """The executable with a profile whose program asks for a touch, and then gives credentials."""
    user = aws.add_user()
    names = {"AccessKeyId": "AWS_ACCESS_KEY_ID", "SecretAccessKey": "AWS_SECRET_ACCESS_KEY"}
    answer = json.dumps({"Version": 1, **{name: user.environ[names[name]] for name in names}})
    program = write(helper, "vend", f"{PROGRAM}[ \"$touch\" ] || exit 1\necho '{answer}'\n")
    program.chmod(0o700)
    helper.write_config(f"[profile dev]\ncredential_process = '{program}'\n")
    helper.environ |= {"AWS_PROFILE": "dev", "AWS_SECRET_ACCESS_KEY": user.secret_access_key}
    os.mkfifo(helper.home / "key")
    return helper


def test_is_shown_at_the_terminal_at_once(
    helper: HelperProcess, aws: AwsEmulator, terminal: Terminal
) -> None:
    """Its stderr, and questions, are shown at the terminal at once, without secrets."""
    process = terminal.ask(helper)
    terminal.wait_for("Touch your key: ")
    (helper.home / "key").write_text("touched\n")
    assert aws.accepts(outcome(process).secret)
    assert terminal.shown == f"***: open {URL}\nTouch your key: "


def test_is_shown_to_nobody_without_a_terminal(helper: HelperProcess) -> None:
    """Without a terminal, its stderr is kept for the line that says why there is no token."""
    process = helper.ask()
    (helper.home / "key").write_text("\n")
    assert told(outcome(process).stderr).endswith(
        " failed: ***: open https://device.example.com/?*** Touch your key:; "
        "run the command by hand to see why"
    )
