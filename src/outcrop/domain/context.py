"""How many tokens a checkpoint takes in, by its config.json. Knows no architecture by name."""

from collections.abc import Mapping
from typing import Any

DEFAULT_TOKENS = 2048  # of architectures that state no limit
# What architectures call it: most of them; GPT-2 and its kin; MPT; BLOOM; RWKV.
NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "context_length")


def context_tokens(config: Mapping[str, Any]) -> int:
    """The limit that a config.json states, in itself or in the part that is about text."""
    text = config.get("text_config")
    said = [part.get(name) for part in (config, text if isinstance(text, dict) else {}) for name in NAMES]
    return next((tokens for tokens in said if isinstance(tokens, int) and tokens > 0), DEFAULT_TOKENS)
