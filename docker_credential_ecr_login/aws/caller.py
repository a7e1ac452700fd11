"""Who asks AWS, for the command ``doctor``: profile, credentials, principal and endpoint.

Found with the same session, provider chain and client as a token is asked for.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.httpsession import ProxyConfiguration
from botocore.utils import get_environ_proxies

from ..errors import redact
from ..registry import Registry
from .client import configured_endpoint, create_client, explained, open_session, sign_in
from .failures import Circumstances
from .limit import Limit, Result


class Caller:
    """Who would ask AWS for a token of ``registry``. Each step raises `HelperError` if it fails.

    ``timeout`` are the seconds that a step may take. A person may be asked for an MFA code.
    """

    def __init__(self, registry: Registry, environ: Mapping[str, str], timeout: float) -> None:
        self._registry = registry
        self._environ = environ
        self._timeout = timeout
        self._circumstances = Circumstances(registry, environ, may_ask=True)
        self._session: Any = None

    def open(self) -> str:
        """Return the profile in effect, and what named it. Reads files only."""
        with explained(self._circumstances):
            self._session = open_session(self._circumstances)
            self._session.get_scoped_config()  # which finds a profile that does not exist
        return self._circumstances.named_profile

    def find_credentials(self) -> str:
        """Return which provider gives the credentials, and whose they are; after `open`."""

        def find(limit: Limit) -> None:
            sign_in(self._session, self._registry, self._circumstances, limit, None)

        self._in_time(find)
        return f"{self._circumstances.method}: {self._circumstances.source}"

    def identity(self) -> tuple[str, str]:
        """Return account and ARN of the principal, by STS; after `find_credentials`."""

        def ask(_: Limit) -> tuple[str, str]:
            client = self._session.create_client("sts", region_name=self._registry.region)
            answer = client.get_caller_identity()
            return answer["Account"], answer["Arn"]

        return self._in_time(ask)

    def endpoint(self) -> tuple[str, str]:
        """Return the endpoint for tokens, and what chose it or the way to it; after `open`.

        Reads files only.
        """
        with explained(self._circumstances):
            session = open_session(self._circumstances)
            # Without any, the client would look for some, with programs and the network perhaps.
            session.set_credentials("unused", "unused")
            url: str = create_client(session, self._registry, self._environ).meta.endpoint_url
            chosen = self._chosen_by()
        proxy = ProxyConfiguration(get_environ_proxies(url)).proxy_url_for(url)
        reasons = [chosen, f"through the proxy {proxy}" if proxy else ""]
        return redact(url), redact(", ".join(filter(None, reasons)))

    def _chosen_by(self) -> str:
        registry, environ = self._registry, self._environ
        if registry.settings.get("endpoint_url"):
            return f"from {registry.settings['config_file']}"
        if not configured_endpoint(self._session, registry.service, environ):
            return ""
        service = registry.service.replace("-", "_").upper()
        names = (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL")
        named = next((name for name in names if environ.get(name)), None)
        return f"from {named or self._circumstances.named_profile}"

    def _in_time(self, function: Callable[[Limit], Result]) -> Result:
        limit = Limit(self._timeout)
        with explained(self._circumstances):
            return limit.run(lambda: function(limit))
