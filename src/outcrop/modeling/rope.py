"""Rotary position embedding: tables of cosines and sines, and the turn itself. Knows no model."""

import math
from typing import Any

import torch

from outcrop.modeling.config import LlamaConfig, RopeScaling


def rope_table(config: LlamaConfig, positions: int) -> torch.Tensor:
    """Cosine and sine of every angle: float32 [2, positions, head_size / 2]."""
    angles = torch.outer(torch.arange(positions, dtype=torch.float32), rope_frequencies(config))
    return torch.stack((angles.cos(), angles.sin()))


def rope_frequencies(config: LlamaConfig) -> torch.Tensor:
    """Radians a position for each pair of a head's channels: float32 [head_size / 2]."""
    exponents = torch.arange(0, config.head_size, 2, dtype=torch.float32) / config.head_size
    frequencies = 1.0 / config.rope_theta**exponents
    return frequencies if config.rope_scaling is None else _stretch(frequencies, config.rope_scaling)


def _stretch(frequencies: torch.Tensor, scaling: RopeScaling) -> torch.Tensor:
    """Slow frequencies are divided by the factor, fast ones kept, those between blended (Llama 3.1)."""
    turns = scaling.original_context_tokens * frequencies / (2 * math.pi)
    span = scaling.high_frequency_factor - scaling.low_frequency_factor
    kept = ((turns - scaling.low_frequency_factor) / span).clamp(0.0, 1.0)
    return frequencies * (kept + (1.0 - kept) / scaling.factor)


class Turn(torch.autograd.Function):
    """Turns every head's channel pairs (i, i + head_size / 2) by their row's angle; backwards turns back."""

    @staticmethod
    def forward(context: Any, heads: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        """`heads` is [rows, heads, head_size]; `cosine` and `sine` are [rows, 1, head_size / 2]."""
        context.save_for_backward(cosine, sine)
        return turn(heads, cosine, sine)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """A rotation's gradient is the rotation by the opposite angle."""
        cosine, sine = context.saved_tensors
        return turn(gradient, cosine, -sine), None, None


def turn(heads: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """The turned copy of `heads`, in the same type."""
    half = heads.shape[-1] // 2
    left, right = heads[..., :half], heads[..., half:]
    turned = torch.empty(heads.shape, dtype=heads.dtype, device=heads.device)
    torch.addcmul(left * cosine, right, sine, value=-1, out=turned[..., :half])
    torch.addcmul(right * cosine, left, sine, out=turned[..., half:])
    return turned
