"""The state of a run that is not over, in one file beside the pebble: killed at any moment, it goes on from there.

Knows names and numbers, not what they mean. The file is always whole: a new one takes the old one's place at once.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from outcrop.domain.errors import CheckpointError

STATE = "state.safetensors"
PLAIN = ("recipe", "spent", "material", "marks", "log_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a run must know to go on: tensors, and plain data beside them.

    `recipe` is what must be the same in the run that goes on; `log_bytes` how long the log was.
    """

    tensors: dict[str, torch.Tensor]
    recipe: Mapping[str, Any]
    spent: Mapping[str, Any]
    material: Any
    marks: int
    log_bytes: int


def save_state(state: State, folder: Path) -> None:
    """Writes it to `folder`; what was there before stays until the new one is whole and on the disk."""
    plain = {name: getattr(state, name) for name in PLAIN}
    part = folder / f"{STATE}.part"
    save_file({name: tensor.contiguous() for name, tensor in state.tensors.items()}, part, {"run": json.dumps(plain)})
    replace_durably(part, folder / STATE)


def load_state(folder: Path, recipe: Mapping[str, Any]) -> State | None:
    """The state in `folder`, or None where there is none. Raises CheckpointError where another recipe made it."""
    if not (folder / STATE).exists():
        return None
    with safe_open(folder / STATE, "pt") as file:
        plain = json.loads(file.metadata()["run"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    differing = [name for name in recipe if plain["recipe"].get(name) != json.loads(json.dumps(recipe[name]))]
    if differing:
        raise CheckpointError(
            f"The unfinished run in {folder} was begun with another {' and '.join(differing)}; "
            "hint: give what it was begun with, or --anew to begin again"
        )
    return State(tensors=tensors, **plain)


def forget_state(folder: Path) -> None:
    """The run is over, or to be begun again."""
    (folder / STATE).unlink(missing_ok=True)


def replace_durably(part: Path, path: Path) -> None:
    """`part` becomes `path` at once, and both survive a loss of power."""
    _to_disk(part)
    part.chmod(0o644)
    part.replace(path)
    _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
