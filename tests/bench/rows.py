"""Which situations are measured, and how each is set up."""

import json
import shutil
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from docker_credential_ecr_login.cache.recall import recall
from docker_credential_ecr_login.cache.tokens import Cache, Entry
from docker_credential_ecr_login.identity import configured_identity
from docker_credential_ecr_login.request import Request as EcrRequest
from tests import installation, names_of_aws
from tests.bench import programs
from tests.bench.measure import Failed, Run, run, wait_until
from tests.bench.programs import LARGE_HERD, LIST, NOT_FOUND, Program
from tests.bench.table import Measurements, Result
from tests.credential_sources import (
    Source,
    credential_process,
    default_profile,
    environment_keys,
    instance_role,
    source_profile,
    sso_session,
    web_identity_of_the_environment,
)
from tests.emulator import AwsEmulator, Fault
from tests.emulator.model import Request, Response
from tests.helper_process import HOST, HelperProcess, Outcome, processes_of
from tests.helper_process import NOT_FOUND as NOT_FOUND_LINE
from tests.tokens import asked, cache_of

REGION = "us-east-1"
"""The region of the registry that is asked for."""

_WARM_UPS = 3
_HERDS = 3  # for each row with a herd, however many runs other rows have
_OTHER_HOST = "https://index.docker.io/v1/"
_LIFETIME = 12 * 3600  # seconds


class Aws(AwsEmulator):
    """An AWS that can make all callers wait for any time."""

    def __init__(self, delay: float) -> None:
        self._open = Event()
        self._open.set()
        super().__init__(delay=delay)

    def hold(self) -> None:
        """Record calls, and do not answer them until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Answer what was held, and all that comes."""
        self._open.set()

    def answer(self, request: Request) -> tuple[Response, Fault] | None:
        """Answer one request, as the emulator does, but not while answers are held."""
        answer = super().answer(request)
        self._open.wait()
        return answer

    def close(self) -> None:
        """Stop serving."""
        self.release()
        super().close()


class Warm:
    """A program that was asked before, and has kept what it can keep.

    The base of all situations. One is made for each program of a row, in a home of its own.
    """

    def __init__(self, program: Program, helper: HelperProcess, aws: Aws, row: "Row") -> None:
        self.helper = helper
        self.aws = aws
        self._host = row.host
        command = program.arguments(row.action)
        self._ask_once = replace(helper, executable=Path(command[0]))
        self._arguments = command[1:]
        self.set_up()

    def set_up(self) -> None:
        """Prepare once, before all runs."""
        self.ask()
        self.ask()  # the first hit may find something to do

    def before(self) -> None:
        """Prepare each run."""

    def after(self) -> None:
        """Clean up after each run."""

    def ask(self) -> None:
        """Run the program once, unmeasured. What it gives is judged where it is measured."""
        self._ask_once.run(*self._arguments, stdin=self._host)


class ByPython(Warm):
    """Our launcher starts Python, as it always does on macOS and Windows."""

    def set_up(self) -> None:
        """Set a variable to something whose meaning the launcher cannot know."""
        self.helper.environ["AWS_ROLE_SESSION_NAME"] = "$"
        super().set_up()


class Cold(Warm):
    """All that a program has left in its home is removed before each run."""

    def set_up(self) -> None:
        """Remember what the home holds to begin with."""
        self._given = set(self.helper.home.iterdir())

    def before(self) -> None:
        """Remove all else."""
        for path in set(self.helper.home.iterdir()) - self._given:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        # Where sessions are shared with the AWS CLI, beside what was given.
        shutil.rmtree(self.helper.home / ".aws" / "cli", ignore_errors=True)


class Rotated(Warm):
    """The credentials of the instance were just rotated, as they are every few hours."""

    def before(self) -> None:
        """Rotate them."""
        self.aws.set_instance_role()


class PastRefresh(Warm):
    """Our cached token is past its refresh time at each run, and no refresh has been started."""

    def before(self) -> None:
        """Let the token grow old as it does by itself, and forget that a refresh was started.

        It is due in a second or two, and our helper answers it once more in good time: so all
        that it keeps beside the token is there too.
        """
        cache, request = cache_of(self.helper), asked(HOST)
        entry = _token(cache, request)
        due = int(time.time()) + 2
        cache.store_token(request, Entry(entry.secret, entry.expires_at, due))
        self.ask()
        # The clock of files, which is the launcher's, is up to a tick of the kernel behind.
        wait_until(lambda: time.time() >= due + 0.05, "a second")
        for claim in self.helper.cache_directory.rglob("*.refresh"):
            claim.unlink()

    def after(self) -> None:
        """Wait for the end of the refresh that the run has started."""
        cache, request = cache_of(self.helper), asked(HOST)
        wait_until(lambda: _token(cache, request).young(time.time()), "a refreshed token")
        wait_until(lambda: not processes_of(self.helper.home), "the end of a refresh")


class WhileRefreshing(PastRefresh):
    """Our cached token is past its refresh time, and the refresh waits for AWS's answer."""

    def before(self) -> None:
        """Be the first caller, and wait until AWS is asked by the refresh."""
        super().before()
        calls = len(self.aws.calls)
        self.aws.hold()
        self.ask()
        wait_until(lambda: len(self.aws.calls) > calls, "a refresh to ask AWS")

    def after(self) -> None:
        """Let the refresh have its answer."""
        self.aws.release()
        super().after()


class _Filled(Warm):
    """Our cache holds many tokens, of many identities, regions and hosts."""

    tokens: int

    def set_up(self) -> None:
        """Store the tokens as if each had been asked for; the first is the one that is measured."""
        super().set_up()
        secret = _token(cache_of(self.helper), asked(HOST)).secret
        side = isqrt(self.tokens)
        now = int(time.time())
        entry = Entry(secret, now + _LIFETIME, now + _LIFETIME // 2)
        for number in range(1, self.tokens):
            profile, region = divmod(number, side)
            # Keys in the environment win over a profile, which makes another identity all the same.
            changes = {"AWS_PROFILE": f"made-up-{profile}"} if profile else {}
            environ = self.helper.environment(changes)
            host = f"{number:012d}.dkr.ecr.made-up-{region}.amazonaws.com"
            request = asked(host, environ)
            cache = Cache(str(self.helper.cache_directory), configured_identity(environ))
            cache.store_token(request, entry)
            if recall(cache, request, now) is None:
                raise Failed("a stored token is not found in the cache")


class HundredTokens(_Filled):
    """Our cache holds 100 tokens: ten identities with ten regions each."""

    tokens = 100


class TenThousandTokens(_Filled):
    """Our cache holds 10,000 tokens: a hundred identities with a hundred regions each."""

    tokens = 10_000


class Configured(Warm):
    """Our config file has fifty tables, of which the last is for the registry of the runs."""

    def set_up(self) -> None:
        """Write the config file."""
        tables = [f'match = "{number:012d}.*"\nprofile = "made-up"' for number in range(1, 50)]
        tables.append(f'match = "{HOST}"\nregion = "{REGION}"')
        self.helper.write_own_config("".join(f"[[registry]]\n{table}\n" for table in tables))
        super().set_up()


@dataclass(frozen=True)
class Row:
    """One line of the table: who asks for what, in which situation.

    ``against`` is a key of `programs.others`, or "ours" for ours in ``their_situation``.
    ``our_calls`` is how many calls of AWS ours must make for each measurement, None to let the
    table tell. ``processes`` are started at once. With ``by_name``, AWS has TLS and, for ours, its
    own names, as in a CI job; the others are told where it is, which costs them nothing.
    """

    name: str
    situation: type[Warm] = Warm
    source: Source = environment_keys
    against: str = "peer"
    their_situation: type[Warm] | None = None
    action: str = "get"
    host: str = HOST
    by_link: bool = False
    by_name: bool = False
    our_calls: int | None = 0
    processes: int = 1
    needs: str = ""


ROWS = (
    Row("hit, static keys"),
    Row("hit, static keys, by symbolic link", by_link=True),
    Row("hit, static keys, by Python", ByPython),
    Row("hit, assumed role", source=source_profile),
    Row("hit, SSO", source=sso_session),
    Row("hit, web identity", source=web_identity_of_the_environment),
    Row("hit, credential_process", source=credential_process),
    Row("hit, instance role", source=instance_role),
    Row("hit, instance role, rotated", Rotated, instance_role),
    Row("not ECR", host=_OTHER_HOST, needs=NOT_FOUND),
    Row("list, warm", action="list", needs=LIST),
    Row("cold, static keys", Cold, our_calls=1),
    Row("cold, static keys, in a CI job", Cold, by_name=True, our_calls=1),
    Row("cold, static keys", Cold, against="boto3", our_calls=1),
    Row("cold, static keys", Cold, against="aws", our_calls=1),
    Row("cold, keys of a profile", Cold, default_profile, our_calls=1),
    Row("cold, assumed role", Cold, source_profile, our_calls=2),
    Row("cold, web identity", Cold, web_identity_of_the_environment, our_calls=2),
    Row("cold, SSO", Cold, sso_session, our_calls=2),
    Row("cold, instance role", Cold, instance_role, our_calls=None),
    Row("cold, credential_process", Cold, credential_process, our_calls=1),
    Row("past refresh time, first caller", PastRefresh, their_situation=Warm, our_calls=1),
    Row("past refresh time, later callers", WhileRefreshing, their_situation=Warm, our_calls=1),
    Row("herd of 32, cold", Cold, processes=32, our_calls=None),
    Row("herd of 200, cold", Cold, processes=200, our_calls=None, needs=LARGE_HERD),
    Row("hit, 100 tokens cached", HundredTokens, against="ours", their_situation=Warm),
    Row("hit, 10,000 tokens cached", TenThousandTokens, against="ours", their_situation=Warm),
    Row("hit, 50 tables in the config file", Configured),
    Row("hit, 50 tables in the config file", Configured, against="ours", their_situation=Warm),
    Row("not ECR, 50 tables in the config file", Configured, host=_OTHER_HOST, needs=NOT_FOUND),
)


def measure(
    row: Row,
    others: Mapping[str, Program],
    directory: Path,
    delay: float,
    runs: int,
) -> Result | None:
    """Measure ours and its counterpart in turns, ``runs`` times.

    All files go into ``directory`` and are gone when this returns. ``delay`` is in seconds, for
    each call of AWS. Returns None where the counterpart is not installed. Raises `Failed` if a
    program does not do what it should.
    """
    ours = programs.ours()
    other = replace(ours, name="ours without") if row.against == "ours" else others.get(row.against)
    if other is None:
        return None
    rounds, warm_ups = (_HERDS, 0) if row.processes > 1 else (runs, _WARM_UPS)
    # What a refresh in the background still writes there goes with the directory above.
    temporary = TemporaryDirectory(dir=directory, ignore_cleanup_errors=True)
    with Aws(delay) as aws, temporary as name:
        contestants = [_Contestant(row, ours, row.situation, aws, Path(name, "ours"))]
        if row.needs not in other.lacks:
            their_situation = row.their_situation or row.situation
            contestants.append(_Contestant(row, other, their_situation, aws, Path(name, "theirs")))
        for number in range(-warm_ups, rounds):
            # Who goes second may find a warmer machine.
            for contestant in contestants[:: -1 if number % 2 else 1]:
                contestant.take_turn(is_counted=number >= 0)
        if row.our_calls is not None:
            contestants[0].check_calls(row.our_calls)
        measurements = [contestant.measurements for contestant in contestants]
        if row.situation is Cold and any(0 in each.calls for each in measurements):
            raise Failed(f"{row.name}: a cache outside of the home was not emptied")
    theirs = measurements[1] if len(measurements) > 1 else None
    return Result(row.name, other.name, measurements[0], theirs)


class _Contestant:
    """One program in its situation, and what was measured of it."""

    def __init__(
        self, row: Row, program: Program, situation: type[Warm], aws: Aws, directory: Path
    ) -> None:
        home, self._scratch = directory / "home", directory / "scratch"
        for path in (home, self._scratch):
            path.mkdir(parents=True)
        if row.by_name:
            environ = _with_tls(aws, by_name=program.command == programs.ours().command)
        else:
            endpoints = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_STS")
            # The Go SDK finds STS and SSO by their own variables only, and wants a region for them.
            environ = dict.fromkeys(endpoints, aws.url)
        helper = HelperProcess(home, {**environ, "AWS_REGION": REGION})
        row.source(aws, helper)
        if row.by_link:
            program = _linked(program, directory / "bin")
        self._row = row
        self._aws = aws
        self._program = program
        self._situation = situation(program, helper, aws, row)
        self.measurements = Measurements()

    def take_turn(self, *, is_counted: bool) -> None:
        """Measure once; a turn that does not count tells the memory instead."""
        calls = len(self._aws.calls)
        self._situation.before()
        measured = run(
            self._scratch,
            self._program.arguments(self._row.action),
            self._situation.helper,
            self._row.host,
            processes=self._row.processes,
            for_memory=not is_counted,
        )
        failures = self._failures(measured)
        self._situation.after()
        if not is_counted or self._row.processes > 1:
            self.measurements.megabytes.append(measured.megabytes)
        if is_counted:
            self.measurements.milliseconds.append(measured.milliseconds)
            self.measurements.cpu_milliseconds.append(measured.cpu_milliseconds)
            self.measurements.calls.append(len(self._aws.calls) - calls)
            self.measurements.failures += failures

    def check_calls(self, expected: int) -> None:
        """Raise `Failed` if a run made another number of calls."""
        if set(self.measurements.calls) != {expected}:
            raise Failed(
                f"{self._row.name}: {self._program.name} is to make {expected} AWS calls each "
                f"time, and made {self.measurements.calls}"
            )

    def _failures(self, measured: Run) -> int:
        """Return how many of a herd failed; raises `Failed` for a process that runs alone."""
        complaints = [text for text in map(self._complaint, measured.outcomes) if text]
        if complaints and self._row.processes == 1:
            raise Failed(f"{self._row.name}: {self._program.name} {complaints[0]}")
        return len(complaints)

    def _complaint(self, outcome: Outcome) -> str:
        """Say what is wrong with an answer; the empty string if nothing is."""
        if self._row.needs == NOT_FOUND:
            is_right = (outcome.status, outcome.stdout) == (1, NOT_FOUND_LINE)
        elif outcome.status:
            is_right = False
        elif self._row.action == "list":
            is_right = any(HOST in host for host in _json_object(outcome.stdout))
        elif self._program.is_credential_helper:
            is_right = self._aws.accepts(_json_object(outcome.stdout).get("Secret", ""))
        else:
            is_right = self._aws.accepts(outcome.stdout.strip())
        return "" if is_right else f"has not answered as it should: {outcome}"


def _with_tls(aws: Aws, *, by_name: bool) -> dict[str, str]:
    """Return the environment in which AWS is found with TLS: by its own names, or a variable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    names = (f"api.ecr.{REGION}.amazonaws.com", "127.0.0.1")
    installation.authority().issue_cert(*names).configure_cert(context)
    url = aws.listen("127.0.0.1", ssl_context=context)
    if by_name:
        return {names_of_aws.PORT: url.rpartition(":")[2]}
    authority = str(installation.DIRECTORY / "authority.pem")
    return {"AWS_ENDPOINT_URL": url, "SSL_CERT_FILE": authority, "AWS_CA_BUNDLE": authority}


def _linked(program: Program, directory: Path) -> Program:
    """Return the program as it is found through a symbolic link in another directory."""
    directory.mkdir()
    *interpreter, file = program.command
    link = directory / Path(file).name
    link.symlink_to(file)
    return replace(program, command=(*interpreter, str(link)))


def _json_object(text: str) -> dict[str, str]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _token(cache: Cache, request: EcrRequest) -> Entry:
    entry = cache.token(request)
    if entry is None:
        raise Failed("ours has not cached its token")
    return entry
