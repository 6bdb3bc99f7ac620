"""Whether a pebble may ship, and what its model card says of that. Copies nothing and measures nothing."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

# What recipes/pebble_text.py writes, but for the card README.md, which is extended.
FILES = (
    "config.json",
    "curve.svg",
    "generation_config.json",
    "model.safetensors",
    "outcrop.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
BEFORE = "## Limits"


def objection(gates: Mapping[str, Any], examined: Mapping[str, Any]) -> str | None:
    """Why the pebble that `examined` names may not ship by this result of the gates; None where it may."""
    if gates["examined"] != examined:
        return "The gates were held against other files, or with another card, than those that are to ship."
    if gates["missing"]:
        return f"Not measured: {'; '.join(gates['missing'])}."
    failed = [line["gate"] for line in gates["gates"] if not line["passed"]]
    return f"Not passed: {'; '.join(failed)}." if failed else None


def objection_to_sweep(sweep: Mapping[str, Any], examined: Mapping[str, Any]) -> str | None:
    """Why a sweep's curves say nothing of the pebble that `examined` names; None where they do."""
    return None if sweep.get("digest") == examined["digest"] else "The sweep was of other files than those to ship."


def extended_card(card: str, gates: Mapping[str, Any], curves: Sequence[str]) -> str:
    """The model card with what the pebble was shown to learn, and at which rates, before its limits."""
    before, limits, after = card.partition(BEFORE)
    assert limits, f"a card without {BEFORE}"
    return f"{before}{_taught(gates)}{_rates(curves)}{limits}{after}"


def command_of(card: str) -> str:
    """How a pebble was made, as its model card says."""
    found = re.search(r"Made by `([^`]+)`", card)
    assert found, "a card that does not say how it was made"
    return found[1]


def _taught(gates: Mapping[str, Any]) -> str:
    rows = "\n".join(f"| {line['gate']} | {line['measured']} | {line['bar']} |" for line in gates["gates"])
    return (
        "## What it can be taught\n\n"
        f"Through the API, at temperature 0 (`recipes/pebble_gates.py`, {gates['date']}):\n\n"
        f"| gate | measured | must be |\n|---|---|---|\n{rows}\n\n"
    )


def _rates(curves: Sequence[str]) -> str:
    if not curves:
        return ""
    shown = "\n".join(f"![Right answers by applied learning rate]({name})" for name in curves)
    return (
        "## At which rates\n\n"
        "`outcrop.json` says what families' learning rates and LoRA ranks become here; `recipes/pebble_rates.py` swept "
        f"the applied ones:\n\n{shown}\n\n"
    )
