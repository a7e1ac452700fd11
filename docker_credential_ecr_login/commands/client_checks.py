"""The checks of ``doctor`` that look at the container clients and their configuration."""

import json
import shutil
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches

from ..errors import HelperError
from ..identity import expand
from ..protocol import NAME
from ..redaction import one_line
from ..registry import parse
from .clients import OWN_NAME, ClientConfiguration, client_path, logins_in, runtime_path
from .files import TextFile
from .findings import CheckContext, Finding, listed
from .installed import described, installed

_REGISTRIES_CONF = ("~/.config/containers/registries.conf", "/etc/containers/registries.conf")


def clients(context: CheckContext) -> Iterator[Finding]:
    """Say which clients are installed, and which configuration each of them reads."""
    found = list(installed(context.environ))
    served = []
    for client in found:
        with suppress(HelperError):  # of a broken file, which is the finding of another check
            served += [] if client.problem else [described(client, context.environ)]
    if served:
        path = context.environ.get("PATH", "")
        yield Finding(
            "clients", "passed", f"{'; '.join(served)}; PATH, if started from here: {path}"
        )
    for client in found:
        if client.problem:
            what = f"{client.path} {client.problem}"
            yield Finding("clients", "warned", what, client.remedy)
    if not found:
        yield Finding("clients", "skipped", "no docker, podman, nerdctl or finch is on PATH")


def docker(context: CheckContext) -> Iterator[Finding]:
    """Say which registries docker asks this helper about."""
    file = ClientConfiguration(client_path(context.environ), context.environ)
    helpers, store = file.helpers, file.store
    named = ["all registries (credsStore)"] if store == OWN_NAME else []
    named += [f"{listed(file.own_hosts)} (credHelpers)"] if file.own_hosts else []
    asked = helpers.get(context.host, store) if context.host else OWN_NAME if named else store
    if asked == OWN_NAME:
        message = f"{file.shown} names this helper for {' and '.join(named)}"
        yield Finding("docker", "passed", message)
        if file.unused_logins:
            yield Finding(
                "docker",
                "warned",
                f"{file.shown} holds logins under auths that docker does not use, because "
                f"credsStore names this helper: {listed(file.unused_logins)}",
                f"name registries instead: {NAME} configure --global --remove",
            )
        return
    problem = (
        f"{file.shown} does not exist"
        if not file.exists
        else f"{file.shown} names {one_line(str(asked)) if asked else 'no helper'}"
        f" for {context.host or 'any registry'}"
    )
    if context.host and file.own_hosts:  # names of hosts are compared to the letter
        problem += f", but this helper for {listed(file.own_hosts)}"
    elif file.exists and (key := _misspelt(json.loads(file.text or "{}"))):
        problem += f" (docker does not know the key {one_line(key)})"
    remedy = f"{NAME} configure {context.host or 'REGISTRY'}"
    misnamed = {host: name for host, name in helpers.items() if parse(host)}
    if not context.host and misnamed:
        host, name = next(iter(misnamed.items()))
        problem = f"{file.shown} names {one_line(str(name))} for {host}"
        remedy = f"{NAME} configure {host}"
    if not (elsewhere := _podmans(context.environ, context.host)):
        yield Finding("docker", "failed", f"{problem}: docker does not ask this helper", remedy)
    elif shutil.which("docker", path=context.environ.get("PATH", "")):
        yield Finding(
            "docker", "warned", f"{problem}; podman uses this helper: {elsewhere}", remedy
        )
    else:
        message = f"docker is not on PATH; podman uses this helper: {elsewhere}"
        yield Finding("docker", "passed", message)


def _misspelt(keys: Iterable[str]) -> str:
    """Return a key that looks like a misspelt credHelpers or credsStore, or ""."""
    known = ("credhelpers", "credsstore")  # whose case docker does not mind
    unknown = (key for key in keys if key.lower() not in known)
    return next((key for key in unknown if get_close_matches(key.lower(), known, 1, 0.85)), "")


def logins(context: CheckContext) -> Iterator[Finding]:
    """Say which tokens of earlier logins can get in the way of the helper."""
    environ = context.environ
    clean = True
    dockers = client_path(environ)
    podmans = (client_path(environ, podman=True), runtime_path(environ))
    for path in filter(None, dict.fromkeys((dockers, *podmans))):  # they can be one
        try:
            file = ClientConfiguration(path, environ)
        except HelperError:
            if path != dockers:
                raise
            continue  # which is the finding of another check
        if found := logins_in(file.text, file.shown):
            clean = False
            option = "" if path == dockers else " --podman"
            yield Finding(
                "logins",
                "warned",
                f"{file.shown} holds tokens of earlier logins under auths, which expire: "
                + listed(found),
                f"{NAME} configure --clean{option} {' '.join(found)}",
            )
    with suppress(HelperError):  # docker itself complains if this is not JSON
        text = environ.get("DOCKER_AUTH_CONFIG") or "{}"
        if found := logins_in(text, "DOCKER_AUTH_CONFIG"):
            clean = False
            yield Finding(
                "logins",
                "warned",
                f"DOCKER_AUTH_CONFIG holds logins, which win over the helper: {listed(found)}",
                "unset DOCKER_AUTH_CONFIG, or take them out of it",
            )
    if clean:
        yield Finding("logins", "passed", "no earlier login is in the way")


def first_host(environ: Mapping[str, str]) -> str | None:
    """Return the first registry of ECR that docker asks this helper about by name, if any."""
    with suppress(HelperError):
        hosts = ClientConfiguration(client_path(environ), environ).own_hosts
        return next((host for host in hosts if (found := parse(host)) and found.registry_id), None)
    return None


def _podmans(environ: Mapping[str, str], host: str | None) -> str:
    """Return the file that makes podman, skopeo and buildah use this helper, or ""."""
    with suppress(HelperError, tomllib.TOMLDecodeError, TypeError):
        file = ClientConfiguration(client_path(environ, podman=True), environ)
        if host in file.own_hosts or (file.own_hosts and not host):
            return file.shown
        for path in _REGISTRIES_CONF:
            conf = TextFile(expand(path, environ), environ)
            if OWN_NAME in tomllib.loads(conf.text).get("credential-helpers", []):
                return conf.shown
    return ""
