"""What comes from elsewhere, made fit to print: without secrets, on one line."""

import os
import re
from urllib.parse import unquote

from .errors import printable

_MAX_LINE_LENGTH = 400
_MAX_FOREIGN_LENGTH = 4000  # characters that are looked at: a proxy may answer with any number
_MIN_PASSWORD_LENGTH = 6  # replacing shorter ones would make texts unreadable
_SECRET_VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_ECR_MFA_CODE",
)

# What looks like a key or a token, and what looks like one but is harmless.
_SECRETS = r"""
    (?P<harmless>
        (?<!\w) \w{1,20}://[^\s"'<>?\#]+  # the user is gone already
      | \barn:aws[\w-]*:[\w-]*:[\w-]*:\d*:[^\s"',;]{1,512}
      | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b  # a request id
    )
  | (?P<path> (?<![\w+/=:.-]) ~? (?: / [\w.@-]++ )++ (?! [+=] | /[\w+/=] ) )
  | (?<![\w-]) eyJ [\w-]+ (?: \.[\w-]+ ){1,4}  # a JSON web token
  | (?<![\w+/-]) (?= [a-z+/]*[A-Z] ) (?= [A-Z+/]*[a-z] ) [A-Za-z+/]{40} (?![\w+/=-])
  | (?<![\w+/-]) (?= [A-Za-z+/_-]* [0-9] ) (?= [0-9+/_-]* [A-Za-z] ) [\w+/-]{32,} ={0,2}
"""


def redact(text: str, *, keep_queries: bool = False) -> str:
    """Return foreign ``text`` without secrets: for messages and for the log.

    Left out are the user part and the query of URLs, the values of the
    environment variables that hold secrets, JSON web tokens, and every run of
    32 or more characters that looks like a key or a token (base64 with both
    letters and digits, or of 40 characters). URLs, ARNs, request ids and paths of files stay.
    ``keep_queries`` is for a person who is to open a URL: of queries, only what looks like a key
    or a token is left out.
    """
    for name, value in os.environ.items():
        for secret in _secrets_in(name, value):
            text = text.replace(secret, "***")
    # If a proxy's password contains a slash, urllib3 takes a part of it for the host.
    text = re.sub(r"(Failed to parse: ).*", r"\1***", text)
    text = re.sub(r"(?<!\w)(\w{1,20}://)[^/\s]*@", r"\1***@", text)
    if not keep_queries:
        text = re.sub(r"(?<!\w)\w{1,20}://[^\s\"']*", _without_query, text)

    def replacement(found: re.Match[str]) -> str:
        if found["harmless"]:
            return found[0]
        if path := found["path"]:
            # One in 64 secrets begins with a slash, but with no directory of this machine.
            top = path.split("/")[1]
            is_path = path.startswith("~") or len(path) < 32 or os.path.exists(f"/{top}")
            return path if is_path else "***"
        return "***"

    return re.sub(_SECRETS, replacement, text, flags=re.VERBOSE | re.ASCII)


def _secrets_in(name: str, value: str) -> list[str]:
    """Return the secrets in an environment variable, in all forms in which a text can have them."""
    if name in _SECRET_VARIABLES:
        return [value] if value else []
    if "@" not in value or not re.search("_PROXY$|^AWS_ENDPOINT_URL", name.upper()):
        return []
    # In a text, URLs are recognised, but not all misspelt ones.
    user = re.sub(r"^\w+:/*", "", value.rpartition("@")[0])
    password = user.partition(":")[2]
    forms = [
        form
        for text in (user, password)
        for form in (text, unquote(text), repr(text)[1:-1], " ".join(text.split()), *text.split())
    ]
    return [form for form in forms if len(form) >= _MIN_PASSWORD_LENGTH]


def _without_query(found: re.Match[str]) -> str:
    address, *query = re.split("[?#]", found[0], maxsplit=1)
    return f"{address}?***" if query else address


def one_line(text: str) -> str:
    """Return foreign ``text`` redacted, on one line, of at most 400 characters."""
    line = printable(redact(text[:_MAX_FOREIGN_LENGTH]))
    return line if len(line) <= _MAX_LINE_LENGTH else line[: _MAX_LINE_LENGTH - 1] + "…"
