"""A service account of Kubernetes, as its token names it."""

import base64
import json
import re

from .errors import BadInput

TYPE_CHECKING = False  # of typing, whose import would take a while
if TYPE_CHECKING:
    from typing import Final

_JSON_WEB_TOKEN = re.compile(r"[\w-]+\.([\w-]+)\.[\w-]+", re.ASCII)
# "Service account tokens" in the Kubernetes documentation; the names are those of the DNS.
_SUBJECT = re.compile(r"system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})")


class WebIdentity:
    """A service account, and the role that it is to assume with its token; never changed.

    ``issuer`` and ``subject`` identify it; the ``token``, a secret, is a new one each time.
    ``role_source`` is what named the role.
    """

    __slots__ = ("issuer", "role_arn", "role_source", "subject", "token")

    def __init__(
        self, issuer: str, subject: str, token: str, role_arn: str = "", role_source: str = ""
    ) -> None:
        self.issuer: "Final" = issuer
        self.subject: "Final" = subject
        self.token: "Final" = token
        self.role_arn: "Final" = role_arn
        self.role_source: "Final" = role_source

    def assuming(self, role_arn: str, source: str) -> "WebIdentity":
        """Return the same service account with the role that ``source`` names.

        Placeholders for the service account are filled in, those for the registry are not.
        """
        role_arn = role_arn.replace("{namespace}", self.namespace)
        role_arn = role_arn.replace("{service_account}", self.service_account)
        return WebIdentity(self.issuer, self.subject, self.token, role_arn, source)

    @property
    def namespace(self) -> str:
        """The namespace of the service account."""
        return self.subject.split(":")[2]

    @property
    def service_account(self) -> str:
        """Its name in the namespace."""
        return self.subject.split(":")[3]

    @property
    def named(self) -> str:
        """The service account, as a message names it."""
        return f"the service account {self.namespace}/{self.service_account}"


def web_identity(token: str) -> WebIdentity:
    """Return whose ``token`` that is, without a role. Whether it is genuine, only AWS can say.

    Raises `BadInput`, which quotes nothing of it.
    """
    found = _JSON_WEB_TOKEN.fullmatch(token)
    try:
        claims = json.loads(base64.urlsafe_b64decode(f"{found[1]}===")) if found else None
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise BadInput("the serviceAccountToken is not a JSON web token")
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(issuer, str) or not issuer.isprintable() or not issuer:
        raise BadInput("the serviceAccountToken does not name its issuer (iss)")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise BadInput("the serviceAccountToken does not name a service account (sub)")
    return WebIdentity(issuer, subject, token)
