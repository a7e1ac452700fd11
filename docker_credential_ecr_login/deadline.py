"""The time that an answer may take."""

import time

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from .errors import EndpointUnreachable
    from .request import Request

DEFAULT_TIMEOUT = 15.0
"""Seconds that an answer may take in all, unless AWS_ECR_TIMEOUT says otherwise."""

_LONGEST_TIMEOUT = 24 * 3600.0  # seconds: as good as none, and no clock is too small for it


class Deadline:
    """The end of ``seconds`` from ``started`` on (of `time.monotonic`) or from now on."""

    def __init__(self, seconds: float, started: float | None = None) -> None:
        self.seconds = seconds
        self._end = (time.monotonic() if started is None else started) + seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 if it is over."""
        return max(0.0, self._end - time.monotonic())

    def elapsed(self) -> float:
        """Return the seconds since it began, less those by which it was extended."""
        return self.seconds - (self._end - time.monotonic())

    def extend(self, seconds: float) -> None:
        """Move the end, because a person took that long."""
        self._end += seconds

    def exceeded(self) -> "EndpointUnreachable":
        """Return the error for work that does not end in time."""
        from .errors import EndpointUnreachable

        return EndpointUnreachable(
            f"no answer within {self.seconds:g} seconds",
            "check the network, the proxy and credential_process, or increase AWS_ECR_TIMEOUT",
        )


def answer_timeout(request: "Request") -> float:
    """Return ``AWS_ECR_TIMEOUT`` in seconds, or the default. Raises `BadConfiguration`."""
    text = request.environ.get("AWS_ECR_TIMEOUT")
    if not text:
        return DEFAULT_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        from .errors import BadConfiguration

        raise BadConfiguration(
            f"AWS_ECR_TIMEOUT must be a number of seconds above 0, not {text!r}",
            "unset it, or set it to 15, for example",
        )
    return min(seconds, _LONGEST_TIMEOUT)
