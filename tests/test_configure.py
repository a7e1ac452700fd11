"""The command ``configure``: this helper in the configuration of container clients."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login import commands
from docker_credential_ecr_login.commands import clients, edits, files, json_text, plans, toml_text
from docker_credential_ecr_login.config import parse_text
from docker_credential_ecr_login.errors import BadConfiguration, HelperError
from tests.emulator import AwsEmulator
from tests.helper_process import (
    EXECUTABLE,
    HOST,
    OTHER_REGION,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
    Outcome,
    as_nobody,
)
from tests.mounts import mounted

PUBLIC_DUAL_STACK = "ecr-public.aws.com"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
SHOWN = "~/.docker/config.json"
OWN_SHOWN = "~/.config/ecr-login/config.toml"
NOBODY = 65534
NOTHING = f"{SHOWN}: nothing had to be changed\n"
ROLE = "arn:aws:iam::222222222222:role/pull"
HEAD = "[[registry]]  # by docker-credential-ecr-login configure\n"
# As docker itself writes it: tabs, and no line break at the end.
DOCKERS = """{
\t"auths": {
\t\t"ghcr.io": {
\t\t\t"auth": "Z2hjci1zZWNyZXQ="
\t\t}
\t},
\t"currentContext": "remote",
\t"plugins": {
\t\t"debug": {
\t\t\t"hooks": "exec"
\t\t}
\t}
}"""


class Home:
    """``configure``, in this process, with the executable on PATH and a home of its own."""

    def __init__(self, helper: HelperProcess) -> None:
        helper.environ["PATH"] = f"{EXECUTABLE.parent}{os.pathsep}{os.environ['PATH']}"
        helper.environ["XDG_RUNTIME_DIR"] = str(helper.home / "run")
        self.helper = helper
        self.docker = helper.home / ".docker" / "config.json"
        self.own = helper.home / ".config" / "ecr-login" / "config.toml"
        profiles = ("p", "one", "two", "prod", "all", "'a \"b\"'")
        helper.write_config("".join(f"[profile {name}]\n" for name in profiles))

    def configure(self, *arguments: str, **changes: str) -> Outcome:
        """Run ``configure``, as `test_the_executable` finds that the executable does."""
        environ = self.helper.environment(changes)
        try:
            said, remark, status = commands.run(["configure", *arguments], environ)
        except HelperError as error:
            said, remark, status = "", str(error), 1
        return Outcome(said, f"ecr-login: {remark}\n" if remark else "", status)

    def done(self, *arguments: str, **changes: str) -> list[str]:
        """Run ``configure``, which must succeed without a warning; return what it says it did."""
        outcome = self.configure(*arguments, **changes)
        assert (outcome.stderr, outcome.status) == ("", 0), outcome
        return outcome.stdout.splitlines()

    def write(self, text: str) -> None:
        """Write Docker's config.json, byte for byte."""
        self.docker.parent.mkdir(parents=True, exist_ok=True)
        self.docker.write_bytes(text.encode())

    @property
    def text(self) -> str:
        """Docker's config.json, byte for byte."""
        return self.docker.read_bytes().decode()

    @property
    def settings(self) -> Any:
        """What Docker's config.json says."""
        return json.loads(self.text)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home."""
    directory = tmp_path / "home"
    directory.mkdir()
    monkeypatch.setenv("HOME", str(directory))
    return Home(HelperProcess(directory))


def contents(home: Home) -> dict[str, bytes]:
    """All files in a home, but for the log."""
    paths = [path for path in home.helper.home.rglob("*") if path.is_file()]
    found = {str(path.relative_to(home.helper.home)): path.read_bytes() for path in paths}
    return {name: content for name, content in found.items() if not name.startswith(".ecr/")}


def run_in_shell(command: str, user: int | None = None) -> None:
    """Run the command in a hint."""
    subprocess.run(["/bin/sh", "-c", command], user=user, check=True)


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "arguments",
    [
        [HOST, "--public"],
        [HOST, "--clean", "--profile", "p"],
        [HOST, "--remove"],
        ["--global"],
        ["--global", "--dry-run"],
        ["--podman", HOST],
        ["ghcr.io"],
        ["--bogus"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_the_executable(home: Home, tmp_path: Path, arguments: list[str]) -> None:
    """The executable says and does what the other tests see, which call it in their process."""
    other = Home(HelperProcess(tmp_path / "other"))
    for each in (home, other):
        each.write(DOCKERS.replace("ghcr.io", HOST))
        each.helper.write_own_config("timeout = 3\n")
    assert other.helper.run("configure", *arguments) == home.configure(*arguments)
    assert contents(other) == contents(home)


class TestRegistries:
    """Which registries are written."""

    @pytest.mark.parametrize(
        ("arguments", "hosts"),
        [
            ([HOST], [HOST]),
            ([f"https://{HOST.upper()}:443/v2/", HOST], [HOST]),
            ([HOST, SECOND_ACCOUNT], [HOST, SECOND_ACCOUNT]),
            (["--public"], [PUBLIC, PUBLIC_DUAL_STACK]),
            ([HOST, "--public"], [HOST, PUBLIC, PUBLIC_DUAL_STACK]),
            (["111111111111", "--region", "us-east-1"], [HOST]),
            (
                [f"111111111111,{SECOND_ACCOUNT}", "--region", "us-east-1,eu-west-1"],
                [HOST, OTHER_REGION, SECOND_ACCOUNT],
            ),
            (
                ["012345678901", "--region", "cn-north-1"],
                ["012345678901.dkr.ecr.cn-north-1.amazonaws.com.cn"],
            ),
            (
                ["012345678901", "--region", "us-gov-west-1"],
                ["012345678901.dkr.ecr.us-gov-west-1.amazonaws.com"],
            ),
            (
                ["012345678901", "--region", "eusc-de-east-1"],
                ["012345678901.dkr.ecr.eusc-de-east-1.amazonaws.eu"],
            ),
        ],
    )
    def test_each_form(self, home: Home, arguments: list[str], hosts: list[str]) -> None:
        """A host, an account with --region and --public become entries of credHelpers."""
        assert home.done(*arguments) == [f"{SHOWN}: added credHelpers {host}" for host in hosts]
        assert home.settings == {"credHelpers": dict.fromkeys(hosts, "ecr-login")}

    def test_the_configured_region(self, home: Home) -> None:
        """Without --region an account's registry is that of AWS_REGION, or of the profile."""
        assert home.done("111111111111", AWS_REGION="eu-west-1") == [
            f"{SHOWN}: added credHelpers {OTHER_REGION}"
        ]
        home.helper.write_config("[profile p]\nregion = eu-west-1\n")
        assert f"{SHOWN}: added credHelpers 222222222222.dkr.ecr.eu-west-1.amazonaws.com" in (
            home.done("222222222222", "--profile", "p")
        )

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], "no registry is named; give its host, its account ID and --region, --public,"),
            (["--remove"], "no registry is named; "),
            (["ghcr.io"], "'ghcr.io' is neither the host of an ECR registry nor an account ID"),
            (["12345678901", "--region", "us-east-1"], "if it is 012345678901, its leading ze"),
            (["12345678901.dkr.ecr.us-east-1.amazonaws.com"], "if it is 012345678901, its lea"),
            (["1234567890123", "--region", "us-east-1"], "12 digits, but 1234567890123 has 13"),
            (["111111111111"], "no region is configured for account 111111111111; add "),
            (["111111111111", "--region", "a.b"], "'a.b' is not a region; a region is, for ex"),
            ([HOST, "--region", "us-east-1"], "--region is only for registries that are named "),
            (["--global", "--profile", "p"], "--profile and --role-arn apply to registries, an"),
            (["--global", "--podman"], "podman has no credsStore, which --global would set; "),
            (["111111111111", "--region", "us-esat-1"], "there is no region us-esat-1; did you me"),
            (
                ["111111111111.dkr.ecr.us-eats-1.amazonaws.com"],
                "us-eats-1; did you mean us-east-1 ",
            ),
            ([HOST, "--role-arn", "foo"], "--role-arn must be arn:<partition>:iam::<account>:"),
            ([HOST, "--profile", " "], "--profile must be the name of a profile"),
            ([HOST, "--profile", "a\x7fb"], "--profile must be a string on one line"),
            (
                [HOST, "--profile", "tow"],
                "; did you mean two? otherwise, run: aws configure --profile tow",
            ),
            (["111111111111", "--profile", "tow"], "; profiles there: "),
            (
                ["--public", "--role-arn", "arn:aws:iam::{registry_id}:role/pull"],
                "--role-arn contains {registry_id}, which ECR Public does not have",
            ),
            (["--bogus"], "unrecognized arguments: --bogus; see: "),
        ],
    )
    def test_bad_arguments(self, home: Home, arguments: list[str], words: str) -> None:
        """Arguments that make no sense are one line on stderr, exit code 1, and no file."""
        outcome = home.configure(*arguments)
        assert (outcome.stdout, outcome.status) == ("", 1)
        assert outcome.stderr.startswith("ecr-login: ")
        assert words in outcome.stderr
        assert outcome.stderr.count("\n") == 1
        assert not home.docker.parent.exists()

    @pytest.mark.parametrize("region", ["nz-north-1", "eu-northwest-3", "x"])
    def test_a_region_that_is_not_known_yet(self, home: Home, region: str) -> None:
        """A region that is not known yet is accepted."""
        host = f"111111111111.dkr.ecr.{region}.amazonaws.com"
        assert home.done(host) == [f"{SHOWN}: added credHelpers {host}"]

    def test_a_misspelt_entry_is_removed(self, home: Home) -> None:
        """A misspelt entry can be removed, even if its profile no longer exists."""
        host = "111111111111.dkr.ecr.us-esat-1.amazonaws.com"
        home.write(json.dumps({"credHelpers": {host: "ecr-login"}}))
        lines = home.done(host, "--profile", "gone", "--remove")
        assert lines == [f"{SHOWN}: removed credHelpers {host}"]

    def test_help(self, home: Home) -> None:
        """--help describes every option."""
        outcome = home.configure("--help")
        assert outcome.status == 0
        for option in ("--public", "--global", "--role-arn", "--remove", "--dry-run", "--podman"):
            assert option in outcome.stdout


class TestOwnNames:
    """Names of one's own in front of ECR, which our config file lists."""

    OWN = "images.example.com:5000"

    @pytest.fixture
    def listed(self, home: Home) -> str:
        """Our config file with such a name."""
        text = f'[[registry]]\nmatch = "{self.OWN}"\nregistry = "{HOST}"\n'
        home.helper.write_own_config(text)
        return text

    def test_it_is_written(self, home: Home, listed: str) -> None:
        """It becomes an entry of credHelpers, in canonical form, and --remove removes it."""
        assert home.done(f"{HOST},https://Images.Example.com:5000/v2/") == [
            f"{SHOWN}: added credHelpers {HOST}",
            f"{SHOWN}: added credHelpers {self.OWN}",
        ]
        assert home.own.read_text() == listed
        assert home.done(self.OWN, "--remove") == [f"{SHOWN}: removed credHelpers {self.OWN}"]
        assert home.settings == {"credHelpers": {HOST: "ecr-login"}}

    @pytest.mark.usefixtures("listed")
    @pytest.mark.parametrize("name", ["images.example.com", "ghcr.io", "[::1]:5000"])
    def test_it_is_not_listed(self, home: Home, name: str) -> None:
        """A name that is not listed is refused, because the helper would not answer it."""
        outcome = home.configure(name)
        assert (outcome.stdout, outcome.status) == ("", 1)
        assert f"'{name}' is neither the host of an ECR registry nor an" in outcome.stderr
        assert not home.docker.exists()

    def test_it_is_listed_no_more(self, home: Home) -> None:
        """--remove removes any entry that names this helper, and none that names another."""
        home.write(json.dumps({"credHelpers": {"Odd.name/": "ecr-login", "gcr.io": "gcr"}}))
        outcome = home.configure("gcr.io", "--remove")
        assert outcome.status == 1
        assert "'gcr.io' is neither " in outcome.stderr
        assert home.done("Odd.name/", "--remove") == [f"{SHOWN}: removed credHelpers Odd.name/"]
        assert home.settings == {"credHelpers": {"gcr.io": "gcr"}}

    def test_whose_credentials_it_has(self, home: Home, listed: str) -> None:
        """--profile is refused for it: a further table would hide the one that lists it."""
        outcome = home.configure(self.OWN, "--profile", "p")
        assert outcome.status == 1
        assert f"{self.OWN} has its own table in config.toml; write" in outcome.stderr
        assert home.own.read_text() == listed
        assert not home.docker.exists()

    @pytest.mark.usefixtures("listed")
    def test_a_former_login(self, home: Home) -> None:
        """--clean removes what docker login left for it under auths."""
        home.write(json.dumps({"auths": {f"https://{self.OWN}/v1/": {"auth": "c2VjcmV0"}}}))
        assert "under auths" in home.configure(self.OWN).stderr
        home.done(self.OWN, "--clean")
        assert home.settings == {"auths": {}, "credHelpers": {self.OWN: "ecr-login"}}


class TestFile:
    """How Docker's config.json is written."""

    def test_remove_undoes_it(self, home: Home) -> None:
        """--remove with the same arguments restores the file, byte for byte."""
        home.write(DOCKERS)
        home.done(HOST, "--public")
        hosts = (HOST, PUBLIC, PUBLIC_DUAL_STACK)
        assert home.done(HOST, "--public", "--remove") == [
            f"{SHOWN}: removed credHelpers {host}" for host in hosts
        ]
        assert home.text == DOCKERS
        assert home.done(HOST, "--remove") == [NOTHING.strip()]

    def test_another_helper_is_replaced_but_not_removed(self, home: Home) -> None:
        """An entry that names another helper is replaced, with a message; --remove leaves it."""
        text = json.dumps({"credHelpers": {HOST: "other", "gcr.io": "gcloud"}}, indent=4)
        home.write(text)
        assert home.done(HOST, "--remove") == [NOTHING.strip()]
        assert home.text == text
        assert home.done(HOST) == [f"{SHOWN}: changed credHelpers {HOST} from other"]
        assert home.text == text.replace('"other"', '"ecr-login"')
        home.done(HOST, "--remove")
        assert home.settings == {"credHelpers": {"gcr.io": "gcloud"}}

    def test_twice_changes_nothing(self, home: Home) -> None:
        """Running it again says so and writes nothing, not even the time of modification."""
        arguments = (HOST, "--public", "--global", "--profile", "p", "--role-arn", ROLE)
        home.write('{"credsStore": "desktop"}')
        home.done(*arguments)
        for path in (home.docker, home.own):
            os.utime(path, ns=(1, 1))
        states = [(path.stat(), path.read_bytes()) for path in (home.docker, home.own)]
        assert home.done(*arguments) == [NOTHING.strip()]
        again = [(path.stat(), path.read_bytes()) for path in (home.docker, home.own)]
        assert [(one.st_ino, one.st_mtime_ns, text) for one, text in again] == [
            (one.st_ino, 1, text) for one, text in states
        ]

    def test_new_files_are_private(self, home: Home) -> None:
        """New files are 0600, new directories 0700, and nothing else is left beside them."""
        home.done(HOST, "--profile", "p")
        for path in (home.docker, home.own):
            assert (mode(path), mode(path.parent)) == (0o600, 0o700)
            assert list(path.parent.iterdir()) == [path]
        assert mode(home.own.parent.parent) == 0o700

    def test_a_link_to_nothing(self, home: Home, tmp_path: Path) -> None:
        """If a symbolic link has no target, the target is created."""
        home.docker.parent.mkdir()
        home.docker.symlink_to(tmp_path / "new" / "docker.json")
        home.done(HOST)
        assert home.docker.is_symlink()
        assert mode(tmp_path / "new" / "docker.json") == 0o600

    def test_docker_config(self, home: Home, tmp_path: Path) -> None:
        """DOCKER_CONFIG is the directory that is written to, and shown in full."""
        lines = home.done(HOST, DOCKER_CONFIG=str(tmp_path / "elsewhere"))
        assert lines == [f"{tmp_path}/elsewhere/config.json: added credHelpers {HOST}"]
        assert (tmp_path / "elsewhere" / "config.json").exists()
        assert not home.docker.exists()

    def test_not_a_file(self, home: Home) -> None:
        """What cannot be read or written is one line on stderr, and exit code 1."""
        home.docker.mkdir(parents=True)
        outcome = home.configure(HOST)
        assert outcome == Outcome("", f"ecr-login: {SHOWN}: this is not a file\n", 1)
        home.docker.rmdir()
        os.mkfifo(home.docker)
        assert home.configure(HOST) == outcome
        shutil.rmtree(home.docker.parent)
        home.docker.parent.write_text("")
        outcome = home.configure(HOST)
        assert outcome.stderr.startswith(f"ecr-login: {SHOWN}: it cannot be read: ")

    @pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
    def test_what_cannot_be_written(self, home: Home) -> None:
        """If a file cannot be written, that is an error, and what was done before is told."""
        home.docker.parent.mkdir()
        home.docker.symlink_to("/proc/docker/config.json")
        outcome = home.configure(HOST, "--profile", "p")
        assert outcome.stdout == f"{OWN_SHOWN}: added [[registry]] {HOST}: profile p\n"
        assert outcome.stderr.startswith(f"ecr-login: {SHOWN}: it cannot be written: ")
        assert outcome.status == 1

    def test_several_at_once(self, home: Home) -> None:
        """Several runs at once lose neither each other's entries nor what was there before."""
        home.write(DOCKERS)
        hosts = [f"{number:012}.dkr.ecr.us-east-1.amazonaws.com" for number in range(8)]
        home.helper.write_config("".join(f"[profile {host[:12]}]\n" for host in hosts))
        runs = [home.helper.start("configure", host, "--profile", host[:12]) for host in hosts]
        said = [(*run.communicate(), run.returncode) for run in runs]
        assert [each[1:] for each in said] == [(b"", 0)] * len(hosts)
        helpers = home.settings.pop("credHelpers")
        assert helpers == dict.fromkeys(hosts, "ecr-login")
        assert home.settings == json.loads(DOCKERS) | {"credHelpers": helpers}
        config = parse_text(home.own.read_text(), "x")
        assert [config.settings(host).profile for host in hosts] == [host[:12] for host in hosts]
        assert [*home.docker.parent.iterdir()] == [home.docker]

    @pytest.mark.parametrize("is_new", [False, True])
    def test_docker_login_beside_it(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, *, is_new: bool
    ) -> None:
        """What docker writes at the last moment stays; an entry that it overwrites is made again.

        No process of docker can be made to hit that moment: here it comes before the one call.
        """
        calls = []
        module, name = ("os", "link") if is_new else (files.__name__, "exchange")
        original = getattr(sys.modules[module], name)

        def beside(one: str, other: str) -> None:
            calls.append(one)
            if len(calls) == 1:
                login(home.docker, DOCKERS)
            original(one, other)

        def login(path: Path, text: str) -> None:
            path.with_name("config.json123").write_text(text)
            path.with_name("config.json123").replace(path)

        if not is_new:
            home.write("{}")
        monkeypatch.setattr(f"{module}.{name}", beside)
        assert home.done(HOST) == [f"{SHOWN}: added credHelpers {HOST}"]
        assert home.settings == json.loads(DOCKERS) | {"credHelpers": {HOST: "ecr-login"}}
        assert [*home.docker.parent.iterdir()] == [home.docker]

    def docker_login(self, home: Home, script: str) -> "subprocess.Popen[bytes]":
        """Start a stand-in for `docker login`, a shell by that name."""
        arguments = ["docker", "-c", script, "login"]
        return subprocess.Popen(
            arguments,
            executable="/bin/sh",
            stdin=subprocess.PIPE,
            cwd=home.docker.parent,
            env=home.helper.environment(),
        )

    @pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
    def test_docker_login_that_had_read_it_before(self, home: Home) -> None:
        """A change that another program undoes is made again, with a message."""
        home.write(DOCKERS)
        script = (
            "cp config.json read; until grep -q ecr-login config.json; do :; done; "
            "mv read config.json"
        )
        with self.docker_login(home, script):
            outcome = home.helper.run("configure", HOST)
        assert outcome.stdout == f"{SHOWN}: added credHelpers {HOST}\n"
        assert outcome.stderr.endswith("program overwrote a change, which was then made again\n")
        assert home.settings == json.loads(DOCKERS) | {"credHelpers": {HOST: "ecr-login"}}

    @pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
    def test_docker_login_that_waits_for_a_password(self, home: Home) -> None:
        """A program that may still undo the change is named."""
        home.write("{}")
        with self.docker_login(home, "read password") as docker:
            outcome = home.helper.run("configure", HOST)
            assert docker.stdin is not None
            docker.stdin.close()
        assert (outcome.status, HOST in home.settings["credHelpers"]) == (0, True)
        words = "ecr-login: docker login is running, and may undo this when it ends: "
        assert outcome.stderr.startswith(words)

    def test_a_file_that_is_written_again_and_again(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After some tries it is an error: changes of others are never overwritten."""
        home.write(DOCKERS)
        original = files.TextFile.verify

        def overwritten(file: files.TextFile) -> None:
            home.write(DOCKERS)
            original(file)

        monkeypatch.setattr(files.TextFile, "verify", overwritten)
        outcome = home.configure(HOST)
        assert outcome.stderr.startswith(f"ecr-login: {SHOWN}: another program keeps changing")
        assert (outcome.status, home.text) == (1, DOCKERS)

    @needs_root
    @pytest.mark.parametrize("name", [".docker/config.json", ".docker"])
    def test_what_belongs_to_root(self, helper: HelperProcess, name: str) -> None:
        """Whatever files `sudo docker login` left to root, the command in the hint repairs that."""
        home, place = Home(helper), helper.home / name
        home.write("{}")
        home.docker.chmod(0o600)
        user = as_nobody(helper, helper.home, home.docker.parent)
        os.chown(place, 0, 0)
        outcome = user.run("configure", HOST)
        words = "it cannot be read: Permission denied; make it yours: sudo "
        before, _, advice = outcome.stderr.partition(words)
        assert (before, outcome.status) == (f"ecr-login: {SHOWN}: ", 1)
        assert advice == f"chown -R $(id -u) {place}\n"
        run_in_shell(advice.replace("$(id -u)", str(NOBODY)))
        outcome = user.run("configure", HOST)
        assert (outcome.stderr, outcome.status) == ("", 0)
        assert home.settings == {"credHelpers": {HOST: "ecr-login"}}

    @needs_root
    def test_root_in_the_home_of_a_user(self, helper: HelperProcess, tmp_path: Path) -> None:
        """What root creates in another user's home (`sudo -E`) belongs to that user."""
        home = Home(helper)
        as_nobody(helper, helper.home)  # whose home it is
        role = ("--role-arn", "arn:aws:iam::111111111111:role/pull")
        outcome = home.configure(HOST, *role, AWS_ECR_CACHE_DIR=str(tmp_path / "cache"))
        assert outcome.status == 0, outcome
        created = [*home.docker.parent.rglob("*"), *(helper.home / ".config").rglob("*")]
        assert len(created) == 3
        assert {path.stat().st_uid for path in created} == {NOBODY}
        assert home.docker.parent.stat().st_uid == NOBODY
        assert home.docker.stat().st_mode & 0o777 == 0o600

    @needs_root
    def test_a_directory_of_root(self, helper: HelperProcess) -> None:
        """A file of one's own in another user's directory is overwritten in place."""
        home = Home(helper)
        home.write(DOCKERS)
        user = as_nobody(helper, helper.home, home.docker)
        inode = home.docker.stat().st_ino
        outcome = user.run("configure", HOST)
        assert (outcome.stderr, outcome.status) == ("", 0)
        assert home.settings == json.loads(DOCKERS) | {"credHelpers": {HOST: "ecr-login"}}
        assert user.run("configure", HOST, "--remove").status == 0
        assert (home.text, home.docker.stat().st_ino) == (DOCKERS, inode)

    @needs_root
    def test_a_link_into_a_store(self, helper: HelperProcess, tmp_path: Path) -> None:
        """If it is a link to a read-only file, as with home-manager, the hint replaces the link."""
        home, store = Home(helper), tmp_path / "a store.json"
        store.write_text("{}")
        home.docker.parent.mkdir()
        home.docker.symlink_to(store)
        user = as_nobody(helper, helper.home, home.docker.parent)
        outcome = user.run("configure", HOST)
        message, _, command = outcome.stderr.rpartition(": ")
        assert message.startswith(f"ecr-login: {SHOWN}: it cannot be written: Permission denied; ")
        run_in_shell(command, user=NOBODY)
        assert user.run("configure", HOST).status == 0
        assert (store.read_text(), home.docker.is_symlink()) == ("{}", False)
        assert home.settings == {"credHelpers": {HOST: "ecr-login"}}

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ("size=64k", ""),
            ("size=64k,ro", "Read-only file system; mount {} as writable"),
            ("size=4k", "No space left on device"),
        ],
    )
    def test_a_mount_of_its_own(self, helper: HelperProcess, options: str, words: str) -> None:
        """A file that is a mount is overwritten in place, whole or not at all."""
        home = Home(helper)
        home.write(DOCKERS)
        script = (
            'mkdir "$0.d" && mount -t tmpfs tmpfs "$0.d" && cp "$0" "$0.d/file" && '
            f'mount -o remount,{options} "$0.d" && mount --bind "$0.d/file" "$0"'
        )
        accounts = ",".join(f"{number:012}" for number in range(100))
        with mounted(helper, home.docker, script) as (inside, seen):
            outcome = inside.run("configure", accounts, "--region", "us-east-1")
            text = seen.read_text()
        if words:
            words = words.format(home.docker.parent)
            assert outcome.stderr == f"ecr-login: {SHOWN}: it cannot be written: {words}\n"
            assert (outcome.status, text) == (1, DOCKERS)
        else:
            assert (outcome.stderr, outcome.status) == ("", 0)
            assert len(json.loads(text)["credHelpers"]) == 100

    def test_where_files_cannot_be_exchanged(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On NFS, Windows or with an old C library, one file replaces the other."""
        home.write(DOCKERS)
        monkeypatch.setattr("ctypes.CDLL", object)
        home.done(HOST)
        assert home.settings == json.loads(DOCKERS) | {"credHelpers": {HOST: "ecr-login"}}
        assert [*home.docker.parent.iterdir()] == [home.docker]


class TestAllRegistries:
    """--global."""

    def test_without_a_store(self, home: Home) -> None:
        """If there was no credsStore, it is added, and --remove removes it again."""
        home.write('{\n  "currentContext": "x"\n}\n')
        assert home.done("--global") == [f"{SHOWN}: set credsStore"]
        assert home.text == '{\n  "currentContext": "x",\n  "credsStore": "ecr-login"\n}\n'
        assert not home.own.exists()
        assert home.done("--global", "--remove") == [f"{SHOWN}: removed credsStore"]
        assert home.text == '{\n  "currentContext": "x"\n}\n'

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (None, 'fallback = "desktop"\n'),
            ("# mine\ntimeout = 3 # s\n", 'fallback = "desktop"\n# mine\ntimeout = 3 # s\n'),
            (
                '# of one\n[[registry]]\nmatch = "a.example.com"\n',
                'fallback = "desktop"\n# of one\n[[registry]]\nmatch = "a.example.com"\n',
            ),
            ("strict = true\r\n", 'fallback = "desktop"\r\nstrict = true\r\n'),
        ],
    )
    def test_the_store_becomes_the_fallback(
        self, home: Home, before: str | None, after: str
    ) -> None:
        """The store that is replaced becomes the fallback; --remove restores both files."""
        if before is not None:
            home.own.parent.mkdir(parents=True)
            home.own.write_bytes(before.encode())
        home.write('{"credsStore": "desktop", "x": 1}')
        assert home.done("--global") == [
            f"{OWN_SHOWN}: set fallback to desktop",
            f"{SHOWN}: set credsStore, which was desktop",
        ]
        assert home.text == '{"credsStore": "ecr-login", "x": 1}'
        assert home.own.read_bytes().decode() == after
        assert home.done("--global", "--remove") == [
            f"{SHOWN}: set credsStore to desktop again",
            f"{OWN_SHOWN}: removed fallback desktop",
        ]
        assert home.text == '{"credsStore": "desktop", "x": 1}'
        assert home.own.read_bytes().decode() == (before or "")
        assert home.done("--global", "--remove") == [NOTHING.strip()]

    def test_another_fallback(self, home: Home) -> None:
        """A fallback that somebody has set is an error: nothing is written."""
        home.write('{"credsStore": "desktop"}')
        home.helper.write_own_config('fallback = "pass"\n')
        outcome = home.configure("--global")
        assert outcome.status == 1
        assert 'the fallback is already "pass", but credsStore is "desktop"; ' in outcome.stderr
        assert home.text == '{"credsStore": "desktop"}'
        assert home.own.read_text() == 'fallback = "pass"\n'

    def test_logins_that_docker_kept_itself(self, home: Home) -> None:
        """Logins of other registries are disabled only with a flag; the way back works.

        Docker reads them no more while there is a credsStore.
        """
        home.write(DOCKERS)
        outcome = home.configure("--global")
        words = f"{SHOWN}: docker would no longer use the logins that auths holds for ghcr.io; name"
        assert outcome.stderr.startswith(f"ecr-login: {words}")
        assert "--disable-logins" in outcome.stderr
        assert (outcome.stdout, outcome.status, home.text) == ("", 1, DOCKERS)
        outcome = home.configure("--global", "--disable-logins")
        assert (outcome.stdout, outcome.status) == (f"{SHOWN}: set credsStore\n", 0)
        words, _, command = outcome.stderr.strip().partition(
            "; to use them again: docker-credential-ecr-login "
        )
        assert words.endswith("docker no longer uses the logins that auths holds for ghcr.io")
        assert home.settings == json.loads(DOCKERS) | {"credsStore": "ecr-login"}
        found = home.helper.run("doctor", "--no-network").stdout
        assert "docker does not use, because credsStore names this helper: ghcr.io" in found
        assert command in found
        home.done(*command.split()[1:])
        assert home.text == DOCKERS

    def test_an_invalid_store(self, home: Home) -> None:
        """A credsStore that cannot become the fallback is refused before anything is written."""
        home.write('{"credsStore": "a/b"}')
        outcome = home.configure("--global")
        assert outcome.status == 1
        assert "fallback must be the name of another credential helper" in outcome.stderr
        assert home.text == '{"credsStore": "a/b"}'
        assert not home.own.exists()


class TestOwnConfigFile:
    """--profile and --role-arn."""

    @pytest.mark.parametrize(
        ("options", "lines", "words"),
        [
            (["--profile", 'a "b"'], 'profile = "a \\"b\\""\n', 'profile a "b"'),
            (["--role-arn", ROLE], f'role_arn = "{ROLE}"\n', f"role_arn {ROLE}"),
            (
                ["--profile", "prod", "--role-arn", ROLE],
                f'profile = "prod"\nrole_arn = "{ROLE}"\n',
                f"profile prod, role_arn {ROLE}",
            ),
        ],
    )
    def test_a_table_is_written(
        self, home: Home, options: list[str], lines: str, words: str
    ) -> None:
        """A [[registry]] table gets the profile or role for the hosts; --remove removes it."""
        assert home.done(HOST, *options) == [
            f"{OWN_SHOWN}: added [[registry]] {HOST}: {words}",
            f"{SHOWN}: added credHelpers {HOST}",
        ]
        assert home.own.read_text() == f'{HEAD}match = "{HOST}"\n{lines}'
        assert home.done(HOST, "--remove") == [
            f"{SHOWN}: removed credHelpers {HOST}",
            f"{OWN_SHOWN}: removed [[registry]] {HOST}",
        ]
        assert home.own.read_text() == ""

    def test_before_there_are_profiles(self, home: Home) -> None:
        """An AWS configuration without any profile, as in an image, is only a warning."""
        home.helper.write_config("")
        outcome = home.configure(HOST, "--profile", "p")
        assert outcome.stderr == (
            "ecr-login: the AWS configuration has no profile yet: create p before you pull\n"
        )
        assert (outcome.status, 'profile = "p"' in home.own.read_text()) == (0, True)

    def test_it_is_in_effect(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """The profile that is written is the one that ``get`` uses for these registries."""
        one = aws.add_user(arn="arn:aws:iam::111111111111:user/one")
        signed_in.write_credentials(
            f"[one]\naws_access_key_id = {one.access_key_id}\n"
            f"aws_secret_access_key = {one.secret_access_key}\n"
        )
        signed_in.run("configure", HOST, OTHER_REGION, "--profile", "one")
        assert signed_in.get(HOST).secret
        assert signed_in.get(SECOND_ACCOUNT).secret
        assert [call.principal for call in aws.calls] == [
            "arn:aws:iam::111111111111:user/one",
            "arn:aws:iam::111111111111:user/dev",
        ]

    def test_before_what_would_hide_it(self, home: Home) -> None:
        """The new table comes before all others, and before the comment above the first of them."""
        top = "timeout = 3\n\n"
        others = (
            '# one\'s own\n[[registry]]\nmatch = "a.example.com"\nanonymous = true\n\n'
            '# all\n[[ registry ]] # of them\nmatch = [\n  # any\n  "*", ]\nprofile = "all"\n'
        )
        home.helper.write_own_config(top + others)
        home.done(HOST, PUBLIC, "--profile", "one")
        table = f'{HEAD}match = ["{HOST}", "{PUBLIC}"]\nprofile = "one"\n\n'
        assert home.own.read_text() == top + table + others
        home.configure(HOST, "--remove")
        assert home.own.read_text() == top + table + others
        home.done(PUBLIC, HOST, "--remove")
        assert home.own.read_text() == top + others

    def test_what_is_in_effect_already(self, home: Home) -> None:
        """If another table already says the same, none is written."""
        text = '[[registry]]\nmatch = "*"\nprofile = "all"\n'
        home.helper.write_own_config(text)
        assert home.done(HOST, "--profile", "all") == [f"{SHOWN}: added credHelpers {HOST}"]
        assert home.own.read_text() == text

    def test_its_own_table_is_changed(self, home: Home) -> None:
        """Another profile for the same hosts changes the table, and nothing around it."""
        end = '\n# the end\n[[registry]]\nmatch = "*"\n'
        home.done(HOST, "--profile", "one", "--role-arn", ROLE)
        home.helper.write_own_config(home.own.read_text() + end)
        (line,) = home.done(HOST, "--profile", "two")
        assert line == f"{OWN_SHOWN}: changed [[registry]] {HOST}: profile two"
        assert home.own.read_text() == f'{HEAD}match = "{HOST}"\nprofile = "two"\n{end}'
        home.done(HOST, "--role-arn", ROLE)
        assert home.own.read_text() == f'{HEAD}match = "{HOST}"\nrole_arn = "{ROLE}"\n{end}'

    def test_a_table_for_more_stays(self, home: Home) -> None:
        """A table that was written for more registries stays, and a warning names it."""
        home.done(HOST, SECOND_ACCOUNT, "--profile", "p")
        text = home.own.read_text()
        outcome = home.configure(HOST, "--remove")
        assert outcome.stdout == f"{SHOWN}: removed credHelpers {HOST}\n"
        assert outcome.stderr == (
            f"ecr-login: {OWN_SHOWN}: [[registry]] 1 still applies to {HOST}: "
            "name all its registries at once, or edit it by hand\n"
        )
        assert home.own.read_text() == text

    def test_others_tables_are_not_removed(self, home: Home) -> None:
        """--remove leaves what a person wrote: whole tables, and what was added to ours."""
        text = f'[[registry]]\nmatch = "{HOST}"\nprofile = "one"\n'
        home.helper.write_own_config(text)
        assert home.done(HOST, "--remove") == [NOTHING.strip()]
        assert home.own.read_text() == text
        for more in ('external_id = "x1"\n', '\n # mine\n\n external_id = "x1"'):
            text = f'{HEAD}match = "{HOST}"\nrole_arn = "{ROLE}"\n{more}'
            home.helper.write_own_config(text)
            outcome = home.configure(HOST, "--remove")
            assert outcome.stdout == NOTHING
            words = f"[[registry]] 1 still applies to {HOST}: name all its registries"
            expected = f"ecr-login: {OWN_SHOWN}: {words} at once, or edit it by hand\n"
            assert outcome.stderr == expected
            assert home.own.read_text() == text

    @pytest.mark.parametrize(
        ("text", "options", "words"),
        [
            ("bogus = 1\n", ["--profile", "p"], 'there is no key "bogus" here'),
            ("fallback = \n", ["--remove"], "not TOML at line 1, column 12"),
            ('registry = [{match = "a.b"}]\n', ["--profile", "p"], "configure cannot edit it"),
            (
                "registry = []\n",
                ["--profile", "p"],
                "; write by hand, above all others: [[registry]] match = ",
            ),
        ],
    )
    def test_a_refusal(self, home: Home, text: str, options: list[str], words: str) -> None:
        """A value that is not allowed in the config file is an error, and nothing is written."""
        home.helper.write_own_config(text)
        outcome = home.configure(HOST, *options)
        assert (outcome.stdout, outcome.status) == ("", 1)
        assert words in outcome.stderr
        assert str(home.own) in outcome.stderr
        assert home.own.read_text() == text
        assert not home.docker.exists()

    def test_the_file_of_all_users(self, home: Home, tmp_path: Path) -> None:
        """The config file for all users is neither changed, nor replaced by one of this user."""
        site = tmp_path / "xdg" / "ecr-login" / "config.toml"
        site.parent.mkdir(parents=True)
        site.write_text("timeout = 3\n")
        outcome = home.configure(HOST, "--profile", "p", XDG_CONFIG_DIRS=str(tmp_path / "xdg"))
        assert outcome.status == 1
        assert (
            f"{site} is for all users, and a config.toml of your own would repl" in outcome.stderr
        )
        assert not home.docker.exists()
        assert not home.own.exists()
        home.done(HOST, "--profile", "p", AWS_ECR_CONFIG=str(site))
        assert site.read_text().startswith(f"timeout = 3\n\n{HEAD}")

    def test_a_byte_order_mark(self, home: Home) -> None:
        """A byte order mark, as editors on Windows write it, stays at the beginning of the file."""
        home.helper.write_own_config("\ufefftimeout = 3\r\n")
        home.done(HOST, "--profile", "p")
        text = home.own.read_bytes().decode()
        assert text.startswith("\ufefftimeout = 3\r\n\r\n[[registry]]  # by ")
        assert text.count("\n") == text.count("\r\n") == 5


class TestRemovalOfAll:
    """--remove --all."""

    def test_removes_everything_of_configure(self, home: Home) -> None:
        """All files are restored, whatever was configured, with whatever arguments."""
        before = DOCKERS.replace("currentContext", "credsStore")
        home.write(before)
        own = 'strict = true\n\n[[registry]]\nmatch = "*"\nprofile = "p"\n'
        home.helper.write_own_config(own)
        podmans = home.helper.home / ".config" / "containers" / "auth.json"
        runtime = home.helper.home / "run" / "containers" / "auth.json"
        runtime.parent.mkdir(parents=True)
        runtime.write_text(json.dumps({"credHelpers": {HOST: "ecr-login", "gcr.io": "gcr"}}))
        home.done(HOST, "--profile", "one")
        home.done(OTHER_REGION, "--public", "--profile", "two", "--role-arn", ROLE)
        home.done("--global")
        home.done(SECOND_ACCOUNT, "--podman")
        outcome = home.helper.run("configure", "--remove", "--all", changes=home.helper.environ)
        assert (outcome.stderr, outcome.status) == ("", 0)
        assert f"{SHOWN}: removed credHelpers {HOST}\n" in outcome.stdout
        assert f"{OWN_SHOWN}: removed all [[registry]] by configure\n" in outcome.stdout
        assert (home.text, home.own.read_text()) == (before, own)
        assert json.loads(podmans.read_text()) == {}
        assert json.loads(runtime.read_text()) == {"credHelpers": {"gcr.io": "gcr"}}
        assert home.done("--remove", "--all") == [NOTHING.strip()]

    def test_what_others_wrote_stays(self, home: Home) -> None:
        """A table that somebody has edited since stays, and a warning names it."""
        text = f'{HEAD}match = "{HOST}"\nrole_arn = "{ROLE}"\nexternal_id = "x1"\n'
        home.helper.write_own_config(text)
        outcome = home.configure("--remove", "--all")
        assert "[[registry]] 1 still applies to" in outcome.stderr
        assert home.own.read_text() == text

    @pytest.mark.parametrize("arguments", [["--all"], ["--all", "--remove", HOST]])
    def test_nothing_else_beside_it(self, home: Home, arguments: list[str]) -> None:
        """It is for --remove, and for no registry."""
        home.write(json.dumps({"credHelpers": {HOST: "ecr-login"}}))
        outcome = home.configure(*arguments)
        assert (outcome.stdout, outcome.status) == ("", 1)
        assert "--all" in outcome.stderr
        assert home.settings == {"credHelpers": {HOST: "ecr-login"}}


class TestFormerLogins:
    """What ``docker login`` left under auths."""

    def auths(self, home: Home) -> None:
        """Write a file with logins: for one of ours, for others, and one of a helper."""
        logins = {
            f"https://{HOST}/v1/": {"auth": "QVdTOnNlY3JldA=="},
            "ghcr.io": {"auth": "Z2hjcg=="},
            PUBLIC: {},
            SECOND_ACCOUNT: {"identitytoken": "secret"},
        }
        home.write(json.dumps({"auths": logins}, indent=2))

    def test_a_warning(self, home: Home) -> None:
        """A warning names a login for one of the hosts, but not one that a helper keeps."""
        self.auths(home)
        outcome = home.configure(HOST, PUBLIC)
        assert outcome.status == 0
        (line,) = outcome.stderr.splitlines()
        assert line.startswith(
            f"ecr-login: {SHOWN}: an earlier login left a token for https://{HOST}/v1/ under auths"
        )
        assert line.endswith("add --clean to remove it")
        assert len(home.settings["auths"]) == 4

    def test_clean(self, home: Home) -> None:
        """--clean removes a login for one of the hosts, and leaves the others."""
        self.auths(home)
        assert home.done(HOST, PUBLIC, "--clean") == [
            f"{SHOWN}: added credHelpers {HOST}",
            f"{SHOWN}: added credHelpers {PUBLIC}",
            f"{SHOWN}: removed auths https://{HOST}/v1/",
        ]
        assert list(home.settings["auths"]) == ["ghcr.io", PUBLIC, SECOND_ACCOUNT]

    def test_clean_for_all(self, home: Home) -> None:
        """--clean with --global removes every login of ECR."""
        self.auths(home)
        home.configure("--global", "--clean", "--disable-logins")
        assert list(home.settings["auths"]) == ["ghcr.io", PUBLIC]


class TestDryRun:
    """--dry-run."""

    def test_the_difference(self, home: Home) -> None:
        """It shows what would change, as diff -u does, without secrets, and writes nothing."""
        text = DOCKERS.replace('"currentContext": "remote"', '"HttpHeaders": {"X": "T0ken"}')
        home.write(text)
        lines = home.done("--dry-run", HOST, "--profile", "p")
        assert home.text == text
        assert not home.own.exists()
        assert f'+match = "{HOST}"' in lines
        assert lines[:2] == [f"--- {os.devnull}", f"+++ {OWN_SHOWN}"]
        start = lines.index(f"--- {SHOWN}")
        assert lines[start + 1] == f"+++ {SHOWN}"
        assert f'+\t\t"{HOST}": "ecr-login"' in lines[start:]
        assert lines[-1] == "\\ No newline at end of file"

    @pytest.mark.parametrize("indent", [None, "\t"])
    def test_no_secret_is_shown(self, home: Home, indent: str | None) -> None:
        """Whatever is near a change: the values in auths, headers and proxies are masked."""
        secrets = {
            "AUTHS": {"ghcr.io": {"auth": 'S3cret\\"1', "username": "S3cret2"}},
            "HttpHeaders": {"X": "S3cret3"},
            "proxies": {"default": {"httpProxy": "http://u:S3cret4@proxy"}},
        }
        home.write(json.dumps(secrets, indent=indent))
        outcome = home.configure("--dry-run", HOST)
        assert HOST in outcome.stdout
        assert "S3cret" not in outcome.stdout

    def test_nothing_to_change(self, home: Home) -> None:
        """If there is nothing to change, it says so."""
        home.done(HOST)
        assert home.done(HOST, "--dry-run") == [NOTHING.strip()]


class TestPodman:
    """--podman."""

    def test_where_it_is(self, home: Home, tmp_path: Path) -> None:
        """It writes podman's auth.json, where podman looks for it, instead of Docker's file."""
        places = {
            home.helper.home / ".config" / "containers" / "auth.json": {},
            tmp_path / "xdg" / "containers" / "auth.json": {"XDG_CONFIG_HOME": f"{tmp_path}/xdg"},
            tmp_path / "here.json": {"REGISTRY_AUTH_FILE": f"{tmp_path}/here.json"},
        }
        for path, environ in places.items():
            (line,) = home.done("--podman", HOST, **environ)
            assert line.endswith(f"{path.name}: added credHelpers {HOST}")
            assert json.loads(path.read_text()) == {"credHelpers": {HOST: "ecr-login"}}
        assert not home.docker.exists()

    def test_a_former_login(self, home: Home, tmp_path: Path) -> None:
        """A login with a path below the host, as podman has it, is one for the host."""
        path = tmp_path / "auth.json"
        path.write_text(json.dumps({"auths": {f"{HOST}/team": {"auth": "c2VjcmV0"}}}))
        home.done("--podman", HOST, "--clean", REGISTRY_AUTH_FILE=str(path))
        assert json.loads(path.read_text())["auths"] == {}

    def runtime(self, home: Home, content: object) -> Path:
        """Write the file of ``podman login``, which does not survive a restart of the machine."""
        path = home.helper.home / "run" / "containers" / "auth.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    @pytest.mark.parametrize("option", [["--podman"], []])
    def test_a_login_of_podman(self, home: Home, option: list[str]) -> None:
        """A warning names a login in podman's runtime file, which would win; --clean removes it."""
        secret = {"auth": "U2VjcmV0"}
        runtime = self.runtime(home, {"auths": {f"{HOST}/team": secret, "ghcr.io": secret}})
        outcome = home.configure(HOST, *option)
        assert outcome.status == 0
        words = (
            f"ecr-login: ~/run/containers/auth.json: an earlier login left a token for {HOST}/te"
        )
        assert outcome.stderr.startswith(words)
        outcome = home.configure(HOST, "--clean", "--dry-run", *option)
        assert f'-{{"auths": {{"{HOST}/team": {{"auth": "***"}}, "ghc' in outcome.stdout
        assert home.done(HOST, "--clean", *option) == [
            f"~/run/containers/auth.json: removed auths {HOST}/team"
        ]
        assert json.loads(runtime.read_text()) == {"auths": {"ghcr.io": secret}}
        home.done(HOST, "--remove", *option)
        assert json.loads(runtime.read_text()) == {"auths": {"ghcr.io": secret}}

    def test_another_helper_in_its_runtime_file(self, home: Home) -> None:
        """Another helper that the runtime file names for the host is warned of."""
        runtime = self.runtime(home, {"credHelpers": {HOST: "other", PUBLIC: "ecr-login"}})
        text = runtime.read_text()
        outcome = home.configure("--podman", "--public", HOST)
        (line,) = outcome.stderr.splitlines()
        assert f"credHelpers {HOST} names other, which podman asks first: remove" in line
        home.done("--podman", HOST, "--remove")
        assert runtime.read_text() == text

    @pytest.mark.parametrize("text", ["", "{}", '{"auths": {}}'])
    def test_nothing_in_its_runtime_file(self, home: Home, text: str) -> None:
        """A runtime file that does not get in the way is not changed."""
        runtime = self.runtime(home, text)
        home.done("--podman", HOST, "--clean")
        assert runtime.read_text() == text

    def test_a_broken_runtime_file(self, home: Home) -> None:
        """A runtime file that is broken is warned of, and the rest is done."""
        runtime = self.runtime(home, "{,}")
        outcome = home.configure(HOST)
        assert (outcome.stdout, outcome.status) == (f"{SHOWN}: added credHelpers {HOST}\n", 0)
        words = "ecr-login: ~/run/containers/auth.json: not JSON at line 1, column 2: "
        assert outcome.stderr.startswith(words)
        assert runtime.read_text() == "{,}"

    def test_a_runtime_file_that_stays(self, home: Home) -> None:
        """If the runtime file is a link to the permanent one, the file is written once."""
        runtime = self.runtime(home, "")
        runtime.unlink()
        runtime.symlink_to(home.helper.home / ".config" / "containers" / "auth.json")
        home.done("--podman", HOST)
        assert json.loads(runtime.read_text()) == {"credHelpers": {HOST: "ecr-login"}}
        assert runtime.is_symlink()

    @pytest.mark.skipif(sys.platform != "linux", reason="podman has no such file elsewhere")
    def test_where_its_runtime_file_is(self) -> None:
        """Without XDG_RUNTIME_DIR it is below /run; with REGISTRY_AUTH_FILE podman has no other."""
        assert clients.runtime_path({}) == f"/run/containers/{os.getuid()}/auth.json"
        assert clients.runtime_path({"XDG_RUNTIME_DIR": "/x"}) == "/x/containers/auth.json"
        assert clients.runtime_path({"REGISTRY_AUTH_FILE": "/y"}) == ""

    def test_docker_config(self, home: Home, tmp_path: Path) -> None:
        """It warns that podman does not read the file while DOCKER_CONFIG is set."""
        outcome = home.configure("--podman", HOST, DOCKER_CONFIG=str(tmp_path))
        assert outcome.status == 0
        assert (
            "while DOCKER_CONFIG is set, podman and buildah read only config.json there"
            in outcome.stderr
        )


class TestPath:
    """Whether clients would find this program."""

    def test_missing(self, home: Home, tmp_path: Path) -> None:
        """If this program is not on PATH, one line says what to do, and the rest is done."""
        (tmp_path / "bin").mkdir()
        for program in ("sh", "readlink", "cat"):
            (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "")
        outcome = home.configure(HOST, PATH=str(tmp_path / "bin"))
        assert (outcome.stdout, outcome.status) == (f"{SHOWN}: added credHelpers {HOST}\n", 0)
        (line,) = outcome.stderr.splitlines()
        assert line.startswith(
            "ecr-login: docker-credential-ecr-login is not on PATH, where docker looks for it: "
        )
        assert "sudo " in line

    def test_another_program(self, home: Home, tmp_path: Path) -> None:
        """If another program of that name comes first on PATH, one line names it."""
        other = tmp_path / EXECUTABLE.name
        other.write_text("#!/bin/sh\necho 'amazon-ecr-credential-helper 0.12.0'\n")
        other.chmod(0o755)
        outcome = home.configure(HOST, "--podman", PATH=f"{tmp_path}:{home.helper.environ['PATH']}")
        assert outcome.status == 0
        assert outcome.stderr.startswith(
            f"ecr-login: {other}, which podman finds first on PATH, is"
        )
        assert outcome.stderr.count("\n") == 1

    def test_removal_does_not_care(self, home: Home) -> None:
        """--remove does not warn: what it removes need not be on PATH."""
        assert home.done(HOST, "--remove", PATH=os.environ["PATH"]) == [NOTHING.strip()]


class TestAnotherClient:
    """A client on PATH that reads another file, or cannot run this helper."""

    @pytest.fixture
    def alone(self, home: Home, tmp_path: Path) -> Path:
        """A PATH with all programs but the clients."""
        directory = tmp_path / "programs"
        (directory / "bin").mkdir(parents=True)
        for program in ("sh", "readlink", "cat"):
            (directory / "bin" / program).symlink_to(shutil.which(program) or "")
        home.helper.environ["PATH"] = f"{EXECUTABLE.parent}:{directory / 'bin'}"
        return directory

    def put(self, home: Home, path: Path, text: str = "#!/bin/sh\n") -> None:
        """Put a stand-in for a client on PATH, as the first."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        home.helper.environ["PATH"] = f"{path.parent}:{home.helper.environ['PATH']}"

    @pytest.mark.parametrize(
        ("place", "words", "advice"),
        [
            ("snap/bin/docker", "~/snap/docker/current/.docker/config.json", "docker login"),
            ("c/bin/docker.exe", r"%USERPROFILE%\.docker\config.json", "WSL integration"),
            (".rd/bin/nerdctl", "another docker-credential-ecr-login on it", "dockerd"),
            ("x/nerdctl.lima", "a virtual machine, with its own home and PATH", "limactl shell"),
            ("x/colima", "a virtual machine, with its own home and PATH", "colima ssh"),
            ("x/finch", "~/.finch/config.json", "creds_helpers: [ecr-login]"),
        ],
    )
    def test_it_is_named(
        self, home: Home, alone: Path, place: str, words: str, advice: str
    ) -> None:
        """If the client reads another file, configure and doctor name it, and say what to do."""
        self.put(home, alone / place)
        outcome = home.helper.run("configure", HOST)
        (line,) = outcome.stderr.splitlines()
        assert line.startswith(f"ecr-login: {alone / place} ")
        assert words in line
        assert advice in line
        assert (outcome.stdout, outcome.status) == (f"{SHOWN}: added credHelpers {HOST}\n", 0)
        found = home.helper.run("doctor", "--no-network").stdout
        assert f"warned  clients: {alone / place} " in found
        assert advice in found

    def test_beside_docker(self, home: Home, alone: Path) -> None:
        """If docker is there, which reads the file, the other clients are not mentioned."""
        self.put(home, alone / "x" / "finch")
        self.put(home, alone / "x" / "docker")
        home.done(HOST)

    def test_podman_by_the_name_of_docker(self, home: Home, alone: Path) -> None:
        """--global warns if docker is really podman, which does not read credsStore."""
        self.put(home, alone / "x" / "docker", '#!/bin/sh\nexec podman "$@"\n')
        home.done(HOST)
        outcome = home.configure("--global")
        assert "docker is podman, which ignores credsStore: write credential-he" in outcome.stderr


# The editing of JSON.

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Half characters cannot be in a file, and json.dumps escapes all but those if it is told to.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), children, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])).filter(
        lambda name: name.casefold() not in ("auths", "credhelpers", "credsstore")
    ),
    VALUES,
    max_size=4,
)
HELPERS = st.dictionaries(st.sampled_from([HOST, PUBLIC, "gcr.io", ""]), st.text("abc"))


@st.composite
def documents(draw: st.DrawFn, layouts: Sequence[tuple[str, str]] = ()) -> str:
    """Any JSON object in any layout of json, with or without the fields that are edited.

    ``layouts`` are further separators that there can be.
    """
    data: dict[str, Any] = draw(OBJECTS)
    for name, values in {"credHelpers": HELPERS, "auths": HELPERS, "credsStore": st.text()}.items():
        if draw(st.booleans()):
            data[name] = draw(values)
    keys = draw(st.permutations(list(data)))
    text = json.dumps(
        {key: data[key] for key in keys},
        indent=draw(st.sampled_from([None, 0, 1, 2, 4, "\t", "\t ", "        "])),
        separators=draw(st.sampled_from([None, (",", ":"), *layouts])),
        ensure_ascii=draw(st.booleans()),
    )
    text = draw(st.sampled_from(["", " ", "\n"])) + text + draw(st.sampled_from(["", "\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def ordered(text: str) -> Any:
    """What a JSON text says, with the order of its keys and its numbers as they are written."""
    return json.loads(text, object_pairs_hook=list, parse_float=str, parse_int=str)


def edited(text: str, *hosts: str, **options: Any) -> str:
    """What becomes of Docker's configuration."""
    return edits.edit_client(text, "x", plans.Plan(hosts, {}, **options), "").text


@given(documents([(" ,", " :  "), ("\n,", "\t: ")]), st.sampled_from([HOST, PUBLIC]))
def test_an_entry_of_any_object(text: str, host: str) -> None:
    """An entry is added or replaced in any layout, once is enough, and everything else is kept."""
    added = edited(text, host)
    assert edited(added, host) == added
    meant = ordered(text)
    fields = dict(meant)
    if "credHelpers" not in fields:
        fields["credHelpers"] = []
        meant.append(("credHelpers", fields["credHelpers"]))
    names = [name for name, _ in fields["credHelpers"]]
    if host in names:
        fields["credHelpers"][names.index(host)] = (host, "ecr-login")
    else:
        fields["credHelpers"].append((host, "ecr-login"))
    assert ordered(added) == meant
    if "\r\n" in text:
        assert added.count("\n") == added.count("\r\n")


@given(documents(), st.sampled_from([HOST, PUBLIC]))
def test_the_way_back(text: str, host: str) -> None:
    """What was added can be removed again: a layout of json is restored, byte for byte."""
    fields = dict(ordered(text))
    names = [name for name, _ in fields.get("credHelpers", [("one", "")])]
    if fields and names and host not in names:
        assert edited(edited(text, host), host, remove=True) == text


@given(documents())
def test_a_text_of_any_object(text: str) -> None:
    """The field for all registries is set in any layout, and removed again; all else is kept."""
    added = edited(text, for_all=True)
    others = [field for field in ordered(text) if field[0] != "credsStore"]
    assert dict(ordered(added))["credsStore"] == "ecr-login"
    assert [field for field in ordered(added) if field[0] != "credsStore"] == others
    removed = edited(added, for_all=True, remove=True)
    assert ordered(removed) == others
    if len(others) == len(ordered(text)) > 0:
        assert removed == text


@given(documents([(" ,", " :  ")]))
def test_a_masked_object(text: str) -> None:
    """What is shown has the same layout, with every text in auths masked."""
    shown = json_text.masked(text, "x")
    assert shown.count("\n") == text.count("\n")
    before, after = dict(ordered(text)), dict(ordered(shown))
    assert list(before) == list(after)
    secrets = [value for _, value in before.get("auths", [])]
    assert after.get("auths", []) == [(host, "***") for host, _ in before.get("auths", [])]
    if before.get("credsStore") not in secrets:
        assert before.get("credsStore") == after.get("credsStore")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", '{\n\t"credHelpers": {\n\t\t"h": "ecr-login"\n\t}\n}'),
        (" {\n}\n", ' {\n\t"credHelpers": {\n\t\t"h": "ecr-login"\n\t}\n}\n'),
        ('{"a":1}', '{"a":1,"credHelpers":{"h":"ecr-login"}}'),
        ('{"a": 1}', '{"a": 1, "credHelpers": {"h": "ecr-login"}}'),
        ('{\n  "a": 1\n}', '{\n  "a": 1,\n  "credHelpers": {\n    "h": "ecr-login"\n  }\n}'),
        (
            '{\r\n "a" : 1\r\n}',
            '{\r\n "a" : 1,\r\n "credHelpers" : {\r\n  "h" : "ecr-login"\r\n }\r\n}',
        ),
        ('{\n"CREDHELPERS": {}\n}', '{\n"CREDHELPERS": {\n"h": "ecr-login"\n}\n}'),
        (
            '{"n": 1.50e+3, "big": 1' + "0" * 5000 + "}",
            '{"n": 1.50e+3, "big": 1' + "0" * 5000 + ', "credHelpers": {"h": "ecr-login"}}',
        ),
    ],
)
def test_new_entries_look_like_those_that_are_there(text: str, expected: str) -> None:
    """New entries have the indentation, spaces and line breaks of the text, or else docker's."""
    assert edited(text, "h") == expected


# The editing of TOML, as text.

COMMENTS = st.sampled_from(["", "\n", "# one\n", "# one\n\n", "\n  # [[registry]]\n", "#\u2028[\n"])
MATCHES = st.sampled_from(
    [
        'match = "*.example.com"',
        f'match = "{SECOND_ACCOUNT}"',
        'match = "*"',
        "match = [ # several\n  '*.dkr.ecr.*.amazonaws.com', # [[registry]]\n\n  \"b.org\"\n ]",
        'match = "[12]*.amazonaws.com"  # "quoted"',
    ]
)
HEADERS = st.sampled_from(["[[registry]]", "  [[ registry ]]", '[["registry"]] # x', HEAD.strip()])
PROFILES = st.sampled_from(["", 'profile = "x"', "profile = '#'  # x", "'profile'=\"\\u0041\""])


@st.composite
def config_files(draw: st.DrawFn) -> str:
    """A config file of any tables in any order, with comments anywhere."""
    top = draw(
        st.sampled_from(["", "timeout = 3\n", "# all\nstrict = true # not\n", "'timeout'=1\n"])
    )
    text: str = draw(COMMENTS) + top + draw(COMMENTS)
    for _ in range(draw(st.integers(0, 3))):
        lines = [draw(HEADERS), draw(MATCHES), draw(PROFILES)]
        text += "\n".join(lines).rstrip("\n") + "\n" + draw(COMMENTS)
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


@given(config_files(), st.sampled_from([[HOST], [HOST, PUBLIC]]), st.booleans())
def test_a_table_in_any_file(text: str, hosts: list[str], with_role: bool) -> None:
    """A table is added, changed and removed in any file, and the rest is kept, byte for byte."""
    who = {"profile": "one"} | ({"role_arn": ROLE} if with_role else {})
    added, done = toml_text.with_registry(text, "x", hosts, who)
    assert done == "added"
    assert toml_text.with_registry(added, "x", hosts, who) == (added, "")
    config, before = parse_text(added, "x"), parse_text(text, "x")
    for host in hosts:
        settings = config.settings(host).values
        assert {key: settings[key] for key in ("profile", "role_arn") if key in settings} == who
    for host in (SECOND_ACCOUNT, "a.example.com", "b.org"):
        assert config.settings(host).values == before.settings(host).values
    changed, done = toml_text.with_registry(added, "x", hosts, {"profile": "two"})
    assert done == "changed"
    assert toml_text.without_registry(added, "x", hosts) == (text, "")
    assert toml_text.without_registry(changed, "x", hosts) == (text, "")


@given(config_files())
def test_a_fallback_in_any_file(text: str) -> None:
    """A fallback is added and removed in any file, and the rest is kept, byte for byte."""
    added = toml_text.with_fallback(text, "x", "desktop")
    assert toml_text.with_fallback(added, "x", "desktop") == added
    assert tomllib.loads(added) == {"fallback": "desktop", **tomllib.loads(text)}
    assert toml_text.without_fallback(added, "x") == text


@pytest.mark.parametrize(
    "text",
    [
        'fallback = """\\\n  desktop"""\n',
        'strict = true\n"f\\u0061llback" = "desktop"\n',
    ],
)
def test_what_lines_do_not_show(text: str) -> None:
    """An edit that would not do what is meant is refused."""
    with pytest.raises(BadConfiguration, match="configure cannot edit it"):
        toml_text.without_fallback(text, "x")
