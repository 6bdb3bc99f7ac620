"""What was measured of a base, in a file whose name stands for base, engine and machine. Knows no engine."""

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from outcrop.domain.model_units import Capacity


def read(file: Path) -> Capacity | None:
    """What was kept; None where nothing was, or nothing that can be read."""
    try:
        told = json.loads(file.read_text())
        return Capacity(input_tokens_s=told["input_tokens_s"], output_tokens_s=told["output_tokens_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(file: Path, capacity: Capacity) -> None:
    """Whole or not at all; what cannot be written is measured again."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(asdict(capacity), indent=1) + "\n")
        part.replace(file)
