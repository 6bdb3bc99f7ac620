"""Which pebble a result is of: its files, and how it has families' learning rates applied. Measures nothing."""

import json
from pathlib import Path
from typing import Any

from outcrop.domain.checkpoint_digest import digest_of
from outcrop.families.catalogue import CARD

WEIGHTS = "model.safetensors"


def identity(folder: Path) -> dict[str, Any]:
    """Equal only for equal weights and tokenizer under an equal card."""
    return {"digest": digest_of(folder), "card": card_of(folder)}


def card_of(folder: Path) -> dict[str, Any]:
    """A checkpoint's outcrop.json."""
    card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    return card


def write_card(card: dict[str, Any], folder: Path) -> None:
    """Writes outcrop.json, a line for each thing that a family or the adapter is told."""
    (folder / CARD).write_text(_written(card) + "\n", encoding="utf-8")


def _written(value: dict[str, Any], depth: int = 0) -> str:
    if not any(isinstance(inner, dict) for inner in value.values()):
        return json.dumps(value)
    inside = [f" {json.dumps(name)}: {_written(inner, depth + 1)}" for name, inner in value.items()]
    indent = " " * depth
    return "{\n" + ",\n".join(indent + line for line in inside) + f"\n{indent}}}"
