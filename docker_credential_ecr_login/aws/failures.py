"""botocore's exceptions -> our own, in words that say what to do next.

`explain` is the one place that knows them; ``tests/test_failures.py`` walks
every exception that botocore has.
"""

import os
import re
import shlex
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from ..cache import writable_directory
from ..errors import (
    AccessDenied,
    AwsFailure,
    BadConfiguration,
    CredentialsRefused,
    EndpointUnreachable,
    HelperError,
    MfaCodeNeeded,
    MfaCodeRefused,
    NoCredentials,
    Throttled,
    UnusableAnswer,
    one_line,
)
from ..identity import PROFILE_VARIABLES, expand
from ..protocol import NAME
from ..registry import Registry

if TYPE_CHECKING:
    from .answers import CheckedSession

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
_OUT_OF_DATE = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED of OpenSSL
_MAX_PROFILES_NAMED = 8

# What the instance metadata service answers, and what to do about it on EC2: its User Guide, "Use
# the Instance Metadata Service to access instance metadata". Other clouds answer there, too.
_METADATA_ANSWERS = {
    401: (
        "the instance metadata service wants a token, and gives none here (401), as in a container",
        "let one hop more have it",
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


@dataclass
class Circumstances:
    """What was known when a call failed, for the wording.

    ``profiles`` is the AWS configuration, by profile. ``phase`` is what was under
    way: reading the configuration, getting credentials, assuming the role that our config
    file names with them, or the call itself. ``method`` is botocore's name of the credential
    provider. ``may_ask`` is whether a person may be asked for an MFA code. ``metadata`` is what
    asks the metadata service of the instance.
    """

    registry: Registry | None
    environ: Mapping[str, str]
    profile: str | None = None
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    method: str | None = None
    access_key: str | None = None
    phase: Literal["configuration", "credentials", "role", "call"] = "configuration"
    may_ask: bool = False
    metadata: "CheckedSession | None" = None

    @property
    def settings(self) -> Mapping[str, str]:
        """What our config file says of the registry."""
        return self.registry.settings if self.registry else {}

    @property
    def named_profile(self) -> str:
        """The profile in effect, and the variable or file that named it."""
        if self.profile and self.settings.get("profile") == self.profile:
            return f'profile "{self.profile}" (from {self.settings["config_file"]})'
        for variable in PROFILE_VARIABLES:
            if self.profile and self.environ.get(variable) == self.profile:
                return f'profile "{self.profile}" (from {variable})'
        return f'profile "{self.profile or "default"}"'

    def mfa_needed(self) -> MfaCodeNeeded:
        """Return the error for a role that wants an MFA code, and nobody can be asked."""
        profile = _quoted(self.profile or "default")
        host = f" {self.registry.host}" if self.registry and self.registry.host else ""
        return MfaCodeNeeded(
            f"{self.named_profile} asks for an MFA code (mfa_serial), which cannot be typed here",
            f"run in a terminal: {NAME} login --profile {profile}{host}",
        )

    def profile_of_device(self, serial: str) -> str:
        """Return which of the profile in effect and its sources has that ``mfa_serial``."""
        name = self.profile or "default"
        for each in self._sources:
            if self.profiles.get(each, {}).get("mfa_serial") == serial:
                name = each
        return name

    @property
    def named_role(self) -> str:
        """The role that was, or was to be, assumed, and where it is configured."""
        if self.is_of_configured_role and self.registry:
            return f"{self.registry.role_arn} (from {self.settings['config_file']})"
        return f"of {self.named_profile}"

    @property
    def is_of_configured_role(self) -> bool:
        """Whether it is about the role that our config file names, not about what assumes it."""
        return "role_arn" in self.settings and self.phase in ("role", "call")

    def no_account(self) -> BadConfiguration:
        """Return the error for a role whose account nothing says."""
        return BadConfiguration(
            f"{self.settings['config_file']}: role_arn has {{registry_id}} in it, which ECR "
            "Public does not have",
            "put the number of an account there",
        )

    @property
    def origin(self) -> str:
        """The profile at the end of the source_profile chain: it has the first credentials."""
        return self._sources[-1]

    @property
    def _sources(self) -> list[str]:
        """The profile in effect, its source_profile, and so on."""
        names = [self.profile or "default"]
        while (
            (source := self.profiles.get(names[-1], {}).get("source_profile"))
            and source in self.profiles
            and source not in names
        ):
            names.append(source)
        return names

    @property
    def named_origin(self) -> str:
        """The origin, and how one gets there from the profile in effect."""
        if self.origin == (self.profile or "default"):
            return self.named_profile
        return f'profile "{self.origin}" (source of {self.named_profile})'

    @property
    def origin_settings(self) -> Mapping[str, Any]:
        """The settings of the origin."""
        return self.profiles.get(self.origin, {})

    @property
    def takes_keys_from_environment(self) -> bool:
        """Whether a profile was named that assumes a role with the environment's keys."""
        return bool(self.profile) and self.origin_settings.get("credential_source") == "Environment"

    @property
    def option(self) -> str:
        """What to add to an ``aws`` command so that it means the origin."""
        if not self.profile and self.origin == "default":
            return ""
        return f" --profile {_quoted(self.origin)}"

    @property
    def config_file(self) -> str:
        """The AWS config file, as its user would name it."""
        return self.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"

    @property
    def credentials_file(self) -> str:
        """The shared credentials file, as its user would name it."""
        return self.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"

    @property
    def source(self) -> str:
        """The credentials that sign, and where they came from."""
        key = f"access key ...{self.access_key[-4:]}" if self.access_key else "the credentials"
        if self.phase == "call" and self.is_of_configured_role:
            return f"{key} of the role {self.named_role}"
        if self.is_from_environment:
            return f"{key} in the environment"
        if self.method == "iam-role":
            return f"{key} of the instance role"
        if self.method == "container-role":
            return f"{key} of the container"
        return f"{key} of {self.named_origin}"

    @property
    def is_from_environment(self) -> bool:
        """Whether the keys that sign stand in the environment."""
        if self.phase in ("role", "call"):
            return self.method == "env"
        return self.origin_settings.get("credential_source") == "Environment"

    @property
    def web_identity(self) -> str:
        """Where the web identity was configured."""
        if self.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
            return "AWS_WEB_IDENTITY_TOKEN_FILE"
        return self.named_origin

    @property
    def see_log(self) -> str:
        """The hint that says where the details are."""
        directory = writable_directory(self.environ)
        return f"see the log, {directory}/log/ecr-login.log" if directory else ""

    @property
    def renewal(self) -> str:
        """What to do about credentials that AWS no longer takes."""
        if self.phase == "call" and self.is_of_configured_role:
            return "remove its session from ~/.aws/cli/cache"
        if self.is_from_environment:
            return "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew"
        settings = self.origin_settings
        if "credential_process" in settings:
            return "run its credential_process by hand to see what it gives"
        if "sso_account_id" in settings:
            return f"run: aws sso login{self.option}"
        if "aws_session_token" in settings:
            return f"put new keys and session token into {self.credentials_file}"
        if "aws_access_key_id" in settings:
            return f"run: aws configure{self.option}"
        return self.see_log

    def no_credentials(self) -> NoCredentials:
        """Say that the chain ended without credentials."""
        for name in (self.config_file, self.credentials_file):
            path = expand(name, self.environ)
            if os.path.exists(path) and not (os.path.isfile(path) and os.access(path, os.R_OK)):
                return NoCredentials(
                    f"no AWS credentials found: {path} cannot be read by this user",
                    "correct its owner and mode, or set AWS_PROFILE and HOME for this user",
                )
        known = [name for name in self.profiles if name != (self.profile or "default")]
        remedy = "run: aws configure sso, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        if self.profile:
            remedy = f"run: aws configure{self.option}"
        elif known:
            remedy = f"set AWS_PROFILE to one of {_listed(known)}"
        places = f"not in the environment, not in {self.named_profile}, not from a container"
        if found := self._said_by_instance:
            return NoCredentials(
                f"no AWS credentials found: {places}; {found[0]}", f"{found[1]}, or {remedy}"
            )
        return NoCredentials(f"no AWS credentials found: {places} or an instance role", remedy)

    def no_instance_role(self) -> NoCredentials:
        """Say that a profile names the instance's role, and there is none."""
        said, remedy = self._said_by_instance or (
            "the instance metadata service does not answer",
            "use another profile if this is no EC2 instance",
        )
        return NoCredentials(f"no credentials for {self.named_profile}: {said}", remedy)

    @property
    def _said_by_instance(self) -> tuple[str, str] | None:
        """Why the instance gives no credentials, and what to do; None if it does not answer."""
        status = self.metadata.status if self.metadata else None
        if status not in _METADATA_ANSWERS:
            return None
        reason, aim, command = _METADATA_ANSWERS[status]
        return reason, f"on EC2, {aim}: aws ec2 {command} --instance-id ..."


def leaves_config_unread(environ: Mapping[str, str]) -> bool:
    """Say whether ``AWS_SDK_LOAD_CONFIG`` is false: then the AWS config file is not read."""
    return environ.get("AWS_SDK_LOAD_CONFIG", "").lower() in ("0", "f", "false")


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
    if str(error).startswith("Invalid endpoint: "):  # a bare ValueError of botocore
        return _setting_wrong(error, circumstances)
    if circumstances.phase == "call":
        return _answer_unusable(error, circumstances)
    return _source_unusable(error, circumstances)


def unusable_answer(reason: str) -> UnusableAnswer:
    """Return what to say of an answer that is none of AWS, or not one to use."""
    return UnusableAnswer(
        f"AWS's answer makes no sense: {reason}",
        "check AWS_ENDPOINT_URL and the proxy settings, and try again",
    )


# An answer of AWS that names an error


def _explain_answer(error: boto.ClientError, circumstances: Circumstances) -> HelperError:
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    message = one_line(str(answer.get("Message", "")))
    said = one_line(f"{code}: {message}" if message else code)
    operation = error.operation_name
    if request_id := error.response.get("ResponseMetadata", {}).get("RequestId"):
        error.add_note(f"request id: {request_id}")  # which the log shows
    if code in _THROTTLING:
        return Throttled(
            f"AWS throttled {operation} until the time limit ({said})",
            "try again later, or set AWS_ECR_TIMEOUT to more seconds",
        )
    if operation == "AssumeRoleWithWebIdentity":
        return _web_identity_refused(code, said, circumstances)
    if code in _DENIED:
        return _explain_denial(message or code, operation, circumstances)
    if code in _EXPIRED:
        return CredentialsRefused(
            f"the session token of {circumstances.source} has expired", circumstances.renewal
        )
    if code in _WRONG_SIGNATURE:
        if "expired" in message or "not yet current" in message:
            return CredentialsRefused(
                f"AWS does not accept the time of this machine: {message}", "set the clock"
            )
        return CredentialsRefused(
            f"the secret for {circumstances.source} is wrong: AWS answered {code}",
            circumstances.renewal,
        )
    if code in _UNKNOWN_KEY:
        region = f" in {circumstances.registry.region}" if circumstances.registry else ""
        return CredentialsRefused(
            f"AWS does not know {circumstances.source}{region}: {said}", circumstances.renewal
        )
    subject = {
        "credentials": f" for {circumstances.named_profile}",
        "role": f" for the role {circumstances.named_role}",
    }.get(circumstances.phase, "")
    return AwsFailure(f"AWS answered {operation}{subject} with {said}", circumstances.see_log)


def _explain_denial(message: str, operation: str, circumstances: Circumstances) -> HelperError:
    if operation == "AssumeRole" and message.startswith("MultiFactorAuthentication failed"):
        return MfaCodeRefused(
            f"the MFA code for {circumstances.named_profile} was not accepted: {message}",
            "try again with the next code that the device shows: each can be used once",
        )
    if operation == "AssumeRole":
        return AccessDenied(
            f"the role {circumstances.named_role} cannot be assumed: {message}",
            "the role's trust policy must allow this principal (and the external_id, if it asks "
            "for one), and the principal needs sts:AssumeRole",
        )
    if operation == "GetRoleCredentials":
        return AccessDenied(
            f"the SSO user of {circumstances.named_origin} has no access to its "
            f"sso_account_id and sso_role_name: {message}",
            "have them assigned in IAM Identity Center, or correct the profile",
        )
    is_public = circumstances.registry is not None and circumstances.registry.registry_id is None
    needed = (
        "ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken"
        if is_public
        else f"ecr:{operation}"
    )
    said = re.match(
        r"User: (\S+) is not authorized to perform: ([\w-]+:\w+)(?: on resource: \S+)?(.*)", message
    )
    if said:
        principal, permission, reason = said.groups()
        text = f"{permission} is denied to {principal}{reason}"
    else:
        text = f"{needed} is denied to {circumstances.source}: {message}"
    return AccessDenied(text, f"allow it {needed} on resource * in an IAM policy")


def _web_identity_refused(code: str, said: str, circumstances: Circumstances) -> HelperError:
    origin = circumstances.web_identity
    if code in _DENIED:
        return AccessDenied(
            f"the role of the web identity from {origin} cannot be assumed: {said}",
            "the role's trust policy must allow sts:AssumeRoleWithWebIdentity to this identity",
        )
    if code in _EXPIRED:
        return CredentialsRefused(
            f"the web identity token from {origin} has expired: {said}",
            "put a new one into the token file",
        )
    return CredentialsRefused(
        f"AWS refused the web identity token from {origin}: {said}",
        "check the token file, the role and its identity provider in IAM",
    )


# The configuration


def _profile_missing(error: Any, circumstances: Circumstances) -> HelperError:
    circumstances.profile = error.kwargs["profile"]
    unread = leaves_config_unread(circumstances.environ)
    return BadConfiguration(
        f"{circumstances.named_profile} does not exist in the AWS configuration"
        + (" (AWS_SDK_LOAD_CONFIG leaves the config file unread)" if unread else "")
        + f"; profiles there: {_listed(list(circumstances.profiles)) or 'none'}",
        f"{_did_you_mean(circumstances)}run: aws configure{circumstances.option}",
    )


def _did_you_mean(circumstances: Circumstances) -> str:
    near = get_close_matches(circumstances.profile or "", circumstances.profiles, 1)
    return f"did you mean {near[0]}? else " if near else ""


def _config_broken(error: Any, _circumstances: Circumstances) -> HelperError:
    cause = error.kwargs.get("error") or error.__context__
    line = getattr(cause, "lineno", None)
    if line is None and (errors := getattr(cause, "errors", None)):
        line = errors[0][0]
    # What configparser says quotes the line, which can hold a secret: not for the log.
    error.__cause__ = error.__context__ = None
    at = f", line {line}" if line else ""
    return BadConfiguration(
        f"the AWS configuration file {one_line(str(error.kwargs.get('path')))} cannot be read{at}",
        "correct the file",
    )


def _setting_wrong(error: Any, circumstances: Circumstances) -> HelperError:
    return BadConfiguration(
        f"the AWS configuration of {circumstances.named_profile} cannot be used: "
        f"{one_line(str(error))}",
        f"correct {circumstances.config_file} or the environment",
    )


def _partial(error: Any, circumstances: Circumstances) -> HelperError:
    missing, provider = one_line(str(error.kwargs.get("cred_var"))), error.kwargs.get("provider")
    if provider == "env":
        return BadConfiguration(
            f"half of the credentials is missing in the environment: {missing}",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither",
        )
    if provider == "assume-role":
        return BadConfiguration(
            f"{circumstances.named_profile} has a role_arn but no {missing}",
            f"add one to it in {circumstances.config_file}",
        )
    return BadConfiguration(
        f"half of the credentials is missing in {circumstances.named_origin}: {missing}",
        f"run: aws configure{circumstances.option}",
    )


def _dependency_missing(error: Any, circumstances: Circumstances) -> HelperError:
    return BadConfiguration(
        f"{circumstances.named_profile} needs a library that is not installed: "
        f"{one_line(str(error.kwargs.get('msg')))}",
        'run: pip install "botocore[crt]" where this helper is installed',
    )


# Where credentials come from


def _sso_login(error: Any, circumstances: Circumstances) -> HelperError:
    origin = circumstances.named_origin
    return CredentialsRefused(
        f"nobody has signed in to SSO for {origin} yet"
        if isinstance(error, boto.SSOTokenLoadError)
        else f"the SSO session of {origin} has expired",
        f"run: aws sso login{circumstances.option}",
    )


def _aws_login(_error: Any, circumstances: Circumstances) -> HelperError:
    return CredentialsRefused(
        f"the session of {circumstances.named_origin} has expired",
        f"run: aws login{circumstances.option}",
    )


def _retrieval_failed(error: Any, circumstances: Circumstances) -> HelperError:
    said = one_line(str(error.kwargs.get("error_msg") or "no message"))
    said = said.removeprefix("Error retrieving metadata: ")
    if error.kwargs.get("provider") == "custom-process":
        return _process_failed(said, circumstances)
    if error.kwargs.get("provider") == "container-role":
        return _container_failed(said)
    if error.kwargs.get("provider") == "Ec2InstanceMetadata":
        return circumstances.no_instance_role()
    return CredentialsRefused(
        f"no credentials for {circumstances.named_profile}: {said}", circumstances.see_log
    )


def _process_failed(said: str, circumstances: Circumstances) -> HelperError:
    return CredentialsRefused(
        f"credential_process of {circumstances.named_origin} failed: {said}",
        "run the command by hand to see why",
    )


def _container_failed(said: str) -> HelperError:
    return CredentialsRefused(
        f"the container gave no credentials: {said}",
        "check AWS_CONTAINER_CREDENTIALS_* and the role of the task or pod",
    )


def _metadata_failed(error: Any, _circumstances: Circumstances) -> HelperError:
    return CredentialsRefused(
        f"the metadata service gave no credentials: {one_line(str(error.kwargs['error_msg']))}",
        "check the instance role or the container's role",
    )


def _source_unusable(error: Exception, circumstances: Circumstances) -> HelperError:
    """Explain what Python raised while a file or a program was to give credentials."""
    settings, environ = circumstances.origin_settings, circumstances.environ
    # What Python says of a wrong type would help nobody; the log has it.
    said = one_line(str(error)) if isinstance(error, ValueError) else "what is there makes no sense"
    if isinstance(error, OSError):
        said = one_line(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        token_file = environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") or settings.get(
            "web_identity_token_file"
        )
        if error.filename and error.filename == token_file:
            return CredentialsRefused(
                f"the web identity token from {circumstances.web_identity} cannot be read: {said}",
                "correct the path, or have the token put there",
            )
    if "credential_process" in settings:
        if not isinstance(error, OSError):
            said = "what it prints is not the JSON that AWS asks for"
        return _process_failed(said, circumstances)
    if "sso_account_id" in settings:
        return CredentialsRefused(
            f"the SSO session of {circumstances.named_origin} cannot be read: {said}",
            f"run: aws sso login{circumstances.option}",
        )
    if any(name.startswith("AWS_CONTAINER_CREDENTIALS_") for name in environ):
        return _container_failed(said)
    return CredentialsRefused(
        f"the credentials of {circumstances.named_profile} cannot be got: {said}",
        circumstances.see_log,
    )


# The network


def _tls_failed(error: Any, circumstances: Circumstances) -> HelperError:
    bundle, causes = circumstances.environ.get("AWS_CA_BUNDLE"), list(_causes(error))
    endpoint, said = _endpoint(error), _innermost(error)
    refusals = [cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)]
    if refusals:
        return EndpointUnreachable(
            f"the certificate of {endpoint} is not trusted: {said}",
            "check the clock of this machine, and have the certificate renewed if that is right"
            if refusals[0].verify_code in _OUT_OF_DATE
            else f"put the CA of the proxy or endpoint into AWS_CA_BUNDLE ({bundle})"
            if bundle
            else "behind a proxy that inspects TLS, set AWS_CA_BUNDLE to its certificates",
        )
    if bundle and any(_is_about_bundle(cause) for cause in causes):
        return BadConfiguration(
            f"the certificates of AWS_CA_BUNDLE cannot be read: {bundle}: {said}",
            "correct the path or the file",
        )
    return EndpointUnreachable(  # a certificate of another host is among these
        f"TLS with {endpoint} failed: {said}",
        "check the endpoint, AWS_CA_BUNDLE and the proxy settings",
    )


def _is_about_bundle(cause: BaseException) -> bool:
    """Say whether a file of certificates could not be read, or holds none."""
    if isinstance(cause, ssl.SSLError):
        return "CERTIFICATE_OR_CRL" in (cause.reason or "")
    return isinstance(cause, OSError) and cause.errno is not None


def _proxy_unreachable(error: Any, _circumstances: Circumstances) -> HelperError:
    proxy = one_line(str(error.kwargs.get("proxy_url")))
    return EndpointUnreachable(
        f"the proxy {proxy} cannot be used: {_innermost(error)}", "check HTTPS_PROXY and NO_PROXY"
    )


def _endpoint_unreachable(error: Any, circumstances: Circumstances) -> HelperError:
    endpoint, causes = _endpoint(error), list(_causes(error))
    is_configured = any(name.startswith("AWS_ENDPOINT_URL") for name in circumstances.environ)
    hint = f"check {'AWS_ENDPOINT_URL, ' if is_configured else ''}the network and HTTPS_PROXY"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return EndpointUnreachable(
            f"the name of {endpoint} cannot be resolved", f"{hint}, and the region in the host name"
        )
    return EndpointUnreachable(f"{endpoint} cannot be reached: {_innermost(error)}", hint)


def _answer_unusable(error: Exception, _circumstances: Circumstances) -> HelperError:
    # What Python says of a wrong type would help nobody; the log has it.
    said = str(error) if isinstance(error, boto.BotoCoreError | ResponseParserError) else ""
    return unusable_answer(one_line(said) or "it cannot be read")


def _endpoint(error: Any) -> str:
    """Return scheme and host of the endpoint in a botocore error, without user or path."""
    url = urlsplit(str(error.kwargs.get("endpoint_url", "")))
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}" if url.netloc else "AWS"


def _causes(error: Any) -> Iterator[BaseException]:
    """Yield the chain of errors below a botocore error, which keeps the first as an argument."""
    cause: BaseException | None = error.kwargs.get("error")
    while isinstance(cause, BaseException):
        yield cause
        cause = cause.__cause__ or cause.__context__


def _innermost(error: Any) -> str:
    """Return what the system, OpenSSL or HTTP said, at the bottom of a chain of errors."""
    text = str(error.kwargs.get("error") or error)
    for cause in _causes(error):
        if isinstance(cause, OSError) and (said := cause.strerror or str(cause)):
            text = said
        elif isinstance(cause, HTTPException):  # an answer that broke off
            text = str(cause)
    return one_line(re.sub(r"^\[\w+: \w+\] | \(_ssl\.c:\d+\)$", "", text))


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(sorted(names)[:_MAX_PROFILES_NAMED])
    return f"{listed}, …" if len(names) > _MAX_PROFILES_NAMED else listed


def _quoted(name: str) -> str:
    """Return a profile name as a shell takes it, a space in double quotes as all shells do."""
    return f'"{name}"' if re.fullmatch(r"[\w .@/-]* [\w .@/-]*", name) else shlex.quote(name)


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
    (boto.MissingDependencyException, _dependency_missing),
    ((boto.SSOError, boto.TokenRetrievalError), _sso_login),
    (getattr(boto, "LoginError", ()), _aws_login),  # older releases do not have it
    (boto.CredentialRetrievalError, _retrieval_failed),
    (boto.MetadataRetrievalError, _metadata_failed),
    (boto.SSLError, _tls_failed),
    (boto.ProxyConnectionError, _proxy_unreachable),
    (
        (
            ResponseParserError,
            boto.ResponseStreamingError,
            boto.IncompleteReadError,
            boto.ChecksumError,
        ),
        _answer_unusable,
    ),
    ((boto.ConnectionError, boto.HTTPClientError), _endpoint_unreachable),
    (boto.BotoCoreError, _setting_wrong),
)
