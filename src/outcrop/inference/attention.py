"""Attention of one step's spans against the cache. Knows rows and positions, not whose they are.

Single tokens (answers under way) are attended all at once, padded to the longest; longer spans (prompts) one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from outcrop.inference.cache import Cache
from outcrop.inference.places import Place


class SpanAttention:
    """Writes the new keys and values of a step into the cache and attends over all before them."""

    def __init__(self, cache: Cache, places: Sequence[Place], device: torch.device) -> None:
        self._cache = cache
        self._rows = torch.tensor([p.row for p in places for _ in range(p.count)], device=device)
        self.positions = torch.tensor([p.start + i for p in places for i in range(p.count)], device=device)
        starts = [0, *torch.tensor([p.count for p in places]).cumsum(0).tolist()]
        self._long = [(at, place) for at, place in zip(starts, places, strict=False) if place.count > 1]
        self._singles = _Singles.of([(at, p) for at, p in zip(starts, places, strict=False) if p.count == 1], device)

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """[tokens, heads, size] and [tokens, kv heads, size] -> [tokens, heads * size]."""
        keys, values = self._cache.keys[layer], self._cache.values[layer]
        keys[self._rows, :, self.positions] = key
        values[self._rows, :, self.positions] = value
        if not self._long and self._singles is not None:
            return self._singles.attend(query, keys, values)
        result = query.new_empty(len(query), query.shape[1] * query.shape[2])
        if self._singles is not None:
            result[self._singles.at] = self._singles.attend(query[self._singles.at], keys, values)
        for at, place in self._long:
            result[at : at + place.count] = _attend_span(query[at : at + place.count], keys, values, place)
        return result


def _attend_span(query: Tensor, keys: Tensor, values: Tensor, place: Place) -> Tensor:
    """A piece of one prompt: each token sees what came before it."""
    end = place.start + place.count
    group = query.shape[1] // keys.shape[1]
    mask = None
    if place.start:
        mask = torch.ones(place.count, end, dtype=torch.bool, device=query.device).tril(place.start)
    attended = F.scaled_dot_product_attention(
        query.transpose(0, 1)[None],
        keys[place.row, :, :end].repeat_interleave(group, 0)[None],
        values[place.row, :, :end].repeat_interleave(group, 0)[None],
        attn_mask=mask,
        is_causal=mask is None,
    )
    return attended[0].transpose(0, 1).reshape(place.count, -1)


@dataclass(frozen=True, slots=True)
class _Singles:
    """One token each of several answers."""

    at: Tensor  # which of the step's tokens
    rows: Tensor | None  # cache rows, None where they are 0, 1, 2, ... in order
    order: Tensor | None  # tokens by row, None where they are so already
    back: Tensor | None  # and the way back
    mask: Tensor | None  # [answers, 1, 1, longest], 0 or -inf; None where all are equally long
    longest: int

    @staticmethod
    def of(found: list[tuple[int, Place]], device: torch.device) -> "_Singles | None":
        if not found:
            return None
        rows = [place.row for _, place in found]
        by_row = sorted(range(len(rows)), key=rows.__getitem__)
        in_order = by_row == list(range(len(rows)))
        together = rows[by_row[-1]] == len(rows) - 1
        lengths = [found[one][1].start + 1 for one in by_row]
        order = None if in_order else torch.tensor(by_row, device=device)
        return _Singles(
            at=torch.tensor([at for at, _ in found], device=device),
            rows=None if together else torch.tensor([rows[one] for one in by_row], device=device),
            order=order,
            back=None if order is None else order.argsort(),
            mask=_mask(lengths, device),
            longest=max(lengths),
        )

    def attend(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """The heads that share a key head stand as several queries of it: no key is copied."""
        count, heads, size = query.shape
        query = query if self.order is None else query[self.order]
        key = keys[:count] if self.rows is None else keys[self.rows]
        value = values[:count] if self.rows is None else values[self.rows]
        attended = F.scaled_dot_product_attention(
            query.reshape(count, keys.shape[1], -1, size),
            key[:, :, : self.longest],
            value[:, :, : self.longest],
            attn_mask=self.mask,
        ).reshape(count, heads * size)
        return attended if self.back is None else attended[self.back]


def _mask(lengths: list[int], device: torch.device) -> Tensor | None:
    longest = max(lengths)
    if min(lengths) == longest:
        return None
    beyond = torch.arange(longest, device=device)[None] >= torch.tensor(lengths, device=device)[:, None]
    return torch.zeros(len(lengths), longest, device=device).masked_fill_(beyond, -torch.inf)[:, None, None]
