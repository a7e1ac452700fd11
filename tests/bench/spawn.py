"""Run a program as often as is asked, all at once, and print what that took.

``python -IS spawn.py DIRECTORY COUNT exact|shared PROGRAM ARGUMENT...``, with the working
directory and the environment that the program is to have.

Each process reads DIRECTORY/stdin and writes DIRECTORY/<number>.stdout and .stderr. Prints a line
for each, in the order in which they end: its number, its exit code, the nanoseconds since the
first was started, its CPU time in milliseconds and its ru_maxrss.

This is a process of its own, and a small one, because ru_maxrss of a process is never less than
that of the one which started it. Where it must be exact, a shell starts the program and ends, so
that the floor is that of a shell; this takes longer, and is for one process on Linux only.
"""

import posix
import sys
import time

_SHELL = 'exec 3<"$1" 4>"$2" 5>"$3"; shift 3; "$@" <&3 >&4 2>&5 3<&- 4>&- 5>&- &'
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def main() -> None:
    """Start, wait, print."""
    directory, count, memory, *command = sys.argv[1:]
    streams = [_streams(directory, number) for number in range(int(count))]
    numbers: dict[int, int] = {}
    if memory == "exact":
        _become_subreaper()
        shell = ["sh", "-c", _SHELL, "sh", *streams[0], *command]
        started = time.perf_counter_ns()
        posix.waitpid(posix.posix_spawn("/bin/sh", shell, posix.environ), 0)
    else:
        started = time.perf_counter_ns()
        for number, names in enumerate(streams):
            numbers[_start(command, names)] = number
    for _ in streams:
        pid, status, usage = posix.wait4(-1, 0)
        elapsed = time.perf_counter_ns() - started
        cpu = (usage.ru_utime + usage.ru_stime) * 1000
        code = posix.waitstatus_to_exitcode(status)
        print(numbers.get(pid, 0), code, elapsed, cpu, usage.ru_maxrss)  # noqa: T201


def _streams(directory: str, number: int) -> tuple[str, str, str]:
    return f"{directory}/stdin", f"{directory}/{number}.stdout", f"{directory}/{number}.stderr"


def _start(command: list[str], names: tuple[str, str, str]) -> int:
    write = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC
    flags = (posix.O_RDONLY, write, write)
    return posix.posix_spawn(
        command[0],
        command,
        posix.environ,
        file_actions=[
            (posix.POSIX_SPAWN_OPEN, descriptor, names[descriptor], flags[descriptor], 0o600)
            for descriptor in range(3)
        ],
    )


def _become_subreaper() -> None:
    """Let this process be the parent of those whose own parent has ended."""
    import ctypes

    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("prctl")


if __name__ == "__main__":
    main()
