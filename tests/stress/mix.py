"""Callers that get, store, erase and list, all at once; each answer is compared with what may be.

Each caller has a registry of its own, whose login nobody else touches: it must never be lost, nor
outlive its erasure. All share some others. They have one of two identities, in one cache.
"""

import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from docker_credential_ecr_login.cache.tokens import Entry
from docker_credential_ecr_login.log import MAX_SIZE
from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess, Outcome, processes_of, wait_for
from tests.stress.checks import check_end, demand
from tests.tokens import HOUR, asked, cache_of, password

SHARED = tuple(
    f"{account}.dkr.ecr.{region}.amazonaws.com"
    for account in ("111111111111", "222222222222")
    for region in ("us-east-1", "eu-west-1")
)
_TOKEN_LIFETIME = 75  # seconds: so it is fetched anew every 15
_TIMEOUT = "50"  # seconds: the machine is meant to be busy
_LOG_PADDING = "2026-01-01T00:00:00.000Z 1 INFO " + "x" * 67 + "\n"
_LOG_ROOM = 4096  # bytes that are left before it is to be put aside


def run(seconds: float, processes: int, seed: int) -> Counter[str]:
    """Let that many processes run at once, for so long; return how many there were of each kind.

    Raises `BrokenPromise`.
    """
    with tempfile.TemporaryDirectory() as directory, AwsEmulator() as aws:
        aws.token_lifetime = _TOKEN_LIFETIME
        home = Path(directory)
        log = home / ".ecr" / "log" / "ecr-login.log"
        log.parent.mkdir(parents=True, mode=0o700)
        log.write_text(_LOG_PADDING * ((MAX_SIZE - _LOG_ROOM) // len(_LOG_PADDING)))
        log.chmod(0o600)
        users = [aws.add_user(arn=f"arn:aws:iam::111111111111:user/{name}") for name in "ab"]
        callers = [
            _Caller(
                HelperProcess(
                    home,
                    {
                        "AWS_ENDPOINT_URL": aws.url,
                        "AWS_ECR_TIMEOUT": _TIMEOUT,
                        "AWS_ECR_LOG_LEVEL": "debug" if number % 4 == 0 else "info",
                        **users[number % 2].environ,
                    },
                ),
                aws,
                users[number % 2].arn,
                number,
                random.Random(f"{seed} {number}"),
            )
            for number in range(processes)
        ]
        deadline = time.monotonic() + seconds
        done: Counter[str] = Counter()
        with ThreadPoolExecutor(processes) as pool:
            for counts in pool.map(lambda caller: caller.work_until(deadline), callers):
                done += counts
        wait_for(lambda: not processes_of(home))  # refreshes
        for caller in callers:
            caller.check_own()
        wait_for(lambda: not processes_of(home))
        check_end(callers[0].helper)
        done["calls of AWS"] = aws.count("GetAuthorizationToken")
        return done


class _Caller:
    """One of those who run the executable, again and again."""

    stored: frozenset[str] = frozenset()  # all logins of shared registries, of all callers

    def __init__(
        self, helper: HelperProcess, aws: AwsEmulator, arn: str, number: int, chance: random.Random
    ) -> None:
        self.helper = replace(helper, said=[])
        self._aws = aws
        self._arn = arn
        self._host = f"{number + 1:012d}.dkr.ecr.us-west-2.amazonaws.com"
        self._chance = chance
        self._login: str | None = None

    def work_until(self, deadline: float) -> Counter[str]:
        """Run one process after the other; return how many of each kind."""
        actions: dict[str, tuple[int, Callable[[], None]]] = {
            "get": (8, self._get_shared),
            "get own": (4, self.check_own),
            "store own": (2, self._store_own),
            "erase own": (1, self._erase_own),
            "store": (1, self._store_shared),
            "erase": (1, self._erase_shared),
            "list": (3, self._list),
            "get past refresh time": (1, self._get_old),
        }
        weights = [weight for weight, _ in actions.values()]
        done: Counter[str] = Counter()
        while time.monotonic() < deadline:
            (name,) = self._chance.choices(list(actions), weights)
            actions[name][1]()
            done[name] += 1
        return done

    def check_own(self) -> None:
        """Demand that the caller's own login is answered, or if there is none, AWS's token."""
        secret = self._answer(self._host)
        if self._login is None:
            self._demand_issued(secret, self._host)
        else:
            demand(secret == self._login, f"{self._host}: the login is lost")

    def _get_shared(self) -> None:
        host = self._chance.choice(SHARED)
        secret = self._answer(host)
        if secret not in type(self).stored:
            self._demand_issued(secret, host)

    def _get_old(self) -> None:
        request = asked(self._chance.choice(SHARED))
        cache = cache_of(self.helper)
        if entry := cache.token(request):
            old = Entry(entry.secret, entry.expires_at, int(time.time()) - 1)
            cache.store_token(request, old)
        self._get_shared()

    def _store_own(self) -> None:
        login = self._password()
        self._demand_silent(self.helper.store(self._host, login), "store")
        self._login = login

    def _erase_own(self) -> None:
        self._demand_silent(self.helper.erase(self._host), "erase")
        self._login = None

    def _store_shared(self) -> None:
        login = self._password()
        type(self).stored |= {login}
        self._demand_silent(self.helper.store(self._chance.choice(SHARED), login), "store")

    def _erase_shared(self) -> None:
        self._demand_silent(self.helper.erase(self._chance.choice(SHARED)), "erase")

    def _list(self) -> None:
        outcome = self.helper.list()
        demand((outcome.stderr, outcome.status) == ("", 0), outcome)
        hosts = json.loads(outcome.stdout)
        demand(isinstance(hosts, dict) and set(hosts.values()) <= {"AWS"}, outcome)
        demand(self._login is None or self._host in hosts, f"{self._host} is not listed")

    def _answer(self, host: str) -> str:
        outcome = self.helper.get(host)
        demand((outcome.stderr, outcome.status) == ("", 0), outcome)
        answer = json.loads(outcome.stdout)
        demand(set(answer) == {"ServerURL", "Username", "Secret"}, outcome)
        demand((answer["ServerURL"], answer["Username"]) == (host, "AWS"), outcome)
        secret = answer["Secret"]
        assert isinstance(secret, str)
        return secret

    def _demand_issued(self, secret: str, host: str) -> None:
        token = self._aws.issued(secret)
        demand(token is not None, f"{host}: {secret!r} was never issued")
        assert token is not None
        demand(token.principal == self._arn, f"{host}: the token of {token.principal}")
        demand(f".{token.region}." in host, f"{host}: a token of {token.region}")
        demand(token.expires_at > time.time(), f"{host}: an expired token")

    def _demand_silent(self, outcome: Outcome, action: str) -> None:
        demand(outcome == Outcome("", "", 0), f"{action}: {outcome}")

    def _password(self) -> str:
        return password(HOUR, self._chance.randbytes(600).hex())
