"""Tokens in the forms that other programs take. Pure."""

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
class IssuedToken:
    """A registry that can be used now, until ``expires_at`` (epoch seconds).

    ``profile`` is the profile of the AWS configuration that was asked, empty if there was none.
    """

    host: str
    profile: str
    expires_at: int
    secret: str = field(repr=False)

    @property
    def basic(self) -> str:
        """User name and password in the form of HTTP's Basic scheme (RFC 7617)."""
        return base64.b64encode(f"{USERNAME}:{self.secret}".encode()).decode()

    @property
    def expiry(self) -> str:
        """The end in ISO form, in UTC."""
        return iso_time(self.expires_at)


def iso_time(seconds: float) -> str:
    """Return epoch seconds in ISO form, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def text(tokens: Sequence[IssuedToken]) -> str:
    """Return a table for people."""
    rows = [("REGISTRY", "PROFILE", "EXPIRES")]
    rows += [(token.host, token.profile or "-", token.expiry) for token in tokens]
    hosts, profiles = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "".join(f"{host:{hosts}}  {profile:{profiles}}  {end}\n" for host, profile, end in rows)


def as_json(tokens: Sequence[IssuedToken]) -> str:
    """Return the table as JSON: a list of objects."""
    return _json(
        [
            {"registry": token.host, "profile": token.profile or None, "expiresAt": token.expiry}
            for token in tokens
        ]
    )


def variables(tokens: Sequence[IssuedToken]) -> dict[str, str]:
    """Return names and values as the amazon-ecr-login action for GitHub has its outputs.

    Raises `BadInput` if two hosts have one name. Source: README.md and index.js of
    aws-actions/amazon-ecr-login.
    """
    hosts = [token.host for token in tokens]
    found = {"registry": hosts[0]} if len(hosts) == 1 else {}
    found["registries"] = ",".join(hosts)
    for token in tokens:
        name = re.sub(r"[^a-zA-Z0-9_]+", "_", token.host)
        if f"docker_password_{name}" in found:
            raise BadInput(f"two registries would have the same variable, that of {token.host}")
        found[f"docker_username_{name}"] = USERNAME
        found[f"docker_password_{name}"] = token.secret
    return found


def github_masks(tokens: Sequence[IssuedToken]) -> str:
    """Return the workflow commands that keep each password out of GitHub's log."""
    secrets = dict.fromkeys(token.secret for token in tokens)
    escaped = [secret.replace("%", "%25") for secret in secrets]  # there are no line breaks
    return "".join(f"::add-mask::{secret}\n" for secret in escaped)


def github_outputs(tokens: Sequence[IssuedToken], delimiter: str) -> str:
    """Return what is to be added to the file ``$GITHUB_OUTPUT``; no value has ``delimiter`` in it.

    Source: "Workflow commands", "Multiline strings", of GitHub's documentation.
    """
    lines = [f"{name}<<{delimiter}\n{value}\n" for name, value in variables(tokens).items()]
    return "".join(f"{line}{delimiter}\n" for line in lines)


def env(tokens: Sequence[IssuedToken]) -> str:
    """Return lines for a shell to evaluate."""
    return "".join(f"export {line}\n" for line in _assignments(tokens))


def dotenv(tokens: Sequence[IssuedToken]) -> str:
    """Return lines as GitLab takes them from a dotenv report."""
    return "".join(f"{line}\n" for line in _assignments(tokens))


def _assignments(tokens: Sequence[IssuedToken]) -> list[str]:
    # The values are of characters that need no quotes, unless AWS changes its mind.
    return [f"{_variable(name)}={shlex.quote(value)}" for name, value in variables(tokens).items()]


def _variable(name: str) -> str:
    name = name.upper()
    return name if name.startswith("DOCKER_") else f"DOCKER_{name}"


def docker_config(tokens: Sequence[IssuedToken]) -> str:
    """Return a Docker configuration, for DOCKER_AUTH_CONFIG or Kaniko."""
    return _json({"auths": {token.host: {"auth": token.basic} for token in tokens}})


def kubernetes(tokens: Sequence[IssuedToken], name: str) -> str:
    """Return the manifest of a Secret ``name``, for imagePullSecrets."""
    return _json(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {
                ".dockerconfigjson": base64.b64encode(docker_config(tokens).encode()).decode()
            },
        }
    )


def _json(content: object) -> str:
    return json.dumps(content, indent=2) + "\n"
