"""What fails before AWS is asked: the configuration, and where credentials come from."""

import re
from configparser import DuplicateOptionError, DuplicateSectionError
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from botocore import exceptions as boto

from ..encoding import foreign
from ..errors import BadConfiguration, CredentialsRefused, HelperError, NoCredentials
from ..identity import PROFILE_VARIABLES
from ..redaction import one_line
from .attempt import Attempt, Explanation, leaves_config_unread, listed
from .no_credentials import has_others, no_credentials, no_instance_role

# Values of credential_source other than the instance's, and what to do to have credentials there.
_CREDENTIAL_SOURCES = {
    "EcsContainer": "run it where AWS_CONTAINER_CREDENTIALS_* are set, as in an ECS task",
    "Environment": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}


def _profile_missing(error: Any, attempt: Attempt) -> HelperError:
    attempt.profile = error.kwargs["profile"]
    unread = leaves_config_unread(attempt.environ)
    return BadConfiguration(
        f"{attempt.named_profile} does not exist in the AWS configuration"
        + (" (the config file is not read, because of AWS_SDK_LOAD_CONFIG)" if unread else "")
        + f"; profiles there: {listed(list(attempt.profiles)) or 'none'}",
        _heading(attempt)
        or f"{_did_you_mean(attempt)}run: aws configure{attempt.option}{_or_none(attempt)}",
    )


def _heading(attempt: Attempt) -> str:
    """How to write the name of the profile's section, if it is written as in the other file."""
    name = attempt.profile or ""
    if name in attempt.others:
        return f"write [profile {name}], not [{name}], in {attempt.config_file}"
    if f"profile {name}" in attempt.profiles:
        return f"write [{name}], not [profile {name}], in {attempt.credentials_file}"
    return ""


def _or_none(attempt: Attempt) -> str:
    variable = attempt.named_by
    return f", or unset {variable}" if variable in PROFILE_VARIABLES and has_others(attempt) else ""


def _did_you_mean(attempt: Attempt) -> str:
    near = get_close_matches(attempt.profile or "", attempt.profiles, 1)
    return f"did you mean {near[0]}? otherwise, " if near else ""


def _config_broken(error: Any, _attempt: Attempt) -> HelperError:
    path = str(error.kwargs.get("path"))
    cause = error.kwargs.get("error") or error.__context__
    line = getattr(cause, "lineno", None)
    if line is None and (errors := getattr(cause, "errors", None)):
        line = errors[0][0]
    # What configparser says quotes the line, which can hold a secret: not for the log.
    error.__cause__ = error.__context__ = None
    told = f"the AWS configuration file {one_line(path)}"
    if found := _foreign(path):
        return BadConfiguration(f"{told} is {found[0]}", found[1])
    at = f", line {line}" if line else ""
    if isinstance(cause, DuplicateSectionError | DuplicateOptionError):
        name = one_line(str(getattr(cause, "option", f"[{cause.section}]")))
        return BadConfiguration(f"{told} has {name} twice{at}", "keep one of them")
    return BadConfiguration(f"{told} cannot be read{at}", "correct the file")


def _foreign(path: str) -> tuple[str, str] | None:
    with suppress(OSError), open(path, "rb") as file:
        return foreign(file.read(), path)
    return None


def setting_wrong(error: Any, attempt: Attempt) -> HelperError:
    """Explain a setting that botocore does not accept."""
    return BadConfiguration(
        f"the AWS configuration of {attempt.named_profile} cannot be used: {one_line(str(error))}",
        f"correct {attempt.config_file} or the environment",
    )


def _partial(error: Any, attempt: Attempt) -> HelperError:
    missing, provider = one_line(str(error.kwargs.get("cred_var"))), error.kwargs.get("provider")
    if provider == "env":
        return BadConfiguration(
            f"half of the credentials is missing in the environment: {missing}",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither",
        )
    if provider == "assume-role":
        return BadConfiguration(
            f"{attempt.named_profile} has a role_arn but no {missing}",
            f"add one to it in {attempt.config_file}",
        )
    return BadConfiguration(
        f"half of the credentials is missing in {attempt.named_origin}: {missing}",
        f"run: aws configure{attempt.option}",
    )


def _dependency_missing(error: Any, attempt: Attempt) -> HelperError:
    return BadConfiguration(
        f"{attempt.named_profile} needs a library that is not installed: "
        f"{one_line(str(error.kwargs.get('msg')))}",
        'run: pip install "botocore[crt]" where this helper is installed',
    )


def _sso_login(error: Any, attempt: Attempt) -> HelperError:
    origin = attempt.named_origin
    return CredentialsRefused(
        f"nobody has signed in to SSO for {origin} yet"
        if isinstance(error, boto.SSOTokenLoadError)
        else f"the SSO session of {origin} has expired",
        attempt.sso_login,
    )


def _aws_login(_error: Any, attempt: Attempt) -> HelperError:
    return CredentialsRefused(
        f"the session of {attempt.named_origin} has expired",
        f"run: aws login{attempt.option}",
    )


def _retrieval_failed(error: Any, attempt: Attempt) -> HelperError:
    said = one_line(str(error.kwargs.get("error_msg") or "no message"))
    said = said.removeprefix("Error retrieving metadata: ")
    if error.kwargs.get("provider") == "custom-process":
        return _process_failed(said, attempt)
    if error.kwargs.get("provider") == "container-role":
        return _container_failed(said)
    if error.kwargs.get("provider") == "Ec2InstanceMetadata":
        return no_instance_role(attempt)
    if source := _CREDENTIAL_SOURCES.get(str(error.kwargs.get("provider"))):
        return NoCredentials(
            f"no credentials for {attempt.named_profile}: its credential_source has none",
            f"{source}, or use another profile",
        )
    return CredentialsRefused(
        f"no credentials for {attempt.named_profile}: {said}", attempt.see_log
    )


def _process_failed(
    said: str, attempt: Attempt, hint: str = "run the command by hand to see why"
) -> HelperError:
    return CredentialsRefused(f"credential_process of {attempt.named_origin} failed: {said}", hint)


def _container_failed(said: str) -> HelperError:
    return CredentialsRefused(
        f"the container gave no credentials: {said}",
        "check AWS_CONTAINER_CREDENTIALS_* and the role of the task or pod",
    )


def _metadata_failed(error: Any, _attempt: Attempt) -> HelperError:
    return CredentialsRefused(
        f"the metadata service gave no credentials: {one_line(str(error.kwargs['error_msg']))}",
        "check the instance role or the container's role",
    )


def source_unusable(error: Exception, attempt: Attempt) -> HelperError:
    """Explain what Python raised while a file or a program was to give credentials."""
    settings, environ = attempt.origin_settings, attempt.environ
    # Python's message about a wrong type would not help; it is in the log.
    said = one_line(str(error)) if isinstance(error, ValueError) else "its content is invalid"
    token_file = environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") or settings.get(
        "web_identity_token_file"
    )
    if isinstance(error, UnicodeError) and token_file and (found := _foreign(token_file)):
        return CredentialsRefused(
            f"the web identity token from {attempt.web_identity} is {found[0]}", found[1]
        )
    has_expired = type(error) is RuntimeError  # botocore says nothing else by one
    if has_expired:
        said = "the credentials have expired, by this machine's clock"
    if isinstance(error, OSError):
        said = one_line(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        if error.filename and error.filename == token_file:
            return CredentialsRefused(
                f"the web identity token from {attempt.web_identity} cannot be read: {said}",
                "correct the path, or put the token there",
            )
    if "credential_process" in settings:
        if isinstance(error, FileNotFoundError) and re.search("^~|[$=]", str(error.filename)):
            return _process_failed(
                said,
                attempt,
                "write the full path, or sh -c '...': like the AWS CLI, this helper starts it "
                "without a shell",
            )
        if not isinstance(error, OSError) and not has_expired:
            said = "its output is not the JSON that AWS specifies"
        return _process_failed(said, attempt)
    if "sso_account_id" in settings:
        return CredentialsRefused(
            f"the SSO session of {attempt.named_origin} cannot be read: {said}",
            attempt.sso_login,
        )
    if any(name.startswith("AWS_CONTAINER_CREDENTIALS_") for name in environ):
        return _container_failed(said)
    return CredentialsRefused(
        f"the credentials of {attempt.named_profile} cannot be obtained: {said}",
        attempt.see_log,
    )


EXPLANATIONS: tuple[Explanation, ...] = (
    (boto.NoCredentialsError, lambda _error, attempt: no_credentials(attempt)),
    (boto.PartialCredentialsError, _partial),
    (boto.ProfileNotFound, _profile_missing),
    ((boto.ConfigParseError, boto.ConfigNotFound), _config_broken),
    (boto.MissingDependencyException, _dependency_missing),
    ((boto.SSOError, boto.TokenRetrievalError), _sso_login),
    (getattr(boto, "LoginError", ()), _aws_login),  # older releases do not have it
    (boto.CredentialRetrievalError, _retrieval_failed),
    (boto.MetadataRetrievalError, _metadata_failed),
)
