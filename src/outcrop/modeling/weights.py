"""Reads a Hugging Face checkpoint's tensors and lays out fused ones. Knows names and shapes, not what they compute."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from outcrop.domain.errors import CheckpointError

# Projections that read the same input are one matrix, one GEMM, in memory.
GROUPS = {
    "self_attn.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attn.o": ("self_attn.o_proj",),
    "mlp.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down": ("mlp.down_proj",),
}


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of `folder`, from one safetensors file or from those its index names."""
    index = folder / "model.safetensors.index.json"
    try:
        names = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else {"model.safetensors"}
        return {key: tensor for name in sorted(names) for key, tensor in load_file(folder / name).items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"The checkpoint {folder} has no readable model.safetensors.") from error


def fuse(tensors: dict[str, torch.Tensor], layer: int, group: str) -> torch.Tensor:
    """The weights of a group of projections, one under the other: [sum of outputs, inputs]."""
    return torch.cat([tensors[f"model.layers.{layer}.{name}.weight"] for name in GROUPS[group]])


def unfuse(weight: torch.Tensor, sizes: tuple[int, ...], layer: int, group: str) -> dict[str, torch.Tensor]:
    """The parts of a fused weight under their own names: what `fuse` joined."""
    parts = zip(GROUPS[group], weight.split(sizes), strict=True)
    return {f"model.layers.{layer}.{name}.weight": part for name, part in parts}


def fill(into: torch.Tensor, tensor: torch.Tensor) -> None:
    """Copies a matrix into one of its own shape; `copy_` alone would stretch one row over all. Raises RuntimeError."""
    if into.shape != tensor.shape:
        raise RuntimeError(f"a matrix of {tuple(tensor.shape)} does not fit {tuple(into.shape)}")
    into.copy_(tensor)
