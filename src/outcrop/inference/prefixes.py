"""Beginnings of prompts whose keys and values are kept: whole blocks of tokens, each found by what stands before it.

Plain Python: knows the numbers of places, not what lies there. A block is found by its tokens themselves and by the
block before it, the first one by the version of the weights: no digest, so that no chance can mix up two.

What is kept was copied and is copied out again: nobody holds on to a place, so none needs a count of who does. The
least recently used block goes first; a block is used whenever one behind it is, so that none stands behind what goes.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

BLOCK = 16
"""Tokens of a block: small, so that little of a shared beginning is lost at its end."""

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """Places whose blocks a row begins with, in order: to be copied there before the step."""

    row: int
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Blocks of a row, from the token `start` on, to be copied to places after the step.

    `behind`: what they stand behind; `chunks`: their tokens.
    """

    row: int
    start: int
    places: tuple[int, ...]
    behind: Hashable
    chunks: tuple[Tokens, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """`number` is this block's alone for ever: what stood behind one that is gone is found by nobody."""

    number: int
    place: int


class Prefixes:
    """What is kept, for one thread."""

    def __init__(self, places: int, block: int = BLOCK) -> None:
        """`places`: how many blocks there is room for, each of so many tokens."""
        self.places = places
        self.block = block
        self._free = list(range(places))
        self._planned: set[int] = set()
        self._kept: OrderedDict[tuple[Hashable, Tokens], _Block] = OrderedDict()  # the least recently used first
        self._numbers = count()
        self.asked_tokens = self.found_tokens = 0

    @property
    def blocks(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def find(self, version: str, tokens: Sequence[int]) -> tuple[int, ...]:
        """The places of what `tokens` begin with, as far as it is kept; one token at least is left to run."""
        path = list(self._path(version, tokens, most=(len(tokens) - 1) // self.block))
        self._use(path)
        self.asked_tokens += len(tokens)
        self.found_tokens += len(path) * self.block
        return tuple(self._kept[key].place for key in path)

    def plan(self, version: str, tokens: Sequence[int], row: int) -> Keep | None:
        """What of `tokens`, which lie in a row, should be kept and is not; None: nothing. `keep` says that it is."""
        path = list(self._path(version, tokens, most=len(tokens) // self.block))
        self._use(path)
        missing = [self._chunk(tokens, at) for at in range(len(path), len(tokens) // self.block)]
        places = [
            place for _, place in zip(missing, self._room(len(path)), strict=False)
        ]  # missing first: none is lost
        if not places:
            return None
        self._planned.update(places)
        return Keep(
            row=row,
            start=len(path) * self.block,
            places=tuple(places),
            behind=self._kept[path[-1]].number if path else version,
            chunks=tuple(missing[: len(places)]),
        )

    def keep(self, done: Keep) -> None:
        """A plan was carried out. Where another was there first, its place is free again."""
        behind, path = done.behind, list[tuple[Hashable, Tokens]]()
        for place, chunk in zip(done.places, done.chunks, strict=True):
            key = (behind, chunk)
            if key in self._kept:
                self._free.append(place)
            else:
                self._kept[key] = _Block(next(self._numbers), place)
            self._planned.discard(place)
            behind = self._kept[key].number
            path.append(key)
        self._use(path)

    def clear(self) -> None:
        """Forget everything, plans too."""
        self._kept.clear()
        self._planned.clear()
        self._free = list(range(self.places))

    def report(self) -> dict[str, int]:
        """Blocks that are kept and may be, of so many tokens each; tokens that were asked for and found."""
        return {
            "blocks": self.blocks,
            "most_blocks": self.places,
            "block_tokens": self.block,
            "asked_tokens": self.asked_tokens,
            "found_tokens": self.found_tokens,
        }

    def check(self) -> None:
        """Asserts that no place is lost or given twice."""
        places = [*self._free, *self._planned, *(block.place for block in self._kept.values())]
        assert sorted(places) == list(range(self.places)), "each place is free, planned or kept, once"

    def _path(self, version: str, tokens: Sequence[int], most: int) -> Iterator[tuple[Hashable, Tokens]]:
        """Keys of the blocks that are kept of what `tokens` begin with, `most` at most."""
        behind: Hashable = version
        for at in range(most):
            key = (behind, self._chunk(tokens, at))
            if key not in self._kept:
                return
            yield key
            behind = self._kept[key].number

    def _use(self, path: Sequence[tuple[Hashable, Tokens]]) -> None:
        """From the last to the first: none is older than what stands behind it."""
        for key in reversed(path):
            self._kept.move_to_end(key)

    def _room(self, in_use: int) -> Iterator[int]:
        """Places, one after the other: free ones, then the oldest blocks' but for the `in_use` newest."""
        while self._free or len(self._kept) > in_use:
            yield self._free.pop() if self._free else self._kept.popitem(last=False)[1].place

    def _chunk(self, tokens: Sequence[int], at: int) -> Tokens:
        return tuple(tokens[at * self.block : (at + 1) * self.block])
