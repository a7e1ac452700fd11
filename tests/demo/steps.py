"""What is shown: one day of somebody who works with ECR."""

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.credential_sources import SSO_LOGIN
from tests.demo import images
from tests.demo.show import Presentation, duration, shortened
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, NOT_FOUND, SECOND_ACCOUNT, HelperProcess, Outcome

_NAME = "docker-credential-ecr-login"
_THIRD_ACCOUNT = "333333333333.dkr.ecr.eu-west-1.amazonaws.com"
_HERD = 16

_AWS_CONFIG = """\
[profile dev]
role_arn = arn:aws:iam::111111111111:role/pull
source_profile = base

[profile intern]
role_arn = arn:aws:iam::111111111111:role/intern
source_profile = base

[profile sso]
sso_session = company
sso_account_id = 333333333333
sso_role_name = Developer

[sso-session company]
sso_start_url = https://example.awsapps.com/start
sso_region = us-east-1
"""


@dataclass(frozen=True)
class _Run:
    """One run of the helper, and the operations that AWS saw meanwhile."""

    outcome: Outcome
    calls: Sequence[str]

    @property
    def secret(self) -> str:
        """The password that was answered, empty if there was none."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return str(json.loads(self.outcome.stdout)["Secret"])
        return ""

    @property
    def hosts(self) -> list[str]:
        """The registries that were listed, none if the answer is no list."""
        with contextlib.suppress(ValueError):
            return list(json.loads(self.outcome.stdout))
        return []


def present(show: Presentation, helper: HelperProcess, aws: AwsEmulator) -> None:
    """Show all steps with ``helper``, whose home is empty, against ``aws``, which is new."""
    _Steps(show, helper, aws).present()


class _Steps:
    def __init__(self, show: Presentation, helper: HelperProcess, aws: AwsEmulator) -> None:
        self.show = show
        self.helper = helper
        self.aws = aws

    def present(self) -> None:
        self._people()
        self.show.line(f"{_NAME} at work", "1")
        self.show.line()
        self.show.paragraph(
            f"AWS is an emulator on this machine ({self.aws.url}) that checks signatures and "
            "takes 50 ms for an answer; HOME is a temporary directory. All commands are really "
            "run. The credentials are those of a role, in ~/.aws/config:"
        )
        self.show.line()
        for line in _AWS_CONFIG.partition("\n\n")[0].splitlines():
            self.show.line(f"   {line}")
        self._tokens()
        self._failures()
        self._login()
        self._herd()
        self._images()

    def _people(self) -> None:
        """Fill AWS and the home directory: a user, two roles, a forgotten SSO sign-in."""
        user = self.aws.add_user(arn="arn:aws:iam::111111111111:user/dev")
        self.aws.add_role(arn="arn:aws:iam::111111111111:role/pull", trusted=[user.arn])
        self.aws.add_role(
            arn="arn:aws:iam::111111111111:role/intern",
            trusted=[user.arn],
            deny=["ecr:GetAuthorizationToken"],
        )
        self.helper.write_config(_AWS_CONFIG)
        self.helper.write_credentials(
            "[base]\n"
            f"aws_access_key_id = {user.access_key_id}\n"
            f"aws_secret_access_key = {user.secret_access_key}\n"
        )
        name, text = self.aws.add_sso(expired=True).cache_file("company")
        directory = self.helper.home / ".aws" / "sso" / "cache"
        directory.mkdir(parents=True)
        (directory / name).write_text(text)
        self.helper.environ["AWS_PROFILE"] = "dev"

    def _tokens(self) -> None:
        show = self.show
        show.step("A first `docker pull` asks for the password; AWS is asked for it.")
        first = self._run("get", HOST)
        show.check(
            [
                (first.outcome.status == 0 and first.secret != "", "a password and exit code 0"),
                (self.aws.accepts(first.secret), "a password that AWS has issued"),
                (
                    first.calls == ["AssumeRole", "GetAuthorizationToken"],
                    "two calls to AWS: AssumeRole, GetAuthorizationToken",
                ),
            ]
        )
        show.step("The next pull: the same answer, from the cache. AWS is not asked.")
        self._answered_again(self._run("get", HOST), first.secret)
        show.step("A second account of the region: the same token opens it, by ECR's rules.")
        self._answered_again(self._run("get", SECOND_ACCOUNT), first.secret)
        show.step("`docker build` and docker-compose may ask which registries are known.")
        listing = self._run("list")
        show.check(
            [
                (listing.outcome.status == 0, "exit code 0"),
                (listing.hosts == [HOST, SECOND_ACCOUNT], "both registries, by their host names"),
                (listing.calls == [], "no call to AWS"),
            ]
        )
        show.step("A registry that is not ECR: the client goes on without a password.")
        other = self._run("get", "https://index.docker.io/v1/")
        show.check(
            [
                (other.outcome == Outcome(NOT_FOUND, "", 1), "the not-found line, alone"),
                (other.calls == [], "no call to AWS"),
            ]
        )

    def _failures(self) -> None:
        self.show.step("A sign-in that has expired: the line on stderr says what to do.")
        expired = self._run("get", HOST, AWS_PROFILE="sso")
        self.show.check(
            [
                (expired.outcome.status == 1, "exit code 1"),
                (expired.outcome.stdout == NOT_FOUND, "the not-found line on stdout"),
                (
                    f"{SSO_LOGIN} --profile sso" in expired.outcome.stderr,
                    "the command to sign in, on stderr",
                ),
            ]
        )
        self.show.step("A permission is missing; by AWS_ECR_STRICT, clients stop and show why.")
        denied = self._run("get", HOST, AWS_PROFILE="intern", AWS_ECR_STRICT="true")
        self.show.check(
            [
                (denied.outcome.status == 1, "exit code 1"),
                (
                    "ecr:GetAuthorizationToken" in denied.outcome.stdout
                    and "assumed-role/intern" in denied.outcome.stdout,
                    "the missing permission and who lacks it, on stdout",
                ),
            ]
        )

    def _login(self) -> None:
        show = self.show
        password = self.aws.password
        show.step("`docker login` with a password from elsewhere: it is kept.")
        frame = json.dumps(
            {"ServerURL": _THIRD_ACCOUNT, "Username": "AWS", "Secret": password},
            separators=(",", ":"),
        )
        stored = self._run("store", frame)
        show.check([(stored.outcome == Outcome("", "", 0), "no output and exit code 0")])
        show.step("A pull from there is answered with it.")
        self._answered_again(self._run("get", _THIRD_ACCOUNT), password)
        show.step("`docker logout`: it is forgotten.")
        erased = self._run("erase", _THIRD_ACCOUNT)
        show.check([(erased.outcome == Outcome("", "", 0), "no output and exit code 0")])
        show.step("The next pull from there gets a password of one's own again, from AWS.")
        own = self._run("get", _THIRD_ACCOUNT)
        show.check(
            [
                (own.secret not in ("", password), "another password"),
                ("GetAuthorizationToken" in own.calls, "a call to AWS"),
            ]
        )

    def _herd(self) -> None:
        show = self.show
        host = HOST.replace("us-east-1", "ap-south-1")
        show.step(f"`docker compose pull` of {_HERD} images, nothing cached: AWS is asked once.")
        calls_before = len(self.aws.calls)
        show.command(f"{_NAME} get    # {_HERD} at the same time")
        show.field("stdin", host)
        started = time.monotonic()
        processes = []
        try:
            for _ in range(_HERD):
                processes.append(self.helper.start("get"))  # noqa: PERF401 - each is ended below
            for process in processes:
                pipe, process.stdin = process.stdin, None  # communicate() must not write to it
                assert pipe
                with contextlib.suppress(BrokenPipeError), pipe:
                    pipe.write(host.encode())
            answers = {process.communicate(timeout=60)[0] for process in processes}
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        elapsed = time.monotonic() - started
        calls = self._calls_since(calls_before)
        statuses = sorted({process.returncode for process in processes})
        self._result(f"exit {', '.join(map(str, statuses))} of all", elapsed, calls)
        show.check(
            [
                (len(answers) == 1 and b"Secret" in answers.pop(), "the same password for all"),
                (statuses == [0], "exit code 0 of all"),
                (calls.count("GetAuthorizationToken") == 1, "one GetAuthorizationToken"),
            ]
        )

    def _images(self) -> None:
        with contextlib.ExitStack() as stack:
            try:
                registry = stack.enter_context(images.registry(self.helper, self.aws))
            except images.LeftOut as reason:
                self.show.line()
                self.show.paragraph(f"Left out: pushing and pulling an image. {reason}")
                return
            for sentence, command in (
                (f"{registry.client} pushes an image to a registry that asks for it.", "push"),
                ("And pulls it again.", "pull"),
            ):
                self.show.step(sentence)
                calls_before = len(self.aws.calls)
                action: Callable[[], images.Transfer] = getattr(registry, command)
                started = time.monotonic()
                transfer = action()
                elapsed = time.monotonic() - started
                calls = self._calls_since(calls_before)
                self.show.command(transfer.command)
                self.show.field("output", transfer.output)
                self._result(f"exit {transfer.status}", elapsed, calls)
                self.show.check(
                    [
                        (transfer.status == 0, "exit code 0"),
                        (transfer.whole, "the whole image at its destination"),
                        (calls == [], "no call to AWS"),
                    ]
                )

    def _answered_again(self, run: _Run, secret: str) -> None:
        self.show.check(
            [
                (run.outcome.status == 0 and run.secret == secret != "", "the same password"),
                (run.calls == [], "no call to AWS"),
            ]
        )

    def _run(self, action: str, stdin: str = "", **changes: str) -> _Run:
        """Run the helper and show what went in and what came out."""
        calls_before = len(self.aws.calls)
        assignments = "".join(f"{name}={value} " for name, value in changes.items())
        self.show.command(f"{assignments}{_NAME} {action}")
        self.show.field("stdin", shortened(stdin, self.aws.secrets))
        started = time.monotonic()
        outcome = self.helper.run(action, stdin=stdin, changes=changes)
        elapsed = time.monotonic() - started
        secrets = self.aws.secrets
        self.show.field("stdout", shortened(outcome.stdout, secrets))
        self.show.field("stderr", shortened(outcome.stderr, secrets))
        calls = self._calls_since(calls_before)
        self._result(f"exit {outcome.status}", elapsed, calls)
        return _Run(outcome, calls)

    def _calls_since(self, count: int) -> list[str]:
        return [call.operation for call in self.aws.calls[count:]]

    def _result(self, status: str, seconds: float, calls: Sequence[str]) -> None:
        said = f"{len(calls)} AWS call{'' if len(calls) == 1 else 's'}"
        names = f": {', '.join(calls)}" if calls else ""
        self.show.field("=>", f"{status}, {duration(seconds)}, {said}{names}", style="2")
