"""What to do when AWS answers that there are too many calls: try again until the time is over."""

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session

from ..deadline import Deadline

_THROTTLING = frozenset(
    {
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttled",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_PAUSE_GROWTH = 1.5  # per try; with 2, the last of 400 hosts wait half as long again
_PAUSE_STEPS = 8  # to 26 seconds, so that no host sleeps long after the rush is over
_CALL_DURATION = 0.5  # seconds that a call takes at most, as a rule
_SERVICES = ("ecr", "ecr-public", "sso", "sts")


def is_throttling(answer: Mapping[str, Any]) -> bool:
    """Say whether AWS answered that there are too many calls."""
    return answer.get("Error", {}).get("Code") in _THROTTLING


def retry_throttling(session: Session, deadline: Deadline) -> None:
    """Let all clients of the session try again until the ``deadline`` when AWS throttles them.

    STS and SSO have limits of their own, which a fleet that starts cold meets too.
    """
    events = session.get_component("event_emitter")
    for service in _SERVICES:
        events.register_first(f"needs-retry.{service}", partial(_throttling_pause, deadline))


def _throttling_pause(
    deadline: Deadline,
    *,
    response: tuple[object, dict[str, Any]] | None,
    attempts: int,
    operation: Any,
    **_others: object,
) -> float | None:
    """Answer botocore's needs-retry event: the seconds to wait before the next try.

    None leaves the decision to the standard mode, for all that is not throttling.
    Raises ClientError when the time is over.
    """
    if response is None or not is_throttling(response[1]):
        return None
    pause = throttling_pause(attempts, deadline.left(), random.random)
    if pause is None:
        raise ClientError(response[1], operation.name)  # type: ignore[arg-type]
    return pause


def throttling_pause(attempts: int, left: float, rand: Callable[[], float]) -> float | None:
    """Return the seconds to wait after as many throttled ``attempts``, None to give up.

    ``left`` are the seconds until the time limit, ``rand`` returns a number in [0, 1).
    A fleet that starts cold has to spread its calls over the time that it has, without
    knowing its size: pauses grow, none is close to zero, and the last try is as late as
    possible. tests/bench/fleet.py simulates that for 100 to 10,000 hosts.
    """
    left -= _CALL_DURATION
    if left <= 0:
        return None
    longest = _PAUSE_GROWTH ** min(attempts - 1, _PAUSE_STEPS)
    return min(longest * (0.25 + 0.75 * rand()), left)
