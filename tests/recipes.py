"""The recipes of docs/ci.md, and the CI systems that run their steps.

Each system does with a recipe what its documentation says: which shell runs a step, what its
environment holds, what passes from step to step and from job to job. Whatever a recipe says that a
system here does not know is an error, so nothing of it is passed over.
"""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from docker_credential_ecr_login import __version__
from tests import stand_ins
from tests.documents import CI
from tests.installation import PYTHON
from tests.jenkinsfile import Statement, read_jenkinsfile
from tests.serving import ServedAnswers
from tests.stand_ins import REPOSITORY

ROOT = Path(__file__).parent.parent
OUR_ACTION = REPOSITORY.removeprefix("https://github.com/")
NODE = shutil.which("node") or ""
"""Which runners of GitHub bring with them."""

needs_node = pytest.mark.skipif(not NODE, reason="there is no node, which runs actions")

COMMIT = "0123456789abcdef0123456789abcdef01234567"

Recipe = Any
"""YAML or JSON as it was read: a document, a list of documents or of steps; the statements of a
Jenkinsfile; or the text of a script."""


def recipes() -> dict[str, Recipe]:
    """Return the recipes of docs/ci.md by their names.

    The name is that of the workflow, of the first step or stage, the heading above, or the first
    comment.
    """
    found: dict[str, Recipe] = {}
    for part in re.split(r"^##+ ", CI, flags=re.MULTILINE)[1:]:
        heading = part.partition("\n")[0]
        for language, block in re.findall(r"^```(\w+)\n(.*?)^```", part, re.MULTILINE | re.DOTALL):
            for name, recipe in _recipes_of(heading, language, block):
                assert name not in found, name
                found[name] = recipe
    return found


def _recipes_of(heading: str, language: str, block: str) -> Iterator[tuple[str, Recipe]]:
    if language == "sh":
        for script in re.split(r"^# ", block, flags=re.MULTILINE)[1:]:
            name, _, commands = script.partition("\n")
            yield name, commands
        return
    if language == "groovy":
        statements = read_jenkinsfile(block)
        ((words, _),) = statements
        yield words[2] if words[0] == "stage" else heading, statements
        return
    if language == "json":
        yield heading, json.loads(block)
        return
    assert language == "yaml", language
    documents = list(yaml.load_all(block, _Loader))
    if len(documents) > 1:
        yield heading, documents
    elif isinstance(documents[0], list):
        starts = [place for place, step in enumerate(documents[0]) if "name" in step]
        assert starts[:1] == [0], documents[0]
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            yield documents[0][start]["name"], documents[0][start:end]
    else:
        yield documents[0].get("name", heading), documents[0]


class _Loader(yaml.SafeLoader):
    """Reads YAML 1.2, where ``on`` is a word; CI systems do."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def id_token(audience: str) -> str:
    """Return the OIDC token that CI systems here issue for an audience."""
    return f"header.{audience}.signature"


@dataclass
class Machine:
    """Where steps run: a home, a directory for the work, programs, and a way to AWS.

    ``environ`` is all that is in the environment before a CI system adds its own.
    """

    directory: Path
    environ: dict[str, str]
    programs: tuple[str, ...] = ()
    prepare: Callable[["Machine"], None] = lambda _: None
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.environ |= {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PATH": f"{self._programs / 'bin'}:{self.environ['PATH']}",
        }
        self.begin_job()

    def begin_job(self) -> None:
        """Be as new: nothing but notes and log is left of the jobs before."""
        for path in (self.home, self.work, self.temporary, self._programs / "bin"):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        search = self.environ["PATH"]
        missing = [name for name in ("curl", "jq") if not shutil.which(name, path=search)]
        stand_ins.install([*self.programs, *missing], self._programs, PYTHON)
        self.prepare(self)

    @property
    def home(self) -> Path:
        """The home directory."""
        return self.directory / "home"

    @property
    def work(self) -> Path:
        """Where the steps start."""
        return self.directory / "work"

    @property
    def temporary(self) -> Path:
        """Where temporary files go."""
        return self.directory / "temporary"

    @property
    def _programs(self) -> Path:
        return self.directory / "programs"

    @property
    def notes(self) -> list[dict[str, str]]:
        """What reached the programs."""
        return stand_ins.notes(self._programs)

    @property
    def shown(self) -> str:
        """The log that people see."""
        return "\n".join(self.log)

    def check_out(self) -> None:
        """Put the sources of an image and of a Helm chart into the directory for the work."""
        (self.work / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
        (self.work / "chart").mkdir()
        (self.work / "chart" / "Chart.yaml").write_text(
            "apiVersion: v2\nname: app\nversion: 0.0.0\n"
        )

    def run(
        self, command: Iterable[str], environ: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, with a variable or two more."""
        return subprocess.run(
            list(command),
            env={**self.environ, **environ},
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            timeout=90,
            check=False,
        )


class StepFailed(Exception):
    """A step ended with a status other than 0; the text is the log until then."""


class IdTokens(ServedAnswers):
    """GitHub's endpoint for OIDC tokens, as a job with ``id-token: write`` sees it."""

    _REQUEST_TOKEN = "of-this-job"

    def __init__(self) -> None:
        self.audiences: list[str] = []
        self.works = True
        super().__init__()

    def answer(
        self, target: str, authorization: str | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return a token for the audience that is asked for."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)
        scheme, _, token = (authorization or "").partition(" ")
        if not self.works or scheme.lower() != "bearer" or token != self._REQUEST_TOKEN:
            return 500, {}, b"{}"
        self.audiences += query["audience"]
        token = id_token(query["audience"][0])
        return 200, {}, json.dumps({"count": 1, "value": token}).encode()

    @property
    def environ(self) -> dict[str, str]:
        """What the environment of a step says of it."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self._REQUEST_TOKEN,
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/token?api-version=2.0",
        }


# GitHub Actions. Sources: "Workflow syntax", "Workflow commands", "Contexts" and "OpenID Connect"
# of its documentation; README.md and src/ of aws-actions/configure-aws-credentials v6.2.3.


class GitHub:
    """Runs workflows, one job after the other.

    ``sts_url`` is where actions find AWS, ``variables`` what the repository has under that name.
    ``before`` is called where a step of that name starts. ``server_url`` is where repositories are,
    ``outputs`` what steps have put out, by their ids.
    """

    def __init__(self, machine: Machine, id_tokens: IdTokens, sts_url: str) -> None:
        self.machine = machine
        self.id_tokens = id_tokens
        self.sts_url = sts_url
        self.server_url = "https://github.com"
        self.variables: dict[str, str] = {}
        self.before: dict[str, Callable[[], object]] = {}
        self.services: list[dict[str, str]] = []
        self.outputs: dict[str, dict[str, str]] = {}
        self.masks: list[str] = []
        self.dropped: list[str] = []

    def run(self, workflow: Recipe) -> None:
        """Run all jobs. Raises `StepFailed`."""
        _check_keys(workflow, "name", "on", "permissions", "env", "jobs")
        outputs: dict[str, Any] = {}
        for name, job in workflow["jobs"].items():
            _check_keys(job, "runs-on", "needs", "outputs", "services", "steps")
            assert job.get("needs") in {None, *outputs}, job
            needs = {need: outputs[need] for need in outputs if need == job.get("needs")}
            outputs[name] = {"outputs": _Job(self, workflow, job, needs).run()}

    def mask(self, value: str) -> None:
        """Keep a value out of the log from now on."""
        self.masks.append(value)

    def show(self, line: str) -> None:
        """Write a line to the log."""
        for mask in self.masks:
            line = line.replace(mask, "***")
        self.machine.log.append(line)


class _Job:
    def __init__(
        self, github: GitHub, workflow: Recipe, job: Recipe, needs: dict[str, Any]
    ) -> None:
        self._github = github
        self._machine = github.machine
        self._job = job
        self._may_have_id_token = workflow["permissions"].get("id-token") == "write"
        self._contexts: dict[str, Any] = {"needs": needs, "vars": github.variables, "steps": {}}
        self._environ = self._evaluated(workflow.get("env", {}))
        self._path = f"{github.machine.home}/.local/bin:{github.machine.environ['PATH']}"
        self._afterwards: list[Callable[[], object]] = []

    def run(self) -> dict[str, str]:
        """Run the steps, and what actions leave for the end; return the outputs of the job."""
        self._machine.begin_job()
        for service in self._job.get("services", {}).values():
            _check_keys(service, "image", "credentials")
            credentials = self._evaluated(service["credentials"])
            self._github.services.append({"image": self._value(service["image"]), **credentials})
        failed = None
        for step in self._job["steps"]:
            _check_keys(step, "name", "id", "if", "env", "uses", "with", "run")
            assert step.get("if") in {None, "always()"}, step
            if failed and "if" not in step:
                continue
            self._github.before.get(step.get("name"), lambda: None)()
            try:
                self._step(step)
            except StepFailed as error:
                failed = failed or error
        while self._afterwards:
            try:
                self._afterwards.pop()()
            except StepFailed as error:
                failed = failed or error
        if failed:
            raise failed
        outputs = self._evaluated(self._job.get("outputs", {}))
        # Source: README of amazon-ecr-login, on masked values: no other job gets to see them.
        secret = {name for name, value in outputs.items() for m in self._github.masks if m in value}
        self._github.dropped += sorted(secret)
        return {name: "" if name in secret else value for name, value in outputs.items()}

    def _step(self, step: Recipe) -> None:
        environ = {**self._environ, **self._evaluated(step.get("env", {}))}
        if "uses" in step:
            action, _, reference = step["uses"].partition("@")
            inputs = self._evaluated(step.get("with", {}))
            if action == OUR_ACTION:
                assert reference == f"v{__version__.partition('.')[0]}"
                self._run_our_action(step.get("id"), inputs, environ)
            else:
                _ACTIONS[action](self, inputs)
            return
        script = self._value(step["run"])
        self._github.show("Run " + script)
        for name, value in environ.items():
            self._github.show(f"  {name}: {value}")
        path = self._machine.temporary / "step.sh"
        path.write_text(script)
        # Which it is where no shell is named.
        self._execute(["bash", "-e", str(path)], step.get("id"), environ)

    def _execute(
        self,
        command: list[str],
        step_id: str | None,
        environ: Mapping[str, str],
        state: dict[str, str] | None = None,
    ) -> None:
        """Run what a step is, and keep its outputs and its state. Raises `StepFailed`."""
        names = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE")
        files = {name: self._machine.temporary / name for name in names}
        for file in files.values():
            file.write_text("")
        completed = self._machine.run(
            command,
            {
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_SERVER_URL": self._github.server_url,
                "GITHUB_SHA": COMMIT,
                "RUNNER_TEMP": str(self._machine.temporary),
                "PATH": self._path,
                **(self._github.id_tokens.environ if self._may_have_id_token else {}),
                **{name: str(path) for name, path in files.items()},
                **environ,
            },
        )
        for line in completed.stdout.splitlines():
            if line.startswith("::add-mask::"):
                self._github.mask(line.removeprefix("::add-mask::").replace("%25", "%"))
            else:
                assert re.match(r"(?!::)|::(error|warning)::", line), line
                self._github.show(line)
        written = {name: file.read_text() for name, file in files.items()}
        self._environ |= read_github_file(written["GITHUB_ENV"])
        for directory in written["GITHUB_PATH"].splitlines():
            self._path = f"{directory}:{self._path}"
        if step_id:
            outputs = self._github.outputs[step_id] = read_github_file(written["GITHUB_OUTPUT"])
            self._contexts["steps"][step_id] = {"outputs": outputs}
        if state is not None:
            state |= read_github_file(written["GITHUB_STATE"])
        if completed.returncode:
            raise StepFailed(self._machine.shown)

    def _run_our_action(
        self, step_id: str | None, inputs: Mapping[str, str], environ: Mapping[str, str]
    ) -> None:
        """Do with our own action what it says in ``action.yml``."""
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        _check_keys(action["runs"], "using", "main", "post")
        assert set(inputs) <= set(action["inputs"])
        given = {name: each.get("default", "") for name, each in action["inputs"].items()}
        own = {f"INPUT_{name.upper()}": value for name, value in {**given, **inputs}.items()}
        own["GITHUB_ACTION_REPOSITORY"] = OUR_ACTION
        state: dict[str, str] = {}

        def run(script: str, step_id: str | None = None) -> None:
            saved = {f"STATE_{name}": value for name, value in state.items()}
            environment = {**self._environ, **environ, **own, **saved}
            self._execute([NODE, str(ROOT / action["runs"][script])], step_id, environment, state)

        self._afterwards.append(lambda: run("post"))
        run("main", step_id)

    def check_out(self, inputs: dict[str, str]) -> None:
        """Do what actions/checkout does."""
        assert not inputs
        self._machine.check_out()

    def configure_aws_credentials(self, inputs: dict[str, str]) -> None:
        """Do what aws-actions/configure-aws-credentials does with OIDC."""
        _check_keys(inputs, "role-to-assume", "aws-region")
        assert self._may_have_id_token
        region = inputs["aws-region"]
        role_arn = inputs["role-to-assume"]
        keys = _assume_role(self._github.sts_url, role_arn, self._id_token)
        for value in keys.values():
            self._github.mask(value)
        self._environ |= {**keys, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}

    @property
    def _id_token(self) -> str:
        environ = self._github.id_tokens.environ
        status, _, body = self._github.id_tokens.answer(
            environ["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=sts.amazonaws.com",
            f"Bearer {environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}",
        )
        assert status == 200
        return str(json.loads(body)["value"])

    def _evaluated(self, values: Mapping[str, Any]) -> dict[str, str]:
        return {name: self._value(value) for name, value in values.items()}

    def _value(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            found: Any = self._contexts
            for name in match[1].split("."):
                found = found[name]  # a KeyError is a misprint; GitHub takes it for empty
            return str(found)

        return re.sub(r"\$\{\{ ([\w.-]+) \}\}", value, text)


_ACTIONS: dict[str, Callable[[_Job, dict[str, str]], None]] = {
    "actions/checkout": _Job.check_out,
    "aws-actions/configure-aws-credentials": _Job.configure_aws_credentials,
}


def read_github_file(text: str) -> dict[str, str]:
    """Read what steps added to $GITHUB_ENV or $GITHUB_OUTPUT: NAME=VALUE, or NAME<<DELIMITER."""
    found = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, sign, value = re.split(r"(=|<<)", line, maxsplit=1)
        if sign == "<<":
            delimiter, collected = value, []
            while (value := next(lines)) != delimiter:
                collected.append(value)
            value = "\n".join(collected)
        found[name] = value
    return found


def _assume_role(sts_url: str, role_arn: str, web_identity_token: str) -> dict[str, str]:
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role_arn,
        "RoleSessionName": "GitHubActions",
        "WebIdentityToken": web_identity_token,
    }
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(sts_url, urllib.parse.urlencode(form).encode()) as response:
        answer = response.read().decode()
    tags = {
        "AWS_ACCESS_KEY_ID": "AccessKeyId",
        "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
        "AWS_SESSION_TOKEN": "SessionToken",
    }
    return {
        name: re.findall(f"<{tag}>(.*)</{tag}>", answer, re.DOTALL)[0] for name, tag in tags.items()
    }


# CircleCI. Sources: "Configuration reference", "Using shell scripts" ($BASH_ENV) and "Using OpenID
# Connect tokens in jobs" of its documentation.


def run_on_circleci(machine: Machine, config: Recipe) -> None:
    """Run all jobs of all workflows. Raises `StepFailed`."""
    _check_keys(config, "version", "jobs", "workflows")
    for workflow in config["workflows"].values():
        _check_keys(workflow, "jobs")
        for name in workflow["jobs"]:
            _run_circleci_job(machine, config["jobs"][name])


def _run_circleci_job(machine: Machine, job: Recipe) -> None:
    _check_keys(job, "docker", "environment", "steps")
    machine.begin_job()
    bash_env = machine.directory / "bash_env"
    bash_env.write_text("")
    environ = {
        **job["environment"],
        "CI": "true",
        "CIRCLE_SHA1": COMMIT,
        "CIRCLE_OIDC_TOKEN_V2": id_token("of-the-organization"),
        "BASH_ENV": str(bash_env),
        "PATH": f"{machine.home}/.local/bin:{machine.environ['PATH']}",
    }
    for step in job["steps"]:
        if step == "checkout":
            machine.check_out()
        elif step != "setup_remote_docker":
            _check_keys(step, "run")
            _run_script(machine, ["/bin/bash", "-eo", "pipefail", "-c", step["run"]], environ)


# GitLab. Sources: "CI/CD YAML syntax reference", "dotenv report" and "Instance limits" of its
# documentation; the runner's bash shell, which sets errexit, and pipefail where there is one.


def run_on_gitlab(machine: Machine, config: Recipe) -> list[tuple[str, str]]:
    """Run all jobs, return what images the runner pulled with what DOCKER_AUTH_CONFIG.

    Raises `StepFailed`.
    """
    jobs = {name: job for name, job in config.items() if name != "variables"}
    pulled = []
    reported: dict[str, str] = {}
    stages = (".pre", "build", "test", "deploy", ".post")
    for job in sorted(
        (
            {**jobs.get(job.get("extends"), {}), **job}
            for name, job in jobs.items()
            if not name.startswith(".")
        ),
        key=lambda job: stages.index(job["stage"]),
    ):
        variables = {**config["variables"], "CI": "true", "CI_COMMIT_SHA": COMMIT, **reported}
        image = Template(job["image"]).substitute(variables)
        pulled.append((image, variables.get("DOCKER_AUTH_CONFIG", "")))
        reported |= _run_gitlab_job(machine, job, variables)
    return pulled


def _run_gitlab_job(machine: Machine, job: Recipe, variables: dict[str, str]) -> dict[str, str]:
    """Run a job, return the variables of its dotenv report."""
    _check_keys(
        job,
        *("extends", "stage", "image", "services", "id_tokens", "before_script"),
        *("script", "artifacts"),
    )
    machine.begin_job()
    machine.check_out()
    for name, claims in job.get("id_tokens", {}).items():
        variables[name] = id_token(claims["aud"])
    script = [
        "if set -o | grep pipefail >/dev/null; then set -o pipefail; fi",
        "set -o errexit",
        *job.get("before_script", []),
        *job["script"],
    ]
    _run_script(machine, ["sh", "-c", "\n".join(script)], variables)
    report = job.get("artifacts", {}).get("reports", {}).get("dotenv")
    return read_dotenv((machine.work / report).read_text()) if report else {}


def read_dotenv(text: str) -> dict[str, str]:
    """Read a dotenv report as GitLab does: values are what is after the sign, quotes and all."""
    assert len(text) < 5 * 1024
    matches = [re.fullmatch(r"(\w+)=(.*)", line) for line in text.splitlines()]
    assert all(matches), text
    return {match[1]: match[2].strip() for match in matches if match}


# Jenkins. Sources: "Pipeline Syntax" and "Using a Jenkinsfile" of its documentation; README.md and
# AmazonWebServicesCredentialsBinding.java of its plugin aws-credentials; Git's variables are those
# of the checkout that a declarative pipeline begins with.


def run_on_jenkins(
    machine: Machine, pipeline: list[Statement], credentials: Mapping[str, Mapping[str, str]]
) -> None:
    """Run all stages on one agent; ``credentials`` has what Jenkins binds for each id.

    Raises `StepFailed`.
    """
    machine.begin_job()
    machine.check_out()
    ((words, sections),) = pipeline
    assert words == ("pipeline",)
    _run_jenkins_block(machine, sections, credentials, {"CI": "true", "GIT_COMMIT": COMMIT})


def _run_jenkins_block(
    machine: Machine,
    statements: list[Statement],
    credentials: Mapping[str, Mapping[str, str]],
    environ: Mapping[str, str],
) -> None:
    for words, body in statements:
        match words:
            case ("agent",):
                (((directive, _), nothing),) = body
                assert (directive, nothing) == ("label", [])
            case ("environment",):
                assert all(sign == "=" and not nothing for (_, sign, _), nothing in body), body
                environ = {**environ, **{name: value for (name, _, value), _ in body}}
            case ("stages",) | ("stage", "(", _, ")") | ("steps",):
                _run_jenkins_block(machine, body, credentials, environ)
            case ("withCredentials", *binding):
                assert re.fullmatch(r"\( \[ aws \( credentialsId : \w+ \) \] \)", " ".join(binding))
                bound = {**environ, **credentials[binding[6]]}
                _run_jenkins_block(machine, body, credentials, bound)
            case ("sh", script):
                _run_script(machine, ["sh", "-xe", "-c", script], environ)
            case _:
                raise AssertionError(words)


# AWS CodeBuild. Sources: "Build specification reference", "Environment variables in build
# environments" and "Shells and commands in build environments" of its documentation (one shell
# runs all commands); Dockerfile of its images, which have pip, but neither pipx nor ~/.local/bin.


def run_on_codebuild(machine: Machine, buildspec: Recipe, role: Mapping[str, str]) -> None:
    """Run the phases; ``role`` are the variables that lead to the keys of the service role.

    Raises `StepFailed`.
    """
    _check_keys(buildspec, "version", "env", "phases")
    _check_keys(buildspec["env"], "variables")
    phases = buildspec["phases"]
    _check_keys(phases, "install", "pre_build", "build")
    script = ["set -e"]
    for name in ("install", "pre_build", "build"):
        phase = phases.get(name, {"commands": []})
        _check_keys(phase, "commands", *(["runtime-versions"] if name == "install" else []))
        _check_keys(phase.get("runtime-versions", {}), "python")
        script += phase["commands"]
    machine.begin_job()
    machine.check_out()
    environ = {
        **buildspec["env"]["variables"],
        **role,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT,
    }
    _run_script(machine, ["sh", "-c", "\n".join(script)], environ)


# Dev containers. Sources: the reference of devcontainer.json; the image devcontainers/python; the
# features python (where pipx puts programs) and docker-in-docker.


def run_in_dev_container(
    machine: Machine, configuration: Recipe, local_home: Path, script: str
) -> None:
    """Make the container for somebody with that home, and run what they type in it.

    Raises `StepFailed`.
    """
    _check_keys(configuration, "image", "features", "mounts", "postCreateCommand")
    assert configuration["image"] == "mcr.microsoft.com/devcontainers/python:3.13-bookworm"
    assert configuration["features"] == {"ghcr.io/devcontainers/features/docker-in-docker:4": {}}
    machine.programs = ("docker", "git", "pipx")
    machine.begin_job()
    for mount in configuration["mounts"]:
        options = dict(option.split("=") for option in mount.split(","))
        assert options.pop("type") == "bind"
        source = options.pop("source").replace("${localEnv:HOME}", str(local_home))
        target = Path(options.pop("target")).relative_to("/home/vscode")
        (machine.home / target).symlink_to(source)
        assert not options, mount
    programs = machine.temporary / "py-utils"
    environ = {"PIPX_BIN_DIR": str(programs), "PATH": f"{programs}:{machine.environ['PATH']}"}
    for command in (configuration["postCreateCommand"], script):
        _run_script(machine, ["/bin/sh", "-c", command], environ)


# Kubernetes. Sources: its API reference; README.md and docs/registries.md of Kaniko; README.md and
# examples/kubernetes/job.rootless.yaml of BuildKit.


@dataclass(frozen=True)
class _Image:
    """The programs in an image, the command that it runs by default, and its variables."""

    programs: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)


_IMAGES = {
    "alpine:3.22": _Image(("apk",)),
    "ghcr.io/osscontainertools/kaniko:latest": _Image(
        ("executor",), ("executor",), {"DOCKER_CONFIG": "/kaniko/.docker/"}
    ),
    "moby/buildkit:rootless": _Image(("buildctl-daemonless.sh",)),
}


def run_on_kubernetes(machine: Machine, manifests: Recipe) -> None:
    """Run the containers of the Job or CronJob, one after the other. Raises `StepFailed`."""
    (job,) = (each for each in manifests if each["kind"] in {"CronJob", "Job"})
    pod = job["spec"].get("jobTemplate", job)["spec"]["template"]["spec"]
    _check_keys(
        pod, "serviceAccountName", "restartPolicy", "initContainers", "containers", "volumes"
    )
    volumes = {each["name"]: _make_volume(machine, each) for each in pod["volumes"]}
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        _run_container(machine, container, volumes)


def _make_volume(machine: Machine, volume: Recipe) -> Path:
    _check_keys(volume, "name", "projected", "emptyDir")
    directory: Path = machine.directory / "volumes" / volume["name"]
    directory.mkdir(parents=True)
    for source in volume.get("projected", {"sources": []})["sources"]:
        token = source["serviceAccountToken"]
        (directory / token["path"]).write_text(id_token(token["audience"]))
    return directory


def _run_container(machine: Machine, container: Recipe, volumes: Mapping[str, Path]) -> None:
    _check_keys(
        container,
        *("name", "image", "env", "volumeMounts", "securityContext", "command", "args"),
    )
    image = _IMAGES[container["image"]]
    machine.programs = image.programs
    machine.begin_job()

    def mounted(text: str) -> str:
        for mount in container["volumeMounts"]:
            path = rf"(?<!\S){re.escape(mount['mountPath'])}(?=/|\s|$)"
            text = re.sub(path, str(volumes[mount["name"]]), text)
        return text

    given = {entry["name"]: entry["value"] for entry in container.get("env", [])}
    environ = {name: mounted(value) for name, value in {**image.environ, **given}.items()}
    arguments = [mounted(argument) for argument in container["args"]]
    _run_script(machine, [*container.get("command", image.entrypoint), *arguments], environ)


# A person at a shell


def run_at_a_shell(machine: Machine, script: str, environ: Mapping[str, str]) -> None:
    """Run what somebody types. Raises `StepFailed`."""
    _run_script(machine, ["bash", "-c", script], environ)


def _run_script(machine: Machine, command: list[str], environ: Mapping[str, str]) -> None:
    completed = machine.run(command, environ)
    machine.log += [command[-1], completed.stdout]
    if completed.returncode:
        raise StepFailed(machine.shown)


def _check_keys(content: Mapping[str, Any], *known: str) -> None:
    assert set(content) <= set(known), set(content) - set(known)
