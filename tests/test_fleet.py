"""Many hosts that start cold at once: what the pauses after throttling do, in virtual time."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login.aws.throttling import throttling_pause
from tests.bench.fleet import (
    CALL,
    DEFAULT_SERVICE_QUOTA,
    DOCUMENTED,
    Policy,
    TokenBucket,
    boto3_helper,
    comparison,
    go_helper,
    helper,
    ideal,
    needed_limit,
    simulate,
)
from tests.documents import DOCUMENTS, section

RESERVE = 0.5
"""Seconds before its time limit at which the helper tries for the last time."""

ATTEMPTS = st.integers(min_value=1, max_value=100_000)
LEFT = st.floats(min_value=-10, max_value=1e6)
CHANCE = st.floats(min_value=0, max_value=1, exclude_max=True)

# The pause


@given(ATTEMPTS, LEFT, CHANCE)
def test_pause_ends_before_the_time_limit(attempts: int, left: float, chance: float) -> None:
    """After each pause there is time for a call; if there is none, the helper gives up."""
    pause = throttling_pause(attempts, left, lambda: chance)
    if pause is None:
        assert left <= RESERVE
    else:
        assert 0 < pause <= left - RESERVE


@given(ATTEMPTS, CHANCE)
def test_pause_is_bounded(attempts: int, chance: float) -> None:
    """However long AWS throttles, a host asks every 26 seconds or more often, but never hammers."""
    pause = throttling_pause(attempts, math.inf, lambda: chance)
    assert pause is not None
    assert 0.25 <= pause <= 26


@given(CHANCE)
def test_first_pause_is_short(chance: float) -> None:
    """A host that meets a moment of throttling tries again within a second."""
    pause = throttling_pause(1, 600, lambda: chance)
    assert pause is not None
    assert pause <= 1


@given(CHANCE)
def test_last_try_is_as_late_as_can_be(chance: float) -> None:
    """A pause that would exceed the time limit is shortened, and is the last one."""
    assert throttling_pause(9, 5, lambda: chance) == 5 - RESERVE
    assert throttling_pause(10, RESERVE - CALL, lambda: chance) is None


# AWS's side


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=1000))
def test_bucket_serves_no_more_than_its_quota(times: list[float]) -> None:
    """Until any moment, AWS serves a burst of 200 and 20 a second since the start."""
    bucket = TokenBucket(DOCUMENTED)
    served = 0
    for now in sorted(times):
        served += bucket.take(now)
        assert served <= 200 + 20 * now + 1e-6


def test_bucket_is_full_again_after_ten_quiet_seconds() -> None:
    """A burst is served, the next call is not, and ten seconds later exactly a burst is again."""
    bucket = TokenBucket(DOCUMENTED)
    assert [bucket.take(0) for _ in range(201)] == [True] * 200 + [False]
    assert [bucket.take(10) for _ in range(201)] == [True] * 200 + [False]


def test_bucket_refuses_nobody_who_keeps_to_the_rate() -> None:
    """Once the burst is spent, a call every 51 ms is always served."""
    bucket = TokenBucket(DOCUMENTED)
    assert all(bucket.take(0) for _ in range(200))
    assert all(bucket.take(0.051 * n) for n in range(1, 1000))


@pytest.mark.parametrize("limit", [1, 15, 60])
def test_ideal_is_the_capacity_of_the_quota(limit: int) -> None:
    """No policy serves more than 200 hosts at once and 20 a second, with one call each."""
    best = ideal(10_000, limit + CALL + 1e-6, stagger=0)
    assert best.served == best.calls == 200 + 20 * limit


# Fleets


@pytest.mark.parametrize("policy", [helper, go_helper, boto3_helper])
def test_hundred_hosts_need_a_hundred_calls(policy: Policy) -> None:
    """A fleet within the burst meets no throttling, whatever its policy."""
    run = simulate(policy, 100, stagger=0)
    assert (run.served, run.calls) == (100, 100)
    assert run.last == CALL


def test_same_seed_gives_the_same_outcome() -> None:
    """A simulation can be repeated."""
    assert simulate(helper, 500, 15, seed=7) == simulate(helper, 500, 15, seed=7)
    assert simulate(helper, 500, 15, seed=7) != simulate(helper, 500, 15, seed=8)


@pytest.mark.parametrize("policy", [go_helper, boto3_helper])
def test_three_tries_serve_little_more_than_the_burst(policy: Policy) -> None:
    """Of 1,000 hosts, policies of three tries leave most without a token."""
    run = simulate(policy, 1000)
    assert run.served < 400
    assert run.calls <= 3 * 1000


@pytest.mark.parametrize("stagger", [0, 1])
@pytest.mark.parametrize("hosts", [1000, 10_000])
def test_time_is_used_up_to_the_limit(hosts: int, stagger: float) -> None:
    """A fleet too large for its limit is served like the ideal, except in the last second."""
    run = simulate(helper, hosts, 15, stagger=stagger)
    assert run.served >= ideal(hosts, 15, stagger=stagger).served - 20
    assert run.served > simulate(go_helper, hosts, stagger=stagger).served


@pytest.mark.parametrize("hosts", [201, 250, 300, 400, 500])
def test_small_fleet_is_served_about_as_fast_as_can_be(hosts: int) -> None:
    """A generous limit does not slow a fleet that is just above the burst."""
    run, best = simulate(helper, hosts, 600), ideal(hosts, 600)
    assert run.served == hosts
    assert run.wait(0.5) <= best.wait(0.5) + 0.5
    assert run.wait(0.99) <= best.wait(0.99) + 5
    assert run.wasted < 3


def test_thousand_hosts_are_all_served_within_a_minute() -> None:
    """With AWS_ECR_TIMEOUT=60, 1,000 hosts all get their token, at a few calls each."""
    run = simulate(helper, 1000, 60)
    assert run.served == 1000
    assert run.last < ideal(1000, 60).last + 20
    assert run.wasted < 6


def test_ten_thousand_hosts_are_all_served_within_ten_minutes() -> None:
    """With AWS_ECR_TIMEOUT=600, 10,000 hosts all get their token, and do not hammer meanwhile."""
    run = simulate(helper, 10_000, 600)
    assert run.served == 10_000
    assert run.last < ideal(10_000, 600).last + 30
    assert run.wasted < 25


def test_limit_that_a_fleet_needs_is_that_of_the_ideal() -> None:
    """The least limit with which all are served is at most two seconds above the best possible."""
    assert needed_limit(helper, 300) <= 5 + 2
    assert needed_limit(helper, 1000) <= 40 + 2


def test_higher_quota_is_made_use_of() -> None:
    """Where AWS serves 500 calls a second, 10,000 hosts are served within a minute."""
    run = simulate(helper, 10_000, 60, quota=DEFAULT_SERVICE_QUOTA)
    assert run.served == 10_000


def test_comparison_is_a_table_of_markdown() -> None:
    """What is printed is aligned, and a table with a rule below its head."""
    head, rule, *rows = comparison([100]).splitlines()
    assert {len(line) for line in (head, rule, *rows)} == {len(head)}
    assert {line.count("|") for line in (head, rule, *rows)} == {11}
    assert set(rule) == set("|-: ")
    assert len(rows) == 4


def test_the_table_of_the_documents() -> None:
    """What docs/performance.md says of fleets is what the simulation gives."""
    text = section(DOCUMENTS["docs/performance.md"], "A fleet that starts cold")
    rows = re.findall(
        r"^\| ([\d,]+) \| (\d+) s \| (\d+)\D* \| (\d+) s \| (.*) \|$", text, re.MULTILINE
    )
    assert len(rows) == 3
    for size, least, limit, last, with_three_tries in rows:
        hosts = int(size.replace(",", ""))
        run = simulate(helper, hosts, int(limit))
        assert run.served == hosts
        assert round(run.last) == int(last)
        assert round(ideal(hosts).last) == int(least)
        served = simulate(go_helper, hosts).served
        assert with_three_tries == (f"{served} are served" if served < hosts else "all are served")
