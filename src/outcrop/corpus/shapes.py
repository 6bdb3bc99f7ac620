"""The four kinds of record as typed rows, for the fast path: decoded by msgspec, which skips what it does not know.

Knows nothing of limits; what does not fit a shape is explained elsewhere.
"""

import msgspec


class TextBlock(msgspec.Struct, gc=False):
    """`{text}`."""

    text: str


class BlockMessage(msgspec.Struct, gc=False):
    """A turn of a converse record."""

    role: str
    content: list[TextBlock]


class ConverseRow(msgspec.Struct, gc=False):
    """`bedrock-conversation-2024`."""

    messages: list[BlockMessage]
    system: list[TextBlock] | None = None
    schemaVersion: str | None = None


class TextMessage(msgspec.Struct, gc=False):
    """A turn of a Claude record."""

    role: str
    content: str


class ClaudeRow(msgspec.Struct, gc=False):
    """System and messages with plain strings."""

    messages: list[TextMessage]
    system: str | None = None


class CompletionRow(msgspec.Struct, gc=False):
    """Prompt and completion."""

    prompt: str
    completion: str


class PassageRow(msgspec.Struct, gc=False):
    """Unlabeled text."""

    input: str


Row = ConverseRow | ClaudeRow | CompletionRow | PassageRow
