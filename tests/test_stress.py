"""Many processes at once, and many that are killed, for a moment; see ``tests/stress``."""

import sys

import pytest

from tests.stress import kills, mix


def test_callers_that_do_everything_at_once() -> None:
    """Sixteen callers that get, store, erase and list get no wrong answer and lose no login."""
    done = mix.run(seconds=2, processes=16, seed=1)
    assert set(done) > {"get", "get own", "store own", "list"}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for what they started")
def test_callers_that_are_killed() -> None:
    """Whenever a caller is killed, each file is whole or a miss, and the next one is answered."""
    assert kills.run(kills=10, seed=1).total() >= 2
