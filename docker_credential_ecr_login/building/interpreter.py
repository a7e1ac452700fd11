"""The interpreter of the standalone build: a Python that contains this program and runs no other.

Of Python's command line it knows only ``OPTION -c CODE ARGUMENT...``, with which the launcher and
this program start Python. With any other command line, it is the program.
"""

import os
import sys

from docker_credential_ecr_login.__main__ import main


def _forget_the_start() -> None:
    """Give programs that are started from here the environment that this one was given.

    On Linux, PyInstaller starts it anew with its own libraries before those of the caller.
    """
    libraries = os.environ.pop("LD_LIBRARY_PATH_ORIG", "")
    if libraries:
        os.environ["LD_LIBRARY_PATH"] = libraries
    else:
        os.environ.pop("LD_LIBRARY_PATH", None)
    for name in [name for name in os.environ if name.startswith("_PYI_")]:
        del os.environ[name]


_forget_the_start()
if sys.argv[2:3] == ["-c"]:
    code = sys.argv.pop(3)
    del sys.argv[1:3]
    exec(code, {"__name__": "__main__"})  # noqa: S102  # nosec B102 - it is what Python's -c does
else:
    main()
