"""The command ``doctor`` names what is wrong on a machine, and what to do about it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from docker_credential_ecr_login.commands import doctor
from docker_credential_ecr_login.commands.executables import is_for_all_users
from tests.connect_proxy import NOBODY
from tests.credential_sources import DEV, PULL, keys, sso_session, write
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import (
    EXECUTABLE,
    HOST,
    OTHER_REGION,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
)
from tests.mounts import mounted
from tests.registry_server import registry_under_its_own_name

CHECKS = [name for name, _ in doctor.CHECKS]
OWN = "images.example.com"


@dataclass
class Machine:
    """A machine without any fault, until a test changes that."""

    helper: HelperProcess
    aws: AwsEmulator
    asked: list[str]

    def findings(self, *arguments: str) -> list[dict[str, str]]:
        """What doctor finds, in its JSON; the exit code is that of its findings."""
        outcome = self.helper.run("doctor", "--json", *arguments)
        assert outcome.stderr == ""
        findings: list[dict[str, str]] = json.loads(outcome.stdout)["checks"]
        assert outcome.status == any(each["status"] == "failed" for each in findings)
        return findings

    def unhealthy(self, *arguments: str) -> list[dict[str, str]]:
        """What has not passed."""
        return [each for each in self.findings(*arguments) if each["status"] != "passed"]

    def put_first_on_path(self, name: str, script: str) -> Path:
        """Write a program into a directory of its own, which is the first on PATH."""
        path = write(self.helper, f"first/{name}", f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        self.helper.environ["PATH"] = f"{path.parent}:{self.helper.environ['PATH']}"
        return path

    def write_docker(self, content: object) -> None:
        """Write docker's configuration: JSON, or a text that is none."""
        text = content if isinstance(content, str) else json.dumps(content)
        write(self.helper, ".docker/config.json", text)


@pytest.fixture
def machine(signed_in: HelperProcess, aws: AwsEmulator) -> Iterator[Machine]:
    """A machine without any fault, with the registry in docker's configuration."""
    with registry_under_its_own_name(signed_in, aws.accepts, HOST, PUBLIC, OWN) as asked:
        signed_in.environ["PATH"] = f"{EXECUTABLE.parent}:/usr/bin:/bin"
        machine = Machine(signed_in, aws, asked)
        machine.put_first_on_path("docker", "exit 1")
        machine.write_docker({"credHelpers": {HOST: "ecr-login"}})
        yield machine


def test_a_healthy_machine(machine: Machine) -> None:
    """Every check passes, in one line each, in its order, and says what it found."""
    outcome = machine.helper.run("doctor")
    head, *lines, summary = outcome.stdout.splitlines()
    assert head == f"Registry: {HOST}"
    assert (summary, outcome.stderr, outcome.status) == (f"{len(CHECKS)} passed", "", 0)
    assert [line.split()[:2] for line in lines] == [["passed", f"{name}:"] for name in CHECKS]
    found = dict(zip(CHECKS, lines, strict=True))
    key = machine.helper.environ["AWS_ACCESS_KEY_ID"][-4:]
    assert f"{EXECUTABLE} is what clients run" in found["program"]
    assert f"names this helper for {HOST}" in found["docker"]
    assert found["credentials"].endswith(f"env: access key ...{key} in the environment")
    assert found["principal"].endswith(f"{DEV} of account 111111111111")
    assert f"us-east-1, {machine.aws.url} (from AWS_ENDPOINT_URL)" in found["endpoint"]
    assert re.search(r"new from AWS, expires 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$", found["token"])
    assert found["registry"].endswith(f"https://{HOST}/v2/ takes the token")
    assert machine.asked == ["/v2/"]
    assert machine.aws.count("GetAuthorizationToken") == 1


def test_what_is_there_already(machine: Machine) -> None:
    """A cached token is used, and said to be cached; doctor does not ask for another."""
    assert machine.helper.get().secret
    found = {each["check"]: each["message"] for each in machine.findings()}
    assert found["token"].startswith("cached, expires ")
    assert re.search(r"1 token \(aws\.us-east-1\.ecr\), 0 min old, until 20\S+Z$", found["cache"])
    assert machine.aws.count("GetAuthorizationToken") == 1


def another_program(machine: Machine) -> None:
    """Put an old helper first on PATH."""
    machine.put_first_on_path("docker-credential-ecr-login", "echo 'ecr-login (awslabs) 0.6.0'")


def shadowed_program(machine: Machine) -> None:
    """Leave an old helper behind ours on PATH."""
    machine.put_first_on_path("docker-credential-ecr-login", "echo 'ecr-login (awslabs) 0.6.0'")
    machine.helper.environ["PATH"] = f"{EXECUTABLE.parent}:{machine.helper.environ['PATH']}"


def program_not_on_path(machine: Machine) -> None:
    """Have a PATH without the executable."""
    machine.helper.environ["PATH"] = "/usr/bin:/bin"


def no_docker_configuration(machine: Machine) -> None:
    """Have no configuration of docker."""
    shutil.rmtree(machine.helper.home / ".docker")


def docker_asks_another(machine: Machine) -> None:
    """Have Docker Desktop's helper for everything."""
    machine.write_docker({"credsStore": "desktop"})


def docker_configuration_broken(machine: Machine) -> None:
    """Leave out a quotation mark."""
    machine.write_docker('{"credHelpers": {"x: "y"}}')


def former_login(machine: Machine) -> None:
    """Have signed in by docker login before the helper was there."""
    auths = {f"https://{HOST}": {"auth": "QVdTOng="}}
    machine.write_docker({"credHelpers": {HOST: "ecr-login"}, "auths": auths})


def former_login_of_podman(machine: Machine) -> None:
    """Have signed in by podman login since the machine was started."""
    machine.helper.environ["XDG_RUNTIME_DIR"] = str(machine.helper.home / "run")
    auths = {HOST: {"auth": "QVdTOng="}}
    write(machine.helper, "run/containers/auth.json", json.dumps({"auths": auths}))


def former_login_in_the_environment(machine: Machine) -> None:
    """Have a login in the variable that newer dockers read."""
    machine.helper.environ["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {HOST: {"auth": "eA=="}}})


def config_file_misspelt(machine: Machine) -> None:
    """Misspell a key of the config file."""
    machine.helper.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nprofil = "dev"\n')


def fallback_missing(machine: Machine) -> None:
    """Name a fallback that is not there."""
    machine.helper.write_own_config('fallback = "nobody"\n')


def cache_disabled(machine: Machine) -> None:
    """Disable the cache, and forget it."""
    machine.helper.environ["AWS_ECR_DISABLE_CACHE"] = "1"


def cache_elsewhere(machine: Machine) -> None:
    """Have a cache directory that cannot exist."""
    machine.helper.environ["AWS_ECR_CACHE_DIR"] = "/dev/null/ecr"
    machine.helper.environ["XDG_CACHE_HOME"] = str(machine.helper.home / "xdg")


def cache_nowhere(machine: Machine) -> None:
    """Have no directory that can be written."""
    machine.helper.environ["AWS_ECR_CACHE_DIR"] = "/dev/null/ecr"
    machine.helper.environ["XDG_CACHE_HOME"] = "/dev/null"


def token_open_to_others(machine: Machine) -> None:
    """Let others read a token."""
    assert machine.helper.get(SECOND_ACCOUNT).secret
    (token,) = machine.helper.cache_directory.glob("tokens/*/aws.us-east-1.ecr")
    token.chmod(0o644)


def cache_open_to_others(machine: Machine) -> None:
    """Let others write into the cache directory."""
    assert machine.helper.get(SECOND_ACCOUNT).secret
    machine.helper.cache_directory.chmod(0o777)


def cache_of_another(machine: Machine) -> None:
    """Have files of root in the user's cache directory."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    assert machine.helper.get(SECOND_ACCOUNT).secret
    os.chown(machine.helper.cache_directory / "records", 1, 1)


def log_not_writable(machine: Machine) -> None:
    """Have something else in the log's place."""
    (machine.helper.cache_directory / "log" / "ecr-login.log").mkdir(parents=True)


def log_directory_not_writable(machine: Machine) -> None:
    """Have something else in the place of the log's directory."""
    machine.helper.cache_directory.mkdir(mode=0o700)
    (machine.helper.cache_directory / "log").touch()


def profile_misspelt(machine: Machine) -> None:
    """Misspell the profile."""
    machine.helper.environ["AWS_PROFILE"] = "porduction"
    machine.helper.write_config("[profile production]\nregion = us-east-1\n")


def keys_before_profile(machine: Machine) -> None:
    """Leave keys in the environment, which win over the profile."""
    machine.helper.environ["AWS_PROFILE"] = "dev"
    machine.helper.write_config("[profile dev]\nregion = us-east-1\n")


def no_credentials(machine: Machine) -> None:
    """Have no credentials at all."""
    del machine.helper.environ["AWS_ACCESS_KEY_ID"]
    del machine.helper.environ["AWS_SECRET_ACCESS_KEY"]


def sso_expired(machine: Machine) -> None:
    """Have an SSO session that has expired."""
    no_credentials(machine)
    sso_session(machine.aws, machine.helper)
    name, text = machine.aws.add_sso(region="eu-north-1", expired=True).cache_file("corp")
    write(machine.helper, f".aws/sso/cache/{name}", text)


def role_not_trusted(machine: Machine) -> None:
    """Name a role that does not trust the user."""
    machine.aws.add_role(arn=PULL, trusted=["arn:aws:iam::999999999999:root"])
    machine.helper.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nrole_arn = "{PULL}"\n')


def secret_wrong(machine: Machine) -> None:
    """Mistype the secret access key."""
    machine.helper.environ["AWS_SECRET_ACCESS_KEY"] = "wrong"


def sts_unreachable(machine: Machine) -> None:
    """Have no way to STS, which a static key does not need."""
    machine.helper.environ["AWS_ENDPOINT_URL_STS"] = NOBODY


def permission_missing(machine: Machine) -> None:
    """Deny the principal the one permission that it needs."""
    user = machine.aws.add_user(arn=DEV, deny=["ecr:GetAuthorizationToken"])
    machine.helper.environ |= user.environ


def clock_wrong(machine: Machine) -> None:
    """Have a clock that is an hour late."""
    machine.aws.clock_offset = 3600


def api_unreachable(machine: Machine) -> None:
    """Have no way to ECR's API."""
    machine.helper.environ["AWS_ENDPOINT_URL_ECR"] = NOBODY


def token_revoked(machine: Machine) -> None:
    """Have a token that the registry no longer accepts."""
    assert machine.helper.get().secret
    machine.aws.rotate_password()


def proxy_missing(machine: Machine) -> None:
    """Have a proxy setting that leads nowhere."""
    machine.helper.environ["HTTPS_PROXY"] = NOBODY


def tls_untrusted(machine: Machine) -> None:
    """Be behind a proxy that inspects TLS, and not have its certificate."""
    del machine.helper.environ["AWS_CA_BUNDLE"]


Seed = Callable[[Machine], None]

FAULTS: list[tuple[Seed, str, str, str, str]] = [
    (another_program, "program", "failed", "'ecr-login (awslabs) 0.6.0'", "rm /"),
    (shadowed_program, "program", "warned", "later on PATH", "rm /"),
    (program_not_on_path, "program", "failed", "is not on PATH", "sudo "),
    (no_docker_configuration, "docker", "failed", "does not exist", f"configure {HOST}"),
    (docker_asks_another, "docker", "failed", f"names desktop for {HOST}", f"configure {HOST}"),
    (docker_configuration_broken, "docker", "failed", "not JSON at line 1, column ", "correct it"),
    (former_login, "logins", "warned", HOST, f"configure --clean {HOST}"),
    (former_login_of_podman, "logins", "warned", HOST, f"configure --clean --podman {HOST}"),
    (former_login_in_the_environment, "logins", "warned", HOST, "unset DOCKER_AUTH_CONFIG"),
    (config_file_misspelt, "config", "failed", '"profil"', "did you mean profile?"),
    (fallback_missing, "config", "warned", "docker-credential-nobody, is not on PATH", "install"),
    (cache_disabled, "cache", "warned", "AWS_ECR_DISABLE_CACHE is set", "unset AWS_ECR_DISABLE"),
    (cache_elsewhere, "cache", "warned", "/dev/null/ecr cannot hold the cache: Not a", "set AWS_"),
    (cache_nowhere, "cache", "failed", "/dev/null/ecr cannot hold the cache: Not a", "set AWS_"),
    (token_open_to_others, "cache", "warned", "/aws.us-east-1.ecr", "remove them"),
    (cache_open_to_others, "cache", "warned", "other users can write to ", "chmod 700 "),
    (cache_of_another, "cache", "warned", "/records", "sudo chown -R $(id -u) "),
    (log_directory_not_writable, "log", "warned", "/.ecr/log cannot be written", "remove it"),
    (log_not_writable, "log", "warned", "/ecr-login.log cannot be written", "remove it"),
    (profile_misspelt, "profile", "failed", "profiles there: production", "aws configure"),
    (keys_before_profile, "credentials", "warned", 'names "dev"', "unset AWS_ACCESS_KEY_ID"),
    (no_credentials, "credentials", "failed", "no AWS credentials found", "aws configure sso"),
    (sso_expired, "credentials", "failed", "SSO session of", " --profile dev"),
    (role_not_trusted, "credentials", "failed", f"{PULL} (from ", "trust policy"),
    (secret_wrong, "principal", "failed", "the secret for access key", "AWS_SECRET_ACCESS_KEY"),
    (sts_unreachable, "principal", "warned", NOBODY, "pulls do not need it"),
    (clock_wrong, "principal", "failed", "the time of this machine", "set the clock"),
    (permission_missing, "token", "failed", f"denied to {DEV}", "ecr:GetAuthorizationToken"),
    (api_unreachable, "token", "failed", NOBODY, "check AWS_ENDPOINT_URL"),
    (token_revoked, "registry", "failed", "refuses the token (HTTP 401)", f"logout {HOST}"),
    (proxy_missing, "registry", "failed", "the proxy http://127.0.0.1:1", "HTTPS_PROXY"),
    (tls_untrusted, "registry", "failed", "is not trusted", "AWS_CA_BUNDLE"),
]


@pytest.mark.parametrize(
    ("seed", "check", "status", "message", "remedy"),
    FAULTS,
    ids=[seed.__name__ for seed, *_ in FAULTS],
)
def test_seeded_faults(
    machine: Machine, seed: Seed, check: str, status: str, message: str, remedy: str
) -> None:
    """For each fault, the first check that does not pass names it, with its remedy."""
    seed(machine)
    found = [each for each in machine.unhealthy(HOST) if each["status"] != "skipped"]
    assert (found[0]["check"], found[0]["status"]) == (check, status)
    assert message in found[0]["message"]
    assert remedy in found[0]["remedy"]
    others = {each["check"] for each in found[1:]}
    assert others <= ({"token"} if check == "principal" else set())


def test_which_clients_there_are(machine: Machine) -> None:
    """It says what each client reads, which daemon it uses, and where it looks for helpers."""
    machine.helper.environ["DOCKER_HOST"] = "unix:///run/user/1000/docker.sock"
    (found,) = (each for each in machine.findings("--no-network") if each["check"] == "clients")
    docker = machine.helper.home / "first" / "docker"
    assert found["status"] == "passed"
    assert found["message"].startswith(
        f"{docker} (uses unix:///run/user/1000/docker.sock) reads ~/.docker/config.json; "
    )
    assert found["message"].endswith(
        f"PATH, if started from here: {machine.helper.environ['PATH']}"
    )


def test_what_podman_reads(machine: Machine) -> None:
    """Podman reads its own file first, and then docker's."""
    podman = machine.put_first_on_path("podman", "exit 1")
    (found,) = (each for each in machine.findings("--no-network") if each["check"] == "clients")
    reads = f"; {podman} reads ~/.config/containers/auth.json, then ~/.docker/config.json; "
    assert reads in found["message"]


def test_what_podman_reads_beside_another_encoding(machine: Machine) -> None:
    """If docker's file is in UTF-16, the files that podman reads are named all the same."""
    (machine.helper.home / ".docker" / "config.json").write_text("{}", "utf-16")
    podman = machine.put_first_on_path("podman", "exit 1")
    (found,) = (each for each in machine.findings("--no-network") if each["check"] == "clients")
    reads = f"{podman} reads ~/.config/containers/auth.json, then ~/.docker/config.json; "
    assert found["message"].startswith(reads)


def test_it_goes_on_after_a_failure(machine: Machine) -> None:
    """Several faults are all found in one run."""
    for seed in (program_not_on_path, docker_configuration_broken, token_revoked):
        seed(machine)
    found = [each["check"] for each in machine.unhealthy(HOST)]
    assert found == ["program", "docker", "registry"]


def test_the_remedy_stands_under_the_failure(machine: Machine) -> None:
    """People see the remedy on a line of its own, and the numbers at the end."""
    no_credentials(machine)
    outcome = machine.helper.run("doctor")
    lines = outcome.stdout.splitlines()
    (number,) = (
        i for i, line in enumerate(lines) if line.startswith("failed  credentials: no AWS")
    )
    assert lines[number + 1].startswith("        -> run: aws configure sso, or set ")
    assert lines[-1] == "11 passed, 1 failed, 2 skipped"
    assert outcome.status == 1


def test_without_the_network(machine: Machine) -> None:
    """--no-network asks neither AWS nor the registry, and lists the checks that it skips."""
    assert [each["check"] for each in machine.unhealthy("--no-network")] == [
        "credentials",
        "principal",
        "token",
        "registry",
    ]
    assert (machine.aws.calls, machine.asked) == ([], [])


@pytest.mark.parametrize(
    "text",
    ['{"auths": null}', '{"auths": 5}', "[]", f'{{"auths": {{"{HOST}": {{}}}}}}', "{" * 5000],
)
def test_no_login_in_the_environment(machine: Machine, text: str) -> None:
    """A DOCKER_AUTH_CONFIG without a login is no finding, whatever it contains."""
    machine.helper.environ["DOCKER_AUTH_CONFIG"] = text
    assert machine.unhealthy() == []


@pytest.mark.parametrize("prints", ["head -c 100000 /dev/zero | tr '\\0' '\\377'", "yes"])
def test_another_program_is_asked_once(machine: Machine, prints: str) -> None:
    """A program in place of this one is asked for its version once, and may print anything."""
    asked = machine.helper.home / "asked"
    script = f"echo asked >>'{asked}'; {prints}"
    machine.put_first_on_path("docker-credential-ecr-login", script)
    (found,) = machine.unhealthy("--no-network")[:1]
    assert (found["check"], found["status"]) == ("program", "failed")
    assert asked.read_text() == "asked\n"


def test_a_pipe_in_the_place_of_the_log(machine: Machine) -> None:
    """A pipe in the place of the log is named, and not waited for."""
    log = machine.helper.cache_directory / "log" / "ecr-login.log"
    log.parent.mkdir(parents=True)
    os.mkfifo(log)
    (found,) = machine.unhealthy()
    assert (found["check"], found["message"]) == ("log", f"{log} cannot be written")


def test_only_the_credentials_check_looks_for_credentials(machine: Machine) -> None:
    """Without the network no credential_process is run; otherwise, one that fails is run once."""
    no_credentials(machine)
    ran = machine.helper.home / "ran"
    process = write(machine.helper, "process", f"#!/bin/sh\necho ran >>'{ran}'\nexit 1\n")
    process.chmod(0o700)
    machine.helper.write_config(f"[default]\ncredential_process = '{process}'\n")
    assert len(machine.unhealthy("--no-network")) == 4
    assert not ran.exists()
    assert machine.unhealthy()[0]["check"] == "credentials"
    assert ran.read_text() == "ran\n"


def test_the_password_of_a_proxy_without_a_scheme(machine: Machine) -> None:
    """The password of a proxy is not shown where the scheme is left out, as curl allows."""
    machine.helper.environ["AWS_ENDPOINT_URL_ECR"] = "https://api.ecr.example.com"
    machine.helper.environ["HTTPS_PROXY"] = "dev:hunter2@proxy.example.com:3128"
    outcome = machine.helper.run("doctor", "--no-network")
    assert "through the proxy http://***@proxy.example.com:3128" in outcome.stdout
    assert "hunter2" not in outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    "line", ["doctor | true", "doctor --no-network >&-", "doctor --no-network --json >&-"]
)
def test_nobody_reads(machine: Machine, line: str) -> None:
    """If nobody reads its output, it ends without a message."""
    completed = subprocess.run(
        ["/bin/bash", "-c", f"'{machine.helper.executable}' {line}"],
        env=machine.helper.environment(),
        capture_output=True,
        check=False,
    )
    assert completed.stderr == b""
    assert "Traceback" not in machine.helper.log


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no /dev/full")
def test_a_full_disk(machine: Machine) -> None:
    """If its output cannot be written, it says so."""
    completed = subprocess.run(
        ["/bin/sh", "-c", f"'{machine.helper.executable}' doctor --no-network >/dev/full"],
        env=machine.helper.environment(),
        capture_output=True,
        check=False,
    )
    line = b"ecr-login: the findings cannot be printed: No space left on device\n"
    assert (completed.stderr, completed.returncode) == (line, 1)


def test_the_callers_own_registry(machine: Machine) -> None:
    """If no registry is named, that of the principal's account and region is checked."""
    machine.write_docker({"credsStore": "ecr-login"})
    machine.helper.environ["AWS_REGION"] = "us-east-1"
    assert machine.unhealthy() == []
    assert machine.aws.accepts(machine.helper.get(HOST).secret)
    assert machine.aws.count("GetAuthorizationToken") == 1


def test_no_registry_at_all(machine: Machine) -> None:
    """If no registry is named and no region is configured, the checks that need one are skipped."""
    machine.write_docker({"credsStore": "ecr-login"})
    skipped = machine.unhealthy()
    assert [each["check"] for each in skipped] == ["endpoint", "token", "registry"]
    assert {each["status"] for each in skipped} == {"skipped"}


def test_ecr_public(machine: Machine) -> None:
    """ECR Public is asked through its token server, as docker does it."""
    machine.write_docker({"credsStore": "ecr-login"})
    assert machine.unhealthy(PUBLIC) == []
    assert machine.asked == ["/v2/", f"/token/?service={PUBLIC}&scope=aws"]


def test_a_listed_domain_name(machine: Machine) -> None:
    """A name that the config file lists is checked in its canonical form, however it is written."""
    machine.write_docker({"credHelpers": {OWN: "ecr-login"}})
    machine.helper.write_own_config(f'[[registry]]\nmatch = "{OWN}"\nregistry = "{HOST}"\n')
    found = {each["check"]: each for each in machine.findings(f"https://{OWN.upper()}/v2/")}
    assert {each["status"] for each in found.values()} == {"passed"}
    assert f"its table 1 applies to {OWN}" in found["config"]["message"]
    assert f"https://{OWN}/v2/ takes the token" in found["registry"]["message"]


@pytest.mark.parametrize(
    ("challenge", "words"),
    [
        (
            f'Bearer realm="https://{PUBLIC}/token/"',
            f"to https://{PUBLIC}/token/, which was not done",
        ),
        (f'Bearer realm="http://{OWN}/token/"', f"to http://{OWN}/token/, which was not done"),
        (
            f'Bearer realm="https://{OWN}:444/token/"',
            f"to https://{OWN}:444/token/, which was not done",
        ),
        (
            f'Bearer realm="https://{OWN}@{PUBLIC}/"',
            f"to https://***@{PUBLIC}/, which was not done",
        ),
        ('Bearer service="ecr"', "to nowhere, which was not done"),
        ("Bearer realm", f"https://{OWN}/v2/ through the proxy http://127.0.0.1:"),
        ("Bearer realm=", "refuses the token (HTTP 401)"),
        ('Bearer realm="https://[::1/"', "refuses the token (HTTP 401)"),
    ],
)
def test_a_registry_that_wants_the_password_elsewhere(
    signed_in: HelperProcess, aws: AwsEmulator, challenge: str, words: str
) -> None:
    """The password is not sent to another server that a registry names; the finding says so."""
    signed_in.write_own_config(f'[[registry]]\nmatch = "{OWN}"\nregistry = "{HOST}"\n')
    names = (OWN, PUBLIC)
    with registry_under_its_own_name(
        signed_in, lambda _: False, *names, challenge=challenge
    ) as asked:
        found = Machine(signed_in, aws, asked).findings(OWN)[-1]
    assert asked == ["/v2/"]
    assert (found["check"], found["status"]) == ("registry", "failed")
    assert words in found["message"]


def test_a_listed_domain_name_for_ecr_public(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """ECR Public may send clients to its token server under a domain name of one's own, too."""
    signed_in.write_own_config(f'[[registry]]\nmatch = "{OWN}"\nregistry = "{PUBLIC}"\n')
    realm = f'Bearer realm="https://{PUBLIC.upper()}:443/token/?x=y",service="{PUBLIC}"'
    with registry_under_its_own_name(
        signed_in, lambda _: False, OWN, PUBLIC, challenge=realm
    ) as asked:
        found = Machine(signed_in, aws, asked).findings(OWN)[-1]
    assert asked == ["/v2/", f"/token/?x=y&service={PUBLIC}"]
    assert found["check"] == "registry"


@pytest.mark.parametrize("place", ["profile", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_something_else_names(machine: Machine, place: str) -> None:
    """The registry is trusted by AWS's certificates, those of profile and variables included."""
    bundle = machine.helper.environ.pop("AWS_CA_BUNDLE")
    if place == "profile":
        machine.helper.environ["AWS_PROFILE"] = "dev"
        user = machine.aws.add_user(arn=DEV)
        machine.helper.write_config(f"[profile dev]\nca_bundle = {bundle}\n{keys(user)}")
        no_credentials(machine)
    else:
        machine.helper.environ[place] = bundle
    assert machine.unhealthy() == []


def test_certificates_of_the_profile_of_a_table(machine: Machine) -> None:
    """The ca_bundle of the profile that the config file names is trusted for the registry."""
    bundle = machine.helper.environ.pop("AWS_CA_BUNDLE")
    user = machine.aws.add_user(arn=DEV)
    machine.helper.write_config(f"[profile dev]\nca_bundle = {bundle}\n{keys(user)}")
    machine.helper.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nprofile = "dev"\n')
    assert machine.unhealthy() == []


def test_a_registry_without_credentials(machine: Machine) -> None:
    """A registry that is used anonymously needs no token; only its answer is checked."""
    machine.helper.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nanonymous = true\n')
    found = {each["check"]: each for each in machine.findings(HOST)}
    assert found["token"]["status"] == "skipped"
    assert found["registry"]["message"].endswith("answers; there is no token to try")
    assert machine.aws.count("GetAuthorizationToken") == 0


def test_podman_alone(machine: Machine) -> None:
    """If podman uses the helper and docker does not, that is only a warning."""
    machine.write_docker({})
    path = ".config/containers/registries.conf"
    write(machine.helper, path, 'credential-helpers = ["containers-auth.json", "ecr-login"]\n')
    (found,) = machine.unhealthy(HOST)
    assert (found["check"], found["status"]) == ("docker", "warned")
    assert f"podman uses this helper: ~/{path}" in found["message"]


def test_podman_without_docker(machine: Machine) -> None:
    """If docker is not installed and podman uses the helper, the check passes."""
    machine.helper.environ["PATH"] = str(EXECUTABLE.parent)
    machine.write_docker({})
    write(
        machine.helper,
        ".config/containers/registries.conf",
        'credential-helpers = ["containers-auth.json", "ecr-login"]\n',
    )
    found = {each["check"]: each for each in machine.findings(HOST)}
    assert found["docker"]["status"] == "passed"
    assert found["docker"]["message"].startswith("docker is not on PATH; podman uses this helper")


def test_account_and_region(machine: Machine) -> None:
    """A registry can be named by account and region, or by the region alone."""
    for arguments in (["111111111111", "--region", "us-east-1"], ["--region", "us-east-1"]):
        found = {each["check"]: each["message"] for each in machine.findings(*arguments)}
        assert found["registry"].endswith(f"https://{HOST}/v2/ takes the token")


def test_a_profile_by_name(machine: Machine) -> None:
    """--profile checks that profile, whatever keys are in the environment."""
    user = machine.aws.add_user(arn="arn:aws:iam::111111111111:user/other")
    machine.helper.write_credentials(f"[other]\n{keys(user)}")
    found = {each["check"]: each["message"] for each in machine.findings("--profile", "other")}
    assert found["credentials"].startswith("shared-credentials-file: access key ")
    assert found["principal"].startswith(f"{user.arn} of account")


def test_a_misnamed_helper(machine: Machine) -> None:
    """The finding for an entry that names another helper also names its registry."""
    machine.write_docker({"credHelpers": {HOST: "ecr"}})
    (found, *_) = machine.unhealthy()
    assert found["message"].startswith(f"~/.docker/config.json names ecr for {HOST}: ")
    assert found["remedy"] == f"docker-credential-ecr-login configure {HOST}"


def test_ecr_public_without_credentials(machine: Machine) -> None:
    """ECR Public works without credentials, so missing ones are no failure."""
    machine.write_docker({"credsStore": "ecr-login"})
    no_credentials(machine)
    found = {each["check"]: each for each in machine.findings(PUBLIC)}
    assert found["credentials"]["status"] == "warned"
    assert "AWS_ECR_PUBLIC_ANONYMOUS=true" in found["credentials"]["remedy"]
    assert {each["status"] for each in found.values()} == {"passed", "warned", "skipped"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root")
def test_sudo(machine: Machine) -> None:
    """Under sudo, it warns that it checks the files of another user."""
    machine.helper.environ |= {"SUDO_USER": "dev", "SUDO_UID": "1000"}
    (found,) = machine.unhealthy()
    assert (found["check"], found["status"]) == ("program", "warned")
    assert f"the files in {machine.helper.home}, not those of dev" in found["message"]


def test_what_failed_last(machine: Machine) -> None:
    """A failure in the log is shown if it is recent, and the last entry for this registry."""
    machine.aws.fail("GetAuthorizationToken", Fault(error="AccessDeniedException"), times=2)
    assert machine.helper.get(OTHER_REGION).status == 1
    assert machine.unhealthy("--no-network")[0]["check"] == "credentials"
    assert machine.helper.get().status == 1
    machine.helper.environ["CHANGED"] = "1"  # so that it is not remembered
    log = machine.helper.cache_directory / "log" / "ecr-login.log"
    text = log.read_text()
    (found,) = machine.unhealthy()
    assert (found["check"], found["status"]) == ("log", "warned")
    assert f"{log} ends with a failure: 20" in found["message"]
    assert f"ERROR {HOST}: " in found["message"]
    assert machine.unhealthy() == []  # a token came after it
    log.write_text(re.sub("^20..", "2020", text, flags=re.MULTILINE))
    assert machine.unhealthy() == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"credHelpers": {f"https://{HOST}": "ecr-login"}},
            f", but this helper for https://{HOST}: ",
        ),
        (
            {"credHelpers": {"*.amazonaws.com": "ecr-login"}},
            ", but this helper for *.amazonaws.com: ",
        ),
        ({"credStore": "ecr-login"}, " (docker does not know the key credStore): "),
        ({"credsStore": "ecr-login", "credHelpers": {HOST: ""}}, ": "),
        ({"credHelper": {HOST: "ecr-login"}}, " (docker does not know the key credHelper): "),
    ],
)
def test_what_docker_does_not_take(machine: Machine, content: object, words: str) -> None:
    """It shows names of registries, and keys, that docker ignores."""
    machine.write_docker(content)
    found = machine.unhealthy("--no-network", HOST)[0]
    message = f"~/.docker/config.json names no helper for {HOST}{words}docker does not ask"
    assert found["message"].startswith(message)
    assert found["remedy"].endswith(f"configure {HOST}")


def test_a_program_for_another_processor(machine: Machine) -> None:
    """If another program cannot be run, the finding says why."""
    machine.put_first_on_path("docker-credential-ecr-login", "").write_bytes(b"\x7fELF\x02\x01")
    assert "'Exec format error'" in machine.unhealthy("--no-network")[0]["message"]


def test_what_is_for_all_users(tmp_path: Path) -> None:
    """A path is for all users if every user can reach it and only root can replace it."""
    assert is_for_all_users("/usr/bin/env")
    tmp_path.chmod(0o700)
    assert not is_for_all_users(str(tmp_path))


def test_a_link_into_a_home(machine: Machine) -> None:
    """A link for all users to an installation in a home is a warning, with what to do instead."""
    link = Path("/mnt/bin", EXECUTABLE.name)
    script = (
        'mount -t tmpfs -o mode=755 tmpfs "$0" && mkdir -m 755 "$0/bin" && mkdir -m 700 "$0/home"'
        f' && mkdir "$0/home/it" && mount --bind "{EXECUTABLE.parents[1]}" "$0/home/it"'
        f' && ln -s "$0/home/it/bin/{EXECUTABLE.name}" "{link}"'
    )
    with mounted(machine.helper, Path("/mnt"), script) as (there, _):
        there.environ["PATH"] = f"{link.parent}:{machine.helper.environ['PATH']}"
        there.executable = link
        outcome = there.run("doctor", "--no-network", "--json", HOST)
    (found,) = [each for each in json.loads(outcome.stdout)["checks"] if each["status"] == "warned"]
    assert found["message"].startswith("/mnt/bin is for all users, but /mnt/home/it/bin/")
    assert found["remedy"].startswith(f"sudo rm {link}; ")
    assert found["remedy"].endswith("sudo pipx install --global")


def test_the_package_of_another_program(machine: Machine) -> None:
    """The remedy removes another program with the package manager that installed it, if known."""
    path = machine.put_first_on_path("docker-credential-ecr-login", "echo old")
    for name in ("dpkg", "rpm", "apk", "pacman"):
        machine.put_first_on_path(name, "exit 1")
    assert machine.unhealthy()[0]["remedy"] == f"rm {path}"
    for name, query, answer, expected in (
        ("pacman", "-Qoq", "ecr-helper", "sudo pacman -R ecr-helper"),
        ("apk", "info -q --who-owns", "ecr-helper-0.7.1-r5", "sudo apk del ecr-helper"),
        ("rpm", "-qf --queryformat %{NAME}", "ecr-helper", "sudo dnf remove ecr-helper"),
        ("dpkg", "-S", f"ecr-helper:amd64: {path}", "sudo apt remove ecr-helper"),
    ):
        machine.put_first_on_path(name, f'test "$*" = "{query} {path}" && echo "{answer}"')
        assert machine.unhealthy()[0]["remedy"] == expected
    cellar = machine.helper.home / "Cellar" / "helper-ecr" / "1.0" / "bin" / path.name
    cellar.parent.mkdir(parents=True)
    path.rename(cellar)
    path.symlink_to(cellar)
    assert machine.unhealthy()[0]["remedy"] == "brew uninstall helper-ecr"
    desktop = machine.helper.home / "Docker.app" / "bin" / path.name
    desktop.parent.mkdir(parents=True)
    cellar.rename(desktop)
    path.unlink()
    path.symlink_to(desktop)
    remedy = machine.unhealthy()[0]["remedy"]
    assert remedy.startswith(f"rm {path} (each update of Docker Desktop restores it")
    machine.helper.environ["PATH"] = f"{path.parent}:/usr/bin:/bin"
    assert machine.unhealthy()[0]["remedy"].startswith(f"{remedy}, then: ")


def test_no_secret_is_shown(machine: Machine) -> None:
    """Its output contains neither keys nor passwords, not even that of a proxy."""
    address = machine.helper.environ["HTTPS_PROXY"].removeprefix("http://")
    machine.helper.environ["HTTPS_PROXY"] = f"http://dev:hunter2@{address}"
    outcome = machine.helper.run("doctor")
    assert outcome.status == 0
    secrets = [
        "hunter2",
        machine.helper.get().secret,
        machine.helper.environ["AWS_ACCESS_KEY_ID"],
        machine.helper.environ["AWS_SECRET_ACCESS_KEY"],
    ]
    assert [secret for secret in secrets if secret in outcome.stdout + outcome.stderr] == []


def test_a_password_that_makes_a_url_invalid(machine: Machine) -> None:
    """If a slash in a proxy's password breaks the URL, no part of it is shown or logged."""
    machine.helper.environ["HTTPS_PROXY"] = "http://dev:hunter/2@proxy.example.com"
    outcome = machine.helper.run("doctor")
    assert outcome.status == 1
    assert "hunter" not in outcome.stdout + outcome.stderr + machine.helper.log


def test_a_finding_is_one_line(machine: Machine) -> None:
    """Line breaks and escape sequences in a path affect neither the lines nor the terminal."""
    machine.helper.environ["AWS_ECR_CACHE_DIR"] = "/dev/null/\x1b[31m\nfailed  x"
    outcome = machine.helper.run("doctor", "--no-network")
    assert "warned  cache: /dev/null/?[31m failed x cannot hold" in outcome.stdout
    assert "\x1b" not in outcome.stdout


def test_one_file_for_docker_and_podman(machine: Machine) -> None:
    """A former login in a file that docker and podman share is found once."""
    former_login(machine)
    path = machine.helper.home / ".docker" / "config.json"
    machine.helper.environ["REGISTRY_AUTH_FILE"] = str(path)
    (found,) = machine.unhealthy()
    assert found["remedy"].endswith(f"configure --clean {HOST}")


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colour(machine: Machine, no_color: str) -> None:
    """At a terminal the words are in colour, unless NO_COLOR is set; elsewhere never."""
    environ = {"NO_COLOR": no_color, "TERM": "xterm"}
    assert "\x1b" not in machine.helper.run("doctor", "--no-network", changes=environ).stdout
    terminal, program = os.openpty()
    subprocess.run(
        [str(machine.helper.executable), "doctor", "--no-network"],
        env=machine.helper.environment(environ),
        stdout=program,
        check=True,
    )
    screen = os.read(terminal, 10_000).decode()
    os.close(program)
    os.close(terminal)
    assert ("\npassed  version" if no_color else "\n\x1b[32mpassed  \x1b[0mversion") in screen


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["ghcr.io"],
            "'ghcr.io' is neither the host of an ECR registry nor an account ID of 12 digits",
        ),
        (["11111111111"], "an account ID has 12 digits, but 11111111111 has 11"),
        ([HOST, PUBLIC], f"unrecognized arguments: {PUBLIC}"),
        ([f"{HOST},{PUBLIC}"], "doctor checks one registry at a time; name one"),
        ([""], "doctor checks one registry at a time; name one"),
    ],
)
def test_bad_arguments(helper: HelperProcess, arguments: list[str], words: str) -> None:
    """Arguments that make no sense are one line on stderr, and exit code 1."""
    outcome = helper.run("doctor", *arguments, changes={"AWS_REGION": "us-east-1"})
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert outcome.stderr.startswith(f"ecr-login: {words}")
    assert outcome.stderr.count("\n") == 1
