"""What can go wrong, in words for the person in front of it.

    HelperError                  the base: message and hint
    ├── BadInput                 stdin or an argument is not what the protocol says
    ├── NotAnEcrRegistry         the registry is another, or is used without credentials
    ├── BadConfiguration         a setting, a profile or an AWS file is wrong
    │   └── MfaCodeNeeded        a role asks for an MFA code, and nobody can be asked for it
    └── AwsFailure               AWS was asked, or was about to be
        ├── RememberedFailure    it failed some seconds ago, and is not asked again yet
        ├── NoCredentials        the provider chain found none
        ├── CredentialsRefused   wrong, unknown or expired credentials
        │   └── MfaCodeRefused   wrong, expired or used MFA code
        ├── AccessDenied         a permission or a trust policy is missing
        ├── EndpointUnreachable  network, name, TLS or proxy
        ├── Throttled            too many calls a second for the account
        └── UnusableAnswer       AWS, or a credential process, answered nonsense

``docker_credential_ecr_login.aws.failures`` maps botocore's exceptions to these.
"""

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    import re


class HelperError(Exception):
    """A failure that is reported in one line.

    ``message`` says what failed; ``hint`` what to do next, or is empty. Neither
    holds a secret: whoever quotes foreign text passes it through `redact`.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = printable(message)
        self.hint = printable(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return message and hint as the one line that people see."""
        return f"{self.message.rstrip('.')}; {self.hint}" if self.hint else self.message


class BadInput(HelperError):
    """Stdin or an argument is not what the protocol says."""


class NotAnEcrRegistry(HelperError):
    """The registry is not one of Amazon ECR, or is to be used without credentials."""


class BadConfiguration(HelperError):
    """A setting, a profile or an AWS configuration file is wrong."""


class MfaCodeNeeded(BadConfiguration):
    """A role asks for an MFA code, and nobody can be asked for it, or nobody may be."""


class AwsFailure(HelperError):
    """AWS was asked, or was about to be, and there is no token."""


class RememberedFailure(AwsFailure):
    """The same failed some seconds ago, for another caller perhaps."""


class NoCredentials(AwsFailure):
    """The credential provider chain found no credentials."""


class CredentialsRefused(AwsFailure):
    """The credentials are wrong, unknown to AWS, or have expired."""


class MfaCodeRefused(CredentialsRefused):
    """The MFA code is wrong, has expired, or was used before."""


class AccessDenied(AwsFailure):
    """The principal lacks a permission, or a role does not trust it."""


class EndpointUnreachable(AwsFailure):
    """AWS could not be reached: network, name, TLS, proxy or time."""


class Throttled(AwsFailure):
    """AWS answered that there are too many calls."""


class UnusableAnswer(AwsFailure):
    """AWS, or a program that was asked for credentials, answered nonsense."""


_MAX_LINE_LENGTH = 400
_MAX_FOREIGN_LENGTH = 4000  # characters of which a line can come; a proxy may answer a book
_MIN_PASSWORD_LENGTH = 6  # without shorter ones, a text would be none
_SECRET_VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_ECR_MFA_CODE",
)

# What `threading`, the loader of shared libraries, OpenSSL and `codecs` say without memory.
_WANTS = (
    "can't start new thread",
    "failed to map segment",
    "Cannot allocate memory",
    "malloc failure",
    "unknown encoding: idna",
)

# What has the look of a key or a token, and what has it but is none.
_SECRETS = r"""
    (?P<harmless>
        (?<!\w) \w{1,20}://[^\s"'<>]+  # user and query are gone already
      | \barn:aws[\w-]*:[\w-]*:[\w-]*:\d*:[^\s"',;]{1,512}
      | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b  # a request id
    )
  | (?P<path> (?<![\w+/=:.-]) ~? (?: / [\w.@-]++ )++ (?! [+=] | /[\w+/=] ) )
  | (?<![\w-]) eyJ [\w-]+ (?: \.[\w-]+ ){1,4}  # a JSON web token
  | (?<![\w+/-]) (?= [a-z+/]*[A-Z] ) (?= [A-Z+/]*[a-z] ) [A-Za-z+/]{40} (?![\w+/=-])
  | (?<![\w+/-]) (?= [A-Za-z+/_-]* [0-9] ) (?= [0-9+/_-]* [A-Za-z] ) [\w+/-]{32,} ={0,2}
"""


def redact(text: str) -> str:
    """Return foreign ``text`` without secrets: for messages and for the log.

    Left out are the user part and the query of URLs, the values of the
    environment variables that hold secrets, JSON web tokens, and every run of
    32 or more characters that has the look of a key or a token (base64 with both
    letters and digits, or of 40 characters). URLs, ARNs, request ids and paths of files stay.
    """
    import os
    import re

    for name, value in os.environ.items():
        for secret in _secrets_in(name, value):
            text = text.replace(secret, "***")
    # With a slash in the password of a proxy, what urllib3 takes for its host is a part of that.
    text = re.sub(r"(Failed to parse: ).*", r"\1***", text)
    text = re.sub(r"(?<!\w)(\w{1,20}://)[^/\s]*@", r"\1***@", text)
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
    """Return the secrets in an environment variable, in all forms that they can take in a text."""
    import re
    from urllib.parse import unquote

    if name in _SECRET_VARIABLES:
        return [value] if value else []
    if "@" not in value or not re.search("_PROXY$|^AWS_ENDPOINT_URL", name.upper()):
        return []
    # URLs are recognised in a text, but not as some of them are misspelt.
    user = re.sub(r"^\w+:/*", "", value.rpartition("@")[0])
    password = user.partition(":")[2]
    forms = [
        form
        for text in (user, password)
        for form in (text, unquote(text), repr(text)[1:-1], " ".join(text.split()), *text.split())
    ]
    return [form for form in forms if len(form) >= _MIN_PASSWORD_LENGTH]


def _without_query(found: "re.Match[str]") -> str:
    import re

    address, *query = re.split("[?#]", found[0], maxsplit=1)
    return f"{address}?***" if query else address


def one_line(text: str) -> str:
    """Return foreign ``text`` redacted, on one line, of at most 400 characters."""
    line = printable(redact(text[:_MAX_FOREIGN_LENGTH]))
    return line if len(line) <= _MAX_LINE_LENGTH else line[: _MAX_LINE_LENGTH - 1] + "…"


def printable(text: str) -> str:
    """Return ``text`` on one line, without characters that would move a terminal's cursor."""
    words = " ".join(text.split())
    return "".join(character if character.isprintable() else "?" for character in words)


def is_for_want_of_resources(error: BaseException) -> bool:
    """Say whether it comes from a system that gives no more memory, processes or open files."""
    from errno import EAGAIN, EMFILE, ENFILE, ENOMEM

    if isinstance(error, MemoryError) or any(words in str(error) for words in _WANTS):
        return True
    if isinstance(error, OSError) and error.errno in (EAGAIN, EMFILE, ENFILE, ENOMEM):
        return True
    origin = error.__cause__ or error.__context__
    return origin is not None and is_for_want_of_resources(origin)
