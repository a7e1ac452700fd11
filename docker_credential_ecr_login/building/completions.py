"""The scripts that complete arguments: shtab's, and what they ask when somebody presses TAB.

Registries are those that were asked for before, profiles those of the AWS configuration. The
shell looks them up by itself: to start Python takes longer than a key press should.
"""

import argparse
import re
from collections.abc import Iterator

import shtab

from ..protocol import NAME

# Also in the words of these files there can be anything; nothing may evaluate them.
_SED_CONFIG = (
    r"""sed -n -e 's/^\[profile[[:blank:]]\{1,\}"*\([^]"]*[^]"[:blank:]]\).*/\1/p'"""
    r""" -e 's/^\[\(default\)\].*/\1/p'"""
)
_SED_CREDENTIALS = r"""sed -n 's/^\[\([^]]*\)\].*/\1/p'"""

_REGISTRIES = {
    "bash": "_ecr_login_registries",
    "zsh": "_ecr_login_registries",
    "fish": "(__ecr_login_registries)",
    "preamble": {
        "bash": """\
# The lines of standard input that begin with $1, as words.
_ecr_login_offer() {
  local line
  sort -u | while IFS= read -r line; do
    [[ $line == "$1"* ]] && printf '%q\\n' "$line"
  done
}
_ecr_login_registries() {
  local file
  for file in "${AWS_ECR_CACHE_DIR:-$HOME/.ecr}"/tokens/*/hosts/*; do
    [ -e "$file" ] && file=${file##*/} && printf '%s\\n' "${file//+/:}"
  done | _ecr_login_offer "$1"
}""",
        "zsh": """\
_ecr_login_registries() {
  local -aU found=("${AWS_ECR_CACHE_DIR:-$HOME/.ecr}"/tokens/*/hosts/*(N:t))
  found=("${found[@]//+/:}")
  compadd "$@" -a -- found
}""",
        "fish": """\
function __ecr_login_registries
  set -l cache $AWS_ECR_CACHE_DIR
  test -n "$cache"; or set cache ~/.ecr
  set -l files $cache/tokens/*/hosts/*
  string replace -r '.*/' '' -- $files | string replace -a + : | sort -u
end""",
    },
}
_PROFILES = {
    "bash": "_ecr_login_profiles",
    "zsh": "_ecr_login_profiles",
    "fish": "(__ecr_login_profiles)",
    "preamble": {
        "bash": f"""\
_ecr_login_profiles() {{
  {{
    {_SED_CONFIG} "${{AWS_CONFIG_FILE:-$HOME/.aws/config}}"
    {_SED_CREDENTIALS} "${{AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}}"
  }} 2>/dev/null | _ecr_login_offer "$1"
}}""",
        "zsh": f"""\
_ecr_login_profiles() {{
  local -aU found=("${{(@f)$(
    {_SED_CONFIG} "${{AWS_CONFIG_FILE:-$HOME/.aws/config}}" 2>/dev/null
    {_SED_CREDENTIALS} "${{AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}}" 2>/dev/null
  )}}")
  compadd "$@" -a -- found
}}""",
        "fish": f"""\
function __ecr_login_profiles
  set -l config $AWS_CONFIG_FILE
  test -n "$config"; or set config ~/.aws/config
  set -l credentials $AWS_SHARED_CREDENTIALS_FILE
  test -n "$credentials"; or set credentials ~/.aws/credentials
  begin
    {_SED_CONFIG} $config
    {_SED_CREDENTIALS} $credentials
  end 2>/dev/null | sort -u
end""",
    },
}

_IS_OPTION_OF_ZSH = re.compile(r'^( +"\*?--[a-z-]+)(?=\[.*\]:)', re.MULTILINE)
_BASH_WITH_EQUALS_SIGNS = f"""

# Of --output=json, readline makes three words.
_ecr_login() {{
  local index words=() current=0
  for index in "${{!COMP_WORDS[@]}}"; do
    [[ ${{COMP_WORDS[index]}} != = || $index = "$COMP_CWORD" ]] &&
      words+=("${{COMP_WORDS[index]#=}}")
    [ "$index" = "$COMP_CWORD" ] && current=$((${{#words[@]}} - 1))
  done
  local COMP_WORDS=("${{words[@]}}") COMP_CWORD=$current
  _shtab_ecr_login
}}
complete -o bashdefault -F _ecr_login {NAME}
"""


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return what completes the arguments of ``parser`` in ``shell``."""
    for action in _actions(parser):
        if action.metavar == "REGISTRY":
            action.complete = _REGISTRIES  # type: ignore[attr-defined]
        elif "--profile" in action.option_strings:
            action.complete = _PROFILES  # type: ignore[attr-defined]
    text = shtab.complete(parser, shell, root_prefix="ecr_login")
    if shell == "zsh":
        text = _IS_OPTION_OF_ZSH.sub(r"\1=", text)  # --output=json, too
        text = text.replace('"(*)::', '"*:')  # not one REGISTRY, but any number
    if shell == "bash":
        text += _BASH_WITH_EQUALS_SIGNS
    return text.rstrip("\n") + "\n"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Return the arguments of a parser, and those of its commands."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to see them
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                yield from _actions(command)
