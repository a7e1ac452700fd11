"""Another helper for all registries that are not ECR: ``fallback`` in the config file."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from docker_credential_ecr_login.subprocesses import run_to_end
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import (
    EXECUTABLE,
    HOST,
    NOT_FOUND,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
    Outcome,
    wait_for,
)

OWN = "images.example.com"
HUB = "https://index.docker.io/v1/"
PROGRAM = "docker-credential-test"
CONFIG = f"""
fallback = "test"
[[registry]]
match = "{OWN}"
registry = "{HOST}"
[[registry]]
match = "{PUBLIC}"
anonymous = true
"""

# Keeps logins as other helpers do, and notes what it was asked.
HELPER = """#!{python} -IS
import json, os, sys
home = os.environ["HOME"]
action, frame = sys.argv[1], sys.stdin.buffer.read()
with open(home + "/asked", "a") as record:
    print(json.dumps([*sys.argv[1:], frame.decode("latin-1")]), file=record)
try:
    with open(home + "/kept") as file:
        logins = json.load(file)
except FileNotFoundError:
    logins = {{}}
url = frame.decode().strip()
if action == "store":
    login = json.loads(frame)
    logins[login["ServerURL"]] = [login["Username"], login["Secret"]]
elif action == "list":
    print(json.dumps({{each: user for each, (user, _) in logins.items()}}))
elif url not in logins:
    print("credentials not found in native keychain")
    sys.exit(1)
elif action == "get":
    user, secret = logins[url]
    print(json.dumps({{"ServerURL": url, "Username": user, "Secret": secret}}))
else:
    del logins[url]
with open(home + "/kept", "w") as file:
    json.dump(logins, file)
"""


def install(helper: HelperProcess, program: str) -> Path:
    """Put the fallback that the config file names first on PATH."""
    path = helper.home / "bin" / PROGRAM
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(program)
    path.chmod(0o755)
    return path


def asked(helper: HelperProcess) -> list[list[str]]:
    """What the keeper was asked: its arguments and its stdin, for each time."""
    path = helper.home / "asked"
    return list(map(json.loads, path.read_text().splitlines())) if path.exists() else []


def exchange(helper: HelperProcess, action: str, frame: bytes = b"") -> tuple[bytes, bytes, int]:
    """Return what an action gives to the byte: stdout, stderr and exit code."""
    process = helper.start(action)
    stdout, stderr = process.communicate(frame, timeout=60)
    return stdout, stderr, process.returncode


@pytest.fixture
def configured(signed_in: HelperProcess) -> HelperProcess:
    """The executable with a config file that names a fallback, which is not there yet."""
    signed_in.environ["PATH"] = f"{signed_in.home / 'bin'}:{os.environ['PATH']}"
    signed_in.write_own_config(CONFIG)
    return signed_in


@pytest.fixture
def keeper(configured: HelperProcess) -> HelperProcess:
    """The executable with another helper that keeps logins."""
    install(configured, HELPER.format(python=sys.executable))
    return configured


class TestPassedOn:
    """A question about another registry goes to the other helper, and its answer to the client."""

    def test_login_and_logout(self, keeper: HelperProcess, aws: AwsEmulator) -> None:
        """A login is kept there, answered from there, and forgotten there."""
        assert keeper.get(HUB) == Outcome(NOT_FOUND, "", 1)
        assert keeper.store(HUB, "hunter2", "someone") == Outcome("", "", 0)
        outcome = keeper.get(HUB)
        assert json.loads(outcome.stdout) == {
            "ServerURL": HUB,
            "Username": "someone",
            "Secret": "hunter2",
        }
        assert (outcome.stderr, outcome.status) == ("", 0)
        assert keeper.erase(HUB) == Outcome("", "", 0)
        assert keeper.get(HUB) == Outcome(NOT_FOUND, "", 1)
        assert [action for action, _ in asked(keeper)] == ["get", "store", "get", "erase", "get"]
        assert aws.calls == []
        assert "hunter2" not in keeper.log

    def test_it_is_given_what_the_client_wrote(self, keeper: HelperProcess) -> None:
        """What the client wrote to stdin is passed on unchanged."""
        frame = '{\n "Secret": "\\u00e9é", "Username": "u", "More": 1, "ServerURL": "ghcr.io" }\r\n'
        exchange(keeper, "store", frame.encode())
        exchange(keeper, "erase", b" ghcr.io \r\n")
        exchange(keeper, "get", b"ghcr.io")
        exchange(keeper, "get", b"gh\ncr.io")
        exchange(keeper, "get", b"http://user@ghcr.io:5000/v2/")
        assert asked(keeper) == [
            ["store", frame.encode().decode("latin-1")],
            ["erase", " ghcr.io \r\n"],
            ["get", "ghcr.io"],
            ["get", "gh\ncr.io"],
            ["get", "http://user@ghcr.io:5000/v2/"],
        ]

    @pytest.mark.parametrize("action", ["get", "store", "erase"])
    @pytest.mark.parametrize("status", [0, 1, 3])
    def test_its_answer_is_the_answer(
        self, configured: HelperProcess, action: str, status: int
    ) -> None:
        """The client gets its stdout, stderr and exit code, byte for byte, even if not UTF-8."""
        install(
            configured,
            "#!/bin/sh\n"
            "cat >/dev/null\n"
            r"printf 'one\ntwo\0\377\376\303'"
            "\n"
            r"printf 'careful: \377\n' >&2"
            f"\nexit {status}\n",
        )
        frame = b'{"ServerURL":"ghcr.io","Username":"u","Secret":"s"}'
        assert exchange(configured, action, frame if action == "store" else b"ghcr.io") == (
            b"one\ntwo\0\xff\xfe\xc3",
            b"careful: \xff\n",
            status,
        )

    def test_a_large_answer(self, configured: HelperProcess) -> None:
        """An answer larger than a pipe is passed on whole, even if stdin was not read."""
        install(configured, "#!/bin/sh\nexec head -c 1000000 /dev/zero\n")
        answer, _, status = exchange(configured, "get", b"ghcr.io")
        assert (len(answer), status) == (1_000_000, 0)

    def test_large_input(self, keeper: HelperProcess) -> None:
        """A secret as large as the protocol allows reaches the other helper."""
        secret = "s" * 60_000
        assert keeper.store("ghcr.io", secret, "u").status == 0
        assert json.loads(keeper.get("ghcr.io").stdout)["Secret"] == secret

    @pytest.mark.parametrize("url", ["", "{", "{}"])
    def test_bad_input_is_not(self, keeper: HelperProcess, url: str) -> None:
        """Input that is not of the protocol is refused here, with the protocol's message."""
        outcome = keeper.run("store", stdin=url)
        assert (outcome.stderr, outcome.status) == ("", 1)
        assert outcome.stdout
        assert keeper.run("get", stdin="").stdout == "no credentials server URL\n"
        assert asked(keeper) == []

    def test_each_time(self, keeper: HelperProcess) -> None:
        """Its answer is never kept: after a change there, the next answer is the new one."""
        for secret in ("one", "two"):
            assert keeper.store("ghcr.io", secret, "u").status == 0
            assert json.loads(keeper.get("ghcr.io").stdout)["Secret"] == secret
        for path in keeper.cache_directory.rglob("*"):
            assert path.is_dir() or "ghcr.io" not in path.read_text() or path.name == "ghcr.io"

    @pytest.mark.parametrize(
        "url", [f"{OWN}.evil.org", f"user@{OWN}", f"{HOST}.evil.org", f"{OWN}:5000", "list"]
    )
    def test_look_alikes(self, keeper: HelperProcess, aws: AwsEmulator, url: str) -> None:
        """A name that only looks like ECR, or like a listed name, goes to the other helper."""
        assert keeper.get(url) == Outcome(NOT_FOUND, "", 1)
        assert asked(keeper) == [["get", url]]
        assert aws.calls == []

    def test_ignored_storage(self, keeper: HelperProcess) -> None:
        """AWS_ECR_IGNORE_CREDS_STORAGE is for logins of ECR; others are kept and forgotten."""
        ignored = {"AWS_ECR_IGNORE_CREDS_STORAGE": "true"}
        assert keeper.store(HUB, "hunter2", "u", **ignored) == Outcome("", "", 0)
        assert keeper.erase(HUB, **ignored) == Outcome("", "", 0)
        assert [action for action, _ in asked(keeper)] == ["store", "erase"]

    def test_without_a_cache(self, keeper: HelperProcess) -> None:
        """AWS_ECR_DISABLE_CACHE changes nothing of it."""
        keeper.environ["AWS_ECR_DISABLE_CACHE"] = "1"
        assert keeper.store(HUB, "hunter2", "u").status == 0
        assert json.loads(keeper.get(HUB).stdout)["Secret"] == "hunter2"


class TestNotPassedOn:
    """The other helper is never asked about ECR."""

    @pytest.mark.parametrize("host", [HOST, OWN, PUBLIC, "ecr-public.aws.com"])
    def test_ecr(self, keeper: HelperProcess, aws: AwsEmulator, host: str) -> None:
        """No action on a registry of ECR, or on a name for one, is passed on."""
        for url in (host, f"https://{host}/v2/", host):
            assert "ghcr" not in keeper.get(url).stdout
            assert keeper.store(url, aws.password).status == 0
            assert keeper.get(url).status == (host == PUBLIC)
            assert keeper.erase(url).status == 0
        assert asked(keeper) == []

    def test_an_anonymous_one(self, keeper: HelperProcess) -> None:
        """An anonymous registry has no credentials, even if the other helper keeps a login."""
        assert keeper.store("ghcr.io", "hunter2", "u").status == 0
        keeper.write_own_config(f'{CONFIG}[[registry]]\nmatch = "ghcr.io"\nanonymous = true\n')
        for url in ("ghcr.io", "https://ghcr.io/v2/", "ghcr.io"):
            assert keeper.get(url) == Outcome(NOT_FOUND, "", 1)
        assert keeper.erase("ghcr.io").status == 0
        assert [action for action, _ in asked(keeper)] == ["store", "erase"]

    def test_a_failure(self, keeper: HelperProcess, aws: AwsEmulator) -> None:
        """If AWS gives no token, the other helper is not asked for one."""
        aws.fail("GetAuthorizationToken", Fault(status=400, error="AccessDeniedException"))
        for url in (HOST, OWN):
            outcome = keeper.get(url)
            assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
            assert outcome.stderr.startswith(f"ecr-login: {url}: ")
        assert asked(keeper) == []

    def test_without_one(self, helper: HelperProcess) -> None:
        """Without a fallback, ``docker login`` to another registry says how to set one."""
        for text in (None, "", f'[[registry]]\nmatch = "{OWN}"\nregistry = "{HOST}"\n'):
            if text is not None:
                helper.write_own_config(text)
            outcome = helper.store(HUB, "hunter2", "someone")
            assert (outcome.stderr, outcome.status) == ("", 1)
            assert f"keeps logins of Amazon ECR only, and '{HUB}' is another" in outcome.stdout
            assert 'fallback = "<helper>"' in outcome.stdout
            assert "hunter2" not in outcome.stdout
            assert helper.erase(HUB) == Outcome("", "", 0)


class TestList:
    """``list`` has the registries of both."""

    def test_both(self, keeper: HelperProcess) -> None:
        """Those of ECR under the user name AWS, the others under theirs."""
        assert keeper.store(HUB, "hunter2", 'some"one é').status == 0
        keeper.get(SECOND_ACCOUNT)
        for _ in range(2):
            assert json.loads(keeper.list().stdout) == {
                HUB: 'some"one é',
                SECOND_ACCOUNT: "AWS",
                OWN: "AWS",
            }

    def test_ours_win(self, keeper: HelperProcess) -> None:
        """A registry that both have is listed under AWS, because this helper answers it."""
        keeper.get(HOST)
        (keeper.home / "kept").write_text(json.dumps({HOST: ["someone", "old"]}))
        assert json.loads(keeper.list().stdout) == {HOST: "AWS", OWN: "AWS"}

    def test_what_it_is_not_asked_about(self, keeper: HelperProcess) -> None:
        """A login for ECR in the other helper is not listed, because ``get`` does not answer it."""
        keeper.write_own_config(f'{CONFIG}[[registry]]\nmatch = "quay.io"\nanonymous = true\n')
        left = (HOST, f"https://{SECOND_ACCOUNT}/v2/", OWN, PUBLIC, "quay.io", HUB)
        (keeper.home / "kept").write_text(json.dumps({each: ["someone", "old"] for each in left}))
        no_credentials = {"AWS_SECRET_ACCESS_KEY": "wrong"}
        assert json.loads(keeper.list(**no_credentials).stdout) == {HUB: "someone"}

    @pytest.mark.parametrize(
        "program",
        [
            None,
            "no program",
            "#!/bin/sh\nexit 1\n",
            f'#!/bin/sh\necho \'{{"{HUB}": "u"}}\'\nexit 3\n',
            "#!/bin/sh\necho nonsense\n",
            "#!/bin/sh\necho '[1]'\n",
            "#!/bin/sh\nprintf '\\377'\n",
            "#!/bin/sh\nhead -c 200000 /dev/zero | tr '\\0' '['\n",
            f"#!/bin/sh\nexec '{EXECUTABLE}' list\n",
        ],
        ids=["missing", "no program", "1", "3", "text", "array", "bytes", "deep", "itself"],
    )
    def test_one_that_fails(self, configured: HelperProcess, program: str | None) -> None:
        """If the other helper fails or answers nonsense, ECR's are listed, and a line says why."""
        if program:
            install(configured, program)
        configured.get(HOST)
        outcome = configured.list()
        answer = f'{{"{HOST}": "AWS", "{OWN}": "AWS"}}\n'
        assert (outcome.stdout, outcome.status) == (answer, 0)
        line = outcome.stderr.removeprefix("ecr-login: ")
        assert line.startswith("list: the fallback ")
        assert f" ERROR {line}" in configured.log

    def test_one_that_complains(self, configured: HelperProcess) -> None:
        """A helper that writes to stderr is listed all the same, and the client gets its stderr."""
        install(configured, f'#!/bin/sh\necho careful >&2\necho \'{{"{HUB}":"u"}}\'\n')
        assert configured.list() == Outcome(f'{{"{HUB}": "u", "{OWN}": "AWS"}}\n', "careful\n", 0)

    def test_half_a_character(self, configured: HelperProcess) -> None:
        """Half a character in its answer, in JSON or in bytes, does not break the list."""
        configured.get(HOST)
        install(configured, '#!/bin/sh\necho \'{"\\ud800.example.com": "u", "é": "v"}\'\n')
        assert json.loads(configured.list().stdout)[HOST] == "AWS"
        install(configured, '#!/bin/sh\nprintf \'{"\\377": "u"}\'\n')
        assert json.loads(configured.list().stdout)[HOST] == "AWS"

    def test_when_aws_fails(self, keeper: HelperProcess, aws: AwsEmulator) -> None:
        """If AWS gives no token, those of the other helper are listed, and a line says why."""
        keeper.environ["AWS_REGION"] = "us-east-1"
        keeper.store(HUB, "hunter2", "u")
        aws.fail("GetAuthorizationToken", Fault(status=400, error="AccessDeniedException"))
        outcome = keeper.list()
        assert (outcome.stdout, outcome.status) == (f'{{"{HUB}": "u"}}\n', 0)
        assert outcome.stderr.startswith("ecr-login: list: ")
        assert outcome.stderr.count("\n") == 1
        assert " ERROR list: " in keeper.log

    def test_in_time(self, configured: HelperProcess, aws: AwsEmulator) -> None:
        """A helper that hangs takes the 3 seconds of ``list``; AWS is not asked any more."""
        install(configured, "#!/bin/sh\nexec sleep 60\n")
        configured.get(HOST)
        assert configured.list().hosts == [HOST, OWN]
        configured.erase(HOST)
        aws.fail("GetAuthorizationToken", Fault(hang=True))
        started = os.times().elapsed
        outcome = configured.list(AWS_REGION="us-east-1")
        line = f"list: the fallback {PROGRAM} did not answer within 3 seconds; try it by hand, or "
        assert outcome.hosts == []
        assert outcome.stderr.startswith(f"ecr-login: {line}")
        assert os.times().elapsed - started < 5.5


HANGS = "#!/bin/sh\nexec sleep 60\n"
FAILURES = [
    (None, f"the fallback {PROGRAM} is not on PATH; install it, or correct fallback"),
    ("no program", f"the fallback {PROGRAM} cannot be run: Exec format error; correct "),
    ("#!/nowhere\n", f"the fallback {PROGRAM} cannot be run: No such file or directory; correct "),
    (HANGS, f"the fallback {PROGRAM} did not answer within 0.5 seconds; try it by hand, or incr"),
    (
        "#!/bin/sh\nsleep 5 2>/dev/null &\nwait\n",
        f"the fallback {PROGRAM} did not answer within 0.5 seconds; try it by hand, or incr",
    ),
]


class TestFailures:
    """A fallback that cannot be asked is reported like every failure."""

    @pytest.fixture(autouse=True)
    def _in_a_hurry(self, configured: HelperProcess) -> None:
        configured.environ["AWS_ECR_TIMEOUT"] = "0.5"

    @pytest.mark.parametrize(
        ("program", "message"), FAILURES, ids=["missing", "format", "no shell", "hangs", "forks"]
    )
    def test_each(self, configured: HelperProcess, program: str | None, message: str) -> None:
        """``get`` is not found, with a line on stderr; ``store`` and ``erase`` say it and fail."""
        if program:
            install(configured, program)
        outcome = configured.get(HUB)
        assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
        assert outcome.stderr.startswith(f"ecr-login: {HUB}: {message}")
        assert outcome.stderr.count("\n") == 1
        line = outcome.stderr.removeprefix("ecr-login: ")
        assert configured.get(HUB, AWS_ECR_STRICT="true") == Outcome(line, outcome.stderr, 1)
        for outcome in (configured.store(HUB, "hunter2", "u"), configured.erase(HUB)):
            assert outcome == Outcome(line.removeprefix(f"{HUB}: "), "", 1)
        assert "hunter2" not in configured.log

    def test_what_hangs_is_ended_whole(self, configured: HelperProcess) -> None:
        """Whatever it started is ended, too, so that the client does not wait for our stderr."""
        install(configured, "#!/bin/sh\nsleep 30\n")
        started = os.times().elapsed
        assert "did not answer within 0.5 seconds" in configured.get(HUB).stderr
        assert os.times().elapsed - started < 10

    def test_an_interrupt_ends_it_whole(self, configured: HelperProcess) -> None:
        """An interrupt that reaches only this program also ends whatever the fallback started."""
        install(configured, "#!/bin/sh\ntouch ~/started\nsleep 30\n")
        configured.environ["AWS_ECR_TIMEOUT"] = "30"
        process = configured.ask(HUB)
        wait_for((configured.home / "started").exists)
        started = os.times().elapsed
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)  # until nobody holds its stderr
        assert os.times().elapsed - started < 10

    def test_an_interrupt_while_it_is_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An interrupt while it is being started takes effect as soon as it can be ended."""
        started: list[subprocess.Popen[bytes]] = []

        class Interrupted(subprocess.Popen[bytes]):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                started.append(self)
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(subprocess, "Popen", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_to_end(["sleep", "60"], 60)
        assert started[0].returncode == -signal.SIGKILL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_one_that_is_not_executable(self, configured: HelperProcess) -> None:
        """A file that is not executable does not count as a program on PATH."""
        install(configured, "#!/bin/sh\n").chmod(0o644)
        assert f"{PROGRAM} is not on PATH" in configured.get(HUB).stderr

    def test_the_next_on_path(self, keeper: HelperProcess) -> None:
        """A file that is not executable does not hide an executable one later on PATH."""
        path = keeper.home / "first" / PROGRAM
        path.parent.mkdir()
        path.touch()
        keeper.environ |= {"PATH": f"{path.parent}:{keeper.environ['PATH']}"}
        del keeper.environ["AWS_ECR_TIMEOUT"]
        assert keeper.get(HUB) == Outcome(NOT_FOUND, "", 1)
        assert asked(keeper) == [["get", HUB]]

    def test_a_limit_in_the_file(self, configured: HelperProcess) -> None:
        """``timeout`` and ``strict`` of the config file count here, too."""
        del configured.environ["AWS_ECR_TIMEOUT"]
        install(configured, HANGS)
        configured.write_own_config(f"timeout = 0.75\nstrict = true\n{CONFIG}")
        outcome = configured.get(HUB)
        assert "did not answer within 0.75 seconds" in outcome.stdout
        assert outcome.stderr == f"ecr-login: {outcome.stdout}"

    def test_what_it_printed_before(self, configured: HelperProcess) -> None:
        """Half an answer of a fallback that hangs is not passed on."""
        install(configured, '#!/bin/sh\necho \'{"ServerURL":"half\'\nexec sleep 60\n')
        assert configured.get(HUB).stdout == NOT_FOUND
        assert configured.erase(HUB).stdout.startswith("the fallback ")

    @pytest.mark.parametrize("first", ["", "yes | "])
    def test_one_that_prints_without_end(self, configured: HelperProcess, first: str) -> None:
        """A fallback is ended, with all that it started, when it has printed more than 1 MiB."""
        configured.environ["AWS_ECR_TIMEOUT"] = "30"
        install(configured, f"#!/bin/sh\n{first}yes\n")
        message = (
            f"the fallback {PROGRAM} is not a credential helper: it prints more than 1 MiB; try "
        )
        outcome = configured.get(HUB)
        assert outcome.stdout == NOT_FOUND
        assert outcome.stderr.startswith(f"ecr-login: {HUB}: {message}")
        assert configured.store(HUB, "hunter2", "u").stdout.startswith(message)

    def test_one_killed_by_a_signal(self, configured: HelperProcess) -> None:
        """One that is killed has failed."""
        install(configured, "#!/bin/sh\nkill -9 $$\n")
        stdout, stderr, status = exchange(configured, "get", b"ghcr.io")
        assert (stdout, stderr) == (b"", b"")
        assert status != 0


class TestItself:
    """A fallback that is this helper, or calls it again, is stopped after one round."""

    @pytest.fixture(params=["link", "script"])
    def circle(self, request: pytest.FixtureRequest, configured: HelperProcess) -> HelperProcess:
        """The executable with itself as its fallback."""
        path = install(configured, f"#!/bin/sh\nexec '{EXECUTABLE}' \"$@\"\n")
        if request.param == "link":
            path.unlink()
            path.symlink_to(EXECUTABLE)
        return configured

    def test_get(self, circle: HelperProcess) -> None:
        """``get`` is not found, and a line says why; strict, the message is on stdout."""
        message = f"{HUB}: the fallback {PROGRAM} calls this helper again; name another "
        outcome = circle.get(HUB)
        assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
        assert outcome.stderr.startswith(f"ecr-login: {message}")
        assert outcome.stderr.count("\n") == 1
        assert circle.get(HUB, AWS_ECR_STRICT="true").stdout.startswith(message)

    def test_store_and_erase(self, circle: HelperProcess) -> None:
        """``store`` and ``erase`` fail with the message."""
        for outcome in (circle.store(HUB, "hunter2", "u"), circle.erase(HUB)):
            assert outcome.stdout.startswith(f"the fallback {PROGRAM} calls this helper again")
            assert (outcome.stderr, outcome.status) == ("", 1)

    def test_list(self, circle: HelperProcess) -> None:
        """``list`` has the registries of ECR."""
        circle.get(HOST)
        assert circle.list().hosts == [HOST, OWN]

    def test_ecr(self, circle: HelperProcess, aws: AwsEmulator) -> None:
        """Registries of ECR are answered as usual, under both names."""
        secret = circle.get(HOST).secret
        other = replace(circle, executable=circle.home / "bin" / PROGRAM)
        assert other.get(HOST).secret == secret
        assert aws.count("GetAuthorizationToken") == 1
