"""The environment that a command works in, which botocore reads by itself."""

import os
from collections.abc import Mapping

_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
)


def with_profile(profile: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``environ`` with ``profile`` in effect, also for botocore."""
    from ..aws.client import takes_keys_from_environment

    keys = () if takes_keys_from_environment(environ, profile) else _KEYS
    dropped = ("AWS_DEFAULT_PROFILE", *keys)
    others = {name: value for name, value in environ.items() if name not in dropped}
    return with_environment({**others, "AWS_PROFILE": profile})


def with_environment(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``environ``, which is that of botocore now, too."""
    os.environ.clear()
    os.environ.update(environ)
    return environ
