"""What shells offer when somebody presses TAB, and the manual."""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, PackagePath
from pathlib import Path

import pytest

from docker_credential_ecr_login import __version__, commands
from docker_credential_ecr_login.building import man_page
from docker_credential_ecr_login.commands import completion
from docker_credential_ecr_login.errors import BadConfiguration
from tests.documents import CONFIG
from tests.helper_process import HOST, OTHER_REGION, SECOND_ACCOUNT, HelperProcess

NAME = "docker-credential-ecr-login"

# As readline does, but for the terminal.
BASH = r"""
. "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
eval "$(complete -p docker-credential-ecr-login | sed 's/.*-F \([^ ]*\).*/\1/')"
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
"""
FISH = 'source $argv[1]; complete --do-complete "$argv[2]"'
# In a terminal of its own, with a compadd that also prints what it was given.
ZSH = r"""
zmodload zsh/zpty
complete-and-print() {
  fpath=($SCRIPTS $fpath)
  autoload -Uz compinit
  compinit -u -D
  bindkey '^I' complete-word
  zstyle ':completion:*' list-separator ''
  print-mark() { echo -E - $'\0' }
  compprefuncs=(print-mark)
  comppostfuncs=(print-mark exit)
  compadd() {
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
      local -a offered
      builtin compadd -A offered "$@"
      print -l -r -- $offered
    fi
    builtin compadd "$@"
  }
  echo -E - READY$'\0'
}
zpty shell zsh -f -i
zpty -w shell "PROMPT=; $(functions complete-and-print); complete-and-print"
zpty -r shell seen $'*READY\0*'
zpty -w shell "$1"$'\t'
zpty -r shell seen $'*\0*\0*'
print -r -- "${${seen#*$'\0'}%$'\0'*}"
"""


class Shell:
    """A shell in which somebody presses TAB, with the script that is installed."""

    def __init__(self, name: str, helper: HelperProcess) -> None:
        self._name = name
        self._helper = helper
        self._script = Path(sys.prefix, completion.SCRIPTS[name])

    def offered(self, line: str, **changes: str) -> list[str]:
        """Return the words offered at the end of a line that begins with the program's name."""
        line = f"{NAME} {line}"
        match self._name:
            case "bash":
                words = re.sub("(=)", r" \1 ", line).removesuffix(" ").split(" ")
                words += [""] * line.endswith(" ")
                command = ["bash", "--norc", "-c", BASH, "bash", str(self._script), *words]
            case "fish":
                command = ["fish", "--no-config", "-c", FISH, str(self._script), line]
            case _:
                command = ["zsh", "-f", "-c", ZSH, "zsh", line]
        completed = subprocess.run(
            command,
            capture_output=True,
            env=self._helper.environment(
                {"TERM": "dumb", "LC_ALL": "C.UTF-8", "SCRIPTS": str(self._script.parent)} | changes
            ),
            cwd=self._helper.home,
            text=True,
            timeout=60,
            check=True,
        )
        assert completed.stderr == ""
        words = [word.partition("\t")[0].strip() for word in completed.stdout.splitlines()]
        if self._name == "fish":  # repeats an option with its value, and quotes nothing
            return sorted(re.sub("^--[a-z-]+=", "", word) for word in words)
        return sorted(shlex.split(" ".join(words)))


@pytest.fixture(
    params=[
        pytest.param(
            name,
            marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed"),
        )
        for name in sorted(completion.SCRIPTS)
    ]
)
def shell(request: pytest.FixtureRequest, helper: HelperProcess) -> Shell:
    """Each shell in turn, with an empty home."""
    return Shell(request.param, helper)


def checked(*command: str | Path) -> str:
    """What a program that checks a file complains of; skips the test without the program."""
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    completed = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return completed.stdout


def described(name: str) -> list[str]:
    """What the table in docs/config.md that has a row for ``name`` has rows for."""
    (table,) = (part for part in CONFIG.split("\n\n") if f"\n| `{name}` |" in part)
    cells = [line.split(" |")[0] for line in table.splitlines()]
    return re.findall(r"`(\w+)`", "\n".join(cells))


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The commands that there are, with what understands their arguments."""
    (action,) = (
        action
        for action in commands.parser()._actions  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
    )
    return dict(action.choices)


def options(parser: argparse.ArgumentParser) -> list[str]:
    """All options of a command."""
    return [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001


@pytest.mark.parametrize(
    ("program", "options"),
    [("bash", ["-n"]), ("fish", ["--no-execute"]), ("shellcheck", ["-s", "bash"]), ("zsh", ["-n"])],
)
def test_the_shells_own_check(program: str, options: list[str]) -> None:
    """What is written by hand for a shell is free of faults for it, and for shellcheck."""
    extension = program.replace("shellcheck", "bash")
    directory = Path(__file__).parent.parent / "docker_credential_ecr_login" / "building"
    assert checked(program, *options, directory / f"completion.{extension}") == ""


class TestOffers:
    """What each shell offers."""

    def test_commands(self, shell: Shell) -> None:
        """First come the commands, all of them."""
        assert shell.offered("") == sorted(parsers())
        assert shell.offered("conf") == ["configure"]
        assert shell.offered("-") == sorted(options(commands.parser()))

    @pytest.mark.parametrize("command", parsers())
    def test_options(self, shell: Shell, command: str) -> None:
        """After a hyphen come the options of the command, all of them."""
        assert shell.offered(f"{command} -") == sorted(options(parsers()[command]))

    def test_options_after_others(self, shell: Shell) -> None:
        """Options come after others and after registries, too."""
        assert shell.offered(f"login --profile dev {HOST} --n") == ["--name", "--no-mask"]
        assert shell.offered("configure --region=eu-west-1 --glo") == ["--global"]

    def test_values(self, shell: Shell) -> None:
        """After an option with fixed values come these, also after an equals sign."""
        values = "authorization docker-config dotenv env github json kubernetes password text"
        assert shell.offered("login --output ") == values.split()
        assert shell.offered("login --output=") == values.split()
        assert shell.offered("login --output do") == ["docker-config", "dotenv"]
        assert shell.offered("login --output=j") == ["json"]
        assert shell.offered("completion ") == ["bash", "fish", "zsh"]

    @pytest.mark.parametrize("command", ["login", "configure"])
    def test_profiles(self, shell: Shell, helper: HelperProcess, command: str) -> None:
        """After --profile come the profiles of both AWS files, each once, and no other section."""
        helper.write_config(
            "[default]\nregion = eu-west-1\n[profile dev]\n [profile indented]\n"
            '[profile  "with space" ]\n[sso-session company]\n[services local]\n'
        )
        helper.write_credentials("[default]\n[keys]\n[dev]\naws_access_key_id = AKIA\n")
        assert shell.offered(f"{command} --profile ") == ["default", "dev", "keys", "with space"]
        assert shell.offered(f"{command} --profile=d") == ["default", "dev"]

    def test_profiles_in_other_files(
        self, shell: Shell, helper: HelperProcess, tmp_path: Path
    ) -> None:
        """AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name the files with the profiles."""
        helper.write_config("[profile not-this]\n")
        (tmp_path / "config").write_text("[profile one]\n")
        (tmp_path / "credentials").write_text("[two]\n")
        helper.environ["AWS_CONFIG_FILE"] = str(tmp_path / "config")
        helper.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(tmp_path / "credentials")
        assert shell.offered("login --profile ") == ["one", "two"]

    def test_registries(self, shell: Shell, signed_in: HelperProcess, tmp_path: Path) -> None:
        """For a registry come those that were asked for before, each once, and again."""
        own = "images.example.com:5000"
        signed_in.write_own_config(f'[[registry]]\nmatch = "{own}"\nregistry = "{HOST}"\n')
        hosts = sorted([HOST, OTHER_REGION, SECOND_ACCOUNT, own])
        for host in hosts:
            assert signed_in.get(host).secret
        signed_in.get(HOST, AWS_PROFILE="another")
        assert shell.offered("login ") == hosts
        assert shell.offered(f"configure --public {HOST} 2") == [SECOND_ACCOUNT]
        assert shell.offered("login --region us-east-1 im") == [own]
        elsewhere = str(tmp_path / "cache")
        assert shell.offered("login ", AWS_ECR_CACHE_DIR=elsewhere) == []
        signed_in.get(HOST, AWS_ECR_CACHE_DIR=elsewhere)
        assert shell.offered("login ", AWS_ECR_CACHE_DIR=elsewhere) == [HOST]

    def test_nothing(self, shell: Shell) -> None:
        """Where there are no profiles and no registries, nothing is offered or complained of."""
        assert shell.offered("login ") == []
        assert shell.offered("login --profile ") == []

    def test_no_program_is_started(
        self, shell: Shell, helper: HelperProcess, tmp_path: Path
    ) -> None:
        """Completion starts neither Python nor the program, and runs no part of a name."""
        helper.write_config("[profile $(touch started)]\n[profile `touch started`]\n")
        programs = tmp_path / "programs"
        programs.mkdir()
        for name in (NAME, "python", "python3"):
            (programs / name).write_text("#!/bin/sh\ntouch ~/started\n")
            (programs / name).chmod(0o755)
        helper.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
        assert shell.offered("login --profile ") == ["$(touch started)", "`touch started`"]
        assert shell.offered("login ") == []
        assert list(helper.home.glob("**/started")) == []


class TestCommand:
    """``completion``, which prints the script."""

    def test_it_is_the_installed_one(self, helper: HelperProcess) -> None:
        """It prints the script that was installed where shells look for it."""
        for name, path in completion.SCRIPTS.items():
            outcome = helper.run("completion", name)
            assert (outcome.stderr, outcome.status) == ("", 0)
            assert outcome.stdout == Path(sys.prefix, path).read_text()
            assert outcome.stdout

    def test_another_shell(self, helper: HelperProcess) -> None:
        """Another shell is one line on stderr that says which there are, and exit code 1."""
        outcome = helper.run("completion", "csh")
        assert (outcome.stdout, outcome.status) == ("", 1)
        assert outcome.stderr.startswith("ecr-login: argument SHELL: invalid choice: 'csh'")
        assert outcome.stderr.count("\n") == 1
        assert all(name in outcome.stderr for name in completion.SCRIPTS)

    @pytest.mark.parametrize("files", [None, [], [PackagePath("nowhere/_x")]])
    def test_it_is_missing(
        self, files: list[PackagePath] | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """If the script is missing from the installation, the error says what to do."""

        class Distribution:
            def __init__(self, name: str) -> None:
                if files is None:
                    raise PackageNotFoundError(name)
                self.files = files

        monkeypatch.setattr(completion, "distribution", Distribution)
        with pytest.raises(BadConfiguration, match=f"install {NAME} again"):
            commands.run(["completion", "zsh"], {})

    def test_nothing_is_needed_for_it(self) -> None:
        """The parser of the arguments imports no AWS library, so that a build can use it."""
        code = (
            "import sys; from docker_credential_ecr_login import commands; commands.parser();"
            "print({'boto3', 'botocore', 'filelock', 'platformdirs', 'shtab'} & set(sys.modules))"
        )
        completed = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert completed.stdout == "set()\n"


class TestManual:
    """The manual."""

    @pytest.fixture
    def path(self) -> Path:
        """The manual as it is installed."""
        return Path(sys.prefix, man_page.PATH)

    def test_holds_all_that_help_says(self, path: Path) -> None:
        """It contains every command and option, and every name in the tables of docs/config.md."""
        plain = path.read_text().replace(r"\-", "-")
        sections = dict(re.findall(r"^\.SH (.*)\n((?:(?!\.SH ).*\n)*)", plain, re.MULTILINE))
        assert list(sections) == [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "COMMANDS",
            "ENVIRONMENT",
            "CONFIG FILE",
            "FILES",
            "EXIT STATUS",
            "SEE ALSO",
        ]
        chapters = dict(
            re.findall(r"^\.SS (.*)\n((?:(?!\.SS ).*\n)*)", sections["COMMANDS"], re.MULTILINE)
        )
        assert list(chapters) == sorted(parsers())
        for name, parser in parsers().items():
            found = set(re.findall(r"--[a-z-]+", chapters[name]))
            assert set(options(parser)) - {"-h", "--help"} <= found
        for section, name in (("ENVIRONMENT", "AWS_ECR_TIMEOUT"), ("CONFIG FILE", "match")):
            tags = re.findall(r"^\.TP\n\.BR? (.*)", sections[section], re.MULTILINE)
            assert " ".join(tags).replace('", "', "").split() == described(name)
        assert f"{NAME} {__version__}" in plain

    @pytest.mark.parametrize(
        "command",
        [["groff", "-man", "-Tutf8", "-ww", "-z"], ["mandoc", "-T", "lint", "-W", "warning"]],
        ids=lambda command: command[0],
    )
    def test_is_without_faults(self, command: list[str], path: Path) -> None:
        """The programs that show it complain only of the date, which is left out on purpose."""
        complaints = checked(*command, path).splitlines()
        assert [line for line in complaints if "missing date" not in line] == []

    def test_shows_any_text_as_it_is(self) -> None:
        """Characters that mean something to troff are shown as they are written."""
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        command = commands.add_parser("try", description=".so /etc/passwd \\n it's ~^`…")
        command.add_argument("--way", choices=["a-b"], help="'tis 100%% %(dest)s", default="x")
        command.add_argument("--secret", help=argparse.SUPPRESS)
        text = man_page.text(parser, "1").partition(".SS try\n")[2].partition(".SH")[0]
        assert text == (
            "\\&.so /etc/passwd \\en it\\(aqs \\(ti\\(ha\\(ga\\[u2026]\n"
            ".TP\n\\fB\\-\\-way\\fR \\fIWAY\\fR\n\\(aqtis 100% way\n"
            ".br\nOne of: \\fBa\\-b\\fR.\n"
        )
