"""A service account of Kubernetes, as its token names it to AWS."""

import base64
import json
import re
from dataclasses import dataclass, field

from .errors import BadInput

_JSON_WEB_TOKEN = re.compile(r"[\w-]+\.([\w-]+)\.[\w-]+", re.ASCII)
# "Service account tokens" in the Kubernetes documentation; the names are those of the DNS.
_SUBJECT = re.compile(r"system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})")


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """A service account, and the role that it is to assume by its token.

    ``issuer`` and ``subject`` name it for ever; the ``token``, a secret, is another one each time.
    ``role_source`` is what has named the role.
    """

    issuer: str
    subject: str
    token: str = field(repr=False)
    role_arn: str = ""
    role_source: str = ""

    @property
    def namespace(self) -> str:
        """The namespace of the service account."""
        return self.subject.split(":")[2]

    @property
    def service_account(self) -> str:
        """Its name in that."""
        return self.subject.split(":")[3]

    @property
    def named(self) -> str:
        """The service account, as a message names it."""
        return f"the service account {self.namespace}/{self.service_account}"


def web_identity(token: str) -> WebIdentity:
    """Return whose ``token`` that is, without a role. Whether it is genuine is for AWS to say.

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
        raise BadInput("the serviceAccountToken does not say who has issued it (iss)")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise BadInput("the serviceAccountToken is not that of a service account (sub)")
    return WebIdentity(issuer, subject, token)
