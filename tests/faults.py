"""Makes system calls fail, or end the process (Linux, no privilege needed).

Runs a command under rules: ``python faults.py sync=EIO lock=ENOLCK -- command…``. A rule is
the name of a kind of call, and that of the error that each such call gives, or ``KILL``: the
process ends there, without a chance to tidy up, as by ``kill -9``. The rules hold for all
that the command starts.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterator

KILL = "KILL"

# Of each kind, number and, if only some calls are meant, which argument has which flag.
_Call = tuple[int, tuple[int, int] | None]
_CALLS: dict[str, dict[str, list[_Call]]] = {
    "x86_64": {
        "create": [(2, (1, os.O_EXCL)), (257, (2, os.O_EXCL))],  # open, openat
        "lock": [(73, None)],  # flock
        "fork": [(56, None), (57, None), (58, None), (435, None)],  # clone, fork, vfork, clone3
        "mkdir": [(83, None), (258, None)],  # mkdir, mkdirat
        "rename": [(82, None), (264, None), (316, None)],  # rename, renameat, renameat2
        "sync": [(74, None)],  # fsync
        "unlink": [(87, None), (263, None)],  # unlink, unlinkat
        "user": [(107, None)],  # geteuid, which does not fail: it says that this is another user
    },
    "aarch64": {
        "create": [(56, (2, os.O_EXCL))],
        "lock": [(32, None)],
        "fork": [(220, None), (435, None)],
        "mkdir": [(34, None)],
        "rename": [(38, None), (276, None)],
        "sync": [(82, None)],
        "unlink": [(35, None)],
        "user": [(175, None)],
    },
}

# Of linux/bpf_common.h, linux/seccomp.h and linux/prctl.h.
_LOAD, _IS_EQUAL, _HAS_FLAG, _RETURN = 0x20, 0x15, 0x45, 0x06
_RET_KILL_PROCESS, _RET_ERRNO, _RET_ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 22, 2, 38
_FIRST_ARGUMENT = 16  # in struct seccomp_data; the number of the call is at 0

IS_POSSIBLE = sys.platform == "linux" and platform.machine() in _CALLS


def prefix(*rules: str) -> tuple[str, ...]:
    """Return the beginning of a command line whose rest is run under ``rules``."""
    return (sys.executable, "-IS", __file__, *rules, "--")


def _instructions(rules: list[str]) -> Iterator[bytes]:
    calls = _CALLS[platform.machine()]
    for rule in rules:
        kind, _, outcome = rule.partition("=")
        action = _RET_KILL_PROCESS if outcome == KILL else _RET_ERRNO | getattr(errno, outcome)
        for number, flag in calls[kind]:
            yield _instruction(_LOAD, 0)
            yield _instruction(_IS_EQUAL, number, no=3 if flag else 1)
            if flag:
                yield _instruction(_LOAD, _FIRST_ARGUMENT + 8 * flag[0])
                yield _instruction(_HAS_FLAG, flag[1], no=1)
            yield _instruction(_RETURN, action)
    yield _instruction(_RETURN, _RET_ALLOW)


def _instruction(code: int, operand: int, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, 0, no, operand)


def main() -> None:
    """Apply the rules and become the command."""
    end = sys.argv.index("--")
    program = b"".join(_instructions(sys.argv[1:end]))
    text = ctypes.create_string_buffer(program, len(program))
    filters = ctypes.create_string_buffer(
        struct.pack("HP", len(program) // 8, ctypes.addressof(text))
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filters, 0, 0
    ):
        sys.exit(f"no rules here: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[end + 1], sys.argv[end + 1 :])  # noqa: S606 - the caller's own command


if __name__ == "__main__":
    main()
