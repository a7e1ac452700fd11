"""A fleet that starts cold at once, in virtual time: how many get a token of AWS, and when.

    python -m tests.bench.fleet

The hosts of, say, an autoscaling group start within one second of each other, none with a cached
token, and share AWS's limit for GetAuthorizationToken. Compared are the pauses of this helper (the
very function that it runs), of the Go helper, of a minimal helper on boto3, and the best that any
policy could do. Three things are assumed: a call takes 50 ms and is judged as it arrives; a
throttled call takes nothing from the limit; nobody else calls AWS in that account and region. The
start of a process is not counted.
"""

import heapq
import math
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from docker_credential_ecr_login.aws.throttling import throttling_pause
from docker_credential_ecr_login.deadline import DEFAULT_TIMEOUT

CALL = 0.05
"""Seconds from a call to its answer."""

STAGGER = 1.0
"""Seconds within which all hosts start, each at a moment drawn at random."""

SIZES = (100, 1_000, 10_000)
SEED = 1

Policy = Callable[[int, float, Callable[[], float]], float | None]
"""What a host does once it is throttled.

Takes the number of its tries, the seconds left until its time limit and a source of random numbers
in [0, 1); returns the seconds to pause, or None to give up.
"""


@dataclass(frozen=True)
class Quota:
    """What AWS serves an account in a region: ``burst`` calls at once, ``rate`` a second."""

    rate: float
    burst: float


DOCUMENTED = Quota(rate=20, burst=200)
"""Amazon ECR User Guide, "Troubleshooting Amazon ECR error messages", HTTP 429.

A bucket that holds 200 calls and is filled by 20 a second. It is the lower of two statements.
"""

DEFAULT_SERVICE_QUOTA = Quota(rate=500, burst=500)
"""Amazon ECR User Guide, "Amazon ECR service quotas": 500 calls a second, adjustable.

No burst is named there; a second's worth is assumed.
"""


class TokenBucket:
    """AWS's side: it judges calls in the order of their times (seconds)."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._level = quota.burst
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Say whether the call that arrives ``now`` is served."""
        refilled = self._level + (now - self._at) * self._quota.rate
        self._level = min(self._quota.burst, refilled)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


@dataclass(frozen=True)
class Outcome:
    """What became of a fleet.

    ``waits`` has, in rising order, the seconds from start to token of each host that was served
    within its time limit, ``last`` the moment of the last token, ``calls`` counts all calls.
    """

    hosts: int
    waits: Sequence[float]
    last: float
    calls: int

    @property
    def served(self) -> int:
        """How many hosts have a token."""
        return len(self.waits)

    @property
    def wasted(self) -> float:
        """Calls without a token, for each host that has one."""
        return (self.calls - self.served) / self.served

    def wait(self, share: float) -> float:
        """Return the seconds within which this share of the served hosts had its token."""
        return self.waits[math.ceil(share * self.served) - 1]


helper = throttling_pause
"""The pause of this helper: not a copy, the function itself."""


def go_helper(attempts: int, _left: float, rand: Callable[[], float]) -> float | None:
    """Pause as amazon-ecr-credential-helper does, which leaves it to the AWS SDK for Go v2.

    Three tries (aws/retry/standard.go), with a pause of rand * 2**attempt seconds, the attempt
    counted from 1 (aws/retry/middleware.go, jitter_backoff.go). The SDK's own budget of retries,
    500 at 5 for each, is no limit for a single call.
    """
    return None if attempts >= 3 else rand() * 2**attempts


def boto3_helper(attempts: int, _left: float, rand: Callable[[], float]) -> float | None:
    """Pause as botocore's standard mode does by default (botocore/retries/standard.py).

    Three tries, with a pause of rand * 2**(attempt - 1) seconds.
    """
    return None if attempts >= 3 else rand() * 2 ** (attempts - 1)


def simulate(
    policy: Policy,
    hosts: int,
    limit: float = math.inf,
    *,
    stagger: float = STAGGER,
    quota: Quota = DOCUMENTED,
    seed: int = SEED,
) -> Outcome:
    """Let ``hosts`` start within ``stagger`` seconds, each with ``limit`` seconds for its token."""
    rand = random.Random(seed).random
    starts = _starts(hosts, stagger, rand)
    # Each entry is the time of a host's next call, the host, and which try it is.
    coming = [(start, host, 1) for host, start in enumerate(starts)]  # sorted is a heap
    bucket = TokenBucket(quota)
    waits: list[float] = []
    last, calls = 0.0, 0
    while coming:
        now, host, attempts = coming[0]
        answered = now + CALL
        deadline = starts[host] + limit
        calls += 1
        if bucket.take(now):
            heapq.heappop(coming)
            if answered <= deadline:
                waits.append(answered - starts[host])
                last = answered
        elif (pause := policy(attempts, deadline - answered, rand)) is None:
            heapq.heappop(coming)
        else:
            heapq.heapreplace(coming, (answered + pause, host, attempts + 1))
    return Outcome(hosts, sorted(waits), last, calls)


def ideal(
    hosts: int, limit: float = math.inf, *, stagger: float = STAGGER, quota: Quota = DOCUMENTED
) -> Outcome:
    """Return what no policy can surpass: each host calls once, at the moment when AWS can serve it.

    Hosts who would be too late make no call at all.
    """
    waits: list[float] = []
    last = full = 0.0  # full is when the bucket would be full again, were this host the last
    for start in _starts(hosts, stagger, random.Random(SEED).random):
        called = max(start, full - (quota.burst - 1) / quota.rate)
        if called + CALL > start + limit:
            continue
        full = max(full, called) + 1 / quota.rate
        last = called + CALL
        waits.append(last - start)
    return Outcome(hosts, sorted(waits), last, len(waits))


def needed_limit(policy: Policy, hosts: int) -> int:
    """Return the least AWS_ECR_TIMEOUT, in whole seconds, with which ``policy`` serves all hosts.

    All start at the same moment, which is the worst case; five different runs must succeed.
    """
    limit = math.ceil(ideal(hosts, stagger=0).last)
    while any(simulate(policy, hosts, limit, stagger=0, seed=s).served < hosts for s in range(5)):
        limit += 1
    return limit


def _starts(hosts: int, stagger: float, rand: Callable[[], float]) -> list[float]:
    return sorted(rand() * stagger for _ in range(hosts))


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table that is aligned as plain text too: names left, numbers right."""
    columns: list[list[str]] = []
    for column in zip(head, *rows, strict=True):
        width = max(map(len, column))
        if columns:
            columns.append(["-" * (width - 1) + ":", *(cell.rjust(width) for cell in column)])
        else:
            columns.append(["-" * width, *(cell.ljust(width) for cell in column)])
    rule, titles, *others = zip(*columns, strict=True)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (titles, rule, *others))


def comparison(sizes: Sequence[int], *, stagger: float = STAGGER, quota: Quota = DOCUMENTED) -> str:
    """Return the table of all policies for fleets of these sizes."""
    rows = []
    for hosts in sizes:
        for limit in (DEFAULT_TIMEOUT, 60, 600):
            seconds = f"{limit:g} s"
            run = simulate(helper, hosts, limit, stagger=stagger, quota=quota)
            rows.append(_row("this helper", seconds, run))
            rows.append(_row("ideal", seconds, ideal(hosts, limit, stagger=stagger, quota=quota)))
            if run.served == hosts:
                break  # more time changes nothing
        for name, policy in (("Go helper", go_helper), ("boto3, standard mode", boto3_helper)):
            run = simulate(policy, hosts, stagger=stagger, quota=quota)
            rows.append(_row(name, "3 tries", run))
    head = ("policy", "hosts", "limit", "served", "", "calls", "wasted", "last", "p50", "p99")
    return markdown(head, rows)


def _row(name: str, limit: str, outcome: Outcome) -> list[str]:
    return [
        name,
        f"{outcome.hosts:,}",
        limit,
        f"{outcome.served:,}",
        f"{100 * outcome.served / outcome.hosts:.1f} %",
        f"{outcome.calls:,}",
        f"{outcome.wasted:.1f}",
        f"{outcome.last:.1f} s",
        f"{outcome.wait(0.50):.2f} s",
        f"{outcome.wait(0.99):.1f} s",
    ]


def limits(sizes: Sequence[int]) -> str:
    """Return the table of the time limits that fleets of these sizes need."""
    head = ("hosts", "ideal", "this helper")
    return markdown(
        head,
        [
            (f"{n:,}", f"{ideal(n, stagger=0).last:.1f} s", f"{needed_limit(helper, n)} s")
            for n in sizes
        ],
    )


def main() -> None:
    """Print all tables."""
    for title, table in (
        ("20 calls a second, 200 at once; start within one second", comparison(SIZES)),
        ("The same, start at the same moment", comparison(SIZES, stagger=0)),
        ("500 calls a second", comparison(SIZES[-1:], quota=DEFAULT_SERVICE_QUOTA)),
        ("Least time limit with which all are served", limits((300, 500, *SIZES[1:]))),
    ):
        sys.stdout.write(f"{title}:\n\n{table}\n")
    sys.stdout.write(
        "wasted: throttled calls for each host served; last: when the last of them had its token;\n"
        "p50, p99: from start to token, of those served.\n"
    )


if __name__ == "__main__":
    main()
