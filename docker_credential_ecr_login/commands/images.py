"""The image that somebody names: reference, platform, and what its manifest says. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import BadInput
from ..redaction import one_line
from ..reference import PATH

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+")
_URL = re.compile(r"https?://", re.IGNORECASE)
_PATHS_OF_REGISTRIES = ("", "v1/", "v2/")  # as ServerURLs have them
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json,"
    "application/vnd.docker.distribution.manifest.list.v2+json,"
    "application/vnd.oci.image.manifest.v1+json,"
    "application/vnd.docker.distribution.manifest.v2+json"
)
"""The media types of manifests, as clients ask for them."""


class Image(NamedTuple):
    """An image of a registry: ``reference`` is a tag or a digest."""

    host: str
    repository: str
    reference: str

    @property
    def is_digest(self) -> bool:
        """Whether it is named by its digest."""
        return ":" in self.reference

    def __str__(self) -> str:
        """Write it as clients take it."""
        return f"{self.host}/{self.repository}{'@' if self.is_digest else ':'}{self.reference}"


def split(name: str) -> tuple[str, str, str]:
    """Return the registry, the repository and the tag or digest that somebody names.

    The last two are empty for a registry alone; the tag is "latest" where there is none, as
    clients have it. Raises `BadInput` for what is neither.
    """
    registry, _, path = name.strip().partition("/")
    if _URL.match(name.strip()) or path in _PATHS_OF_REGISTRIES:
        return name, "", ""
    found = PATH.fullmatch(path)
    if not found or (found["digest"] and not _DIGEST.fullmatch(found["digest"])):
        raise BadInput(
            f"{one_line(name)!r} is not the name of an image",
            "such a name is HOST/team/app:1.4, with the repository in lower case, "
            "or HOST/team/app@sha256: and 64 hexadecimal digits",
        )
    return registry, found["repository"], found["digest"] or found["tag"] or "latest"


def wanted_platform(environ: Mapping[str, str], machine: str) -> str:
    """Return the platform that docker looks for on a machine with that processor."""
    name = machine.lower()
    return environ.get("DOCKER_DEFAULT_PLATFORM") or f"linux/{_ARCHITECTURES.get(name, name)}"


def platforms(index: Any) -> dict[str, str]:
    """Return the platforms that a manifest list is for, and the digest for each.

    Empty for other manifests. Attestations, which are for "unknown", are left out, and so is what
    is not the name of a platform: these names get into commands.
    """
    found = {}
    for entry in _list(index, "manifests"):
        platform = entry.get("platform")
        names = platform if isinstance(platform, dict) else {}
        name = f"{names.get('os')}/{names.get('architecture')}"
        if _PLATFORM.fullmatch(name) and name != "unknown/unknown":
            found[name] = _digest(entry)
    return found


def fits(wanted: str, platform: str) -> bool:
    """Say whether an image for a ``platform`` is for the ``wanted`` one, whatever its variant."""
    return wanted.split("/")[:2] == platform.split("/")[:2]


def layers(manifest: Any) -> list[str]:
    """Return the digests of the layers, the smallest first."""
    found = [each for each in _list(manifest, "layers") if isinstance(each.get("size"), int)]
    return [*filter(None, map(_digest, sorted(found, key=lambda each: int(each["size"]))))]


def config_digest(manifest: Any) -> str:
    """Return the digest of the image's configuration, which has its platform; empty if none."""
    config = manifest.get("config") if isinstance(manifest, dict) else None
    if not isinstance(config, dict) or "image" not in str(config.get("mediaType", "")):
        return ""  # of a chart, for example
    return _digest(config)


def _digest(entry: dict[str, Any]) -> str:
    """Return the digest in a descriptor, empty if it is not valid: it gets into a URL."""
    digest = str(entry.get("digest", ""))
    return digest if _DIGEST.fullmatch(digest) else ""


def _list(content: Any, key: str) -> Iterator[dict[str, Any]]:
    entries = content.get(key) if isinstance(content, dict) else None
    if isinstance(entries, list):
        yield from (each for each in entries if isinstance(each, dict))
