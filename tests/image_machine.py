"""A machine that pulls from a registry which answers like ECR, with the real skopeo."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.connect_proxy import aws_under_its_own_names
from tests.credential_sources import DEV, write
from tests.emulator import AwsEmulator
from tests.emulator.registry_http import PUBLIC_STORAGE, STORAGE
from tests.emulator.repositories import ACCOUNT, Repository
from tests.helper_process import (
    EXECUTABLE,
    HOST,
    OTHER_REGION,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
    Outcome,
)

IMAGE = f"{HOST}/team/app:1.4"
OTHERS = SECOND_ACCOUNT.partition(".")[0]
_ROOT = Path(__file__).parent.parent
_NAMES = (HOST, SECOND_ACCOUNT, OTHER_REGION, PUBLIC, STORAGE, PUBLIC_STORAGE)


@dataclass
class ImageMachine:
    """A machine on which `IMAGE` can be pulled, by the user `DEV`, until a test changes that."""

    helper: HelperProcess
    aws: AwsEmulator

    @property
    def app(self) -> Repository:
        """The repository of `IMAGE`."""
        return self.aws.registries.repositories[ACCOUNT, "us-east-1", "team/app"]

    def deny(self, *actions: str) -> None:
        """Deny actions to the user."""
        self.helper.environ |= self.aws.add_user(arn=DEV, deny=actions).environ

    def doctor(self, *arguments: str) -> list[dict[str, str]]:
        """What doctor finds about an image; all earlier checks must have passed."""
        outcome = self.helper.run("doctor", "--json", *arguments)
        assert outcome.stderr == ""
        findings: list[dict[str, str]] = json.loads(outcome.stdout)["checks"]
        assert outcome.status == any(each["status"] == "failed" for each in findings)
        before = [each["check"] for each in findings].index("registry")
        unhealthy = [each for each in findings[: before + 1] if each["status"] != "passed"]
        assert [each["check"] for each in unhealthy if each["check"] != "credentials"] == []
        return findings[before + 1 :]

    def type(self, line: str) -> None:
        """Run a command line in a shell that has `aws`, with an administrator's credentials."""
        admin = self.aws.add_user(arn=f"arn:aws:iam::{ACCOUNT}:user/admin").environ
        own = " ".join(f"{name}={shlex.quote(value)}" for name, value in admin.items())
        command = f"{own} PYTHONPATH={_ROOT} exec {sys.executable} -m tests.aws_cli"
        write(self.helper, "admin/aws", f'#!/bin/sh\n{command} "$@"\n').chmod(0o700)
        path = f"{self.helper.home}/admin:{EXECUTABLE.parent}:/usr/bin:/bin"
        environ = self.helper.environment({"PATH": path})
        subprocess.run(["/bin/sh", "-ec", line], env=environ, check=True, timeout=60)

    def skopeo(self, *arguments: str) -> Outcome:
        """Run the real skopeo, which uses the helper."""
        completed = subprocess.run(
            ["skopeo", "--override-os=linux", "--override-arch=amd64", *arguments],
            env=self.helper.environment({"SSL_CERT_FILE": f"{self.helper.home}/ca.pem"}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Outcome(completed.stdout, completed.stderr, completed.returncode)

    def pull(self, image: str) -> Outcome:
        """Pull an image by skopeo."""
        return self.skopeo("copy", f"docker://{image}", f"dir:{mkdtemp(dir=self.helper.home)}")

    def push(self, archive: Path, image: str) -> Outcome:
        """Push the image of an archive by skopeo."""
        return self.skopeo("copy", f"docker-archive:{archive}", f"docker://{image}")


@contextmanager
def image_machine(helper: HelperProcess, aws: AwsEmulator) -> Iterator[ImageMachine]:
    """A machine without any fault, until the block ends."""
    endpoint = helper.environ["AWS_ENDPOINT_URL"]
    with aws_under_its_own_names(aws, helper, *_NAMES):
        user = aws.add_user(arn=DEV)
        helper.environ |= {
            **user.environ,
            "AWS_ENDPOINT_URL": endpoint,
            "DOCKER_DEFAULT_PLATFORM": "linux/amd64",
            "PATH": f"{EXECUTABLE.parent}:/usr/bin:/bin",
        }
        hosts = dict.fromkeys((HOST, SECOND_ACCOUNT, OTHER_REGION, PUBLIC), "ecr-login")
        write(helper, ".docker/config.json", json.dumps({"credHelpers": hosts}))
        accept = '{"default": [{"type": "insecureAcceptAnything"}]}'
        write(helper, ".config/containers/policy.json", accept)
        app = aws.registries.add("team/app")
        for tag in ("1.2", "1.3", "1.4"):
            app.add_image(tag)
        aws.registries.add("team/api")
        yield ImageMachine(helper, aws)
