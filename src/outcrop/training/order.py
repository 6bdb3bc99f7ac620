"""In which order an epoch visits its rows. Knows only how many rows there are, and in which pieces they lie."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def epoch_order(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of an epoch: another each epoch, the same for the same seed."""
    return np.random.default_rng((seed, epoch)).permutation(rows)


def windowed_order(
    rows: Sequence[int], sizes: Sequence[int], capacity: int, seed: int, epoch: int
) -> NDArray[np.int64]:
    """The order of an epoch over pieces of so many `rows` and bytes, of which `capacity` bytes can be held at once.

    Where all fit it is `epoch_order`. Else pieces come in random order, as many together as fit, and the rows of those
    together in random order: each piece is opened once an epoch. Every row comes once.
    """
    if sum(sizes) <= capacity:
        return epoch_order(sum(rows), seed, epoch)
    random = np.random.default_rng((seed, epoch))
    starts = np.concatenate([[0], np.cumsum(rows)])
    return np.concatenate(
        [
            random.permutation(np.concatenate([np.arange(starts[at], starts[at + 1]) for at in window]))
            for window in _windows(random.permutation(len(rows)).tolist(), sizes, capacity)
        ]
    )


def _windows(pieces: Sequence[int], sizes: Sequence[int], capacity: int) -> Iterator[list[int]]:
    """The pieces in their order, as many at a time as fit; a piece larger than all room is alone."""
    held: list[int] = []
    room = capacity
    for piece in pieces:
        if held and sizes[piece] > room:
            yield held
            held, room = [], capacity
        held.append(piece)
        room -= sizes[piece]
    if held:
        yield held
