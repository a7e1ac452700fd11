"""What the README claims, as far as text can be checked against text."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from docker_credential_ecr_login import __version__
from docker_credential_ecr_login.config import parse_text
from docker_credential_ecr_login.errors import BadConfiguration
from docker_credential_ecr_login.kubelet import ROLE_ANNOTATION
from docker_credential_ecr_login.registry import parse
from tests.bench.rows import ROWS
from tests.emulator import AwsEmulator
from tests.helper_process import EXECUTABLE, HOST, HelperProcess
from tests.installation import LIBRARY, NAME, PYTHON
from tests.stand_ins import REPOSITORY, SOURCE

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PACKAGE = "\n".join(
    path.read_text() for path in (ROOT / "docker_credential_ecr_login").rglob("*.py")
)


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_every_variable_is_described() -> None:
    """The README's table has exactly the AWS_ECR_ variables that the program reads."""
    described = set(re.findall(r"^\| `(AWS_ECR_\w+)` \|", README, re.MULTILINE))
    assert described == set(re.findall(r'"(AWS_ECR_\w+)"', PACKAGE))


def test_the_docker_configurations_are_right() -> None:
    """Each JSON block of the README is JSON, and what it configures is this helper for ECR."""
    configurations = [json.loads(block) for block in blocks("json")]
    assert len(configurations) == 3
    for host, name in configurations[0]["credHelpers"].items():
        assert parse(host) is not None
        assert name == "ecr-login"
    assert configurations[1] == {"credsStore": "ecr-login"}
    (statement,) = configurations[2]["Statement"]
    assert statement["Action"] == "ecr:GetAuthorizationToken"


def test_the_registries_configuration_is_right() -> None:
    """The TOML block for registries.conf is TOML, and names this helper."""
    block, *_ = blocks("toml")
    assert tomllib.loads(block)["credential-helpers"][-1] == "ecr-login"


def test_the_config_file_is_right() -> None:
    """The config file that the README shows is accepted, and every key of one is described."""
    _, block, *_ = blocks("toml")
    config = parse_text(block, "README.md")
    assert config.general["fallback"] == "desktop"
    assert config.settings("123456789012.dkr.ecr.us-east-1.amazonaws.com").profile == "prod"
    assert config.settings("210987654321.dkr.ecr.us-east-1.amazonaws.com").role_arn
    assert parse(config.settings("images.example.com").registry)
    assert config.settings("public.ecr.aws").anonymous
    section = README.partition("### Config file")[2].partition("###")[0]
    with pytest.raises(BadConfiguration) as caught:
        parse_text("[[registry]]\nbogus = 1\n", "README.md")
    keys = set(re.search(r"only (.*)$", caught.value.message)[1].split(", "))  # type: ignore[index]
    described = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(described))) == keys


def test_the_python_example_runs(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """The program that the README shows prints what it says."""
    (block,) = blocks("python")
    completed = subprocess.run(
        [str(PYTHON), "-W", "error", "-c", block],
        env=signed_in.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    username, secret, expires_at = completed.stdout.split()
    assert username == "AWS"
    assert aws.accepts(secret)
    assert expires_at.isdecimal()


def test_the_kubelet_example_runs(
    signed_in: HelperProcess, aws: AwsEmulator, tmp_path: Path
) -> None:
    """What the README has typed for kubelet leaves it a program and a configuration that answer."""
    section = README.partition("## Kubernetes nodes")[2].partition("\n## ")[0]
    setup, question, annotate = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    config, directory = (
        path for path in re.findall(r"`--image-credential-provider-[a-z-]+=(\S+)`", section)
    )
    environ = signed_in.environment()
    environ["PATH"] = f"{EXECUTABLE.parent}:{environ['PATH']}"

    def typed(script: str) -> str:
        for path in (config, directory):
            (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            script = script.replace(path, str(tmp_path / path[1:]))
        return subprocess.run(
            ["sh", "-euc", script], env=environ, capture_output=True, text=True, check=True
        ).stdout

    (tmp_path / directory[1:]).mkdir(parents=True)
    assert typed(setup) == ""
    (provider,) = yaml.safe_load((tmp_path / config[1:]).read_text())["providers"]
    program = f"{directory}/{provider['name']} {' '.join(provider['args'])}"
    named = "docker-credential-ecr-login kubelet"
    auth = json.loads(typed(question))["auth"]
    assert json.loads(typed(question.replace(named, program)))["auth"] == auth
    ((host, credentials),) = auth.items()
    assert f"{host}/" in question
    assert aws.accepts(credentials["password"])
    assert f" {ROLE_ANNOTATION}=" in annotate


def test_the_targets_exist() -> None:
    """Every make target that the README names is in the Makefile."""
    named = set(re.findall(r"\bmake (\w+)", "\n".join(blocks("sh"))))
    assert named <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "clients"} <= named


def test_nothing_is_installed_by_a_name_that_is_nobodys() -> None:
    """Whatever is installed is of a checkout or of the repository, which is named in one way."""
    text = "\n".join(blocks("sh") + blocks("yaml"))
    sources = re.findall(r"\b(?:pipx|pip|uv tool) install (?:--\S+ )*(\S+)", text)
    assert set(sources) == {".", SOURCE}
    named = re.findall(rf"[\w./:-]+/{re.escape(NAME)}\b", README)
    addresses = [name for name in named if name.startswith("https:")]
    assert set(addresses) == {REPOSITORY}


def test_the_messages_are_those_of_the_program() -> None:
    """Each message in the troubleshooting table is one that the program can print."""
    section = README.partition("## Troubleshooting")[2].partition("\n\n`no basic auth")[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE)
    messages = [message for cell in cells for message in re.findall(r"`([^`]*)`", cell)]
    assert len(messages) >= 15
    assert [message for message in messages if message not in PACKAGE] == []


def test_the_changelog_knows_the_version() -> None:
    """The changelog has a section for what is not released yet, or for this version."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changelog or f"## [{__version__}]" in changelog


def rounded(number: str) -> tuple[float, float]:
    """The least and the largest number that are written so."""
    decimals = len(number.partition(".")[2])
    value, half = float(number.replace(",", "")), 0.5 / 10**decimals
    return value - half, value + half


def test_the_table_of_speed_is_one_of_the_benchmark() -> None:
    """The README's table has the benchmark's rows, and its ratios are those of its times."""
    lines = re.findall(
        r"^\| (\S.*?) +\| (.*?) +\| +([\d,.]+) \| +([\d,.]+) \| +([\d.]+) \|", README, re.MULTILINE
    )
    assert [name for name, *_ in lines] == [row.name for row in ROWS]
    for name, _, ours, theirs, ratio in lines:
        (least, most), (their_least, their_most) = rounded(ours), rounded(theirs)
        ratio_least, ratio_most = rounded(ratio)
        assert least / their_most <= ratio_most, name
        assert most / their_least >= ratio_least, name


TRACED = """
import sys, threading
sys.path.append(sys.argv[1])
seen = []

def note(frame, event, _):
    if event == "call" and (name := frame.f_globals.get("__name__", "")).startswith(PACKAGE):
        seen.append(f"{name.removeprefix(PACKAGE)}.{frame.f_code.co_qualname}")

PACKAGE = "docker_credential_ecr_login."
from docker_credential_ecr_login import __main__
threading.setprofile(note)
sys.setprofile(note)
answer, _, status = __main__.run(["get"], __main__._environ())
sys.setprofile(None)
print(status, *dict.fromkeys(seen))
"""


def test_the_walk_of_get(signed_in: HelperProcess) -> None:
    """A cold ``get`` calls the functions that the README names, in its order."""
    section = README.partition("The walk of a cold `get`")[2].partition("\n\n")[2]
    named = re.findall(r"^\| `([\w.]+)` \|", section.partition("\n\n")[0], re.MULTILINE)
    completed = subprocess.run(
        [PYTHON, "-c", TRACED, LIBRARY],
        input=HOST,
        capture_output=True,
        text=True,
        env=signed_in.environment(),
        check=True,
    )
    status, *called = completed.stdout.split()
    assert status == "0"
    assert len(named) > 10
    assert [name for name in called if name in named] == named
