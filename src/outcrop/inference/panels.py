"""Matrices as the compiled decoder reads them: panels of a few outputs, input by input, in floats or in 8 bits.

Knows layout and rounding; nothing of layers or models.
"""

import ctypes

import torch
from torch import Tensor
from torch.nn import functional as F

LARGEST = 127  # of a signed byte, the same on both sides of zero


class Matrix(ctypes.Structure):
    """`Matrix` of decoder.cpp: addresses and sizes of what a `Panels` keeps."""

    _fields_ = (
        ("panels", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("inputs", ctypes.c_long),
        ("outputs", ctypes.c_long),
    )


class Panels:
    """One matrix [outputs, inputs] laid out; keeps the memory that `matrix` points to."""

    def __init__(self, weight: Tensor, lanes: int, group: int | None = None) -> None:
        """In floats, or with `group` in bytes, that many inputs to a scale."""
        outputs, inputs = weight.shape
        self._scales: Tensor | None = None
        if group is None:
            self._panels = _panels(weight.float(), lanes)
        else:
            values, scales = rounded(weight.float(), group)
            self._panels, self._scales = _panels(values, lanes), _panels(scales, lanes)
        scales_at = None if self._scales is None else self._scales.data_ptr()
        self.matrix = Matrix(self._panels.data_ptr(), scales_at, inputs, outputs)


def rounded(weight: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """[outputs, inputs] as bytes, and the scale of each `group` of inputs: [outputs, groups]."""
    outputs, inputs = weight.shape
    grouped = F.pad(weight, (0, -inputs % group)).view(outputs, -1, group)
    scales = grouped.abs().amax(-1) / LARGEST
    steps = grouped / scales.clamp_min(torch.finfo(torch.float32).tiny)[..., None]
    return steps.round().to(torch.int8).view(outputs, -1)[:, :inputs], scales


def whole(values: Tensor, scales: Tensor, group: int) -> Tensor:
    """What `rounded` left of a matrix."""
    return values.float() * scales.repeat_interleave(group, 1)[:, : values.shape[1]]


def _panels(weight: Tensor, lanes: int) -> Tensor:
    """[outputs, inputs] -> [outputs / lanes, inputs, lanes], zeros in the last one's rest."""
    padded = F.pad(weight, (0, 0, 0, -len(weight) % lanes))
    return padded.view(-1, lanes, weight.shape[1]).transpose(1, 2).contiguous()
