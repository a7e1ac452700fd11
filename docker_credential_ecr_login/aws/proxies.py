"""How to reach a server: through the proxy that the environment names, or directly."""

import re
import ssl
from base64 import b64encode
from contextlib import suppress
from importlib.metadata import version
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager, Timeout

from ..errors import BadConfiguration
from ..redaction import one_line

# For a proxy, these would be its own: this machine, its local link, and EC2's services on that.
_NEAR = ("localhost", "127.0.0.0/8", "::1", "169.254.0.0/16", "fe80::/10", "fd00:ec2::/32")
_PLAIN = "%:!$&'()*+,;="  # what the user part of a URL may contain besides letters and digits
_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str) -> str | None:
    """Return the URL of the proxy through which to ask for ``url``, None for none.

    That of the environment, or of the system's settings on macOS and Windows. NO_PROXY may be
    written as for docker, curl and Go: see `_names`.
    """
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    exceptions = (*_NEAR, *re.split(r"[\s,]+", proxies.get("no", "").lower()))
    if not proxy or any(_names(each, host, port) for each in exceptions) or proxy_bypass(host):
        return None
    scheme, separator, address = proxy.strip().partition("://")
    if not separator:
        scheme, address = "http", scheme.removeprefix("//")
    # A user may be DOMAIN\name, and a password hold anything.
    user, at, server = address.rpartition("@")
    return f"{scheme.lower()}://{quote(user, _PLAIN, errors='surrogateescape')}{at}{server}"


def way(url: str) -> str:
    """Return what a message adds to ``url``: the proxy on the way, which may have answered."""
    proxy = proxy_for(url)
    return f" {one_line(f'through the proxy {proxy}')}" if proxy else ""


def _names(exception: str, host: str, port: int | None) -> bool:
    """Say whether an item of NO_PROXY is about a host.

    It is ``*``, an address or a network, or a name, with the domain below it and any ``*.`` or
    full stop before it; addresses and names may have a port.
    """
    if exception == "*":
        return True
    with suppress(ValueError):  # one of them is not an address
        return ip_address(host) in ip_network(exception, strict=False)
    try:
        parts = urlsplit(f"//{exception}")
        name, own_port = (parts.hostname or "").removeprefix("*").strip("."), parts.port
    except ValueError:
        return False
    return bool(name) and f".{host}".endswith(f".{name}") and own_port in (None, port)


def pool_manager(proxy: str | None, context: ssl.SSLContext, timeout: Timeout) -> Any:
    """Return urllib3's manager of connections through a ``proxy``, or if None, without one.

    SOCKS proxies resolve the names, as in Go: this machine may not be able to resolve AWS's.
    Raises `BadConfiguration`.
    """
    options: Any = {"ssl_context": context, "cert_reqs": "CERT_REQUIRED", "timeout": timeout}
    if proxy is None:
        return PoolManager(**options)
    parts = urlsplit(proxy)
    if parts.scheme in ("http", "https"):
        pair = unquote_to_bytes(f"{parts.username or ''}:{parts.password or ''}")
        headers = {"Proxy-Authorization": f"Basic {b64encode(pair).decode()}"}
        options["proxy_headers"] = headers if parts.username else {}
        if parts.scheme == "https" and version("urllib3") < "2":
            raise BadConfiguration(
                one_line(f"this urllib3 does not verify the host name of the proxy {proxy}"),
                "run: pip install --upgrade urllib3 where this helper is installed",
            )
        return ProxyManager(proxy, proxy_ssl_context=context, **options)
    remote = {"socks4": "socks4a", "socks5": "socks5h"}.get(parts.scheme, parts.scheme)
    if remote not in ("socks4a", "socks5h"):
        raise BadConfiguration(
            one_line(f"the proxy {proxy} is of an unknown kind"),
            "HTTPS_PROXY takes http://, https://, and socks5://",
        )
    try:
        import socks  # noqa: F401 - of which the next one would warn, too
        from urllib3.contrib.socks import SOCKSProxyManager
    except ImportError:
        raise BadConfiguration(
            one_line(f"the proxy {proxy} needs a library that is not installed: PySocks"),
            "run: pip install PySocks where this helper is installed",
        ) from None
    user, password = (value and unquote(value) for value in (parts.username, parts.password))
    return SOCKSProxyManager(f"{remote}://{parts.netloc}", user, password, **options)
