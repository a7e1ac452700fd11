"""The frames of the Docker credential helper protocol; no input or output of its own.

Reference: ``credentials/credentials.go`` of docker/docker-credential-helpers.
Docker and others compare some of these texts to the letter.
"""

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .errors import BadInput

__version__ = "1.0.0"
NAME = "docker-credential-ecr-login"
USERNAME = "AWS"

CREDENTIALS_NOT_FOUND = "credentials not found in native keychain"
PUBLIC_GOES_ON = (
    "; public pulls work without credentials (AWS_ECR_PUBLIC_ANONYMOUS=true silences this)"
)
MISSING_SERVER_URL = "no credentials server URL"
MISSING_USERNAME = "no credentials username"

VERSION = f"{NAME} (docker_credential_ecr_login) {__version__}"
USAGE = f"""\
Usage: {NAME} <store|get|erase|list|version>
       {NAME} kubelet
       {NAME} <completion|configure|doctor|login|logout> [--help]"""

COMMANDS = ("completion", "configure", "doctor", "login", "logout")
"""What people type; each has options and a ``--help`` of its own."""

_REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
INPUTS = {
    "get": _REGISTRY,
    "store": f'{{"ServerURL":"{_REGISTRY}","Username":"AWS","Secret":"…"}}',
    "erase": _REGISTRY,
    "list": "",
    "kubelet": '{"apiVersion":"credentialprovider.kubelet.k8s.io/v1",'
    f'"kind":"CredentialProviderRequest","image":"{_REGISTRY}/app:1"}}',
    "version": "",
}
"""What clients run, and an example of what each takes on standard input: nothing else."""

MAX_INPUT_SIZE = 64 * 1024
"""Bytes on stdin. An ECR password of some 2 kB is the largest thing that is sent."""


LONGEST_QUESTION = 127
"""Bytes on stdin that the launcher takes in; it reads one more, to see whether there are any."""


def usage(action: str) -> str:
    """Return how an action is used: it takes no argument."""
    example = f"{NAME} {action}"
    if INPUTS[action]:
        example = f"echo '{INPUTS[action]}' | {example}"
    return f"Usage: {example}\n       {NAME} --help"


def server_url(frame: bytes) -> str:
    """Return the ServerURL that ``get`` or ``erase`` was given on stdin.

    Lines are joined without a separator and the whole is trimmed, as the
    reference does. Raises `BadInput` if it is empty, too large, not UTF-8, or holds NUL.
    """
    url = _decode(frame).replace("\r", "").replace("\n", "").strip()
    if not url:
        raise _bad_input(MISSING_SERVER_URL)
    return url


def credentials(frame: bytes) -> tuple[str, str, str]:
    """Return ServerURL, Username and Secret that ``store`` was given on stdin.

    Raises `BadInput` if it is not a JSON object that names the first two,
    or if it is too large, not UTF-8, or holds NUL.
    """
    if not frame.strip():
        raise _bad_input("no credentials on standard input")
    fields = json_object(frame, "the credentials are")
    values = [fields.get(name) or "" for name in ("ServerURL", "Username", "Secret")]
    if not all(isinstance(value, str) for value in values):
        raise _bad_input("ServerURL, Username and Secret must be JSON strings")
    url, username, secret = values
    if not url.strip():
        raise _bad_input(MISSING_SERVER_URL)
    if not username:
        raise _bad_input(MISSING_USERNAME)
    return url.strip(), username, secret


def json_object(frame: bytes, subject: str) -> "Mapping[str, Any]":
    """Return the JSON object on stdin; a message begins with ``subject``.

    Raises `BadInput`, which quotes nothing of it: not a JSON object, too large, not UTF-8, or NUL.
    """
    import json

    text = _decode(frame)
    try:
        fields = json.loads(text)
    except ValueError as error:
        # The position, and never the text, which contains a secret.
        position = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise _bad_input(f"{subject} not valid JSON{position}") from None
    except RecursionError:
        raise _bad_input(f"{subject} not valid JSON: nested too deeply") from None
    if not isinstance(fields, dict):
        raise _bad_input(f"{subject} not a JSON object")
    return fields


def get_answer(url: str, secret: str) -> str:
    """Return the line that answers ``get``: ``url`` as it was asked, the password ``secret``.

    ``secret`` must need no escaping in JSON, as `is_plain` says.
    """
    return f'{{"ServerURL":{_quoted(url)},"Username":"{USERNAME}","Secret":"{secret}"}}\n'


def list_answer(hosts: "Iterable[str]") -> str:
    """Return the line that answers ``list`` for ``hosts``, which are canonical ECR names."""
    return "{" + ",".join(f'"{host}":"{USERNAME}"' for host in hosts) + "}\n"


def merged_list_answer(others: "Mapping[str, str]", hosts: "Iterable[str]") -> str:
    """Return the line that answers ``list`` for ``hosts`` and for those of another helper."""
    import json

    # In ASCII: others may list half a character, which no encoding has.
    return json.dumps({**others, **dict.fromkeys(hosts, USERNAME)}) + "\n"


def is_plain(text: str) -> bool:
    """Say whether ``text`` is printable ASCII that JSON holds unescaped."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def _bad_input(message: str) -> "BadInput":
    from .errors import BadInput

    return BadInput(message)


def _quoted(text: str) -> str:
    if is_plain(text):
        return f'"{text}"'
    import json

    return json.dumps(text, ensure_ascii=False)


def _decode(frame: bytes) -> str:
    if len(frame) > MAX_INPUT_SIZE:
        raise _bad_input(f"the input is larger than {MAX_INPUT_SIZE // 1024} KiB")
    if b"\0" in frame:
        raise _bad_input("the input contains a NUL character")
    try:
        return frame.decode()
    except UnicodeDecodeError:
        raise _bad_input("the input is not UTF-8") from None
