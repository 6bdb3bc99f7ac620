"""Keys and values of the answers under way: a rectangle of rows and positions that grows as it is needed.

Knows nothing of who owns a row. Rows in use lie together from row 0, so that a step over all of them needs no copy.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from outcrop.inference.scheduler import Move
from outcrop.modeling.config import LlamaConfig

LENGTH_STEP = 256
BYTES_A_NUMBER = 4


def bytes_a_token(config: LlamaConfig) -> int:
    """Cache memory of one token of one answer."""
    return 2 * config.layers * config.key_value_heads * config.head_size * BYTES_A_NUMBER


class Cache:
    """Per layer, keys and values [rows, kv heads, positions, size]; rows * positions never exceed `tokens`."""

    def __init__(self, config: LlamaConfig, tokens: int, device: torch.device) -> None:
        self._config = config
        self._tokens = tokens
        self._device = device
        self.keys = [self._empty(0, 0) for _ in range(config.layers)]
        self.values = [self._empty(0, 0) for _ in range(config.layers)]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and positions that there are."""
        rows, _, positions, _ = self.keys[0].shape
        return rows, positions

    def prepare(self, moves: Iterable[Move], rows: int, length: int) -> None:
        """Carry out the moves in order, then see that `rows` rows of `length` positions exist."""
        for move in moves:
            for store in (*self.keys, *self.values):
                store[move.target, :, : move.length] = store[move.source, :, : move.length]
        have_rows, have_length = self.shape
        if rows > have_rows or length > have_length:
            self._resize(*self._grown(rows, length))

    def _grown(self, rows: int, length: int) -> tuple[int, int]:
        """Room to spare where the budget has it: rows and positions double, so that growing is rare."""
        have_rows, have_length = self.shape
        wide = have_rows if rows <= have_rows else max(rows, 2 * have_rows)
        step = LENGTH_STEP if length <= LENGTH_STEP else 2 ** (length - 1).bit_length()
        long = max(have_length, step)
        if wide * long <= self._tokens:
            return wide, long
        snug = min(-(-length // LENGTH_STEP) * LENGTH_STEP, self._tokens // rows)
        return rows, max(snug, length)

    def _resize(self, rows: int, length: int) -> None:
        for stores in (self.keys, self.values):
            for number, old in enumerate(stores):  # one at a time: the old one is gone before the next is made
                new = self._empty(rows, length)
                kept_rows, kept_length = min(rows, old.shape[0]), min(length, old.shape[2])
                new[:kept_rows, :, :kept_length] = old[:kept_rows, :, :kept_length]
                stores[number] = new

    def _empty(self, rows: int, length: int) -> Tensor:
        # Zeros, not whatever memory held: a masked NaN would still poison the sum. On a CPU untouched pages stay free.
        shape = (rows, self._config.key_value_heads, length, self._config.head_size)
        return torch.zeros(shape, dtype=torch.float32, device=self._device)
