"""Why an image cannot be pulled or pushed: from the replies of a registry to findings. Pure."""

import json
from collections.abc import Iterator

from ..aws.replies import NO_ANSWER, Denial, Reply
from ..errors import printable
from ..protocol import NAME
from ..redaction import one_line
from . import absences, remedies
from .findings import Finding, listed
from .images import fits, platforms
from .situation import NOT_ASKED, Situation, is_of_upstream, lacks_image, same_principal


def pull(situation: Situation) -> Iterator[Finding]:
    """Say whether the image can be pulled, and if not, why."""
    image, manifest = situation.image, situation.reply("manifest")
    if manifest.code:
        yield cause(situation, "image", manifest, "batch_get_image")
        return
    if not isinstance(manifest.content, dict):
        message = f"the registry's answer for {image} is not a manifest"
        yield Finding("image", "failed", message, "check HTTPS_PROXY: a proxy may have answered")
        return
    if (part := situation.reply("part")).code and part is not NOT_ASKED:
        message = f"{image} is a list, and its manifest for {situation.platform} is missing"
        remedy = f"push {image} again, with all its platforms"
        yield Finding("image", "failed", f"{message}: {part.words}", remedy)
        return
    yield Finding("image", "passed", f"{image} exists, and its manifest can be downloaded")
    denial = situation.denial(situation.reply("batch_get_image"))
    if denial:
        yield denied(situation, "image", denial)._replace(
            status="warned", message=f"the token allows that, but {_denied(denial)}"
        )
    yield from _platform(situation)
    yield from _layer(situation)


def push(situation: Situation) -> Iterator[Finding]:
    """Say whether the image can be pushed, as far as that shows without pushing one."""
    image, described = situation.image, situation.reply("describe_repositories")
    if situation.lacks_repository(described):
        yield absences.no_repository_to_push_to(situation)
        return
    if described.code:
        denial = situation.denial(described)
        reason = _denied(denial) if denial else described.words
        remedy = denied(situation, "repository", denial).remedy if denial else ""
        message = f"whether {image.repository} exists is not known, so no upload was started"
        yield Finding("repository", "warned", f"{message}: {reason}", remedy)
        return
    yield Finding("repository", "passed", f"{image.repository} exists")
    if situation.tag_is_fixed:
        command = f"ecr put-image-tag-mutability --repository-name {image.repository}"
        command = remedies.aws(situation, f"{command} --image-tag-mutability MUTABLE")
        yield Finding(
            "tag",
            "failed",
            f"the tag {image.reference} already exists, and the tags of {image.repository} "
            "are immutable: no other image can be pushed with that tag",
            f"push another tag, or run: {command}",
        )
    upload = situation.reply("upload")
    if upload.code:
        yield cause(situation, "upload", upload)
        return
    message = "an upload was started and cancelled; only a push shows if ecr:PutImage is allowed"
    yield Finding("upload", "passed", message)


def cause(situation: Situation, check: str, reply: Reply, *others: str) -> Finding:
    """Return why the registry refuses; replies to ``others`` may say what ``reply`` does not."""
    said = situation.denial(reply)
    principal = situation.principal
    if said and principal and not same_principal(said.principal, principal):
        return Finding(
            check,
            "failed",
            f"the token belongs to {one_line(said.principal)}, not to {principal}, and "
            f"{_denied(said)}",
            f"{NAME} logout {situation.image.host}",
        )
    if said and said.action in remedies.CACHE:
        return denied(situation, check, said)
    replies = (reply, *map(situation.reply, others))
    if upstream := next(filter(is_of_upstream, replies), None):
        return absences.upstream_fails(situation, upstream)
    if situation.lacks_repository(reply):
        return absences.no_repository(situation)
    if denial := said or situation.denial(reply, *others):
        return denied(situation, check, denial)
    if lacks_image(reply):
        return absences.no_image(situation)
    words = dict.fromkeys(each.words for each in replies if each.code and each is not NOT_ASKED)
    message = f"the answer for {situation.image} is {', or '.join(words)}"
    is_denied = reply.code in ("DENIED", "HTTP 403")
    remedy = (
        f"the token may be somebody else's; for a new one: {NAME} logout {situation.image.host}"
    )
    return Finding(check, "failed", message, remedy if is_denied else "")


def denied(situation: Situation, check: str, denial: Denial) -> Finding:
    """Return which policy denies it, and what to do."""
    repository = situation.image.repository
    actions = remedies.needed(denial.action)
    message = _denied(denial)
    if denial.is_explicit:
        statements = (each for each in situation.policy or () if each.get("Effect") == "Deny")
        names = [str(each.get("Sid") or json.dumps(each)) for each in statements]
        shown = f" ({listed(names)})" if names and denial.policy.startswith("resource-") else ""
        where = denial.policy or "policy"
        remedy = f"remove the deny from that {where}{shown}, or add an exception to it"
    elif denial.policy == "resource-based policy":
        if situation.policy == []:
            message += f"; {repository} has no policy"
        remedy = remedies.let_in(situation, denial)
    elif denial.policy in ("identity-based policy", ""):
        remedy = remedies.allow(situation, denial.principal, actions)
        if not situation.is_own:
            remedy += "; " + remedies.let_in(situation, denial)
    else:
        remedy = f"allow {', '.join(actions)} on {situation.arn} in that {denial.policy}"
    return Finding(check, "failed", message, remedy)


def _denied(denial: Denial) -> str:
    return one_line(f"{denial.action} is denied to {denial.principal}{denial.reason}")


def _platform(situation: Situation) -> Iterator[Finding]:
    image, wanted = situation.image, situation.platform
    found = list(platforms(situation.content("manifest")))
    config = situation.content("config")
    if found and not any(fits(wanted, each) for each in found):
        every = ",".join((*found, wanted))
        yield Finding(
            "platform",
            "failed",
            f"{image} is for {listed(found)}, not for {wanted}",
            f"pull with --platform {found[0]}, if that can run here, or build it for both: "
            f"docker buildx build --platform {every} --tag {image} --push .",
        )
    elif isinstance(config, dict) and config.get("architecture"):
        own = printable(f"{config.get('os')}/{config['architecture']}")
        if not fits(wanted, own):
            message = f"{image} is for {own}, not for {wanted}: it can be pulled, but not run"
            command = f"docker buildx build --platform {wanted} --tag {image} --push ."
            yield Finding("platform", "warned", message, command)


def _layer(situation: Situation) -> Iterator[Finding]:
    for each in (situation.content("batch_check_layer_availability") or {}).get("layers") or ():
        if (availability := str(each.get("layerAvailability"))) != "AVAILABLE":
            message = f"the layer {each.get('layerDigest')} is {availability.lower()}"
            yield Finding("layer", "failed", message, f"push {situation.image} again")
            return
    layer, storage = situation.reply("layer"), situation.reply("storage")
    if layer is NOT_ASKED:
        return
    if layer.code:
        yield cause(situation, "layer", layer)
    elif not storage.code:
        yield Finding("layer", "passed", f"one byte of a layer came from {_host_of(layer)}")
    else:
        yield _layer_kept_back(situation, _host_of(layer), storage)


def _layer_kept_back(situation: Situation, host: str, storage: Reply) -> Finding:
    message = f"the registry answers, but a layer cannot be downloaded from {host}: {storage.words}"
    bucket, is_s3, _ = host.partition(".s3.")
    if storage.code == NO_ANSWER:
        remedy = f"allow HTTPS to {host} in the firewall and the proxy (HTTPS_PROXY, NO_PROXY)"
        remedy += ", and add a VPC endpoint for S3 if there is no route to the internet"
    elif is_s3:
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:{situation.registry.partition}:s3:::{bucket}/*",
        }
        remedy = f"add to the policy of the VPC endpoint for S3: {json.dumps(statement)}"
    else:
        remedy = f"allow {host} in the proxy and the firewall"
    return Finding("layer", "failed", message, remedy)


def _host_of(layer: Reply) -> str:
    """Return the host that stores the layer, which `image_checks` puts into the reply."""
    return str(layer.content or "the registry itself")
