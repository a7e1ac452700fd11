"""Asks both sides, and prints what differed; status 1 if something did."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.session import Session

from tests.connect_proxy import aws_under_its_own_names
from tests.emulator import AwsEmulator
from tests.emulator.registry_http import PUBLIC_STORAGE, STORAGE
from tests.helper_process import PUBLIC, HelperProcess
from tests.smoke.questions import questions
from tests.smoke.shapes import shape_of

_MAY_FORK = sys.platform == "linux"  # which saves time


def main() -> None:
    """Ask with each way to credentials that the caller has."""
    parser = argparse.ArgumentParser(prog="python -m tests.smoke", description=__doc__)
    parser.add_argument("--role-arn", default="", help="a role that may be assumed")
    parser.add_argument("--image", default="", help="an image that is there: REPOSITORY:TAG")
    arguments = parser.parse_args()
    session = Session()
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region") or "us-east-1"
    client: Any = session.create_client("sts", region_name=region)
    account = client.get_caller_identity()["Account"]
    differed = []
    for profile in ("", *session.available_profiles):
        _say(f"{f'profile {profile}' if profile else 'the environment'}, {account}, {region}")
        changes = {"AWS_PROFILE": profile} if profile else {}
        environ = {**os.environ, **changes}
        differed += compare(environ, account, region, arguments.role_arn, arguments.image)
    _say(f"{len(differed)} answers differ" if differed else "no answer differs")
    sys.exit(1 if differed else 0)


def compare(
    environ: Mapping[str, str], account: str, region: str, role_arn: str, image: str
) -> list[str]:
    """Ask all with ``environ``, show where the emulator answers otherwise, and return the names."""
    # What `HelperProcess` sets for tests is the caller's own here.
    metadata = {"AWS_EC2_METADATA_DISABLED": environ.get("AWS_EC2_METADATA_DISABLED", "false")}
    real = HelperProcess(Path(environ["HOME"]), {**environ, **metadata}, may_fork=_MAY_FORK)
    differed = []
    with (
        tempfile.TemporaryDirectory() as top,
        _emulated(Path(top), account, region, role_arn, image) as emulated,
    ):
        for number, question in enumerate(questions(account, region, role_arn, image)):
            answers: list[dict[str, Any]] = []
            for side in (real, emulated):
                directory = Path(top, f"{number}-{len(answers)}")
                directory.mkdir()
                answers.append(shape_of(question.ask(side, directory)))
            is_same = answers[0] == answers[1]
            _say(f"  {'same' if is_same else 'DIFFERS'}: {question.name}")
            if not is_same:
                differed.append(question.name)
                for name, answer in zip(("AWS", "emulator"), answers, strict=True):
                    _say(f"    {name}: {json.dumps(answer)}")
    return differed


@contextmanager
def _emulated(
    top: Path, account: str, region: str, role_arn: str, image: str
) -> Iterator[HelperProcess]:
    """Serve an AWS with the same account, role, registry and image, under its own names."""
    home = top / "home"
    home.mkdir()
    host = next(iter(questions(account, region))).stdin
    with AwsEmulator() as aws:
        user = aws.add_user(arn=f"arn:aws:iam::{account}:user/smoke")
        if role_arn:
            aws.add_role(arn=role_arn)
        name, _, tag = image.partition(":")
        aws.registries.add(name or "another", account, region).add_image(tag or "1")
        helper = HelperProcess(home, {}, may_fork=_MAY_FORK)
        with aws_under_its_own_names(aws, helper, host, PUBLIC, STORAGE, PUBLIC_STORAGE):
            helper.environ |= {**user.environ, "AWS_ENDPOINT_URL": aws.url}
            yield helper


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
