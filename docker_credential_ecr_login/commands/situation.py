"""The questions about an image and the replies to them, from which `diagnosis` starts. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..aws.replies import Denial, Reply, denial_in
from ..registry import Registry
from .images import Image

_NO_REPOSITORY = frozenset({"NAME_UNKNOWN", "RepositoryNotFoundException"})
_NO_IMAGE = frozenset({"MANIFEST_UNKNOWN", "ImageNotFoundException", "ImageNotFound"})
NOT_ASKED = Reply("its API was not asked")
ANY = "ROOT"
"""The prefix of a rule or template for all names."""


@dataclass(frozen=True)
class Situation:
    """An image, who wants it, and the replies, by the question.

    ``principal`` is the ARN that STS gives, or empty; ``platform`` is the one that is wanted. The
    questions to the registry are "manifest", "config", "layer", "storage" and "upload"; all others
    are operations of the API, by botocore's names. ``regions`` are others with that repository.
    """

    image: Image
    registry: Registry
    principal: str
    platform: str
    replies: Mapping[str, Reply]
    regions: tuple[str, ...] = ()

    def reply(self, question: str) -> Reply:
        """Return the reply to a question; one with a code where it was not asked."""
        return self.replies.get(question, NOT_ASKED)

    def content(self, question: str) -> Any:
        """Return what the reply to a question holds, None if it is an error."""
        return self.reply(question).content

    @property
    def account(self) -> str:
        """The account of the registry, empty for ECR Public."""
        return self.registry.registry_id or ""

    @property
    def is_own(self) -> bool:
        """Whether the principal is of the registry's account, as far as that is known."""
        return account_of(self.principal) in ("", self.account)

    @property
    def arn(self) -> str:
        """The ARN of the repository."""
        registry = self.registry
        return (
            f"arn:{registry.partition}:ecr:{registry.region}:{self.account}:"
            f"repository/{self.image.repository}"
        )

    def lacks_repository(self, reply: Reply) -> bool:
        """Say whether there is no repository, by that reply or by that of DescribeRepositories.

        A principal that may not look into a repository is denied that even if there is none.
        """
        described = self.reply("describe_repositories").code
        return reply.code in _NO_REPOSITORY or described in _NO_REPOSITORY

    def denial(self, reply: Reply, *others: str) -> Denial | None:
        """Return what is denied, by that reply, or by the other questions if it has no reason."""
        replies = (reply, *map(self.reply, others))
        return next(filter(None, (denial_in(each.message) for each in replies)), None)

    @property
    def rule(self) -> Mapping[str, Any]:
        """The pull-through cache rule that the repository's name falls under; empty for none."""
        rules = self.content("describe_pull_through_cache_rules") or ()
        return longest(self.image.repository, rules, "ecrRepositoryPrefix")

    @property
    def template(self) -> Mapping[str, Any]:
        """The creation template that the repository's name falls under; empty for none.

        Those that are described are of the principal's own registry.
        """
        if not self.is_own:
            return {}
        templates = self.content("describe_repository_creation_templates") or ()
        return longest(self.image.repository, templates, "prefix")

    @property
    def policy(self) -> list[dict[str, Any]] | None:
        """The statements of the repository policy; None if they may not be seen."""
        reply = self.reply("get_repository_policy")
        if reply.code == "RepositoryPolicyNotFoundException":
            return []
        try:
            found = json.loads(reply.content["policyText"])["Statement"]
        except (ValueError, TypeError, LookupError):
            return None
        statements = found if isinstance(found, list) else [found]
        return [each for each in statements if isinstance(each, dict)]

    @property
    def tag_is_fixed(self) -> bool:
        """Whether the tag exists, and is immutable."""
        found = (self.content("describe_repositories") or {}).get("repositories") or [{}]
        mutability = str(found[0].get("imageTagMutability", ""))
        filters = found[0].get("imageTagMutabilityExclusionFilters") or ()
        is_excluded = any(
            fnmatchcase(self.image.reference, str(each.get("filter"))) for each in filters
        )
        is_immutable = mutability.startswith("IMMUTABLE") != is_excluded
        exists = not self.image.is_digest and not self.reply("manifest").code
        return exists and bool(mutability) and is_immutable


def lacks_image(reply: Reply) -> bool:
    """Say whether a reply means that the repository has no such tag or digest."""
    return reply.code in _NO_IMAGE


def is_of_upstream(reply: Reply) -> bool:
    """Say whether a reply is about the registry behind a pull-through cache rule."""
    # No name of a repository has a space in it.
    return "Upstream" in reply.code or "upstream registry" in reply.message


def longest(name: str, entries: Iterable[Mapping[str, Any]], key: str) -> Mapping[str, Any]:
    """Return the entry with the longest prefix that ``name`` falls under; empty for none."""
    found: Mapping[str, Any] = {}
    for entry in sorted(entries, key=lambda each: len(str(each.get(key)))):
        prefix = str(entry.get(key)).removesuffix("/")
        if name.startswith(f"{prefix}/") or (prefix == ANY and not found):
            found = entry
    return found


def account_of(arn: str) -> str:
    """Return the account that an ARN names, empty if it is not an ARN."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 else ""


def same_principal(one: str, other: str) -> bool:
    """Say whether two ARNs are of one user or role: the names of sessions differ each time."""
    return _without_session(one) == _without_session(other)


def _without_session(arn: str) -> str:
    return arn.rpartition("/")[0] if ":assumed-role/" in arn else arn
