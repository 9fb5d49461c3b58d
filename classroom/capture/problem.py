"""What the server says when it refuses something (RFC 9457)."""

from __future__ import annotations

import json


def problem_of(body: bytes) -> dict[str, object]:
    """The problem in an answer, empty when it is none."""
    try:
        problem = json.loads(body)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
