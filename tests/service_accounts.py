"""Service accounts of Kubernetes, and what kubelet asks for their pods."""

import base64
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
AUDIENCE = "sts.amazonaws.com"
ROLE_ANNOTATION = "eks.amazonaws.com/ecr-role-arn"
VERSION = "credentialprovider.kubelet.k8s.io/v1"


def question(image: object, *, version: str = VERSION, **fields: Any) -> str:
    """Return what kubelet writes to a provider's stdin."""
    kind = "CredentialProviderRequest"
    return json.dumps({"apiVersion": version, "kind": kind, "image": image, **fields})


def unsigned(claims: object) -> str:
    """Return a JSON web token with these claims, whose signature is made up."""
    parts = ({"alg": "RS256", "kid": "1"}, claims, uuid.uuid4().hex)
    texts = (json.dumps(part).encode() for part in parts)
    return ".".join(base64.urlsafe_b64encode(text).decode().rstrip("=") for text in texts)


@dataclass
class ServiceAccount:
    """A service account; ``tokens`` are all that were issued to it, of which no two are equal."""

    namespace: str = "team"
    name: str = "app"
    issuer: str = ISSUER
    tokens: list[str] = field(default_factory=list)

    def token(self) -> str:
        """Issue a token, as kubelet does for a pod."""
        names = {"namespace": self.namespace, "serviceaccount": {"name": self.name}}
        self.tokens.append(
            unsigned(
                {
                    "aud": [AUDIENCE],
                    "iss": self.issuer,
                    "jti": str(uuid.uuid4()),
                    "kubernetes.io": names,
                    "sub": f"system:serviceaccount:{self.namespace}:{self.name}",
                }
            )
        )
        return self.tokens[-1]
