"""What distinguishes one way to learn from another; the loop does the rest. Knows no optimizer and no schedule."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from outcrop.modeling.model import CausalModel
from outcrop.modeling.transfer import moved
from outcrop.training.batches import Batch, Piece, Rows


def next_token_loss(model: CausalModel, piece: Piece) -> torch.Tensor:
    """The summed cross-entropy (nats) of the tokens that the rows' mask names."""
    device = model.device
    return model.loss(piece.packed.to(device), moved(piece.wanted, device), moved(piece.targets, device))


def learnt_tokens(piece: Piece) -> float:
    """How many tokens the mask names."""
    return len(piece.targets)


def shuffled(rows: Rows, seed: int, epoch: int) -> NDArray[np.int64]:
    """Every row once, in an order of the epoch's own."""
    return rows.order(seed, epoch)


def pieces_of(rows: Rows, batch: Batch) -> Iterable[Piece]:
    """The batch packed as tightly as it goes."""
    return rows.pieces(batch)


def some_token_a_row(rows: Rows, name: str) -> Rows:
    """The rows, where each has a token to learn. Raises JobFailure that names those that have none."""
    return rows.require_trained(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One way to learn from rows; what is not said is as in fine-tuning.

    `require(rows, name)` looks the rows through before the first step: what in them is learnt, and whether they can be
    learnt from at all. `order(rows, seed, epoch)` is an epoch's order, a pure function. `pieces(rows, batch)` cuts a
    batch into what goes through the model at once. `loss(model, piece)` is a piece's loss, summed, and `weight(piece)`
    its share: a step's loss is the sum of losses over the sum of weights, however the batch is cut.
    """

    require: Callable[[Rows, str], Rows] = some_token_a_row
    order: Callable[[Rows, int, int], NDArray[np.int64]] = shuffled
    pieces: Callable[[Rows, Batch], Iterable[Piece]] = pieces_of
    loss: Callable[[CausalModel, Piece], torch.Tensor] = next_token_loss
    weight: Callable[[Piece], float] = learnt_tokens
