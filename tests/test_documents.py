"""What README.md and docs/ claim, as far as a text can be compared with the program."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from docker_credential_ecr_login import __version__, commands
from docker_credential_ecr_login.config import parse_text
from docker_credential_ecr_login.errors import BadConfiguration
from docker_credential_ecr_login.kubelet import ROLE_ANNOTATION
from docker_credential_ecr_login.registry import parse
from tests.bench.rows import ROWS
from tests.documents import CI, CONFIG, DOCUMENTS, README, ROOT, blocks, headings, section
from tests.emulator import AwsEmulator
from tests.helper_process import EXECUTABLE, HOST, HelperProcess
from tests.installation import LIBRARY, NAME, PYTHON
from tests.stand_ins import REPOSITORY, SOURCE
from tests.workflows import TARGETS

PACKAGE = "\n".join(
    path.read_text() for path in (ROOT / "docker_credential_ecr_login").rglob("*.py")
)
EVERYTHING = "\n".join(DOCUMENTS.values())
KINDS = ("sh", "console", "yaml", "groovy", "json")
"""The languages in which there are command lines."""
FORGE = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted((ROOT / ".github").glob("*.md"))
}
"""What a forge shows: how to contribute, how to report a vulnerability."""


def test_the_readme_takes_five_minutes() -> None:
    """It has at most 1,800 words; docs/ has the rest."""
    assert len(README.split()) <= 1800


@pytest.mark.parametrize("name", [*DOCUMENTS, *FORGE, "CHANGELOG.md"])
def test_links(name: str) -> None:
    """Each link leads to a file and a heading that exist; those to elsewhere use https."""
    texts = {**DOCUMENTS, **FORGE, "CHANGELOG.md": (ROOT / "CHANGELOG.md").read_text()}
    links = re.findall(r"\]\(([^)]*)\)", texts[name].replace("\n", " "))
    for link in links:
        if re.match(r"\w+:", link):
            assert link.startswith("https://"), link
            continue
        target, _, anchor = link.partition("#")
        path = (ROOT / name).parent.joinpath(target).resolve() if target else ROOT / name
        assert path.exists(), link
        if anchor:
            assert anchor in map(slug, headings(texts[str(path.relative_to(ROOT))])), link


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_document_is_linked() -> None:
    """The README leads to each of the others."""
    linked = set(re.findall(r"\]\(([\w./]+)", README))
    assert linked >= {*DOCUMENTS, *FORGE} - {"README.md"}


def test_blocks_can_be_read() -> None:
    """Every block has a language, and blocks of JSON, TOML and YAML are valid."""
    parse_as: dict[str, Callable[[str], object]] = {
        "json": json.loads,
        "toml": tomllib.loads,
        "ini": ini,
    }
    for name, text in DOCUMENTS.items():
        for language in re.findall(r"^```(.*)\n(?:(?!```).*\n)*```$", text, re.MULTILINE):
            assert language in {
                "sh",
                *parse_as,
                "yaml",
                "python",
                "console",
                "groovy",
                "dockerfile",
            }, name
        for language, parser in parse_as.items():
            for block in blocks(text, language):
                assert parser(block)
        for block in blocks(text, "yaml"):
            assert list(yaml.safe_load_all(block))


def ini(text: str) -> dict[str, object]:
    """Read the files that the AWS CLI reads."""
    parser = ConfigParser()
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def test_commands_are_understood() -> None:
    """The program accepts every command line of it in the documents."""
    text = "\n".join(each for kind in KINDS for each in blocks(EVERYTHING, kind))
    lines = re.findall(rf"\b{NAME} ([a-z]+\b[^|<>)&\n]*)", re.sub(r"\\\n\s*", "", text))
    assert len(lines) > 30
    for line in lines:
        command, *arguments = line.partition("#")[0].replace('"', "").split()
        if command not in {"version", "get", "kubelet"}:
            commands.parser().parse_args([command, *arguments])  # exits if it does not


def test_every_variable_is_described() -> None:
    """docs/config.md has exactly the AWS_ECR_ variables that the program reads."""
    described = set(re.findall(r"^\| `(AWS_ECR_\w+)` \|", CONFIG, re.MULTILINE))
    assert described == set(re.findall(r'"(AWS_ECR_\w+)"', PACKAGE))


@pytest.mark.parametrize("text", [README, section(CONFIG, "By hand")], ids=["README", "config"])
def test_the_docker_configurations_are_right(text: str) -> None:
    """The JSON blocks configure this helper for ECR, or for all registries."""
    for_some, for_all = map(json.loads, blocks(text, "json"))
    for host, name in for_some["credHelpers"].items():
        assert parse(host) is not None
        assert name == "ecr-login"
    assert for_all == {"credsStore": "ecr-login"}


def test_the_policy_is_right() -> None:
    """The statement under "Permissions" allows getting a token."""
    (policy,) = map(json.loads, blocks(section(CONFIG, "Permissions"), "json"))
    (statement,) = policy["Statement"]
    assert statement["Action"] == "ecr:GetAuthorizationToken"


def test_the_registries_configuration_is_right() -> None:
    """The TOML block for registries.conf names this helper."""
    (block,) = blocks(section(CONFIG, "By hand"), "toml")
    assert tomllib.loads(block)["credential-helpers"][-1] == "ecr-login"


def test_the_config_file_of_the_readme_is_right() -> None:
    """It has a profile for one account, and a restricted role for the others."""
    (block,) = blocks(README, "toml")
    config = parse_text(block, "README.md")
    assert config.settings("123456789012.dkr.ecr.us-east-1.amazonaws.com").profile == "prod"
    other = config.settings("210987654321.dkr.ecr.us-east-1.amazonaws.com")
    assert (bool(other.role_arn), other.access) == (True, "pull")


def test_the_config_file_is_right() -> None:
    """The config file in docs/config.md is accepted, and every key of one is described."""
    text = section(CONFIG, "The config file")
    (block,) = blocks(text, "toml")
    config = parse_text(block, "config.md")
    assert config.general["fallback"] == "desktop"
    assert config.settings("123456789012.dkr.ecr.us-east-1.amazonaws.com").profile == "prod"
    assert config.settings("210987654321.dkr.ecr.us-east-1.amazonaws.com").role_arn
    assert parse(config.settings("images.example.com").registry)
    assert config.settings("public.ecr.aws").anonymous
    with pytest.raises(BadConfiguration) as caught:
        parse_text("[[registry]]\nbogus = 1\n", "config.md")
    keys = set(re.search(r"only (.*)$", caught.value.message)[1].split(", "))  # type: ignore[index]
    described = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(described))) == keys


def test_the_python_example_runs(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """The program that the README shows prints what it says."""
    (block,) = blocks(README, "python")
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
    """The commands for kubelet in docs/ci.md set up a program and a configuration that work."""
    text = section(CI, "Kubernetes nodes")
    setup, question, annotate = blocks(text, "sh")
    config, directory = re.findall(r"`--image-credential-provider-[a-z-]+=(\S+)`", text)
    environ = signed_in.environment()
    environ["PATH"] = f"{EXECUTABLE.parent}:{environ['PATH']}"

    def typed(script: str) -> str:
        for path in (config, directory):
            (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            script = script.replace(path, str(tmp_path / path[1:]))
        return subprocess.run(
            ["sh", "-euc", script], env=environ, capture_output=True, text=True, check=True
        ).stdout

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
    """Every make target in the documents is in the Makefile."""
    named = set(re.findall(r"\bmake ([\w-]+)", "\n".join(blocks(EVERYTHING, "sh"))))
    assert named <= TARGETS
    assert {"demo", "test", "clients"} <= named


def test_no_unclaimed_name_is_installed() -> None:
    """Documents install only from a checkout or from the repository, which has one name."""
    text = "\n".join(each for kind in KINDS for each in blocks(EVERYTHING, kind))
    sources = re.findall(r"\b(?:pipx|pip|uv tool) install (?:--\S+ (?:3\.\d+ )?)*(\S+)", text)
    assert set(sources) == {".", SOURCE}
    named = re.findall(rf"[\w./:-]+/{re.escape(NAME)}\b", EVERYTHING)
    addresses = [name for name in named if name.startswith("https:")]
    assert set(addresses) == {REPOSITORY}


def test_the_action_is_described() -> None:
    """README and docs/ci.md name all that goes into the action and comes out, and its version."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    inputs, outputs = set(action["inputs"]), set(action["outputs"])
    of_each_registry = {"docker_username_…", "docker_password_…"}
    described = {
        section(README, "Coming from amazon-ecr-login"): inputs,
        section(CI, "In place of amazon-ecr-login"): inputs | outputs | of_each_registry,
    }
    for text, names in described.items():
        cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
        assert set(re.findall(r"`(.*?)`", " ".join(cells))) == names
    used = re.findall(rf"\bOWNER/{NAME}@(\S+?)\b", EVERYTHING)
    assert set(used) == {f"v{__version__.partition('.')[0]}"}


def test_the_messages_are_those_of_the_program() -> None:
    """Each message in the tables is one that the program can print."""
    few = section(README, "When a pull fails")
    all_messages = section(DOCUMENTS["docs/messages.md"], "What the line says")
    cells = re.findall(r"^\| (`[^|]*`) \|", few + all_messages, re.MULTILINE)
    messages = [message for cell in cells for message in re.findall(r"`([^`]*)`", cell)]
    assert len(messages) >= 40
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
    """docs/performance.md has the benchmark's rows, and its ratios are those of its times."""
    lines = re.findall(
        r"^\| (\S.*?) +\| (.*?) +\| +([\d,.]+) \| +([\d,.]+) \| +([\d.]+) \|",
        DOCUMENTS["docs/performance.md"],
        re.MULTILINE,
    )
    assert [name for name, *_ in lines] == [row.name for row in ROWS]
    for name, _, ours, theirs, ratio in lines:
        (least, most), (their_least, their_most) = rounded(ours), rounded(theirs)
        ratio_least, ratio_most = rounded(ratio)
        assert least / their_most <= ratio_most, name
        assert most / their_least >= ratio_least, name


def test_the_speed_in_the_readme_is_that_of_the_benchmark() -> None:
    """The README's times are in docs/performance.md, each in the row that it names."""
    rows = {
        "cached, static keys": "hit, static keys",
        "cached, assumed role": "hit, assumed role",
        "not cached, assumed role": "cold, assumed role",
    }
    table = section(README, "Speed")
    assert re.findall(r"^\| (\w.*?) \|", table, re.MULTILINE) == list(rows)
    for row, measured in rows.items():
        (times,) = re.findall(rf"^\| {row} \| (.*?) \| (.*?) \|", table, re.MULTILINE)
        pattern = rf"^\| {measured} +\| peer +\| +(\S+) \| +(\S+) \|"
        assert times in re.findall(pattern, DOCUMENTS["docs/performance.md"], re.MULTILINE)
    claimed = re.search(r"([\d.]+) ms with an assumed role.*?takes (\d+)", README, re.DOTALL)
    assert claimed
    assert f"| cached, assumed role | {claimed[1]} | {claimed[2]} |" in table


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
    """A cold ``get`` calls the functions that docs/development.md names, in its order."""
    text = section(DOCUMENTS["docs/development.md"], "Where things are")
    named = re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE)
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
