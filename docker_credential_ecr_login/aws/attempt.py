"""One attempt to get a token: what was known when it failed, for the wording."""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..cache.storage import writable_directory
from ..errors import BadConfiguration, HelperError, MfaCodeNeeded
from ..identity import PROFILE_OPTION, PROFILE_VARIABLES
from ..protocol import NAME
from ..request import Request, Settings

if TYPE_CHECKING:
    from .http import HttpSession

SSO_DIRECTORY = "~/.aws/sso/cache"
"""Where ``aws sso login`` keeps what it gets."""

_MAX_PROFILES_NAMED = 8


@dataclass
class Attempt:
    """What was known when a call for ``request`` failed, for the wording.

    ``profiles`` is the AWS configuration, by profile; ``others`` are the names of its other
    sections. ``phase`` is what was being done: reading the configuration, getting credentials,
    assuming with them the role that config.toml names, or the call itself. ``method`` is
    botocore's name of the credential provider. ``may_ask`` is whether a person may be asked for an
    MFA code. ``metadata`` is what asks the metadata service of the instance.
    """

    request: Request
    profile: str | None = None
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    others: Collection[str] = ()
    method: str | None = None
    access_key: str | None = None
    phase: Literal["configuration", "credentials", "role", "call"] = "configuration"
    may_ask: bool = False
    metadata: "HttpSession | None" = None

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment."""
        return self.request.environ

    @property
    def settings(self) -> Settings:
        """What our config file says of the registry."""
        return self.request.settings

    @property
    def settings_of_profile(self) -> Mapping[str, Any]:
        """What the AWS configuration says of the profile in effect."""
        return self.profiles.get(self.profile or "default", {})

    @property
    def named_profile(self) -> str:
        """The profile in effect, and the option, variable or file that named it."""
        origin = f" (from {self.named_by})" if self.named_by else ""
        return f'profile "{self.profile or "default"}"{origin}'

    @property
    def named_by(self) -> str:
        """The option, variable or file that named the profile in effect, empty if none did."""
        if self.profile and self.settings.profile == self.profile:
            return self.settings.config_file
        names = (PROFILE_OPTION, *PROFILE_VARIABLES) if self.profile else ()
        return next((name for name in names if self.environ.get(name) == self.profile), "")

    def mfa_needed(self) -> MfaCodeNeeded:
        """Return the error for a role that requires an MFA code when no person can be asked."""
        profile = _quoted(self.profile or "default")
        host = f" {self.request.host}" if self.request.host else ""
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
        if self.is_of_configured_role:
            return f"{self.request.role_arn} (from {self._role_source})"
        return f"of {self.named_profile}"

    @property
    def is_of_configured_role(self) -> bool:
        """Whether it is about the role of the request, not about the credentials that assume it."""
        return self.phase in ("role", "call") and bool(self.request.role_arn)

    @property
    def _role_source(self) -> str:
        identity = self.request.web_identity
        return identity.role_source if identity else self.settings.config_file

    def left_open(self) -> BadConfiguration:
        """Return the error for a role with a placeholder that nothing fills in."""
        missing = re.findall(r"\{\w+\}", self.request.role_arn)[0]
        who, hint = "only a service account of Kubernetes has", "add a table without it"
        if missing == "{registry_id}":
            who, hint = "ECR Public does not have", "write an account ID instead"
        return BadConfiguration(
            f"{self._role_source}: role_arn contains {missing}, which {who}", hint
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
        """The origin, and how the profile in effect leads to it."""
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
        """What to add to a command so that it means the origin."""
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
        """Whether the keys that sign are in the environment."""
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
        """What to do about credentials that AWS no longer accepts."""
        if self.phase == "call" and self.is_of_configured_role:
            is_kept = self.request.web_identity is None
            return "remove its session from ~/.aws/cli/cache" if is_kept else self.see_log
        if self.is_from_environment:
            return "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to new ones"
        settings = self.origin_settings
        if "credential_process" in settings and self.method == "shared-credentials-file":
            return f"remove them from {self.credentials_file}: they win over its credential_process"
        if "credential_process" in settings:
            return "run its credential_process by hand to see what it prints"
        if "sso_account_id" in settings:
            return self.sso_login
        if "aws_session_token" in settings:
            return f"put new keys and session token into {self.credentials_file}"
        if "aws_access_key_id" in settings:
            return f"run: aws configure{self.option}"
        return self.see_log

    @property
    def sso_login(self) -> str:
        """The command that signs the origin in to SSO, and where, if it cannot be kept here."""
        directory = os.path.expanduser(SSO_DIRECTORY)
        is_read_only = os.path.isdir(directory) and not os.access(directory, os.W_OK)
        place = f" where {directory} can be written" if is_read_only else ""
        has_cli = shutil.which("aws", path=self.environ.get("PATH"))
        command = "aws sso login" if has_cli else f"{NAME} login --sso"
        return f"run: {command}{self.option}{place}"


def configured_region(session: Any, environ: Mapping[str, str]) -> str | None:
    """Return the region in effect: AWS_REGION, which all SDKs but boto3 read, or boto3's."""
    return environ.get("AWS_REGION") or session.get_config_variable("region")


def leaves_config_unread(environ: Mapping[str, str]) -> bool:
    """Say whether ``AWS_SDK_LOAD_CONFIG`` is false: then the AWS config file is not read."""
    return environ.get("AWS_SDK_LOAD_CONFIG", "").lower() in ("0", "f", "false")


def _quoted(name: str) -> str:
    """Return a profile name as a shell takes it, a space in double quotes as all shells do."""
    return f'"{name}"' if re.fullmatch(r"[\w .@/-]* [\w .@/-]*", name) else shlex.quote(name)


def listed(names: Sequence[str]) -> str:
    """Return the first names, in order, on one line."""
    listed = ", ".join(sorted(names)[:_MAX_PROFILES_NAMED])
    return f"{listed}, …" if len(names) > _MAX_PROFILES_NAMED else listed


Explanation = tuple[
    type[Exception] | tuple[type[Exception], ...], Callable[[Any, Attempt], HelperError]
]
"""Which exceptions a function explains, and the function."""
