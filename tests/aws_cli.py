"""A stand-in for the AWS CLI: `python -m tests.aws_cli ecr create-repository --repository-name x`.

It calls any operation by botocore's model, with the credentials and endpoint of the environment.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from botocore import xform_name
from botocore.session import Session


def call(arguments: Sequence[str]) -> dict[str, Any]:
    """Call what a command line of the AWS CLI names; return the answer."""
    service, command, *rest = arguments
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    region = options.pop("--region", "us-east-1")
    client = Session().create_client(service, region_name=region)
    operation = client.meta.method_to_api_mapping[command.replace("-", "_")]
    shape = client.meta.service_model.operation_model(operation).input_shape
    members = shape.members if shape else {}
    names = {f"--{xform_name(name, '-')}": name for name in members}
    parameters = {}
    for option, value in options.items():
        is_text = members[names[option]].type_name == "string"
        parameters[names[option]] = value if is_text else json.loads(value)
    answer: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
    return answer


if __name__ == "__main__":
    call(sys.argv[1:])
