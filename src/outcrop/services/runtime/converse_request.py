"""From Converse's members to what is asked of a model. Knows no engine. The same for every family but for defaults."""

from collections.abc import Mapping
from typing import Any

from outcrop.domain.conversation import Message
from outcrop.families import Ask, Sampling
from outcrop.families.body import Body
from outcrop.families.turns import ask_of, role_of, text_blocks

MAX_TOP_K = 500
MAX_SEED = 2**31 - 1
# Temperature and top_p where inferenceConfig does not say: those of the families' own bodies (docs of each family).
FAMILY_DEFAULTS = {"nova": (0.7, 0.9), "claude": (1.0, 0.999), "llama": (0.5, 0.9), "titan": (0.7, 0.9)}
OTHER_DEFAULTS = (1.0, 1.0)


def parse_converse(request: Mapping[str, Any], family: str, context_tokens: int) -> Ask:
    """What `messages`, `system`, `inferenceConfig` and `additionalModelRequestFields` ask.

    Where maxTokens is not said, or is more than the model can take in, the model's context is the limit.
    Raises ValidationException.
    """
    top = Body.of(request)
    messages = [_message(Body.of(raw, f"messages.{at}")) for at, raw in enumerate(top.array("messages"))]
    system = text_blocks(top.array("system"), "system") if top.array("system") else None
    return ask_of(messages, system, _sampling(top, family, context_tokens))


def _message(body: Body) -> Message:
    return Message(role=role_of(body), text=text_blocks(body.array("content"), body.path("content")))


def _sampling(top: Body, family: str, context_tokens: int) -> Sampling:
    config = Body.of(top.get("inferenceConfig") or {}, "inferenceConfig")
    temperature, top_p = config.number("temperature", 0, 1), config.number("topP", 0, 1)
    usual_temperature, usual_top_p = FAMILY_DEFAULTS.get(family, OTHER_DEFAULTS)
    fields = Body.of(top.get("additionalModelRequestFields") or {}, "additionalModelRequestFields")
    fields.only("top_k", "topK", "inferenceConfig", "outcrop.seed")
    return Sampling(
        max_tokens=min(config.integer("maxTokens", 1, 2**31 - 1) or context_tokens, context_tokens),
        temperature=usual_temperature if temperature is None else temperature,
        top_p=usual_top_p if top_p is None else top_p,
        top_k=_top_k(fields),
        stop=config.texts("stopSequences"),
        seed=fields.integer("outcrop.seed", 0, MAX_SEED),
    )


def _top_k(fields: Body) -> int | None:
    """Claude's name and place, or Nova's."""
    nested = Body.of(fields.get("inferenceConfig") or {}, fields.path("inferenceConfig"))
    nested.only("topK", "top_k")
    for body in (fields, nested):
        for name in ("top_k", "topK"):
            if body.get(name) is not None:
                return body.integer(name, 0, MAX_TOP_K) or None
    return None
