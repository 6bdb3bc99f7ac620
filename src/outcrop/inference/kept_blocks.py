"""Keys and values of kept beginnings, block by block: copied out of the cache's rows and into them again.

Knows places and rows; not what tokens they are of (`prefixes.py`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from outcrop.inference.cache import Cache, bytes_a_token
from outcrop.inference.prefixes import BLOCK, Fill, Keep
from outcrop.modeling.config import LlamaConfig


def bytes_a_place(config: LlamaConfig) -> int:
    """Memory of one block."""
    return BLOCK * bytes_a_token(config)


class KeptBlocks:
    """Per layer, keys and values [places, kv heads, BLOCK, size].

    Nothing is read that was not written; on a CPU, memory that was never written is not taken.
    """

    def __init__(self, config: LlamaConfig, places: int, device: torch.device) -> None:
        shape = (places, config.key_value_heads, BLOCK, config.head_size)
        self._device = device
        self._keys = [torch.empty(shape, device=device) for _ in range(config.layers)]
        self._values = [torch.empty(shape, device=device) for _ in range(config.layers)]

    def fill(self, cache: Cache, fills: Sequence[Fill]) -> None:
        """Let rows begin with what is kept."""
        for fill in fills:
            places = torch.tensor(fill.places, device=self._device)
            for kept, rows in self._both(cache):
                _blocks(rows, fill.row, 0, len(places)).copy_(kept[places].transpose(0, 1))

    def keep(self, cache: Cache, keeps: Sequence[Keep]) -> None:
        """Copy what rows hold by now."""
        for keep in keeps:
            places = torch.tensor(keep.places, device=self._device)
            for kept, rows in self._both(cache):
                kept[places] = _blocks(rows, keep.row, keep.start, len(places)).transpose(0, 1)

    def _both(self, cache: Cache) -> Sequence[tuple[Tensor, Tensor]]:
        return [*zip(self._keys, cache.keys, strict=True), *zip(self._values, cache.values, strict=True)]


def _blocks(rows: Tensor, row: int, start: int, count: int) -> Tensor:
    """A view [kv heads, count, BLOCK, size] of one row."""
    return rows[row, :, start : start + count * BLOCK].unflatten(1, (count, BLOCK))
