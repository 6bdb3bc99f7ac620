"""Members that Bedrock documents and Outcrop does not carry out: refused by name, never ignored."""

from collections.abc import Mapping
from typing import Any

from outcrop.domain.errors import ValidationException

_WHAT = {
    "toolConfig": "tools",
    "guardrailConfig": "guardrails",
    "guardrailIdentifier": "guardrails",
    "promptVariables": "prompts of prompt management",
    "outputConfig": "structured output",
}


def refuse_what_is_not_served(request: Mapping[str, Any]) -> None:
    """Raises ValidationException naming the member. Hints on speed and price pass where they ask for the usual."""
    for member, what in _WHAT.items():
        if request.get(member):
            raise ValidationException(f"Malformed input request: {member}: Outcrop does not serve {what}.")
    performance = request.get("performanceConfig") or {}
    if "optimized" in (performance.get("latency"), request.get("performanceConfigLatency")):
        raise ValidationException("Malformed input request: performanceConfig: only standard latency is served.")
