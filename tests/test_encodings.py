"""Files in another encoding than UTF-8, as on Windows: the message has the remedy."""

import shutil
import subprocess

import pytest

from tests.credential_sources import keys, web_identity_of_the_environment
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess, told

PLACE = ".config/ecr-login/config.toml"
NAMES = {
    "utf-8-sig": "in UTF-8 with a byte order mark",
    "utf-16": "in UTF-16",
    "utf-16-le": "in UTF-16",
    "utf-16-be": "in UTF-16",
    "cp1252": "in Latin-1 (line 2)",
}

needs_iconv = pytest.mark.skipif(not shutil.which("iconv"), reason="there is no iconv")


def convert(line: str) -> None:
    """Run the command in a line."""
    subprocess.run(["sh", "-c", line.partition("; run: ")[2]], check=True)


@needs_iconv
@pytest.mark.parametrize("encoding", NAMES)
@pytest.mark.parametrize("name", [".aws/config", ".aws/credentials", PLACE])
def test_of_a_configuration_file(
    encoding: str, name: str, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """The line has the file, its encoding, and the command after which it can be read."""
    user = aws.add_user()
    of_aws = f"[default]\r\n# Jörg, “ECR”\r\n{keys(user)}"
    helper.write_credentials(of_aws)
    path = helper.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("strict = true\n# Jörg\n" if name == PLACE else of_aws).encode(encoding))
    path.chmod(0o600)
    if name == PLACE and encoding == "utf-8-sig":
        assert aws.accepts(helper.get().secret)
        return

    line = told(helper.get().stderr)

    what = f"{path}: the config file" if name == PLACE else f"the AWS configuration file {path}"
    assert line.startswith(f"{what} is {NAMES[encoding]}, but must be in UTF-8; run: ")
    convert(line)
    assert aws.accepts(helper.get().secret)
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"J\xc3\xb6rg" in path.read_bytes()


@needs_iconv
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_of_docker(encoding: str, signed_in: HelperProcess) -> None:
    """Docker takes no byte order mark either; once it is converted, ``configure`` changes it."""
    path = signed_in.home / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text("{}\n", encoding=encoding)
    outcome = signed_in.run("configure", HOST)
    assert outcome.status == 1
    assert f"~/.docker/config.json: {NAMES[encoding]}, but must be in UTF-8" in outcome.stderr
    convert(outcome.stderr)
    assert signed_in.run("configure", HOST).status == 0


def test_of_a_web_identity(aws: AwsEmulator, helper: HelperProcess) -> None:
    """A web identity token that Windows PowerShell wrote is reported in the same way."""
    web_identity_of_the_environment(aws, helper)
    path = helper.home / "token"
    path.write_text(path.read_text(), encoding="utf-16")
    line = told(helper.get().stderr)
    assert line.startswith(
        "the web identity token from AWS_WEB_IDENTITY_TOKEN_FILE is in UTF-16, but must be in "
        "UTF-8; run: t=$(iconv -f UTF-16 -t UTF-8 "
    )
