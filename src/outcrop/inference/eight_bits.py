"""Matrices and tokens rounded to 8 bits, and their product in torch: the twin of eight_bits.h. Knows no layer.

GROUP inputs of an output share a scale, and so do GROUP inputs of a token. Sums between two scales are whole numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from outcrop.domain.weights import BF16, FLOAT32, INT8

GROUP = 64  # eight_bits.h's own
LARGEST = 127  # of a signed byte, the same on both sides of zero


@dataclass(frozen=True, slots=True)
class RoundedMatrix:
    """[outputs, inputs] in 8 bits: `values` [outputs, groups, GROUP] and `scales` [outputs, groups]."""

    values: Tensor
    scales: Tensor
    inputs: int

    @staticmethod
    def of(weight: Tensor) -> "RoundedMatrix":
        """The weight, rounded; an input that is missing from the last group is zero."""
        return RoundedMatrix(*_rounded(weight.float()), weight.shape[1])

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.values.nbytes + self.scales.nbytes

    def whole(self) -> Tensor:
        """What rounding left of the matrix: [outputs, inputs]."""
        return (self.values.float() * self.scales[..., None]).flatten(1)[:, : self.inputs]

    def product(self, inputs: Tensor) -> Tensor:
        """[tokens, inputs] -> [tokens, outputs], the tokens rounded too."""
        tokens, scales = _rounded(inputs)
        outputs = inputs.new_zeros(len(inputs), len(self.values))
        for group in range(self.scales.shape[1]):
            # Floats hold these sums exactly: 64 products of at most 127 * 127.
            sums = tokens[:, group].float() @ self.values[:, group].float().t()
            outputs += sums * (scales[:, group, None] * self.scales[None, :, group])
        return outputs


Weight = Tensor | RoundedMatrix
Keep = Callable[[Tensor], Weight]
KEEPS: Mapping[str, Keep] = {FLOAT32: Tensor.float, BF16: Tensor.bfloat16, INT8: RoundedMatrix.of}
"""What becomes of a matrix by what weights are to be kept in."""


def product(inputs: Tensor, weight: Weight) -> Tensor:
    """[tokens, inputs] -> [tokens, outputs], by a matrix [outputs, inputs] of any kind."""
    if not isinstance(weight, Tensor):
        return weight.product(inputs)
    if weight.dtype == inputs.dtype:
        return F.linear(inputs, weight)
    if weight.device.type == "cpu":
        return F.linear(
            inputs, weight.to(inputs.dtype)
        )  # what is kept in halves is multiplied in floats, as decoder.cpp does
    return F.linear(inputs.to(weight.dtype), weight).to(inputs.dtype)  # a card multiplies halves, and sums in floats


def _rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """[rows, inputs] as bytes [rows, groups, GROUP], and the scale of each group [rows, groups]."""
    grouped = F.pad(rows, (0, -rows.shape[1] % GROUP)).unflatten(1, (-1, GROUP))
    scales = grouped.abs().amax(-1) / LARGEST
    divisors = torch.where(scales > 0, scales, 1.0)[..., None]
    return (grouped / divisors).round().to(torch.int8), scales
