"""How ``configure`` edits the texts of configuration files."""

from typing import Any, NamedTuple

from ..errors import BadConfiguration
from ..protocol import NAME
from ..redaction import one_line
from ..registry import identify, parse
from . import json_text, toml_text
from .clients import OWN_NAME, logins_of_others
from .plans import Plan

BYTE_ORDER_MARK = "\ufeff"
"""What editors on Windows put at the beginning of a file."""


class Edit(NamedTuple):
    """The new text of a file, what was done to it, a line each, and what to warn of."""

    text: str
    done: list[str]
    warnings: list[str]


def edit_client(text: str, path: str, plan: Plan, restored: str) -> Edit:
    """Return the edit of ``text``, the configuration of docker or podman.

    ``path`` is for messages; ``restored`` is what credsStore was before this helper, or "".
    Raises `BadConfiguration`.
    """
    fields = json_text.load(text, path)
    edit = Edit(text, [], [])
    _edit_helpers(fields, plan, edit)
    if plan.for_all:
        _edit_store(fields, path, plan, restored, edit)
    _edit_logins(fields, plan, edit)
    return _written(fields, path, edit)


def edit_runtime(text: str, path: str, plan: Plan) -> Edit:
    """Return the edit of ``text``, podman's temporary file of logins, which it reads first.

    ``path`` is for messages. Raises `BadConfiguration`.
    """
    fields = json_text.load(text, path)
    edit = Edit(text, [], [])
    _edit_logins(fields, plan, edit)
    _, helpers = json_text.field(fields, "credHelpers")
    for host in plan.hosts:
        if not plan.remove and helpers.get(host, OWN_NAME) != OWN_NAME:
            edit.warnings.append(
                f"credHelpers {host} names {_shown(helpers[host])}, which podman asks first: "
                "remove that entry"
            )
    return _written(fields, path, edit)


def _edit_helpers(fields: dict[str, Any], plan: Plan, edit: Edit) -> None:
    name, helpers = json_text.field(fields, "credHelpers")
    for host in plan.hosts:
        present = helpers.get(host)
        if plan.remove and present == OWN_NAME:
            del helpers[host]
            edit.done.append(f"removed credHelpers {host}")
        elif not plan.remove and present != OWN_NAME:
            helpers[host] = OWN_NAME
            what = f"changed credHelpers {host} from {_shown(present)}"
            edit.done.append(what if present else f"added credHelpers {host}")
    if helpers:
        fields[name] = helpers
    elif edit.done:
        del fields[name]


def _edit_store(fields: dict[str, Any], path: str, plan: Plan, restored: str, edit: Edit) -> None:
    name, present = json_text.field(fields, "credsStore")
    if not plan.remove and present != OWN_NAME:
        lost = [] if present else [_shown(key) for key in logins_of_others(fields)]
        if lost and not plan.disable_logins:
            raise BadConfiguration(
                f"{path}: docker would no longer use the logins that auths holds for "
                f"{', '.join(lost)}",
                "name registries instead of --global, or add --disable-logins",
            )
        if lost:
            edit.warnings.append(
                f"docker no longer uses the logins that auths holds for {', '.join(lost)}; "
                f"to use them again: {NAME} configure --global --remove"
            )
        fields[name] = OWN_NAME
        edit.done.append(f"set credsStore{', which was ' if present else ''}{_shown(present)}")
    elif plan.remove and present == OWN_NAME and restored:
        fields[name] = restored
        edit.done.append(f"set credsStore to {_shown(restored)} again")
    elif plan.remove and present == OWN_NAME:
        del fields[name]
        edit.done.append("removed credsStore")


def _edit_logins(fields: dict[str, Any], plan: Plan, edit: Edit) -> None:
    _, logins = json_text.field(fields, "auths")
    for key, entry in list(logins.items()):
        concerned = identify(key)[1] in plan.hosts or (plan.for_all and parse(key))
        if not concerned or not json_text.is_login(entry):
            continue
        if plan.clean:
            del logins[key]
            edit.done.append(f"removed auths {_shown(key)}")
        elif not plan.remove:
            edit.warnings.append(
                f"an earlier login left a token for {_shown(key)} under auths, which expires and "
                "can get in the way: add --clean to remove it"
            )


def _written(fields: dict[str, Any], path: str, edit: Edit) -> Edit:
    """Return ``edit`` with the text that says what is now in ``fields``."""
    if not edit.done:
        return edit
    text = edit.text
    if text.strip() and json_text.dump(json_text.load(text, path), text, path) != text:
        edit.done.append("its layout has changed: only an editor could have kept it")
    return edit._replace(text=json_text.dump(fields, text, path))


def edit_own(text: str, path: str, plan: Plan, store: str) -> Edit:
    """Return the edit of ``text``, the config.toml at ``path``.

    ``store`` is docker's credsStore so far, or "". Raises `BadConfiguration`.
    """
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    text = text.removeprefix(mark)
    done, warnings = [], []
    names = ", ".join(plan.hosts)
    if plan.remove:
        hosts = None if plan.all_ours else plan.hosts
        edited, warning = toml_text.without_registry(text, path, hosts)
        if edited != text:
            what = "all [[registry]] by configure" if plan.all_ours else f"[[registry]] {names}"
            done.append(f"removed {what}")
        if warning:
            warnings.append(warning)
        if plan.for_all and store == OWN_NAME:
            fallback = toml_text.fallback(edited, path)
            edited = toml_text.without_fallback(edited, path)
            if fallback:
                done.append(f"removed fallback {fallback}")
        return Edit(mark + edited, done, warnings)
    if plan.who:
        text, what = toml_text.with_registry(text, path, plan.hosts, plan.who)
        if what:
            who = ", ".join(f"{key} {one_line(value)}" for key, value in plan.who.items())
            done.append(f"{what} [[registry]] {names}: {who}")
    if plan.for_all and store not in ("", OWN_NAME):
        edited = toml_text.with_fallback(text, path, store)
        if edited != text:
            done.append(f"set fallback to {_shown(store)}")
        text = edited
    return Edit(mark + text, done, warnings)


def _shown(value: object) -> str:
    return one_line(value) if isinstance(value, str) else "a value that is not a string"
