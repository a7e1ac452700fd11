"""For Python programs that pull and push by themselves, with docker-py, oras-py and the like.

Everything works as in the executable: config file, cache, one call for any number of callers.
"""

import os
from dataclasses import dataclass, field

from . import actions
from .errors import NotAnEcrRegistry
from .protocol import USERNAME
from .redaction import one_line
from .resolve import resolve


@dataclass(frozen=True, slots=True)
class Credentials:
    """What to sign in to a registry with, until ``expires_at`` (epoch seconds)."""

    username: str
    secret: str = field(repr=False)
    expires_at: int


def get_credentials(server_url: str) -> Credentials:
    """Return credentials for an ECR registry, named in any form that Docker clients use.

    From the cache, or else from AWS within ``AWS_ECR_TIMEOUT``; a person who sits at the
    controlling terminal may be asked for an MFA code. A token past its refresh time is
    returned, and refreshed in a thread. Raises `NotAnEcrRegistry` if the registry is not
    of ECR, or is to be used anonymously; else `BadConfiguration` or one of `AwsFailure`,
    all of `docker_credential_ecr_login.errors`: ``str(error)`` is the line that people see.
    """
    request = resolve(server_url, dict(os.environ))
    if request.registry is None:
        raise NotAnEcrRegistry(f"{one_line(server_url)!r} is not a registry of Amazon ECR")
    if request.is_anonymous:
        raise NotAnEcrRegistry(f"{request.host} is configured for use without credentials")
    entry = actions.token(request)
    return Credentials(USERNAME, entry.secret, entry.expires_at)
