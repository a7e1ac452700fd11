"""Answers of AWS that name an error -> our own errors."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from ..errors import (
    AccessDenied,
    AwsFailure,
    CredentialsRefused,
    HelperError,
    MfaCodeRefused,
    Throttled,
    unusable_answer,
)
from ..redaction import one_line
from .attempt import Attempt
from .replies import denial_in
from .throttling import is_throttling

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "ForbiddenException"})
_UNKNOWN_KEY = frozenset(
    {"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"}
)
_WRONG_SIGNATURE = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
_EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)


def explain_answer(error: ClientError, attempt: Attempt) -> HelperError:
    """Return what an answer means for the person who waits for an image."""
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    message = one_line(str(answer.get("Message", "")))
    said = one_line(f"{code}: {message}" if message else code)
    operation = error.operation_name
    metadata = error.response.get("ResponseMetadata", {})
    if request_id := metadata.get("RequestId"):
        error.add_note(f"request id: {request_id}")  # which the log shows
    if not code or code.isdecimal():  # AWS names its errors; a proxy or a portal does not
        return _answer_of_others(metadata, message)
    if is_throttling(error.response):
        return Throttled(
            f"AWS throttled {operation} until the time limit ({said})",
            "try again later, or increase AWS_ECR_TIMEOUT",
        )
    if operation in _REFUSED:
        return _REFUSED[operation](code, said, attempt)
    if code in _DENIED:
        return _explain_denial(message or code, operation, attempt)
    if code in _EXPIRED:
        return CredentialsRefused(
            f"the session token of {attempt.source} has expired", attempt.renewal
        )
    if code in _WRONG_SIGNATURE:
        if "expired" in message or "not yet current" in message:
            return CredentialsRefused(
                f"AWS does not accept the time of this machine: {message}", "set the clock"
            )
        return CredentialsRefused(
            f"the secret for {attempt.source} is wrong: AWS answered {code}",
            attempt.renewal,
        )
    if code in _UNKNOWN_KEY:
        registry = attempt.request.registry
        region = f" in {registry.region}" if registry else ""
        return CredentialsRefused(
            f"AWS does not know {attempt.source}{region}: {said}", attempt.renewal
        )
    subject = {
        "credentials": f" for {attempt.named_profile}",
        "role": f" for the role {attempt.named_role}",
    }.get(attempt.phase, "")
    return AwsFailure(
        f"AWS answered {operation}{subject} with {said}",
        "lower its duration_seconds" if "DurationSeconds" in message else attempt.see_log,
    )


def _answer_of_others(metadata: Mapping[str, Any], message: str) -> HelperError:
    server = metadata.get("HTTPHeaders", {}).get("server")
    who = f"HTTP {metadata.get('HTTPStatusCode')}" + (f" from {server}" if server else "")
    return unusable_answer(one_line(f"{who}: {message}" if message else who))


def _explain_denial(message: str, operation: str, attempt: Attempt) -> HelperError:
    if operation == "AssumeRole" and message.startswith("MultiFactorAuthentication failed"):
        return MfaCodeRefused(
            f"the MFA code for {attempt.named_profile} was not accepted: {message}",
            "try again with the next code that the device shows: each can be used once",
        )
    if operation == "AssumeRole":
        return AccessDenied(
            f"the role {attempt.named_role} cannot be assumed: {message}",
            "the role's trust policy must allow this principal (and the external_id, if it asks "
            "for one), and the principal needs sts:AssumeRole",
        )
    if operation == "GetRoleCredentials":
        return AccessDenied(
            f"the SSO user of {attempt.named_origin} has no access to its "
            f"sso_account_id and sso_role_name: {message}",
            "have them assigned in IAM Identity Center, or correct the profile",
        )
    registry = attempt.request.registry
    is_public = registry is not None and registry.is_public
    needed = (
        "ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken"
        if is_public
        else f"ecr:{operation}"
    )
    if said := denial_in(message):
        text = f"{said.action} is denied to {said.principal}{said.reason}"
    else:
        text = f"{needed} is denied to {attempt.source}: {message}"
    return AccessDenied(text, f"allow {needed} on resource * in an IAM policy of that principal")


def _web_identity_refused(code: str, said: str, attempt: Attempt) -> HelperError:
    if identity := attempt.request.web_identity:
        role = f"the role {attempt.named_role} of {identity.named}"
        token, place = f"the token of {identity.named}", "kubelet's serviceAccountTokenAudience"
        remedy = "it was just issued: set the clock of the cluster"
    else:
        role = f"the role of the web identity from {attempt.web_identity}"
        token, place = f"the web identity token from {attempt.web_identity}", "the token file"
        remedy = "put a new one into the token file"
    if code in _DENIED:
        return AccessDenied(
            f"{role} cannot be assumed: {said}",
            "the role's trust policy must allow sts:AssumeRoleWithWebIdentity to this identity",
        )
    if code in _EXPIRED:
        return CredentialsRefused(f"{token} has expired: {said}", remedy)
    return CredentialsRefused(
        f"AWS refused {token}: {said}",
        f"check {place}, the role and its identity provider in IAM",
    )


def _session_not_renewed(_code: str, said: str, attempt: Attempt) -> HelperError:
    """Explain for a session of ``aws login``, which may be of another region, for example."""
    return CredentialsRefused(
        f"the session of {attempt.named_origin} cannot be renewed: {said}",
        f"run: aws login{attempt.option}",
    )


# Operations that mean one thing, whatever fails.
_REFUSED = {
    "AssumeRoleWithWebIdentity": _web_identity_refused,
    "CreateOAuth2Token": _session_not_renewed,
}
