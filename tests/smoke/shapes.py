"""What is left of an answer without its values: names, kinds, and the words in between."""

import base64
import json
import re
from typing import Any

from tests.helper_process import Outcome

_FIRST_OF_AWS = "credentials"
_MASKS = (
    (r"https?://\S+", "<url>"),
    (r"arn:aws[\w-]*:\S+", "<arn>"),
    (r"\b\d{12}\.dkr[.-]ecr\S*\.(?:com|cn|eu|aws)\b", "<host>"),
    (r"(?<![\w.])/[\w./-]+", "<path>"),
    (r"\.\.\.\w{4}\b", "<key>"),
    (r"\d+", "0"),
)


def masked(text: str) -> str:
    """Return a line without what is of one account, one machine or one moment."""
    for pattern, mask in _MASKS:
        text = re.sub(pattern, mask, text)
    return text


def shape(value: Any) -> Any:
    """Return the kinds of a JSON value, by its names; also those of JSON within base64."""
    if isinstance(value, dict):
        return {masked(name): shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str):
        try:
            return {"base64": shape(json.loads(base64.b64decode(value, validate=True)))}
        except ValueError:
            return masked(value) if len(value) < 200 else "a long text"
    return type(value).__name__


def shape_of(outcome: Outcome) -> dict[str, Any]:
    """Return the shape of all that a run of the executable gave."""
    try:
        answer = json.loads(outcome.stdout)
    except ValueError:
        answer = outcome.stdout
    if isinstance(answer, dict) and "checks" in answer:  # of doctor: those that ask AWS
        checks = answer["checks"]
        first = [each["check"] for each in checks].index(_FIRST_OF_AWS)
        return {each["check"]: each["status"] for each in checks[first:]}
    said = sorted({masked(line) for line in outcome.stderr.splitlines()})
    return {"status": outcome.status, "answer": shape(answer), "said": said}
