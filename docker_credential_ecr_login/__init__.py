"""Docker credential helper for Amazon ECR.

Docker, podman, skopeo, Helm and the like start ``docker-credential-ecr-login``
and speak the credential helper protocol with it on stdin and stdout. Python programs
call `get_credentials`.

The package has two rings:

- light: everything at the top. It answers a cached token, so it imports next
  to nothing (``tests/test_imports.py`` holds the list).
- ``aws``: the only place that imports botocore and filelock. The light ring
  imports it inside the functions that miss.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - where Python was replaced by an older one
    this = ".".join(map(str, sys.version_info[:2]))
    raise ImportError(
        f"it needs Python 3.11 or later, and this is {this}; "
        "uv brings one: uv tool install --python 3.12"
    )

from .protocol import __version__

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from .api import Credentials, get_credentials

__all__ = ["Credentials", "__version__", "get_credentials"]


def __getattr__(name: str) -> object:
    """Import what Python programs use when they do (PEP 562): the executable needs none of it."""
    if name in ("Credentials", "get_credentials"):
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
