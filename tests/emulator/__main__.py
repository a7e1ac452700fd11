"""Run the emulator on its own, for any client: ``python -m tests.emulator``, or ``make emulator``.

Prints the environment variables with which AWS SDKs and registry clients reach it, as lines for a
shell, and serves until it is interrupted or terminated.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from tests.connect_proxy import serve_under_own_names
from tests.emulator.registry_http import PUBLIC_HOST, PUBLIC_STORAGE, STORAGE
from tests.emulator.repositories import ACCOUNT, REGION
from tests.emulator.server import AwsEmulator

_REPOSITORY, _TAG = "team/app", "1.0"


def main() -> None:
    """Serve, as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.emulator",
        description="Emulate AWS, and an ECR registry, for one user.",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port of the AWS APIs (default: any free one)"
    )
    parser.add_argument(
        "--user", metavar="KEY:SECRET", help="access key of the user (default: made up)"
    )
    arguments = parser.parse_args()
    access_key_id, _, secret_access_key = (arguments.user or "").partition(":")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    host = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    with (
        AwsEmulator(port=arguments.port) as aws,
        TemporaryDirectory() as directory,
        contextlib.suppress(KeyboardInterrupt),
    ):
        user = aws.add_user(
            arn=f"arn:aws:iam::{ACCOUNT}:user/dev",
            access_key_id=access_key_id or None,
            secret_access_key=secret_access_key or None,
        )
        aws.registries.add(_REPOSITORY).add_image(_TAG)
        bundle = Path(directory, "ca.pem")
        names = (host, PUBLIC_HOST, STORAGE, PUBLIC_STORAGE)
        with serve_under_own_names(aws, names, bundle) as proxy:
            variables = {
                "AWS_ENDPOINT_URL": aws.url,
                "AWS_REGION": REGION,
                **user.environ,
                "HTTPS_PROXY": proxy.url,
                "AWS_CA_BUNDLE": str(bundle),
                "SSL_CERT_FILE": str(bundle),
            }
            lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
            sys.stdout.write(f"{''.join(lines)}# {host}/{_REPOSITORY}:{_TAG} can be pulled\n")
            sys.stdout.flush()
            Event().wait()


if __name__ == "__main__":
    main()
