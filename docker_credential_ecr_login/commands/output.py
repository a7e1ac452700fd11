"""Tokens in the forms in which others want them: text in, text out."""

import base64
import json
import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import BadInput
from ..protocol import USERNAME

WITHOUT_SECRETS = ("text", "json")
"""The forms that hold no password."""


@dataclass(frozen=True)
class Login:
    """A registry that can be used now, until ``expires_at`` (epoch seconds).

    ``profile`` is the profile of the AWS configuration that was asked, empty if there was none.
    """

    host: str
    profile: str
    expires_at: int
    secret: str = field(repr=False)

    @property
    def basic(self) -> str:
        """User name and password as HTTP's Basic scheme has them (RFC 7617)."""
        return base64.b64encode(f"{USERNAME}:{self.secret}".encode()).decode()

    @property
    def expiry(self) -> str:
        """The end in ISO form, in UTC."""
        return iso_time(self.expires_at)


def iso_time(seconds: float) -> str:
    """Return epoch seconds in ISO form, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def text(logins: Sequence[Login]) -> str:
    """Return a table for people."""
    rows = [("REGISTRY", "PROFILE", "EXPIRES")]
    rows += [(login.host, login.profile or "-", login.expiry) for login in logins]
    hosts, profiles = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "".join(f"{host:{hosts}}  {profile:{profiles}}  {end}\n" for host, profile, end in rows)


def as_json(logins: Sequence[Login]) -> str:
    """Return the table as JSON: a list of objects."""
    return _json(
        [
            {"registry": login.host, "profile": login.profile or None, "expiresAt": login.expiry}
            for login in logins
        ]
    )


def variables(logins: Sequence[Login]) -> dict[str, str]:
    """Return names and values as the amazon-ecr-login action for GitHub has its outputs.

    Raises `BadInput` if two hosts have one name. Source: README.md and index.js of
    aws-actions/amazon-ecr-login.
    """
    hosts = [login.host for login in logins]
    found = {"registry": hosts[0]} if len(hosts) == 1 else {}
    found["registries"] = ",".join(hosts)
    for login in logins:
        name = re.sub(r"[^a-zA-Z0-9_]+", "_", login.host)
        if f"docker_password_{name}" in found:
            raise BadInput(f"two registries would have one variable, that of {login.host}")
        found[f"docker_username_{name}"] = USERNAME
        found[f"docker_password_{name}"] = login.secret
    return found


def github_masks(logins: Sequence[Login]) -> str:
    """Return the workflow commands that keep each password out of GitHub's log."""
    secrets = dict.fromkeys(login.secret for login in logins)
    escaped = [secret.replace("%", "%25") for secret in secrets]  # what else they escape is none
    return "".join(f"::add-mask::{secret}\n" for secret in escaped)


def github_outputs(logins: Sequence[Login], delimiter: str) -> str:
    """Return what is to be added to the file ``$GITHUB_OUTPUT``; no value has ``delimiter`` in it.

    Source: "Workflow commands", "Multiline strings", of GitHub's documentation.
    """
    lines = [f"{name}<<{delimiter}\n{value}\n" for name, value in variables(logins).items()]
    return "".join(f"{line}{delimiter}\n" for line in lines)


def env(logins: Sequence[Login]) -> str:
    """Return lines for a shell to evaluate."""
    return "".join(f"export {line}\n" for line in _assignments(logins))


def dotenv(logins: Sequence[Login]) -> str:
    """Return lines as GitLab takes them from a dotenv report."""
    return "".join(f"{line}\n" for line in _assignments(logins))


def _assignments(logins: Sequence[Login]) -> list[str]:
    # The values are of characters that need no quotes, unless AWS changes its mind.
    return [f"{_variable(name)}={shlex.quote(value)}" for name, value in variables(logins).items()]


def _variable(name: str) -> str:
    name = name.upper()
    return name if name.startswith("DOCKER_") else f"DOCKER_{name}"


def docker_config(logins: Sequence[Login]) -> str:
    """Return a Docker configuration, for DOCKER_AUTH_CONFIG or Kaniko."""
    return _json({"auths": {login.host: {"auth": login.basic} for login in logins}})


def kubernetes(logins: Sequence[Login], name: str) -> str:
    """Return the manifest of a Secret ``name``, for imagePullSecrets."""
    return _json(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {
                ".dockerconfigjson": base64.b64encode(docker_config(logins).encode()).decode()
            },
        }
    )


def _json(content: object) -> str:
    return json.dumps(content, indent=2) + "\n"
