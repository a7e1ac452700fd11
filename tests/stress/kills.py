"""Callers that are killed at any moment, with all that they started, as by ``kill -9``.

Afterwards each file is whole or a miss, the next caller gets the right answer without waiting for
the one that is gone, and no login is lost.
"""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from docker_credential_ecr_login.cache.tokens import Entry
from tests.emulator import AwsEmulator
from tests.helper_process import (
    HOST,
    OTHER_REGION,
    SECOND_ACCOUNT,
    HelperProcess,
    processes_of,
    wait_for,
)
from tests.stress.checks import check_files, demand
from tests.tokens import HOUR, asked, password, stored

_TIMEOUT = "20"  # seconds: less than a lock that nobody gives back would take
_LANES = 2  # at once, each with a home of its own


def run(kills: int, seed: int) -> Counter[str]:
    """Kill so many; return how many of each kind were killed at work. Raises `BrokenPromise`."""
    with AwsEmulator() as aws, ThreadPoolExecutor(_LANES) as pool:
        shares = [kills // _LANES + (lane < kills % _LANES) for lane in range(_LANES)]
        lanes = [(share, random.Random(f"{seed} {lane}")) for lane, share in enumerate(shares)]
        total: Counter[str] = Counter()
        for counts in pool.map(lambda lane: _run_lane(aws, *lane), lanes):
            total += counts
        return total


def _run_lane(aws: AwsEmulator, kills: int, chance: random.Random) -> Counter[str]:
    with tempfile.TemporaryDirectory() as directory:
        user = aws.add_user()
        environ = {"AWS_ENDPOINT_URL": aws.url, "AWS_ECR_TIMEOUT": _TIMEOUT, **user.environ}
        victim = _Victim(HelperProcess(Path(directory), environ), aws, chance)
        for _ in range(kills):
            victim.kill_one()
        victim.check_erased()
        return victim.killed


class _Victim:
    """The executable in a home, and what it must not lose."""

    def __init__(self, helper: HelperProcess, aws: AwsEmulator, chance: random.Random) -> None:
        self.killed: Counter[str] = Counter()
        self._helper = helper
        self._aws = aws
        self._chance = chance
        self._logins: set[str] = set()  # one of them is stored
        self._durations: dict[str, float] = {}
        self._store()

    def kill_one(self) -> None:
        """Kill one caller, and check what it has left."""
        actions: dict[str, tuple[Callable[[], None], str, str]] = {
            "cold get": (self._forget, "get", HOST),
            "get": (self._fetch, "get", SECOND_ACCOUNT),
            "get past refresh time": (self._age, "get", HOST),
            "list": (self._fetch, "list", ""),
            "erase": (self._fetch, "erase", HOST),
            "store": (self._fetch, "store", self._frame()),
        }
        name = self._chance.choice(list(actions))
        prepare, action, text = actions[name]
        prepare()
        process = self._helper.start(action)
        started = time.monotonic()
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(text.encode())
            process.stdin.close()
        process.stdin = None
        moment = self._chance.random() * 1.2 * self._durations.get(name, 1.0)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            self.killed[name] += 1
        else:  # faster than expected
            self._durations[name] = time.monotonic() - started
            if name == "get past refresh time":
                self._wait_for_a_while()
        process.kill()
        for pid in processes_of(self._helper.home):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()
        wait_for(lambda: not processes_of(self._helper.home))
        self._check(name)

    def _wait_for_a_while(self) -> None:
        """Return when the refresh has ended, or at some moment before."""
        until = time.monotonic() + self._chance.random()
        while (at_work := processes_of(self._helper.home)) and time.monotonic() < until:
            pass
        self.killed["refresh"] += bool(at_work)

    def check_erased(self) -> None:
        """Demand that nothing of what killed writers left outlives ``docker logout``."""
        for host in (HOST, SECOND_ACCOUNT, OTHER_REGION):
            demand(self._helper.erase(host).status == 0, f"{host} cannot be erased")
        secrets = [secret.encode() for secret in (*self._aws.secrets, *self._logins)]
        for path in self._helper.home.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                demand(not any(secret in content for secret in secrets), f"a secret: {path}")

    def _check(self, name: str) -> None:
        check_files(self._helper)
        started = time.monotonic()
        secret = self._helper.get(HOST).secret
        demand(self._aws.accepts(secret), f"after {name}: {secret!r} was never issued")
        login = self._helper.get(OTHER_REGION).secret
        demand(login in self._logins, f"after {name}: the login is lost")
        demand(
            time.monotonic() - started < float(_TIMEOUT) / 2, f"after {name}: something was held"
        )
        self._logins = {login}

    def _frame(self) -> str:
        login = self._password()
        self._logins.add(login)
        return json.dumps({"ServerURL": OTHER_REGION, "Username": "AWS", "Secret": login})

    def _store(self) -> None:
        outcome = self._helper.run("store", stdin=self._frame())
        demand(outcome.status == 0, outcome)

    def _forget(self) -> None:
        demand(self._helper.erase(HOST).status == 0, "erase failed")

    def _fetch(self) -> None:
        demand(self._helper.get(HOST).status == 0, "get failed")

    def _age(self) -> None:
        self._fetch()
        cache, entry = stored(self._helper)
        cache.store_token(asked(), Entry(entry.secret, entry.expires_at, int(time.time()) - 1))
        for mark in self._helper.cache_directory.glob("tokens/*/*.refresh"):
            mark.unlink()  # as after a minute

    def _password(self) -> str:
        return password(HOUR, self._chance.randbytes(600).hex())
