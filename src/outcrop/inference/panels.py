"""Matrices as the compiled decoder reads them: panels of a few outputs, input by input, in floats, bfloat16 or 8 bits.

Knows layout; nothing of layers or models. matrix.h has the same structure.
"""

import ctypes

import torch
from torch import Tensor
from torch.nn import functional as F

from outcrop.inference.eight_bits import GROUP, RoundedMatrix, Weight

QUAD = 4  # inputs of an output that lie together in 8 bits
BIAS = 128  # bytes are kept without a sign


class Matrix(ctypes.Structure):
    """`Matrix` of matrix.h: addresses and sizes of what a `Panels` keeps."""

    _fields_ = (
        ("panels", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("inputs", ctypes.c_long),
        ("outputs", ctypes.c_long),
        ("halves", ctypes.c_long),
    )


class Panels:
    """One matrix [outputs, inputs] laid out; keeps the memory that `matrix` points to."""

    def __init__(self, weight: Weight, lanes: int) -> None:
        """As it is: in floats, in bfloat16, or in the bytes that it was rounded to."""
        self._scales: Tensor | None = None
        if isinstance(weight, RoundedMatrix):
            outputs, inputs = len(weight.values), weight.inputs
            self._panels, self._scales = _quads(weight.values, lanes), _panels(weight.scales, lanes)
        else:
            outputs, inputs = weight.shape
            self._panels = _panels(weight if weight.dtype == torch.bfloat16 else weight.float(), lanes)
        scales_at = None if self._scales is None else self._scales.data_ptr()
        halves = self._panels.dtype == torch.bfloat16
        self.matrix = Matrix(self._panels.data_ptr(), scales_at, inputs, outputs, halves)

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return self._panels.nbytes + (0 if self._scales is None else self._scales.nbytes)


def _panels(weight: Tensor, lanes: int) -> Tensor:
    """[outputs, inputs] -> [outputs / lanes, inputs, lanes], zeros in the last one's rest."""
    padded = F.pad(weight, (0, 0, 0, -len(weight) % lanes))
    return padded.view(-1, lanes, weight.shape[1]).transpose(1, 2).contiguous()


def _quads(values: Tensor, lanes: int) -> Tensor:
    """Bytes [outputs, groups, GROUP] -> [outputs / lanes, groups * GROUP / QUAD, lanes, QUAD] without a sign."""
    padded = F.pad(values, (0, 0, 0, 0, 0, -len(values) % lanes))
    biased = (padded.to(torch.int16) + BIAS).to(torch.uint8)
    return biased.view(-1, lanes, values.shape[1] * GROUP // QUAD, QUAD).transpose(1, 2).contiguous()
