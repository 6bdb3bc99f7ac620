"""The files of a checkpoint that say how text becomes tokens, read and checked. Knows nothing of what they mean."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.domain.errors import CheckpointError

_NAMED = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerFiles:
    """`tokenizer` is tokenizer.json's text; `eos_ids` come from generation_config.json, or else from config.json.

    `rows`: how many tokens the weights know, by config.json; None where it does not say.
    """

    tokenizer: str
    template: str | None
    named_tokens: dict[str, str]
    eos_ids: tuple[int, ...] = ()
    rows: int | None = None


def read_files(folder: Path) -> TokenizerFiles:
    """The tokenizer's files in `folder`. Raises CheckpointError where one is missing or damaged."""
    config = _json_object(folder / "tokenizer_config.json") or {}
    model = _json_object(folder / "config.json") or {}
    return TokenizerFiles(
        tokenizer=_tokenizer(folder / "tokenizer.json"),
        template=_template(folder, config),
        named_tokens={name: text for name in _NAMED if (text := _token_text(config.get(name))) is not None},
        eos_ids=_eos_ids(_json_object(folder / "generation_config.json") or model),
        rows=vocabulary_rows(model),
    )


def vocabulary_rows(config: Mapping[str, Any]) -> int | None:
    """How many tokens the weights with this config.json know; None where it does not say."""
    text = config.get("text_config")
    said = config.get("vocab_size") or (text.get("vocab_size") if isinstance(text, dict) else None)
    return said if isinstance(said, int) else None


def _tokenizer(path: Path) -> str:
    if _json_object(path) is None:
        raise CheckpointError(f"{path} does not exist: a checkpoint needs its tokenizer in this form")
    return path.read_text(encoding="utf-8")


def _json_object(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} is not a JSON object")
    return found


def _template(folder: Path, config: dict[str, Any]) -> str | None:
    """A file of its own wins over the member in tokenizer_config.json, as in Hugging Face's loader."""
    own_file = folder / "chat_template.jinja"
    if own_file.is_file():
        return own_file.read_text(encoding="utf-8")
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None


def _token_text(value: Any) -> str | None:
    """A token is named by its text, or by an object that holds it under `content`."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) and text else None


def _eos_ids(generation: dict[str, Any]) -> tuple[int, ...]:
    value = generation.get("eos_token_id")
    values = value if isinstance(value, list) else [value]
    return tuple(token for token in values if isinstance(token, int) and not isinstance(token, bool))
