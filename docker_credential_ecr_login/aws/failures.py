"""botocore's exceptions -> our own, in words that say what to do next.

`explain` is the one place that knows them; ``tests/test_failures.py`` walks
every exception that botocore has.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from ..errors import (
    AccessDenied,
    AwsFailure,
    BadConfiguration,
    CredentialsRefused,
    EndpointUnreachable,
    HelperError,
    NoCredentials,
    Throttled,
    UnusableAnswer,
    one_line,
)
from ..registry import Registry

_THROTTLING = frozenset(
    {
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttled",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "ForbiddenException"})
_UNKNOWN_KEY = frozenset(
    {"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"}
)
_WRONG_SIGNATURE = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
_EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_WEB_IDENTITY_REFUSED = frozenset({"IDPRejectedClaim", "InvalidIdentityToken"})


@dataclass
class Circumstances:
    """What was known when a call failed, for the wording.

    ``phase`` is what was under way: reading the configuration, getting
    credentials, or the call itself. ``method`` is botocore's name of the
    credential provider.
    """

    registry: Registry | None
    environ: Mapping[str, str]
    profile: str | None = None
    known_profiles: Sequence[str] = ()
    method: str | None = None
    access_key: str | None = None
    phase: Literal["configuration", "credentials", "call"] = "configuration"

    @property
    def named_profile(self) -> str:
        """The profile in effect and the variable that named it."""
        for variable in ("AWS_DEFAULT_PROFILE", "AWS_PROFILE"):
            if self.profile and self.environ.get(variable) == self.profile:
                return f'profile "{self.profile}" (from {variable})'
        return f'profile "{self.profile or "default"}"'

    @property
    def profile_option(self) -> str:
        """What to add to an ``aws`` command so that it means this profile."""
        return f" --profile {self.profile}" if self.profile else ""

    @property
    def source(self) -> str:
        """Where the credentials came from."""
        key = f" (access key ending in {self.access_key[-4:]})" if self.access_key else ""
        if self.method == "env":
            return f"the credentials in the environment{key}"
        if self.method == "iam-role":
            return f"the credentials of the instance role{key}"
        if self.method == "container-role":
            return f"the credentials of the container{key}"
        return f"the credentials of {self.named_profile}{key}"

    def no_credentials(self) -> NoCredentials:
        """Say that the chain ended without credentials."""
        return NoCredentials(
            f"no AWS credentials found: not in the environment, not in {self.named_profile}, "
            "not from a container or an instance role",
            "set AWS_PROFILE or run: aws configure sso",
        )


def is_throttling(answer: Mapping[str, Any]) -> bool:
    """Say whether AWS answered that there are too many calls."""
    return answer.get("Error", {}).get("Code") in _THROTTLING


def explain(error: Exception, circumstances: Circumstances) -> HelperError:
    """Return what ``error`` means for the person who waits for an image."""
    if isinstance(error, boto.ClientError):
        return _explain_answer(error, circumstances)
    for kinds, explanation in _EXPLANATIONS:
        if isinstance(error, kinds):
            return explanation(error, circumstances)
    said = one_line(f"{type(error).__name__}: {error}")
    if circumstances.phase == "call":
        return UnusableAnswer(f"the call to AWS failed: {said}", _SEE_LOG)
    return CredentialsRefused(
        f"the credentials of {circumstances.named_profile} cannot be read: {said}", _SEE_LOG
    )


_SEE_LOG = "see the log, ~/.ecr/log/ecr-login.log"


def _explain_answer(error: boto.ClientError, circumstances: Circumstances) -> HelperError:
    """Explain an answer of AWS that names an error."""
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    message = one_line(str(answer.get("Message", "")))
    said = f"{code}: {message}" if message else code
    operation = error.operation_name
    source = circumstances.source
    if code in _THROTTLING:
        return Throttled(
            f"AWS throttles {operation}, until the time limit ({said})",
            "try again later, or set AWS_ECR_TIMEOUT to more seconds",
        )
    if operation.startswith("AssumeRole") and (code in _DENIED or code in _WEB_IDENTITY_REFUSED):
        return AccessDenied(
            f"the role of {circumstances.named_profile} cannot be assumed: {message}",
            "the role's trust policy must name the principal, and the principal must be "
            f"allowed sts:{operation}",
        )
    if code in _EXPIRED:
        if operation == "AssumeRoleWithWebIdentity":
            return CredentialsRefused(
                f"the web identity token of {circumstances.named_profile} has expired: {message}",
                "put a new one into AWS_WEB_IDENTITY_TOKEN_FILE",
            )
        return CredentialsRefused(
            f"the session token of {source} has expired", _renewal(circumstances)
        )
    if code in _WRONG_SIGNATURE:
        if "expired" in message or "not yet current" in message:
            return CredentialsRefused(
                f"AWS does not accept the time of this machine: {message}", "set the clock"
            )
        return CredentialsRefused(
            f"the secret access key of {source} is wrong: AWS answered {code}",
            "set AWS_SECRET_ACCESS_KEY right"
            if circumstances.method == "env"
            else f"run: aws configure{circumstances.profile_option}",
        )
    if code in _UNKNOWN_KEY:
        return CredentialsRefused(f"AWS does not know {source}: {said}", _renewal(circumstances))
    if code in _DENIED:
        return _explain_denial(message, operation, circumstances)
    return AwsFailure(f"AWS answered {operation} with {said}", _SEE_LOG)


def _explain_denial(message: str, operation: str, circumstances: Circumstances) -> AccessDenied:
    sentence = re.search(r"User: (\S+) is not authorized to perform: ([\w-]+:\w+)", message)
    if sentence:
        principal, permission = sentence.groups()
    else:
        service = circumstances.registry.service if circumstances.registry else "ecr"
        principal, permission = "the principal", f"{service}:{operation}"
    if operation == "GetRoleCredentials":
        return AccessDenied(
            f"the SSO user of {circumstances.named_profile} has no access to its "
            f"sso_account_id and sso_role_name: {message}",
            "have them assigned in IAM Identity Center, or correct the profile",
        )
    return AccessDenied(
        f"{permission} is denied to {principal}: {message}",
        f"allow it {permission} on resource * in an IAM policy",
    )


def _renewal(circumstances: Circumstances) -> str:
    if circumstances.method == "env":
        return "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew"
    if circumstances.method == "sso":
        return f"run: aws sso login{circumstances.profile_option}"
    if circumstances.method in ("shared-credentials-file", "config-file"):
        return f"run: aws configure{circumstances.profile_option}"
    return _SEE_LOG


def _profile_missing(error: Any, circumstances: Circumstances) -> HelperError:
    circumstances.profile = error.kwargs["profile"]  # it may be that of a source_profile
    known = ", ".join(circumstances.known_profiles) or "none"
    missing = circumstances.named_profile
    return BadConfiguration(
        f"{missing} does not exist in the AWS configuration; profiles there: {known}",
        f"run: aws configure{circumstances.profile_option}",
    )


def _config_broken(error: Any, _circumstances: Circumstances) -> HelperError:
    return BadConfiguration(one_line(str(error)), "correct the file")


def _setting_wrong(error: Any, circumstances: Circumstances) -> HelperError:
    return BadConfiguration(
        f"the AWS configuration of {circumstances.named_profile} cannot be used: "
        f"{one_line(str(error))}",
        "correct ~/.aws/config or the environment",
    )


def _partial(error: Any, circumstances: Circumstances) -> HelperError:
    return BadConfiguration(
        f"half of the credentials is missing in {circumstances.named_profile} or the environment: "
        f"{one_line(str(error))}",
        "set both the access key and the secret key",
    )


def _sso_login(_error: Any, circumstances: Circumstances) -> HelperError:
    return CredentialsRefused(
        f"the SSO session of {circumstances.named_profile} has expired",
        f"run: aws sso login{circumstances.profile_option}",
    )


def _aws_login(_error: Any, circumstances: Circumstances) -> HelperError:
    return CredentialsRefused(
        f"the session of {circumstances.named_profile} has expired",
        f"run: aws login{circumstances.profile_option}",
    )


def _retrieval_failed(error: Any, circumstances: Circumstances) -> HelperError:
    said = one_line(str(error.kwargs.get("error_msg", error)))
    if error.kwargs.get("provider") == "custom-process":
        return CredentialsRefused(
            f"credential_process of {circumstances.named_profile} failed: {said or 'no message'}",
            "run the command by hand to see why",
        )
    if error.kwargs.get("provider") == "container-role":
        return CredentialsRefused(
            f"the container gave no credentials: {said}",
            "check AWS_CONTAINER_CREDENTIALS_* and the role of the task or pod",
        )
    return CredentialsRefused(f"no credentials for {circumstances.named_profile}: {said}", _SEE_LOG)


def _file_or_program_unusable(error: Any, circumstances: Circumstances) -> HelperError:
    missing = f": {error.strerror}: {error.filename}" if isinstance(error, OSError) else ""
    return CredentialsRefused(
        f"a program or file that {circumstances.named_profile} needs for its credentials "
        f"cannot be used{one_line(missing)}",
        "correct credential_process or the file named in the profile",
    )


def _tls_untrusted(error: Any, _circumstances: Circumstances) -> HelperError:
    return EndpointUnreachable(
        f"the certificate of {_endpoint(error)} is not trusted: "
        f"{one_line(_innermost(error.kwargs.get('error', '')))}",
        "behind a proxy that inspects TLS, set AWS_CA_BUNDLE to its certificates",
    )


def _proxy_unreachable(error: Any, _circumstances: Circumstances) -> HelperError:
    return EndpointUnreachable(
        f"the proxy {one_line(str(error.kwargs.get('proxy_url')))} cannot be reached: "
        f"{one_line(_innermost(error.kwargs.get('error', '')))}",
        "check HTTPS_PROXY and NO_PROXY",
    )


def _endpoint_unreachable(error: Any, _circumstances: Circumstances) -> HelperError:
    cause = error.kwargs.get("error", "")
    if type(cause).__name__ == "NameResolutionError":
        return EndpointUnreachable(
            f"the name of {_endpoint(error)} cannot be resolved",
            "check the network, the region in the host name, and HTTPS_PROXY",
        )
    return EndpointUnreachable(
        f"{_endpoint(error)} cannot be reached: {one_line(_innermost(cause) or str(error))}",
        "check the network and HTTPS_PROXY",
    )


def _endpoint(error: Any) -> str:
    """Return scheme and host of the endpoint in a botocore error, without user or path."""
    url = urlsplit(str(error.kwargs.get("endpoint_url", "")))
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}" if url.netloc else "AWS"


def _innermost(error: object) -> str:
    """Return what the operating system or OpenSSL said, at the bottom of a chain of errors."""
    text = str(error)
    while isinstance(error, BaseException):
        if isinstance(error, OSError) and (said := error.strerror or str(error)):
            text = said
        error = error.__cause__ or error.__context__
    return re.sub(r"^\[SSL: \w+\] | \(_ssl\.c:\d+\)$", "", text)


def _answer_unusable(error: Any, _circumstances: Circumstances) -> HelperError:
    return UnusableAnswer(
        f"AWS's answer makes no sense: {one_line(str(error))}",
        "check AWS_ENDPOINT_URL and the proxy settings, and try again",
    )


def _metadata_failed(error: Any, _circumstances: Circumstances) -> HelperError:
    return CredentialsRefused(
        f"the metadata service gave no credentials: {one_line(str(error))}",
        "check the instance role or the container's role",
    )


# The first that fits applies: derived classes stand before their bases.
_EXPLANATIONS: Sequence[
    tuple[
        type[Exception] | tuple[type[Exception], ...],
        Callable[[Any, Circumstances], HelperError],
    ]
] = (
    (boto.NoCredentialsError, lambda _error, circumstances: circumstances.no_credentials()),
    (boto.PartialCredentialsError, _partial),
    (boto.ProfileNotFound, _profile_missing),
    ((boto.ConfigParseError, boto.ConfigNotFound), _config_broken),
    ((boto.SSOError, boto.TokenRetrievalError), _sso_login),
    (boto.LoginError, _aws_login),
    (boto.CredentialRetrievalError, _retrieval_failed),
    (boto.MetadataRetrievalError, _metadata_failed),
    (boto.SSLError, _tls_untrusted),
    (boto.ProxyConnectionError, _proxy_unreachable),
    ((boto.ConnectionError, boto.HTTPClientError), _endpoint_unreachable),
    ((ResponseParserError, boto.IncompleteReadError, boto.ChecksumError), _answer_unusable),
    (boto.BotoCoreError, _setting_wrong),
    ((OSError, json.JSONDecodeError, UnicodeDecodeError), _file_or_program_unusable),
)
