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


class HelperError(Exception):
    """A failure that is reported in one line.

    ``message`` says what failed; ``hint`` what to do next, or is empty. Neither
    holds a secret: whoever quotes foreign text passes it through `redaction.redact`.
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
    """A role asks for an MFA code, but no person can be asked for it, or none may be asked."""


class AwsFailure(HelperError):
    """AWS was asked, or was about to be asked, and there is no token."""


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


def unusable_answer(reason: str) -> UnusableAnswer:
    """Return the error for an answer that AWS did not give, or that cannot be used."""
    return UnusableAnswer(
        f"AWS's answer makes no sense: {reason}",
        "check AWS_ENDPOINT_URL and the proxy settings, and try again",
    )


# What `threading`, the loader of shared libraries, OpenSSL and `codecs` say if memory is missing.
_WANTS = (
    "can't start new thread",
    "failed to map segment",
    "Cannot allocate memory",
    "malloc failure",
    "unknown encoding: idna",
)

_SPARE_MEMORY = 4 * 2**20  # bytes that a process can still get unless it lacks memory


def printable(text: str) -> str:
    """Return ``text`` on one line, without characters that would move a terminal's cursor."""
    words = " ".join(text.split())
    return "".join(character if character.isprintable() else "?" for character in words)


def is_lack_of_resources(error: BaseException) -> bool:
    """Say whether ``error`` means that the system gives no more memory, processes or open files.

    Whoever lacks memory can fail with any message: OpenSSL, for example, then knows no ciphers.
    So this also tries whether there is memory; but by now, some may have been freed.
    """
    from errno import EAGAIN, EMFILE, ENFILE, ENOMEM

    try:
        bytearray(_SPARE_MEMORY)
    except MemoryError:
        return True
    origin: BaseException | None = error
    while origin:
        if isinstance(origin, MemoryError) or any(words in str(origin) for words in _WANTS):
            return True
        if isinstance(origin, OSError) and origin.errno in (EAGAIN, EMFILE, ENFILE, ENOMEM):
            return True
        origin = origin.__cause__ or origin.__context__
    return False
