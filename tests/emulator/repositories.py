"""Repositories and their images, cache rules and templates, and who has access."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.emulator.model import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.emulator.model import Principal

ACCOUNT = "111111111111"
REGION = "us-east-1"
PUBLIC = "public"
"""What stands for the account of ECR Public."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class Repository:
    """A repository; ``manifests`` and ``blobs`` are by digest, tags name a digest."""

    account_id: str
    region: str
    name: str
    mutability: str = "MUTABLE"
    excluded_tags: tuple[str, ...] = ()
    policy: str | None = None
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    pushed_at: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """Its name for policies."""
        return f"arn:aws:ecr:{self.region}:{self.account_id}:repository/{self.name}"

    def digest_of(self, reference: str) -> str | None:
        """Return the digest of a manifest, by tag or digest; None if there is none."""
        digest = self.tags.get(reference, reference)
        return digest if digest in self.manifests else None

    def put_manifest(self, content: bytes, media_type: str, tag: str | None) -> str:
        """Keep a manifest; return its digest."""
        digest = digest_of(content)
        self.manifests[digest] = (media_type, content)
        self.pushed_at[digest] = time.time() + len(self.pushed_at)  # no two at once
        if tag:
            self.tags[tag] = digest
        return digest

    def put_blob(self, content: bytes) -> dict[str, Any]:
        """Keep a blob; return its descriptor without a media type."""
        digest = digest_of(content)
        self.blobs[digest] = content
        return {"digest": digest, "size": len(content)}

    def add_image(self, tag: str, platforms: Iterable[str] = ("linux/amd64",)) -> str:
        """Put an image of one layer there: with several platforms, a list of them."""
        entries = [(each, self._add_one(each, tag)) for each in platforms]
        if len(entries) == 1:
            digest = entries[0][1]
            self.tags[tag] = digest
            return digest
        return self.add_index(tag, dict(entries))

    def add_index(self, tag: str, digests: Mapping[str, str]) -> str:
        """Put a list of images for platforms there."""
        entries = []
        for name, digest in digests.items():
            system, _, architecture = name.partition("/")
            platform = {"os": system, "architecture": architecture}
            size = len(self.manifests[digest][1])
            entries.append(
                {"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform}
            )
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        return self.put_manifest(json.dumps(index).encode(), INDEX, tag)

    def _add_one(self, platform: str, tag: str) -> str:
        layer = f"{self.name}:{tag} for {platform}".encode()
        system, _, architecture = platform.partition("/")
        config = {
            "os": system,
            "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
        }
        media_types = "application/vnd.oci.image.config.v1+json", "application/octet-stream"
        blobs = json.dumps(config).encode(), layer
        described = [
            {"mediaType": kind, **self.put_blob(blob)}
            for kind, blob in zip(media_types, blobs, strict=True)
        ]
        described[1]["mediaType"] = "application/vnd.oci.image.layer.v1.tar"
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described[0],
            "layers": described[1:],
        }
        return self.put_manifest(json.dumps(manifest).encode(), MANIFEST, None)


@dataclass
class CacheRule:
    """A pull-through cache rule of a registry, and the images upstream, as "name:tag"."""

    prefix: str
    upstream: str
    images: frozenset[str]
    credential_arn: str | None = None
    secret_is_good: bool = True
    account_id: str = ACCOUNT
    region: str = REGION


@dataclass
class Registries:
    """The repositories of all accounts and regions, and what was begun there."""

    repositories: dict[tuple[str, str, str], Repository] = field(default_factory=dict)
    rules: list[CacheRule] = field(default_factory=list)
    templates: list[dict[str, Any]] = field(default_factory=list)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    layers_are_closed_off: bool = False
    """Whether the policy of a VPC endpoint keeps clients from the bucket of the layers."""

    def add(self, name: str, account_id: str = ACCOUNT, region: str = REGION) -> Repository:
        """Make a repository."""
        repository = Repository(account_id, region, name)
        self.repositories[account_id, region, name] = repository
        return repository

    def find(self, account_id: str, region: str, name: str) -> Repository | None:
        """Return a repository, None if there is none."""
        return self.repositories.get((account_id, region, name))

    def of(self, account_id: str, region: str) -> list[Repository]:
        """Return the repositories of a registry."""
        return [each for key, each in self.repositories.items() if key[:2] == (account_id, region)]

    def rule_for(self, account_id: str, region: str, name: str) -> CacheRule | None:
        """Return the cache rule that a name falls under, None if none."""
        here = (
            each for each in self.rules if (each.account_id, each.region) == (account_id, region)
        )
        return next((each for each in here if name.startswith(f"{each.prefix}/")), None)

    def start_upload(self) -> str:
        """Begin an upload; return its id."""
        upload = str(uuid.uuid4())
        self.uploads[upload] = bytearray()
        return upload


def digest_of(content: bytes) -> str:
    """Return the digest of a blob or manifest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def no_repository(account_id: str, name: str, code: str) -> AwsError:
    """Return the error for a repository that is not there.

    The words: https://github.com/actions/starter-workflows/issues/2647. The code by HTTP:
    https://github.com/plexsystems/sinker/issues/55; that of the API: its reference.
    """
    return AwsError(
        404 if code == "NAME_UNKNOWN" else 400,
        code,
        f"The repository with name '{name}' does not exist in the registry with id '{account_id}'",
    )


def refusal(
    principal: Principal, action: str, arn: str, account_id: str, policy: str | None = None
) -> str:
    """Return the message with which an action is denied, empty if it is allowed.

    One's own identity has to allow it, and for a repository of another account its policy, too.

    The words: https://github.com/bazel-contrib/rules_oci/issues/648 (identity), and
    https://github.com/aws-actions/amazon-ecr-login/issues/232 (resource). For a repository that
    is not there they are assumed to be the same.
    """
    if denial := principal.denial(action, arn):
        return denial
    if account_id in (principal.account_id, PUBLIC) or _lets_in(policy, principal, action):
        return ""
    return (
        f"User: {principal.arn} is not authorized to perform: {action} on resource: {arn} "
        f"because no resource-based policy allows the {action} action"
    )


def _lets_in(policy: str | None, principal: Principal, action: str) -> bool:
    names = {"*", principal.arn, f"arn:aws:iam::{principal.account_id}:root"}
    for statement in json.loads(policy)["Statement"] if policy else ():
        who, actions = statement["Principal"], statement["Action"]
        named = who["AWS"] if isinstance(who, dict) else who
        listed = [actions] if isinstance(actions, str) else actions
        if statement["Effect"] == "Allow" and named in names and action in listed:
            return True
    return False
