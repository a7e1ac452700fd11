"""The process that runs this: whether it is ours alone, and whether a person can be asked in it."""

import sys

is_ours = False
"""Whether the process only runs this helper, as `__main__` says. Otherwise it is that of a Python
program, whose warnings, garbage collection and children are left alone."""

stdin = b""
"""What was read of standard input."""


def complete_python() -> None:
    """Give a Python that was started with -S all its site directories.

    The launcher leaves them out because a cached answer needs none. From here on,
    libraries run whose warnings must not reach the client, and most of what they
    create stays, so that garbage collection would only take time.
    """
    if not is_ours:
        return
    import gc
    import warnings

    gc.disable()
    warnings.simplefilter("ignore")
    if sys.flags.no_site and "site" not in sys.modules:
        import site

        site.main()
    _leave_foreign_libraries()


def _leave_foreign_libraries() -> None:
    """Start this program anew without LD_LIBRARY_PATH, if Python cannot load what it leads to.

    Programs made by PyInstaller set it to their own libraries, also for programs that they start.
    """
    import os

    if "LD_LIBRARY_PATH" not in os.environ:
        return
    try:  # the modules that botocore needs, and that need other libraries
        import pyexpat  # noqa: F401
        import ssl  # noqa: F401
        import zlib  # noqa: F401
    except ImportError:
        del os.environ["LD_LIBRARY_PATH"]
        if stdin:
            reader, writer = os.pipe()
            os.write(writer, stdin)
            os.close(writer)
            os.dup2(reader, 0)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # nosec B606


def has_terminal() -> bool:
    """Say whether a person can be asked at the controlling terminal.

    Not if this process runs in its background, where reading from it would stop the process.
    """
    import os

    try:
        descriptor = os.open("CONIN$" if os.name == "nt" else "/dev/tty", os.O_RDWR)
    except OSError:
        return False
    try:
        return os.name == "nt" or os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(descriptor)


def show(text: str) -> None:
    """Write ``text`` to the controlling terminal, if a person can be asked there."""
    import os

    if has_terminal():
        try:
            with open(
                "CONOUT$" if os.name == "nt" else "/dev/tty", "w", errors="replace"
            ) as terminal:
                terminal.write(text)
        except OSError:
            pass  # it was hung up meanwhile
