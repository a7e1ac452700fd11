"""The API of Amazon ECR for repositories and images, and what its remedies need of others.

Sources: the Amazon ECR API Reference, for the shapes of all answers and the codes of errors; and
what is cited at the functions. Errors of a denial are AccessDeniedException with HTTP 400, as in
https://github.com/ministryofjustice/modernisation-platform-environments/pull/10067.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.emulator import sigv4
from tests.emulator.answers import json_object, json_response
from tests.emulator.model import AwsError, Operation, Principal, Request, Response
from tests.emulator.repositories import CacheRule, Repository, no_repository, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.emulator.state import AwsState


class _Asked:
    """A request, and the registry that it is about: by default the principal's own."""

    def __init__(self, state: AwsState, principal: Principal, request: Request) -> None:
        self.state = state
        self.principal = principal
        self.content = json_object(request)
        self.account_id = self.content.get("registryId") or principal.account_id
        self.region = sigv4.parse_authorization(request.header("authorization")).region

    def check(self, operation: str, name: str = "*", repository: Repository | None = None) -> None:
        """Raise AwsError if the principal may not do that."""
        arn = f"arn:aws:ecr:{self.region}:{self.account_id}:repository/{name}"
        policy = repository.policy if repository else None
        if said := refusal(self.principal, f"ecr:{operation}", arn, self.account_id, policy):
            raise AwsError(400, "AccessDeniedException", said)

    def repository(self, operation: str, name: str | None = None) -> Repository:
        """Return the repository that is asked about; AwsError if there is none, or it is closed."""
        name = name or self.content["repositoryName"]
        found = self.state.registries.find(self.account_id, self.region, name)
        self.check(operation, name, found)
        if found is None:
            raise no_repository(self.account_id, name, "RepositoryNotFoundException")
        return found

    def rules(self) -> list[CacheRule]:
        """Return the cache rules of the registry."""
        here = (self.account_id, self.region)
        rules = self.state.registries.rules
        return [each for each in rules if (each.account_id, each.region) == here]


def _describe_repositories(asked: _Asked) -> dict[str, Any]:
    if names := asked.content.get("repositoryNames"):
        found = [asked.repository("DescribeRepositories", name) for name in names]
    else:
        asked.check("DescribeRepositories")
        found = asked.state.registries.of(asked.account_id, asked.region)
    return {"repositories": [_described(each) for each in found]}


def _described(repository: Repository) -> dict[str, Any]:
    filters = [{"filterType": "WILDCARD", "filter": each} for each in repository.excluded_tags]
    return {
        "repositoryArn": repository.arn,
        "registryId": repository.account_id,
        "repositoryName": repository.name,
        "imageTagMutability": repository.mutability,
        "imageTagMutabilityExclusionFilters": filters,
    }


def _batch_get_image(asked: _Asked) -> dict[str, Any]:
    """Answer images, and in place of those that are not there what BatchDeleteImage says of them.

    That is in https://github.com/aws/aws-cli/issues/6424; that it is the same here is assumed.
    """
    repository = asked.repository("BatchGetImage")
    images, failures = [], []
    for image in asked.content["imageIds"]:
        digest = repository.digest_of(image.get("imageTag") or image.get("imageDigest"))
        if digest:
            media_type, content = repository.manifests[digest]
            images.append(
                {
                    "registryId": asked.account_id,
                    "repositoryName": repository.name,
                    "imageId": {**image, "imageDigest": digest},
                    "imageManifest": content.decode(),
                    "imageManifestMediaType": media_type,
                }
            )
        else:
            reason = "Requested image not found"
            failure = {"failureCode": "ImageNotFound", "failureReason": reason}
            failures.append({"imageId": image, **failure})
    return {"images": images, "failures": failures}


def _batch_check_layer_availability(asked: _Asked) -> dict[str, Any]:
    repository = asked.repository("BatchCheckLayerAvailability")
    layers = [
        {
            "layerDigest": digest,
            "layerAvailability": "AVAILABLE" if digest in repository.blobs else "UNAVAILABLE",
        }
        for digest in asked.content["layerDigests"]
    ]
    return {"layers": layers, "failures": []}


def _describe_images(asked: _Asked) -> dict[str, Any]:
    repository = asked.repository("DescribeImages")
    tags: dict[str, list[str]] = {}
    for tag, digest in repository.tags.items():
        tags.setdefault(digest, []).append(tag)
    details = [
        {"imageDigest": digest, "imageTags": names, "imagePushedAt": repository.pushed_at[digest]}
        for digest, names in tags.items()
    ]
    return {"imageDetails": details}


def _get_repository_policy(asked: _Asked) -> dict[str, Any]:
    """Answer the policy; that there is none: https://github.com/snyk/driftctl/issues/1549."""
    repository = asked.repository("GetRepositoryPolicy")
    if repository.policy is None:
        raise AwsError(
            400,
            "RepositoryPolicyNotFoundException",
            f"Repository policy does not exist for the repository with name '{repository.name}' "
            f"in the registry with id '{repository.account_id}'",
        )
    return {"repositoryName": repository.name, "policyText": repository.policy}


def _describe_pull_through_cache_rules(asked: _Asked) -> dict[str, Any]:
    asked.check("DescribePullThroughCacheRules")
    rules = []
    for rule in asked.rules():
        described = {"ecrRepositoryPrefix": rule.prefix, "upstreamRegistryUrl": rule.upstream}
        secret = {"credentialArn": rule.credential_arn} if rule.credential_arn else {}
        rules.append({**described, **secret})
    return {"pullThroughCacheRules": rules}


def _describe_repository_creation_templates(asked: _Asked) -> dict[str, Any]:
    asked.check("DescribeRepositoryCreationTemplates")
    return {"repositoryCreationTemplates": asked.state.registries.templates}


def _create_repository(asked: _Asked) -> dict[str, Any]:
    name = asked.content["repositoryName"]
    asked.check("CreateRepository", name)
    made = asked.state.registries.add(name, asked.account_id, asked.region)
    return {"repository": _described(made)}


def _set_repository_policy(asked: _Asked) -> dict[str, Any]:
    repository = asked.repository("SetRepositoryPolicy")
    repository.policy = asked.content["policyText"]
    return {"repositoryName": repository.name, "policyText": repository.policy}


def _put_image_tag_mutability(asked: _Asked) -> dict[str, Any]:
    repository = asked.repository("PutImageTagMutability")
    repository.mutability = asked.content["imageTagMutability"]
    return {"repositoryName": repository.name, "imageTagMutability": repository.mutability}


def _put_secret_value(asked: _Asked) -> dict[str, Any]:
    """Answer as AWS Secrets Manager does; whatever the new value is, it is the right one."""
    arn = asked.content["SecretId"]
    assert json.loads(asked.content["SecretString"]).keys() == {"username", "accessToken"}
    for rule in asked.rules():
        rule.secret_is_good |= rule.credential_arn == arn
    return {"ARN": arn}


_OPERATIONS: Mapping[Operation, Callable[[_Asked], dict[str, Any]]] = {
    Operation("ecr", "DescribeRepositories"): _describe_repositories,
    Operation("ecr", "BatchGetImage"): _batch_get_image,
    Operation("ecr", "BatchCheckLayerAvailability"): _batch_check_layer_availability,
    Operation("ecr", "DescribeImages"): _describe_images,
    Operation("ecr", "GetRepositoryPolicy"): _get_repository_policy,
    Operation("ecr", "DescribePullThroughCacheRules"): _describe_pull_through_cache_rules,
    Operation("ecr", "DescribeRepositoryCreationTemplates"): (
        _describe_repository_creation_templates
    ),
    Operation("ecr", "CreateRepository"): _create_repository,
    Operation("ecr", "SetRepositoryPolicy"): _set_repository_policy,
    Operation("ecr", "PutImageTagMutability"): _put_image_tag_mutability,
    Operation("secretsmanager", "PutSecretValue"): _put_secret_value,
}


def is_known(operation: Operation) -> bool:
    """Whether it is one of these."""
    return operation in _OPERATIONS


def perform(
    state: AwsState, operation: Operation, principal: Principal, request: Request
) -> Response:
    """Answer; AwsError if it is refused."""
    return json_response(_OPERATIONS[operation](_Asked(state, principal, request)))
