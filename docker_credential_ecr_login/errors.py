"""What can go wrong, in words for the person in front of it.

    HelperError                  the base: message and hint
    ├── BadInput                 stdin or an argument is not what the protocol says
    ├── NotAnEcrRegistry         a login was to be stored for another registry
    ├── BadConfiguration         a setting, a profile or an AWS file is wrong
    └── AwsFailure               AWS was asked, or was about to be
        ├── NoCredentials        the provider chain found none
        ├── CredentialsRefused   wrong, unknown or expired credentials
        ├── AccessDenied         a permission or a trust policy is missing
        ├── EndpointUnreachable  network, name, TLS or proxy
        ├── Throttled            too many calls a second for the account
        └── UnusableAnswer       AWS, or a credential process, answered nonsense

``docker_credential_ecr_login.aws.failures`` maps botocore's exceptions to these.
"""


class HelperError(Exception):
    """A failure that is reported in one line.

    ``message`` says what failed; ``hint`` what to do next, or is empty. Neither
    holds a secret: whoever quotes foreign text passes it through `redact`.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return message and hint as the one line that people see."""
        return f"{self.message.rstrip('.')}; {self.hint}" if self.hint else self.message


class BadInput(HelperError):
    """Stdin or an argument is not what the protocol says."""


class NotAnEcrRegistry(HelperError):
    """The registry is not one of Amazon ECR."""


class BadConfiguration(HelperError):
    """A setting, a profile or an AWS configuration file is wrong."""


class AwsFailure(HelperError):
    """AWS was asked, or was about to be, and there is no token."""


class NoCredentials(AwsFailure):
    """The credential provider chain found no credentials."""


class CredentialsRefused(AwsFailure):
    """The credentials are wrong, unknown to AWS, or have expired."""


class AccessDenied(AwsFailure):
    """The principal lacks a permission, or a role does not trust it."""


class EndpointUnreachable(AwsFailure):
    """AWS could not be reached: network, name, TLS, proxy or time."""


class Throttled(AwsFailure):
    """AWS answered that there are too many calls."""


class UnusableAnswer(AwsFailure):
    """AWS, or a program that was asked for credentials, answered nonsense."""


_MAX_LINE_LENGTH = 400
_SECRET_VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)


def redact(text: str) -> str:
    """Return foreign ``text`` without secrets: for messages and for the log.

    Left out are the user part and the query of URLs, the values of the
    environment variables that hold secrets, and every run of 32 or more
    characters that has the look of a key or a token (base64 with both letters
    and digits).
    """
    import os
    import re

    for name in _SECRET_VARIABLES:
        if secret := os.environ.get(name):
            text = text.replace(secret, "***")
    text = re.sub(r"(\w+://)[^/\s@]*@", r"\1***@", text)
    text = re.sub(r"(\w+://[^\s?\"']*)\?[^\s\"']*", r"\1?***", text)
    return re.sub(
        r"(?<![\w/.:-])(?=[A-Za-z+/_-]*[0-9])(?=[0-9+/_-]*[A-Za-z])[A-Za-z0-9+/_-]{32,}={0,2}",
        "***",
        text,
    )


def one_line(text: str) -> str:
    """Return foreign ``text`` redacted, on one line, of at most 400 characters."""
    line = " ".join(redact(text).split())
    return line if len(line) <= _MAX_LINE_LENGTH else line[: _MAX_LINE_LENGTH - 1] + "…"
