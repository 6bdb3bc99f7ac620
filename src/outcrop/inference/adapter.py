"""A LoRA adapter in PEFT's format, laid out for the fused linear layers. Knows nothing of who is answered with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from outcrop.domain.errors import SettingsError
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.lora import PREFIX
from outcrop.modeling.weights import GROUPS

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
# What PEFT can write and this engine does not compute: to ignore it would be to answer with another model.
UNSERVED = {"use_dora": False, "modules_to_save": None, "bias": "none", "fan_in_fan_out": False}


@dataclass(frozen=True, slots=True)
class Part:
    """One projection's block of `widen`: ranks and columns, each from a first to before a last."""

    rank: int
    rank_stop: int
    column: int
    column_stop: int


@dataclass(frozen=True, slots=True)
class Patch:
    """What an adapter adds to one fused layer: `inputs @ narrow @ widen`. The scale is in `widen`."""

    narrow: Tensor  # [inputs, ranks]
    widen: Tensor  # [ranks, outputs], zero but for the parts
    parts: tuple[Part, ...]

    def add_to(self, outputs: Tensor, inputs: Tensor) -> None:
        """Add the update in place."""
        outputs.addmm_(inputs @ self.narrow, self.widen)


class Adapter:
    """Patches by layer and fused group; a group that the adapter leaves alone has none."""

    def __init__(self, patches: dict[tuple[int, str], Patch]) -> None:
        self._patches = patches

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return sum(patch.narrow.nbytes + patch.widen.nbytes for patch in self._patches.values())

    def patch(self, layer: int, group: str) -> Patch | None:
        """The patch of one fused layer."""
        return self._patches.get((layer, group))

    @staticmethod
    def load(folder: Path, config: LlamaConfig, device: torch.device) -> "Adapter":
        """Read the adapter in `folder`. Raises SettingsError for one that does not fit or that is not served."""
        about, tensors = read_adapter(folder)
        scale = scale_of(about)
        patches = {}
        for layer in range(config.layers):
            for group, projections in GROUPS.items():
                prefix = f"{PREFIX}.{layer}."
                pairs = [_pair(tensors, prefix + projection) for projection in projections]
                if any(pair is not None for pair in pairs):
                    patches[layer, group] = _patch(pairs, _widths(config, group), scale, device)
        if tensors:
            raise SettingsError(f"The adapter has tensors that are not served: {', '.join(sorted(tensors)[:3])}.")
        return Adapter(patches)


def read_adapter(
    folder: Path, served: Mapping[str, tuple[object, ...]] = MappingProxyType({})
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """An adapter's config and tensors. `served` says what may stand beside the usual. Raises SettingsError."""
    try:
        about = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS_FILE)
    except (OSError, SafetensorError, ValueError) as error:
        raise SettingsError(f"The adapter in {folder} cannot be read: {error}") from error
    for member, usual in UNSERVED.items():
        if about.get(member, usual) not in (usual, [], False, *served.get(member, ())):
            raise SettingsError(f"The adapter's {member} is {about[member]!r}, which is not served.")
    return about, tensors


def _pair(tensors: dict[str, Tensor], projection: str) -> tuple[Tensor, Tensor] | None:
    """A [rank, inputs] and B [outputs, rank] of one projection, taken out of `tensors`."""
    a = tensors.pop(f"{projection}.lora_A.weight", None)
    b = tensors.pop(f"{projection}.lora_B.weight", None)
    return None if a is None or b is None else (a.float(), b.float())


def scale_of(about: dict[str, Any]) -> float:
    """What the update is multiplied by. Raises SettingsError."""
    try:
        rank, alpha = float(about["r"]), float(about["lora_alpha"])
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"The adapter's {CONFIG_FILE} does not say r and lora_alpha.") from error
    return alpha / (rank**0.5 if about.get("use_rslora") else rank)


def _widths(config: LlamaConfig, group: str) -> tuple[int, tuple[int, ...]]:
    """How wide a group's input is, and each projection's output."""
    attention, key_value = config.heads * config.head_size, config.key_value_heads * config.head_size
    hidden, inner = config.hidden_size, config.intermediate_size
    return {
        "self_attn.qkv": (hidden, (attention, key_value, key_value)),
        "self_attn.o": (attention, (hidden,)),
        "mlp.gate_up": (hidden, (inner, inner)),
        "mlp.down": (inner, (hidden,)),
    }[group]


def _patch(
    pairs: list[tuple[Tensor, Tensor] | None], widths: tuple[int, tuple[int, ...]], scale: float, device: torch.device
) -> Patch:
    inputs, outputs = widths
    for pair, width in zip(pairs, outputs, strict=True):
        _check_shape(pair, inputs, width)
    narrow = torch.cat([pair[0] for pair in pairs if pair is not None]).t().contiguous()
    widen = torch.zeros(narrow.shape[1], sum(outputs))
    parts = []
    rank = column = 0
    for pair, width in zip(pairs, outputs, strict=True):
        if pair is not None:
            b = pair[1]
            widen[rank : rank + b.shape[1], column : column + width] = b.t() * scale
            parts.append(Part(rank, rank + b.shape[1], column, column + width))
            rank += b.shape[1]
        column += width
    return Patch(narrow.to(device), widen.to(device), tuple(parts))


def _check_shape(pair: tuple[Tensor, Tensor] | None, inputs: int, width: int) -> None:
    """Here, where it is one model's failure: in a step it would be everybody's."""
    if pair is None:
        return
    a, b = pair
    if a.shape[1:] != (inputs,) or b.shape != (width, len(a)):
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise SettingsError(f"The adapter's matrices {shapes} do not fit a layer {inputs} wide to {width}.")
