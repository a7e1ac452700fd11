"""AWS under its own names, without a proxy: nothing in the environment says where it is.

So it is in a CI job, and only so can the one call be sent before botocore is imported. With
``--names-of-aws`` tests find the emulator so, but for those that name an endpoint themselves.
"""

import ssl

import pytest

from docker_credential_ecr_login.protocol import NAME
from tests import installation, names_of_aws
from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess

OPTION = "--names-of-aws"
_API = "https://api.ecr.us-east-1.amazonaws.com"

_NAMES = [
    f"{name}.{region}.amazonaws.com"
    for region in ("us-east-1", "eu-west-1", "eu-north-1")
    for name in ("*", "api.ecr", "api.ecr-public", "portal.sso")
]


def serve_by_name(aws: AwsEmulator) -> dict[str, str]:
    """Serve AWS under its own names, with their certificates; return the environment for it."""
    if installation.IS_STANDALONE or not (installation.DIRECTORY / "authority.pem").exists():
        pytest.skip("what is installed knows no emulator by the names of AWS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    installation.authority().issue_cert(*_NAMES).configure_cert(context)
    return {names_of_aws.PORT: aws.listen("127.0.0.1", ssl_context=context).rpartition(":")[2]}


def environment_decides(helper: HelperProcess) -> bool:
    """Say whether who asks, and how, is for the environment alone to say."""
    is_left_to_others = {"AWS_ENDPOINT_URL", "AWS_PROFILE"} & helper.environ.keys()
    return "AWS_ACCESS_KEY_ID" in helper.environ and not is_left_to_others


def sent_ahead(aws: AwsEmulator) -> list[str]:
    """Return the operations that were not asked for by botocore."""
    return [call.operation for call in aws.calls if call.user_agent.startswith(NAME)]


def as_told(line: str, aws: AwsEmulator, helper: HelperProcess) -> str:
    """Return what a line about the emulator's URL says where AWS has its own names.

    No setting names an endpoint then, and TLS has words of its own for a connection that broke off.
    """
    if aws.url not in line or "AWS_ENDPOINT_URL" in helper.environ:
        return line
    line = line.replace(aws.url, _API).replace("check AWS_ENDPOINT_URL, ", "check ")
    return line.replace("Connection reset by peer", "*")
