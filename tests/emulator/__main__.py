"""Run the emulator on its own: `python -m tests.emulator --port 4566 --user KEY:SECRET`.

Prints one line of JSON, with the URL and the credentials of the one user, and serves until it is
interrupted or terminated.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
from threading import Event

from tests.emulator.server import AwsEmulator


def main() -> None:
    """Serve, as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.emulator", description="Emulate AWS for one user."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on (default: any free one)"
    )
    parser.add_argument(
        "--user", metavar="KEY:SECRET", help="access key of the user (default: made up)"
    )
    parser.add_argument(
        "--delay-ms", type=float, default=0, help="sleep before each answer (default: %(default)s)"
    )
    arguments = parser.parse_args()
    access_key_id, _, secret_access_key = (arguments.user or "").partition(":")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with AwsEmulator(arguments.host, arguments.port, delay=arguments.delay_ms / 1000) as aws:
        user = aws.add_user(
            access_key_id=access_key_id or None, secret_access_key=secret_access_key or None
        )
        print(json.dumps({"url": aws.url, **user.environ}), flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            Event().wait()


if __name__ == "__main__":
    main()
