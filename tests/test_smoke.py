"""``make smoke``, with another emulator in the place of AWS; see ``tests/smoke``."""

import pytest

from tests.connect_proxy import aws_under_its_own_names
from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess
from tests.smoke.__main__ import compare
from tests.smoke.shapes import masked, shape

ACCOUNT, REGION = "999999999999", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ci"


def test_it_says_what_differs(
    helper: HelperProcess, aws: AwsEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where AWS answers differently from the emulator, that is shown, without values."""
    arn = f"arn:aws:iam::{ACCOUNT}:user/me"
    user = aws.add_user(arn=arn, deny=["ecr-public:GetAuthorizationToken"])
    aws.add_role(arn=ROLE, deny=["ecr:GetAuthorizationToken"])
    helper.environ |= user.environ
    endpoint = {"AWS_ENDPOINT_URL": aws.url}
    aws.registries.add("team/app", ACCOUNT, REGION).add_image("2")
    with aws_under_its_own_names(aws, helper, f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"):
        found = compare({**helper.environment(), **endpoint}, ACCOUNT, REGION, ROLE, "team/app:1")
    roles = ["a role with access to pull", "a role with access to push"]
    assert found == ["ECR Public", "list", "doctor, an image", *roles]
    shown = capsys.readouterr().out
    assert shown.count("  same: ") == 9
    assert 'AWS: {"status": 1, "answer": "credentials not found' in shown
    assert not any(secret in shown for secret in aws.secrets)


def test_a_shape_has_no_values() -> None:
    """A shape has names, types and words, but no values of an account or a moment."""
    assert shape({"a": [1, 2], "b": "x" * 200, "c": None, "d": "eyJlIjogMX0="}) == {
        "a": ["int"],
        "b": "a long text",
        "c": "NoneType",
        "d": {"base64": {"e": "int"}},
    }
    assert masked(f"key ...ABCD of {ROLE} (from /a/b.toml) for {ACCOUNT}, https://a.b/c 17 s") == (
        "key <key> of <arn> (from <path>) for 0, <url> 0 s"
    )
