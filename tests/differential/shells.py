"""The shells that can be /bin/sh, and how they differ."""

import os
from collections.abc import Iterable

SHELLS = {
    "dash": ("dash",),
    "bash as sh": ("bash",),
    "bash": ("bash",),
    "busybox": ("busybox", "sh"),
    "ksh93": ("ksh93",),
    "mksh": ("mksh",),
    "yash": ("yash",),
    "zsh": ("zsh", "--emulate", "sh"),
}
"""What can be /bin/sh, as the beginning of a command line."""

TRIED = tuple(SHELLS) if os.environ.get("SHELLS") == "all" else ("dash", "bash as sh", "busybox")
"""Those that are /bin/sh of a distribution of Linux; all, where that is asked for."""

LEAVE_IT_TO_PYTHON = ("yash",)
"""The shells in which the launcher answers nothing by itself."""

GO_ON_WITHOUT_PROCESSES = ("dash", "busybox", "zsh")
"""The shells that are not at their end where no process can be started; bash, after 15 seconds
of trying, and yash end, ksh93 and mksh try for ever."""


def alike(shells: Iterable[str]) -> list[tuple[str, ...]]:
    """Return groups of shells that can be asked the same questions."""
    shells = list(shells)
    survivors = tuple(shell for shell in shells if shell in GO_ON_WITHOUT_PROCESSES)
    others = tuple(shell for shell in shells if shell not in GO_ON_WITHOUT_PROCESSES)
    return [group for group in (survivors, others) if group]
