"""Whether a checkpoint can be trained and served here, said before anybody tries. Loads no weights."""

from pathlib import Path

from outcrop.domain.conversation import Conversation, Message
from outcrop.domain.errors import CheckpointError
from outcrop.modeling.config import LlamaConfig, is_plain_llama, read_config
from outcrop.text import Tokenizer
from outcrop.text.checkpoint_files import vocabulary_rows

NO_TEMPLATE = "It has no chat template: it takes prompts and plain text, not conversations."
EXPERTS = (
    "It has experts, which transformers keeps in one tensor a layer: adapters leave them frozen (outcrop.method lora "
    "and qlora), outcrop.method full trains them."
)
_EXPERTS_NAMES = ("num_local_experts", "num_experts", "n_routed_experts")
_PROBE = Conversation(
    messages=(
        Message(role="user", text="0q0"),
        Message(role="assistant", text="1q1"),
        Message(role="user", text="2q2"),
        Message(role="assistant", text="3q3"),
    ),
    system=None,
)


def examine(folder: Path) -> list[str]:
    """What a user should know of the checkpoint. Raises CheckpointError, with the reason, where it cannot be used."""
    tokenizer = Tokenizer.load(folder)
    rows = LlamaConfig.load(folder).vocabulary_size if is_plain_llama(folder) else _rows_of_another(folder)
    if tokenizer.plain_vocabulary_size > rows or max(tokenizer.stop_ids, default=0) >= rows:
        raise CheckpointError(
            f"The tokenizer of {folder} has {tokenizer.vocabulary_size} tokens, its weights know {rows}: "
            "one of the two belongs to another checkpoint."
        )
    if tokenizer.eos_id is None and not tokenizer.stop_ids:
        raise CheckpointError(f"{folder}: tokenizer_config.json names no eos_token: a model could not learn to stop.")
    notes = [EXPERTS] if any(read_config(folder).get(name) for name in _EXPERTS_NAMES) else []
    if not tokenizer.has_template:
        return [*notes, NO_TEMPLATE]
    tokenizer.render(_PROBE)
    return notes


def _rows_of_another(folder: Path) -> int:
    # Here, not above: plain Llamas are examined without loading torch.
    from outcrop.modeling.transformers_library import require_supported

    require_supported(folder)
    rows = vocabulary_rows(read_config(folder))
    if rows is None:
        raise CheckpointError(f"The config.json of {folder} does not say its vocab_size.")
    return rows
