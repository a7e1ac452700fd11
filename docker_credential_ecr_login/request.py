"""A request: what is asked, under which configuration. It is passed on to the call of AWS."""

from .registry import fingerprint, identify, parse

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from .registry import Registry
    from .web_identity import WebIdentity


class Settings:
    """What the config file says of a registry, checked by `config`; never changed.

    A text is empty, and ``anonymous`` false, where it says nothing. ``config_file`` is its path.
    ``repositories`` are names with wildcards, separated by blanks.
    ``defaults`` are the environment variables that it sets where the environment does not.
    ``values`` is all of it by the names of the keys, as it is kept in the cache.
    """

    __slots__ = (
        "access",
        "anonymous",
        "config_file",
        "defaults",
        "endpoint_url",
        "external_id",
        "fallback",
        "profile",
        "region",
        "registry",
        "repositories",
        "role_arn",
        "role_session_name",
        "values",
    )

    def __init__(self, values: "Mapping[str, str]") -> None:
        self.values: "Final" = values
        self.access: "Final" = values.get("access", "")
        self.anonymous: "Final" = values.get("anonymous") == "true"
        self.config_file: "Final" = values.get("config_file", "")
        self.endpoint_url: "Final" = values.get("endpoint_url", "")
        self.external_id: "Final" = values.get("external_id", "")
        self.fallback: "Final" = values.get("fallback", "")
        self.profile: "Final" = values.get("profile", "")
        self.region: "Final" = values.get("region", "")
        self.registry: "Final" = values.get("registry", "")
        self.repositories: "Final" = values.get("repositories", "")
        self.role_arn: "Final" = values.get("role_arn", "")
        self.role_session_name: "Final" = values.get("role_session_name", "")
        self.defaults: "Final" = {
            variable: values[name] for name, variable in _VARIABLES.items() if name in values
        }


_VARIABLES = {
    "log_level": "AWS_ECR_LOG_LEVEL",
    "strict": "AWS_ECR_STRICT",
    "timeout": "AWS_ECR_TIMEOUT",
}
"""The keys of the config file that are defaults of environment variables."""

NO_SETTINGS = Settings({})
"""The settings without a config file."""


class Request:
    """A registry that a client asks about, and everything that decides the answer; never changed.

    ``host`` is its canonical name, empty if it has none; ``registry`` is what that means, None if
    it is not of ECR. ``environ`` has the general settings of the config file where the environment
    has none. ``identity`` is that of the configuration before the config file was read: whatever
    follows from the file is kept under this one, even if the file changes meanwhile. ``access`` is
    what the role's session is restricted to: that of the settings, unless another is asked for.
    ``web_identity`` is the service account that signs, by its own role, instead of whom the
    configuration names; None if there is none.
    """

    __slots__ = (
        "access",
        "environ",
        "host",
        "identity",
        "registry",
        "settings",
        "web_identity",
    )

    def __init__(
        self,
        host: str,
        registry: "Registry | None",
        settings: Settings,
        environ: "Mapping[str, str]",
        identity: str,
        *,
        access: str = "",
        web_identity: "WebIdentity | None" = None,
    ) -> None:
        self.host: "Final" = host
        self.access: "Final" = access or settings.access
        self.registry: "Final" = registry
        self.settings: "Final" = settings
        defaults = {
            name: value for name, value in settings.defaults.items() if not environ.get(name)
        }
        self.environ: "Final" = {**environ, **defaults} if defaults else environ
        self.identity: "Final" = identity
        self.web_identity: "Final" = web_identity

    def replaced(self, **changes: "Any") -> "Request":
        """Return the same request but for ``changes``, by the names of its attributes."""
        return Request(**{name: getattr(self, name) for name in self.__slots__} | changes)

    @property
    def ecr(self) -> "Registry":
        """The registry of ECR, of a request for one."""
        if self.registry is None:
            raise TypeError(self.host)
        return self.registry

    @property
    def fallback(self) -> str:
        """The helper to ask instead, empty if there is none: never for a registry of ECR."""
        return "" if self.registry else self.settings.fallback

    @property
    def is_anonymous(self) -> bool:
        """Whether it is to be used without credentials."""
        is_public = self.registry is not None and self.registry.is_public
        return self.settings.anonymous or (is_public and self.is_set("AWS_ECR_PUBLIC_ANONYMOUS"))

    @property
    def logs_answers(self) -> bool:
        """Whether each answer is to be logged, not only what AWS is asked for."""
        return self.environ.get("AWS_ECR_LOG_LEVEL", "").lower() == "debug"

    def is_set(self, variable: str) -> bool:
        """Say whether an environment variable is set to "true" or the like, as in `is_true`."""
        return is_true(self.environ, variable)

    @property
    def role_arn(self) -> str:
        """The role to assume for this registry, or empty; what nothing fills in stays in braces."""
        named = self.web_identity.role_arn if self.web_identity else self.settings.role_arn
        if not named:
            return ""  # also of a request for no registry
        account, region = self.ecr.registry_id or "{registry_id}", self.ecr.region
        return named.replace("{registry_id}", account).replace("{region}", region)

    @property
    def resources(self) -> list[str]:
        """The ARNs, with wildcards, of the repositories that the role's session may use.

        The name of a public registry does not say its account: it is taken to be the role's.
        """
        registry = parse(self.ecr.host) or self.ecr  # whose region is its own, whatever is asked
        account = registry.registry_id or self.role_arn.split(":")[4]
        region = "" if registry.is_public else registry.region
        start = f"arn:{registry.partition}:{registry.service}:{region}:{account}:repository"
        return [f"{start}/{name}" for name in self.settings.repositories.split()] or ["*"]

    @property
    def signer(self) -> str:
        """Who is to ask, where, and for what; empty if the environment alone decides that."""
        settings, identity = self.settings, self.web_identity
        values = {
            "access": self.access and " ".join([self.access, *self.resources]),
            "endpoint_url": settings.endpoint_url,
            "external_id": settings.external_id,
            "profile": settings.profile,
            "role_arn": self.role_arn,
            "role_session_name": settings.role_session_name,
            "issuer": identity.issuer if identity else "",
            "subject": identity.subject if identity else "",
        }
        return "\n".join(f"{name}={value}" for name, value in values.items() if value)

    @property
    def scope(self) -> str:
        """What one authorization token is good for, as a file name.

        Two requests with equal scope share a token under one identity: a token belongs to a
        principal and a region, not to an account.
        """
        endpoint, signer = self.ecr.endpoint, self.signer
        return f"{endpoint}.{fingerprint(signer)}" if signer else endpoint

    @property
    def endpoints(self) -> list[str]:
        """All API endpoints whose tokens open the registry."""
        found = self.ecr.endpoints
        # Before the config file named another region, tokens came from its own.
        named = parse(self.host)
        return list(dict.fromkeys(found + named.endpoints)) if named else found


def unconfigured(url: str, environ: "Mapping[str, str]", identity: str = "") -> Request:
    """Return the request that ``url`` means without a config file."""
    registry, host = identify(url)
    return Request(host, registry, NO_SETTINGS, environ, identity)


def is_true(environ: "Mapping[str, str]", name: str) -> bool:
    """Say whether a variable is set to one of 1, t, true, y, yes, on, in any case."""
    return environ.get(name, "").lower() in ("1", "t", "true", "y", "yes", "on")
