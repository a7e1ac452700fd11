"""Private names of botocore: even if a release changes all of them, there is a token."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import installation
from tests.credential_sources import (
    DEV,
    PULL,
    Source,
    container_full_uri,
    credential_process,
    environment_keys,
    instance_role,
    keys,
    role_from_an_sso_profile,
    source_profile,
    web_identity_of_the_environment,
)
from tests.emulator import AwsEmulator
from tests.helper_process import OTHER_REGION, HelperProcess, told

# What begins with an underscore there, but for what is Python's or urllib3's.
_PRIVATE = re.compile(r"(?<!\w)_(?!replace\b|fp\b|sock\b|read_status\b)(?=[a-zA-Z]\w)")
_OVERRIDES = "awsrequest.py"  # which gives http.client's own methods other contents


def _rename(source: Path, target: Path) -> None:
    """Make a copy of botocore in which all private names are different."""
    target.mkdir()
    for path in source.iterdir():
        if path.name == "retries":
            _rename(path, target / path.name)
        elif path.suffix == ".py" and path.name != _OVERRIDES:
            (target / path.name).write_text(_PRIVATE.sub("_renamed_", path.read_text()))
        elif path.name != "__pycache__":
            (target / path.name).symlink_to(path)


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The executable, installed with such a botocore."""
    directory = tmp_path_factory.mktemp("renamed") / "installation"
    without = shutil.ignore_patterns("botocore")
    shutil.copytree(installation.DIRECTORY, directory, symlinks=True, ignore=without)
    copied = directory / installation.LIBRARY.relative_to(installation.DIRECTORY) / "botocore"
    spec = find_spec("botocore")
    assert spec
    assert spec.origin
    _rename(Path(spec.origin).parent, copied)
    yield directory / "bin" / installation.NAME
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    "source",
    [
        container_full_uri,
        credential_process,
        environment_keys,
        instance_role,
        role_from_an_sso_profile,
        source_profile,
        web_identity_of_the_environment,
    ],
    ids=lambda source: source.__name__,
)
def test_no_private_name_is_needed(
    source: Source, executable: Path, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """With all private names renamed there is a token, and the log says what does not work."""
    expected = source(aws, helper)
    renamed = replace(helper, executable=executable)

    assert aws.accepts(renamed.get(OTHER_REGION).secret)

    assert [call.operation for call in aws.calls] == [*expected.operations, "GetAuthorizationToken"]
    lost = re.findall(r"WARNING botocore [\d.]+ has no ([\w.]+): (.*)", helper.log)
    reason = "its own HTTP session asks AWS, without a limit on answers"
    assert set(lost) == {
        (name, reason) for name in ("_role_fetcher._session", "_endpoint.http_session")
    }


def test_mfa_codes_come_from_where_they_came_from(
    executable: Path, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """MFA codes never come from stdin: without a terminal it is an error; a given code works."""
    aws.add_role(arn=PULL, trusted=[DEV], mfa_code="123456")
    helper.write_credentials(f"[base]\n{keys(aws.add_user(arn=DEV))}")
    helper.write_config(
        f"[profile pull]\nrole_arn = {PULL}\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::111111111111:mfa/dev\n"
    )
    helper.environ["AWS_PROFILE"] = "pull"
    renamed = replace(helper, executable=executable)

    outcome = renamed.get(OTHER_REGION)

    assert "asks for an MFA code" in told(outcome.stderr, OTHER_REGION)
    assert aws.calls == []
    assert aws.accepts(renamed.get(OTHER_REGION, AWS_ECR_MFA_CODE="123456").secret)
