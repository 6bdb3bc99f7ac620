"""Turns of a conversation as requests carry them: content blocks to text, the order of roles. Knows no family."""

from itertools import pairwise
from typing import Any, cast

from outcrop.domain.conversation import Conversation, Message, Role
from outcrop.domain.errors import ValidationException
from outcrop.families.ask import Ask, Sampling
from outcrop.families.body import Body, as_text, wrong

# Between the text blocks of one turn, in training and in serving alike.
BLOCK_JOINT = "\n"


def joined_texts(blocks: list[str]) -> str:
    """The text of a turn that came in several blocks."""
    return BLOCK_JOINT.join(blocks)


def text_blocks(blocks: list[Any], where: str) -> str:
    """The text of blocks of the form `{text}`. A `cachePoint` asks for nothing that shows, so it passes."""
    texts = []
    for at, raw in enumerate(blocks):
        block = Body.of(raw, f"{where}.{at}")
        if block.get("cachePoint") is not None:
            continue
        if "text" not in block.members:
            kind = next(iter(block.members), "an empty block")
            raise wrong(block.where, f"Outcrop carries out text blocks only, not {str(kind)[:32]}")
        texts.append(as_text(block.required("text"), block.path("text")))
        _not_blank(texts[-1], f"{where}.{at}")
    if not texts:
        raise wrong(where, "needs at least one text block")
    return joined_texts(texts)


def _not_blank(text: str, where: str) -> None:
    if not text.strip():
        raise ValidationException(
            f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, and try again."
        )


def role_of(body: Body) -> Role:
    """The role of a message."""
    role = body.text("role")
    if role not in ("user", "assistant"):
        raise wrong(body.path("role"), "must be user or assistant")
    return cast(Role, role)


def ask_of(messages: list[Message], system: str | None, sampling: Sampling) -> Ask:
    """What a list of turns asks; a trailing assistant turn is the beginning of the answer."""
    _alternating(messages)
    last = messages[-1]
    turns = messages[:-1] if last.role == "assistant" else messages
    prefill = last.text if last.role == "assistant" else ""
    return Ask(
        conversation=Conversation(messages=tuple(turns), system=system or None), sampling=sampling, prefill=prefill
    )


def _alternating(messages: list[Message]) -> None:
    if not messages or messages[0].role != "user":
        raise ValidationException(
            "A conversation must start with a user message. "
            "Try again with a conversation that starts with a user message."
        )
    for before, after in pairwise(messages):
        if before.role == after.role:
            raise ValidationException(
                "A conversation must alternate between user and assistant roles. "
                "Make sure the conversation alternates between user and assistant roles and try again."
            )
