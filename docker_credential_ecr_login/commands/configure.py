"""``configure``: name this helper in the configuration of docker or podman, or take it out.

All edits are decided on the texts of the files, before any file is written.
"""

import argparse
import difflib
import io
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from .. import config
from ..cache import storage
from ..cache.locks import MIN_PATIENCE, Lock
from ..config_values import ACCESS
from ..errors import BadConfiguration, BadInput, HelperError
from ..identity import config_file, users_config_file
from ..redaction import one_line
from . import executables, json_text, kubelet_config, toml_text
from .arguments import add_registries_to
from .clients import ClientConfiguration, client_path, client_paths, runtime_path, writers
from .edits import BYTE_ORDER_MARK, Edit, edit_client, edit_own, edit_runtime
from .files import TextFile, WrittenMeanwhile
from .installed import misled
from .plans import Plan, planned

_TRIES = 10  # while others write the same files
_PATIENCE = 1.0  # seconds for others to end
_PAUSE = 0.02


def add_to(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    parser = commands.add_parser(
        "configure",
        help="name this helper in the configuration of docker or podman",
        description="Name this helper in Docker's config.json, for some registries or for all. "
        "Nothing else in the file changes.",
    )
    add = parser.add_argument
    add_registries_to(parser, public="also ECR Public, under both its names")
    add(
        "--global",
        dest="for_all",
        action="store_true",
        help="all registries (credsStore); the helper that this replaces becomes the fallback in "
        "config.toml",
    )
    add(
        "--disable-logins",
        action="store_true",
        help="with --global: go ahead even if the file holds logins of other registries, which "
        "docker then no longer uses",
    )
    add("--profile", help="profile to use for these registries, written to config.toml")
    add("--role-arn", help="role to assume for these registries, written to config.toml")
    add(
        "--access",
        choices=ACCESS,
        help="restrict that role to pull, or to push and pull (experimental)",
    )
    add("--podman", action="store_true", help="edit podman's auth.json instead of Docker's file")
    add("--clean", action="store_true", help="remove tokens that earlier logins left under auths")
    add("--remove", action="store_true", help="undo what the same command without --remove did")
    add(
        "--all",
        action="store_true",
        help="with --remove: undo all that configure did, for docker, podman and config.toml",
    )
    add("--dry-run", action="store_true", help="show what would change, and write nothing")
    add(
        "--kubelet",
        action="store_true",
        help="print a CredentialProviderConfig for kubelet instead, and write nothing",
    )
    parser.examples = (
        "configure 123456789012.dkr.ecr.us-east-1.amazonaws.com --public",
        "configure 123456789012 --region us-east-1,eu-west-1 --profile prod",
        "configure --global --dry-run",
        "configure --remove --all",
        "configure --kubelet > /etc/kubernetes/credential-providers.yaml",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, str, int]:
    """Return a line for each thing done, the warnings, and the exit code.

    Raises `HelperError` if there is nothing that can be done; then nothing was written.
    """
    if options.kubelet:
        if any(value for name, value in vars(options).items() if name not in ("kubelet", "run")):
            raise BadInput("--kubelet covers all registries, and takes no other argument")
        return kubelet_config.text(environ), "", 0
    done: Counter[str] = Counter()  # each line, and how often it was done
    with nullcontext() if options.dry_run else _lock(environ):
        for _ in range(_TRIES):
            try:
                warnings, status = _run(options, environ, done)
                break
            except WrittenMeanwhile as error:
                warnings, status = [str(error)], 1
    if max(done.values(), default=0) > 1:
        warnings.append("another program overwrote a change, which was then made again")
    if not options.remove:
        client = "podman" if options.podman else "docker"
        warnings += executables.not_found(environ, client)
        warnings += misled(environ, client, for_all=options.for_all)
        if options.podman:
            warnings += _podman_warnings(environ)
    return "".join(done), "\necr-login: ".join(warnings), status


def _run(
    options: argparse.Namespace, environ: Mapping[str, str], done: Counter[str]
) -> tuple[list[str], int]:
    """Do it, count a line in ``done`` for each thing, and return warnings and the exit code.

    Raises `HelperError`; `WrittenMeanwhile` if it is to be done again.
    """
    one = [client_path(environ, podman=options.podman)]
    paths = client_paths(environ) if options.all else one
    clients = [ClientConfiguration(path, environ) for path in paths]
    ours = [host for client in clients for host in client.own_hosts] if options.remove else []
    plan = planned(options, environ, ours)
    changes = _changes(clients, plan, environ)
    warnings = [] if plan.remove else _profile_warnings(plan.who, environ)
    if not plan.for_all:
        try:
            changes += _runtime_changes(clients[0], plan, environ)
        except HelperError as error:  # that of podman, which perhaps nobody uses
            warnings.append(str(error))
    warnings += [f"{file.shown}: {warning}" for file, edit in changes for warning in edit.warnings]
    changes = [(file, edit) for file, edit in changes if edit.text != file.text]
    if options.dry_run:
        done.update(_difference(file, edit.text) for file, edit in changes)
        changes = []
    for file, edit in changes:
        try:
            file.replace(edit.text)
        except WrittenMeanwhile:
            raise
        except HelperError as error:  # what was written before it is reported all the same
            return [*warnings, str(error)], 1
        done.update(f"{file.shown}: {line}\n" for line in edit.done)
    if changes and (others := _writers_left(environ)):
        warnings.append(
            f"{others[0]} is running, and may undo this when it ends: check with doctor after that"
        )
    for file, _ in changes:
        file.verify()  # it may have put back the old text already
    if not done:
        done[f"{clients[0].shown}: nothing had to be changed\n"] = 1
    return warnings, 0


def _writers_left(environ: Mapping[str, str]) -> list[str]:
    """Wait a moment for commands that write what they read before; return those still there."""
    until = time.monotonic() + _PATIENCE
    while (others := writers(environ)) and time.monotonic() < until:
        time.sleep(_PAUSE)
    return others


@contextmanager
def _lock(environ: Mapping[str, str]) -> Iterator[None]:
    """Make other runs of this command wait meanwhile, where locks work."""
    directory = "" if storage.is_disabled(environ) else storage.writable_directory(environ)
    lock = Lock(f"{directory}/configure.lock")
    with suppress(OSError):
        if directory:
            lock.acquire(MIN_PATIENCE)
    try:
        yield
    finally:
        lock.release()


def _profile_warnings(who: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Return what to do about a profile if the AWS configuration has none yet.

    Raises `HelperError` if it has others, but not this one.
    """
    from ..aws.session import check_profile

    profile = who.get("profile")
    if not profile or check_profile(environ, profile):
        return []
    return [f"the AWS configuration has no profile yet: create {one_line(profile)} before you pull"]


def _changes(
    clients: Sequence[ClientConfiguration], plan: Plan, environ: Mapping[str, str]
) -> list[tuple[TextFile, Edit]]:
    """Return the files and their edits, in the order in which to write them.

    Wherever that is interrupted, a credsStore that was replaced is kept as fallback.
    """
    own_changes: list[tuple[TextFile, Edit]] = []
    restored = ""
    if plan.remove or plan.who or plan.for_all:
        users = users_config_file(environ)
        path = config_file(environ) or users
        if os.path.exists(path):
            config.load(path)  # which says what is wrong with it
        own = TextFile(path, environ, is_json=False)
        edit = edit_own(own.text, path, plan, clients[0].store)
        if path == users or edit.text == own.text:
            own_changes = [(own, edit)]
        elif not plan.remove:  # that of all users was not written here
            raise BadConfiguration(
                f"{path} is for all users, and a config.toml of your own would replace it for you",
                f"copy it to {users} first; or, to change it, name it with AWS_ECR_CONFIG",
            )
        if plan.remove and plan.for_all:
            restored = toml_text.fallback(own.text.removeprefix(BYTE_ORDER_MARK), path)
    changes: list[tuple[TextFile, Edit]] = [
        (client, edit_client(client.text, client.shown, plan, restored)) for client in clients
    ]
    return changes + own_changes if plan.remove else own_changes + changes


def _runtime_changes(
    client: TextFile, plan: Plan, environ: Mapping[str, str]
) -> list[tuple[TextFile, Edit]]:
    """Return podman's temporary file of logins and its edit, if there is such a file.

    What podman finds there wins over its permanent files. Raises `BadConfiguration`.
    """
    path = runtime_path(environ)
    if not path or os.path.realpath(path) == client.target:
        return []
    runtime = TextFile(path, environ)
    return [(runtime, edit_runtime(runtime.text, runtime.shown, plan))]


def _podman_warnings(environ: Mapping[str, str]) -> list[str]:
    """Return what to do if podman would not read the file that was edited."""
    if not environ.get("DOCKER_CONFIG") or environ.get("REGISTRY_AUTH_FILE"):
        return []
    what = "while DOCKER_CONFIG is set, podman and buildah read only config.json there"
    return [f"{what}: run this again without --podman"]


def _difference(file: TextFile, text: str) -> str:
    """Return how ``text`` differs from that of the file, without secrets, as ``diff -u`` does."""
    texts = [file.text, text]
    if file.is_json:
        texts = [json_text.masked(each, file.shown) for each in texts]
    before, after = (list(io.StringIO(each, newline="\n")) for each in texts)
    name = file.shown if file.exists else os.devnull
    lines = difflib.unified_diff(before, after, name, file.shown)
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
