"""Missing or malformed credentials: why, and what to do."""

import os
import re
from typing import TYPE_CHECKING

from ..errors import CredentialsRefused, NoCredentials
from ..identity import expand
from ..redaction import one_line
from .attempt import Attempt, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")

# Where credentials come from if no profile is named: keys of the default profile, and variables.
_SOURCES = frozenset(
    {
        "aws_access_key_id",
        "credential_process",
        "login_session",
        "role_arn",
        "sso_account_id",
    }
)
_SOURCE_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)

# What the instance metadata service answers, and what to do about it on EC2: its User Guide, "Use
# the Instance Metadata Service to access instance metadata". Other clouds answer there, too.
_METADATA_ANSWERS = {
    401: (
        (
            "the instance metadata service requires a token, but gives none here (401), as in a "
            "container"
        ),
        "raise its hop limit",
        "modify-instance-metadata-options --http-put-response-hop-limit 2",
    ),
    403: (
        "the instance metadata service refuses to answer (403)",
        "switch it on",
        "modify-instance-metadata-options --http-endpoint enabled",
    ),
    404: (
        "the instance has no role (404 from its metadata service)",
        "give it one",
        "associate-iam-instance-profile --iam-instance-profile Name=...",
    ),
}


def no_credentials(attempt: Attempt) -> NoCredentials:
    """Say that the chain ended without credentials."""
    for name in (attempt.config_file, attempt.credentials_file):
        path = expand(name, attempt.environ)
        if os.path.exists(path) and not os.path.isfile(path) and path != os.devnull:
            return NoCredentials(
                f"no AWS credentials found: {path} is not a file",
                "put a file there: docker creates a directory where a file to mount is missing",
            )
    known = [name for name in attempt.profiles if name != (attempt.profile or "default")]
    remedy = "run: aws configure sso, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if attempt.profile:
        remedy = f"run: aws configure{attempt.option}"
    elif known:
        remedy = f"set AWS_PROFILE to one of {listed(known)}"
    places = f"not in the environment, not in {attempt.named_profile}, not from a container"
    if found := _said_by_instance(attempt):
        return NoCredentials(
            f"no AWS credentials found: {places}; {found[0]}", f"{found[1]}, or {remedy}"
        )
    return NoCredentials(f"no AWS credentials found: {places} or an instance role", remedy)


def no_instance_role(attempt: Attempt) -> NoCredentials:
    """Say that a profile names the instance's role, and there is none."""
    said, remedy = _said_by_instance(attempt) or (
        "the instance metadata service does not answer",
        "use another profile if this is not an EC2 instance",
    )
    return NoCredentials(f"no credentials for {attempt.named_profile}: {said}", remedy)


def _said_by_instance(attempt: Attempt) -> tuple[str, str] | None:
    """Why the instance gives no credentials, and what to do; None if it does not answer."""
    status = attempt.metadata.status if attempt.metadata else None
    if status not in _METADATA_ANSWERS:
        return None
    if attempt.metadata and attempt.metadata.proxy:
        return (
            one_line(
                f"the proxy {attempt.metadata.proxy} answers for the metadata service ({status})"
            ),
            "add that service to NO_PROXY",
        )
    reason, aim, command = _METADATA_ANSWERS[status]
    return reason, f"on EC2, {aim}: aws ec2 {command} --instance-id ..."


def malformed_key(attempt: Attempt) -> CredentialsRefused | None:
    """Return the error if the keys that sign contain a character that no key has."""
    if attempt.is_from_environment:
        keys: Mapping[str, str] = {n: attempt.environ.get(n.upper(), "") for n in _KEYS}
        place = "in the environment"
    elif attempt.method in (None, "assume-role", "config-file", "shared-credentials-file"):
        keys = attempt.origin_settings
        place = f"of {attempt.named_origin}"
    else:
        return None
    for name in _KEYS:
        if found := re.search(r"""[\s"']""", str(keys.get(name, ""))):
            what = "white space" if found[0].isspace() else "a quotation mark"
            return CredentialsRefused(
                f"{name.upper() if attempt.is_from_environment else name} {place} contains {what}, "
                "which no key does",
                "remove it",
            )
    return None


def has_others(attempt: Attempt) -> bool:
    """Say whether there would be credentials if no profile were named, as far as that shows."""
    return not _SOURCES.isdisjoint(attempt.profiles.get("default", {})) or any(
        attempt.environ.get(name) for name in _SOURCE_VARIABLES
    )
