"""What a session policy allows: the part of IAM's policy language that one for ECR needs.

The sources: "IAM JSON policy elements" and "Session policies" in the IAM User Guide.
"""

from __future__ import annotations

import json
import re


def allows(policy: str, action: str, resource: str) -> bool:
    """Say whether a session with that policy may do this; ValueError if it is no policy."""
    try:
        statements = json.loads(policy)["Statement"]
        decisions = {
            statement["Effect"]
            for statement in statements
            if _fits(statement["Action"], action.lower(), lower=True)
            and _fits(statement["Resource"], resource)
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(policy) from error
    return decisions == {"Allow"}


def _fits(patterns: str | list[str], text: str, *, lower: bool = False) -> bool:
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        escaped = re.escape(pattern.lower() if lower else pattern)
        if re.fullmatch(escaped.replace(r"\*", ".*").replace(r"\?", "."), text):
            return True
    return False
