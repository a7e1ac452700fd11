"""ServerURL -> request: what a client asks, under the configuration in effect."""

from .cache.recall import note
from .cache.tokens import open_cache
from .identity import config_file, configured_identity
from .registry import parse
from .request import Request, unconfigured

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .request import Settings


def resolve(url: str, environ: "Mapping[str, str]") -> Request:
    """Return the request that ``url`` means, under the config file if there is one.

    The file is read only for a name that was not asked for since the file changed. Raises
    `BadConfiguration` if it cannot be read.
    """
    identity = configured_identity(environ)
    path = config_file(environ)
    plain = unconfigured(url, environ, identity)
    if path is None:
        return plain
    cache = open_cache(plain) if plain.host else None
    settings = cache.settings(plain.host) if cache else None
    if settings is not None:
        return under(settings, plain)
    from .config import load

    request = under(load(path).settings(plain.host), plain)
    if cache:
        note(cache, request)
    return request


def under(settings: "Settings", plain: Request) -> Request:
    """Return a ``plain`` request, which has no settings, with ``settings``.

    Only they can make a name outside ECR mean a registry of ECR.
    """
    registry = parse(settings.registry) if settings.registry else plain.registry
    if registry and settings.region and not registry.is_public:
        registry = registry.authorized_in(settings.region)
    return Request(plain.host, registry, settings, plain.environ, plain.identity)
