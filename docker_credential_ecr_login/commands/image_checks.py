"""The checks of ``doctor IMAGE``: what is asked of the registry, its storage and its API.

A pull is tried as clients do it, but with only one byte of a layer; for a push, an upload is
started and cancelled. Where something is refused, further questions find out why.
"""

import platform
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..aws.replies import NO_ANSWER, Reply
from ..errors import HelperError
from . import diagnosis
from .aws_checks import registry_api
from .findings import CheckContext, Finding
from .images import (
    MANIFESTS,
    Image,
    config_digest,
    fits,
    layers,
    platforms,
    wanted_platform,
)
from .situation import NOT_ASKED, Situation, lacks_image, longest

if TYPE_CHECKING:
    from ..aws.caller import Caller
    from ..aws.registry_api import RegistryApi

_MOST_PAGES = 10  # of so many entries
_PAGE_SIZE = 1000
_MOST_LAYERS = 100  # that BatchCheckLayerAvailability takes
_A_BYTE = "bytes=0-0"


def image(context: CheckContext) -> Iterator[Finding]:
    """Say whether this principal may pull, or push, the image."""
    named, caller, registry = context.image, context.caller, context.registry
    if named is None or caller is None or registry is None or not context.takes_token:
        reason = (
            "the registry has not accepted a token" if context.network else "this needs the network"
        )
        yield Finding("image", "skipped", reason)
        return
    access = context.request.settings.access if context.request else ""
    if context.push and access == "pull":
        what = f'config.toml restricts {named.host} to pulling (access = "pull")'
        yield Finding("image", "failed", what, 'set access = "push" in its table')
        return
    if context.push and access:
        what = "the role that config.toml restricts cannot look up repositories: no push is tried"
        yield Finding("image", "skipped", what)
        return
    has_api = context.has_credentials and not registry.is_public
    questions = _Questions(named, registry_api(context), caller if has_api else None)
    if registry.registry_id:
        questions.registry = {"registryId": registry.registry_id}
    wanted = wanted_platform(context.environ, platform.machine())
    if context.push:
        questions.ask_about_push()
    else:
        questions.ask_about_pull(wanted)
    situation = Situation(
        named, registry, context.principal, wanted, questions.replies, questions.regions
    )
    yield from (diagnosis.push if context.push else diagnosis.pull)(situation)


class _Questions:
    """Asks about an image; ``caller`` asks the API, None if there are no credentials for it.

    ``replies`` and ``regions`` are those of a `Situation`. Raises `HelperError` where the registry
    itself gives no answer.
    """

    def __init__(self, image: Image, api: "RegistryApi", caller: "Caller | None") -> None:
        self.replies: dict[str, Reply] = {}
        self.regions: tuple[str, ...] = ()
        self.registry: dict[str, str] = {}
        self._image = image
        self._api = api
        self._caller = caller
        self._path = f"/v2/{image.repository}"
        self._repository = {"repositoryName": image.repository}

    def ask_about_pull(self, wanted: str) -> None:
        """Ask what a client asks to pull for the ``wanted`` platform, and ask the API the same."""
        manifest = self._manifest(self._image.reference)
        self.replies["manifest"] = manifest
        self._ask("describe_repositories", repositoryNames=[self._image.repository])
        self._ask_for_image()
        if found := platforms(manifest.content):
            chosen = (digest for name, digest in found.items() if fits(wanted, name))
            digest = next(chosen, next(iter(found.values())))
            manifest = self.replies["part"] = self._manifest(digest)
        if not manifest.code:
            self._ask_for_layers(manifest.content, alone=not found)
        refusals = [self.replies[name] for name in ("manifest", "layer") if name in self.replies]
        if refused := next((each for each in refusals if each.code), None):
            self._ask_why(refused)

    def ask_about_push(self) -> None:
        """Ask whether the repository exists, and start an upload only if it does.

        Otherwise, a creation template could create it; and ECR has been seen to hang up.
        """
        described = self._ask("describe_repositories", repositoryNames=[self._image.repository])
        if not described.code:
            self.replies["manifest"] = self._manifest(self._image.reference)
            described = self.replies["upload"] = self._begin_upload()
        if described.code:
            self._ask_why(described)
            operation = "describe_repository_creation_templates"  # only for one's own registry
            self.replies[operation] = self._pages(operation, "repositoryCreationTemplates")

    def _manifest(self, reference: str) -> Reply:
        path = f"{self._path}/manifests/{reference}"
        return self._api.ask("GET", path, Accept=MANIFESTS).reply

    def _ask_for_layers(self, manifest: Any, *, alone: bool) -> None:
        """Get one byte of a layer, and the image's configuration if only that has a platform."""
        if digests := layers(manifest)[:_MOST_LAYERS]:
            self._ask("batch_check_layer_availability", **self._repository, layerDigests=digests)
            self.replies["layer"], self.replies["storage"] = self._blob(digests[0], Range=_A_BYTE)
        if alone and (digest := config_digest(manifest)):
            self.replies["config"] = self._blob(digest)[1]

    def _blob(self, digest: str, **headers: str) -> tuple[Reply, Reply]:
        """Return the replies of the registry, and of the storage to which it sends clients."""
        answer = self._api.ask("GET", f"{self._path}/blobs/{digest}", **headers)
        if not answer.location or answer.reply.code:
            return answer.reply._replace(content=None), answer.reply
        where = Reply(content=urlsplit(answer.location).hostname)
        try:
            return where, self._api.fetch(answer.location, **headers).reply
        except HelperError as error:
            return where, Reply(NO_ANSWER, error.message)

    def _begin_upload(self) -> Reply:
        """Start an upload, and cancel it at once. (If that fails, it expires.)."""
        answer = self._api.ask("POST", f"{self._path}/blobs/uploads/")
        parts = urlsplit(answer.location)
        if not answer.reply.code and parts.hostname == urlsplit(f"//{self._image.host}").hostname:
            with suppress(HelperError):
                self._api.ask("DELETE", parts._replace(scheme="", netloc="").geturl())
        return answer.reply

    def _ask_for_image(self) -> None:
        key = "imageDigest" if self._image.is_digest else "imageTag"
        reply = self._ask(
            "batch_get_image", **self._repository, imageIds=[{key: self._image.reference}]
        )
        if not reply.code and (failures := reply.content.get("failures")):
            reply = Reply(failures[0].get("failureCode", ""), failures[0].get("failureReason", ""))
            self.replies["batch_get_image"] = reply

    def _ask_why(self, refused: Reply) -> None:
        """Ask for what may explain a refusal."""
        self._ask("get_repository_policy", **self._repository)
        rules = self._list("describe_pull_through_cache_rules", "pullThroughCacheRules")
        self.replies["describe_pull_through_cache_rules"] = rules
        if lacks_image(refused):
            self.replies["describe_images"] = self._list(
                "describe_images",
                "imageDetails",
                **self._repository,
                filter={"tagStatus": "TAGGED"},
            )
        described = self.replies.get("describe_repositories", NOT_ASKED)
        is_cached = longest(self._image.repository, rules.content or (), "ecrRepositoryPrefix")
        if described.code == "RepositoryNotFoundException" and not is_cached:
            self.replies["repositories"] = self._list("describe_repositories", "repositories")
            self.regions = self._regions()

    def _regions(self) -> tuple[str, ...]:
        """Return the other regions that have the repository."""
        if self._caller is None:
            return ()
        names = [self._image.repository]
        found = self._caller.regions_where(
            "describe_repositories", **self.registry, repositoryNames=names
        )
        return tuple(found)

    def _ask(self, operation: str, **parameters: Any) -> Reply:
        """Return the API's reply about the registry, and note it."""
        self.replies[operation] = self._call(operation, **self.registry, **parameters)
        return self.replies[operation]

    def _list(self, operation: str, key: str, **parameters: Any) -> Reply:
        """Return the entries of a list about the registry, of all its pages."""
        return self._pages(operation, key, **self.registry, **parameters)

    def _pages(self, operation: str, key: str, **parameters: Any) -> Reply:
        entries: list[Any] = []
        for _ in range(_MOST_PAGES):
            reply = self._call(operation, maxResults=_PAGE_SIZE, **parameters)
            if reply.code:
                return reply
            entries += reply.content[key]
            if not (token := reply.content.get("nextToken")):
                break
            parameters["nextToken"] = token
        return Reply(content=entries)

    def _call(self, operation: str, **parameters: Any) -> Reply:
        """Return the API's reply. If the API does not answer, it is not asked again."""
        if self._caller is None:
            return NOT_ASKED
        reply = self._caller.ask(operation, **parameters)
        if reply.code == NO_ANSWER:
            self._caller = None
        return reply
