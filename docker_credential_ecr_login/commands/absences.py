"""Findings about a repository or an image that is missing, or could not be imported. Pure."""

import json
from difflib import get_close_matches
from shlex import quote

from ..aws.replies import Reply
from ..protocol import NAME
from . import remedies
from .findings import Finding, listed
from .images import Image
from .situation import Situation

_DOCKER_HUB = "registry-1.docker.io"


def no_repository(situation: Situation) -> Finding:
    """Return where else it is, what its name may be, or which rule should have created it."""
    image, registry = situation.image, situation.registry
    if rule := situation.rule:
        return _not_made(situation, str(rule["ecrRepositoryPrefix"]))
    place = f"account {situation.account} in {registry.region}" if situation.account else image.host
    message = f"there is no repository {image.repository} in {place}"
    if situation.regions:
        message += f", but in {listed(situation.regions)}"
        host = registry.host.replace(registry.region, situation.regions[0])
        return Finding("repository", "failed", message, f"pull {image._replace(host=host)}")
    if near := _near(situation):
        message += f"; near it: {listed(near)}"
        remedy = f"did you mean {image._replace(repository=near[0])}?"
    else:
        remedy = f"check the name, account and region; {NAME} doctor --push says how to create it"
    return Finding("repository", "failed", message, remedy)


def no_repository_to_push_to(situation: Situation) -> Finding:
    """Return how it is created: by a command, or from a creation template by the push itself."""
    name, template = situation.image.repository, situation.template
    message = f"there is no repository {name} in account {situation.account}"
    if "CREATE_ON_PUSH" in (template.get("appliedFor") or ()):
        message += f', but a push creates it, from the creation template "{template["prefix"]}"'
        return Finding("repository", "passed", message)
    message += f" in {situation.registry.region}"
    if template:
        message += f', and the creation template "{template["prefix"]}" does not apply to pushes'
    if situation.regions:
        message += f"; it is in {listed(situation.regions)}"
    if near := _near(situation):
        message += f"; near it: {listed(near)}"
    remedy = remedies.aws(situation, f"ecr create-repository --repository-name {name}")
    return Finding("repository", "failed", message, remedy)


def _near(situation: Situation) -> list[str]:
    names = [each["repositoryName"] for each in situation.content("repositories") or ()]
    return get_close_matches(situation.image.repository, names)


def no_image(situation: Situation) -> Finding:
    """Return which images the repository has."""
    image = situation.image
    kind = "digest" if image.is_digest else "tag"
    message = f"{image.repository} has no {kind} {image.reference}"
    if rule := situation.rule:
        upstream = rule.get("upstreamRegistryUrl")
        message += f", and {upstream} has none, either, or it could not be imported"
    details = situation.content("describe_images")
    newest = sorted(details or (), key=lambda each: str(each.get("imagePushedAt")), reverse=True)
    tags = [str(tag) for each in newest for tag in each.get("imageTags") or ()]
    if not tags:
        message += "" if details is None else ", and no tags at all"
        return Finding("image", "failed", message, f"check the {kind}, or push it")
    near = [] if image.is_digest else get_close_matches(image.reference, tags, n=1)
    message += f"; its newest tags: {listed(tags)}"
    suggestion = Image(image.host, image.repository, (near or tags)[0])
    return Finding("image", "failed", message, f"did you mean {suggestion}?")


def _not_made(situation: Situation, prefix: str) -> Finding:
    """Return the finding for a repository that a rule should have created, and did not."""
    upstream = situation.rule.get("upstreamRegistryUrl")
    name = situation.image.repository.removeprefix(f"{prefix}/")
    message = (
        f'the pull-through cache rule "{prefix}" did not create {situation.image.repository}: '
        f"{' or '.join(remedies.CACHE)} is not allowed, or {upstream} has no {name}"
    )
    if upstream == _DOCKER_HUB and "/" not in name:
        before = situation.image.repository.removesuffix(name)
        message += f" (an official image is {before}library/{name})"
    remedy = remedies.allow(situation, situation.principal, remedies.IMPORT)
    return Finding("repository", "failed", message, remedy)


def upstream_fails(situation: Situation, reply: Reply) -> Finding:
    """Return which rule's upstream registry refuses ECR, and how to correct that."""
    rule = situation.rule
    message = f"the registry cannot pull {situation.image.repository} itself: {reply.words}"
    if not rule:
        return Finding("image", "failed", message, "check the pull-through cache rule")
    prefix, secret = str(rule["ecrRepositoryPrefix"]), str(rule.get("credentialArn") or "")
    message += f' (pull-through cache rule "{prefix}", of {rule.get("upstreamRegistryUrl")})'
    check = f"ecr validate-pull-through-cache-rule --ecr-repository-prefix {quote(prefix)}"
    if not secret:
        return Finding("image", "failed", message, remedies.aws(situation, check))
    value = json.dumps({"username": "USER", "accessToken": "TOKEN"})
    command = (
        f"secretsmanager put-secret-value --secret-id {quote(secret)} --secret-string '{value}'"
    )
    return Finding("image", "failed", message, remedies.aws(situation, command))
