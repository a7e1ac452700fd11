"""The session policy that restricts a role to what the config file calls ``access``."""

import json
from collections.abc import Sequence

from ..errors import BadConfiguration
from ..request import Request

_TOKEN = {
    "ecr": ("ecr:GetAuthorizationToken",),
    # "Public repository policy examples in Amazon ECR Public"
    "ecr-public": ("ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"),
}
PULL = ("BatchGetImage", "GetDownloadUrlForLayer")
"""The actions of a pull, without the service."""

# As in AmazonEC2ContainerRegistryPullOnly; from ECR Public everybody may pull.
_PULL = (*PULL, "BatchImportUpstreamImage")

PUSH = (
    "BatchCheckLayerAvailability",
    "InitiateLayerUpload",
    "UploadLayerPart",
    "CompleteLayerUpload",
    "PutImage",
)
"""Those of a push: "IAM permissions for pushing an image to an Amazon ECR private repository"."""

_MAX_LENGTH = 2048  # characters: AssumeRole in the STS API reference, Policy


def session_policy(request: Request) -> str:
    """Return the policy for the session of the configured role, "" if it is not restricted.

    It allows getting a token, and pulling, or pulling and pushing. Raises `BadConfiguration` if
    it is too long.
    """
    settings, service = request.settings, request.ecr.service
    if not request.access:
        return ""
    names = () if request.ecr.is_public else _PULL, PUSH if request.access == "push" else ()
    actions = [f"{service}:{name}" for group in names for name in group]
    statements = [_allowed(_TOKEN[service], ["*"])]
    if actions:
        statements.append(_allowed(actions, request.resources))
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
    if len(policy) > _MAX_LENGTH:
        raise BadConfiguration(
            f"{settings.config_file}: the session policy for repositories has {len(policy)} "
            f"characters, but AWS allows {_MAX_LENGTH}",
            "name fewer repositories, or several at once with *",
        )
    return policy


def _allowed(actions: Sequence[str], resources: Sequence[str]) -> dict[str, object]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
