"""What requests hold and answers are written in: JSON."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from tests.emulator.model import AwsError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/x-amz-json-1.1"


def json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request holds; AwsError if it is none."""
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise AwsError(400, "SerializationException", "The request body is not a JSON object.")
    return content


def json_response(
    content: Mapping[str, object],
    content_type: str = JSON,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Write an answer in JSON, with a request id unless there are other headers."""
    identified = {"x-amzn-RequestId": str(uuid.uuid4())} if headers is None else headers
    return Response(status, content_type, json.dumps(content).encode(), identified)
