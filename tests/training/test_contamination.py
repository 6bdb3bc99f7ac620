"""No packed batch lets a token of one record influence another: change one, and the others' numbers do not move.

Real packs, as the loop makes them of token rows, through the real model with an adapter attached that does something.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import counts
from outcrop.domain.plan import LoraPlan
from outcrop.modeling import lora
from outcrop.modeling.llama import Llama
from outcrop.text import Rendered
from outcrop.training.batches import Piece, Rows

Make = Callable[[Sequence[Rendered]], Rows]
VOCABULARY = 60
EXAMPLES = counts.Counts().few_or_full(60, 3000)
FEWEST, MOST = 2, 40

RECORDS = 6
OWN_TOKENS = VOCABULARY // RECORDS

TOKENS = st.lists(st.integers(0, VOCABULARY - 1), min_size=FEWEST, max_size=MOST)
examples = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Case:
    """Records of a pack, and a record to put in the place of one of them."""

    records: tuple[tuple[int, ...], ...]
    changed: int
    instead: tuple[int, ...]

    def after(self) -> tuple[tuple[int, ...], ...]:
        return (*self.records[: self.changed], self.instead, *self.records[self.changed + 1 :])


@st.composite
def cases(draw: st.DrawFn, same_length: bool) -> Case:
    records = tuple(tuple(record) for record in draw(st.lists(TOKENS, min_size=2, max_size=RECORDS)))
    changed = draw(st.integers(0, len(records) - 1))
    size = len(records[changed])
    lengths = {"min_size": size, "max_size": size} if same_length else {"min_size": FEWEST, "max_size": MOST}
    instead = draw(st.lists(st.integers(0, VOCABULARY - 1), **lengths))
    return Case(records, changed, tuple(instead))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Llama:
    """With an adapter on every projection whose B is not zero."""
    model = Llama.load(checkpoint)
    random = torch.Generator().manual_seed(1)
    for adapter in lora.attach(model, LoraPlan(rank=4, alpha=8), seed=0).values():
        for up in adapter.ups:
            torch.nn.init.normal_(up, std=0.3, generator=random)
    return model


@pytest.fixture(scope="module")
def whole_model(untied_checkpoint: Path) -> Llama:
    """Every weight is trained, and the embedding is not the head as well."""
    return Llama.load(untied_checkpoint)


def packed(make_rows: Make, records: Sequence[Sequence[int]]) -> Piece:
    """All records in one pack; everything but a first token is learnt."""
    rows = make_rows([Rendered(list(record), [False] + [True] * (len(record) - 1)) for record in records])
    (batch,) = rows.batches(range(len(rows)), len(rows))
    (piece,) = rows.pieces(batch)
    return piece


def logits_of_each(model: Llama, piece: Piece) -> list[torch.Tensor]:
    """The logits of every position, record by record."""
    with torch.no_grad():
        return list(model(piece.packed).split(piece.packed.lengths))


def others(parts: Sequence[Any], case: Case) -> list[Any]:
    return [part for at, part in enumerate(parts) if at != case.changed]


@examples
@given(case=cases(same_length=True))
def test_another_records_tokens_move_no_logit_by_a_bit(case: Case, model: Llama, make_rows: Make) -> None:
    before, after = (logits_of_each(model, packed(make_rows, records)) for records in (case.records, case.after()))
    for one, other in zip(others(before, case), others(after, case), strict=True):
        assert torch.equal(one, other)
    if case.records[case.changed][:-1] != case.instead[:-1]:
        assert not torch.equal(before[case.changed], after[case.changed])  # or nothing was put to the test


@examples
@given(case=cases(same_length=False))
def test_another_records_length_moves_logits_by_rounding_only(case: Case, model: Llama, make_rows: Make) -> None:
    """Products of another size round differently; a position that did not restart would move them by far more."""
    before, after = (logits_of_each(model, packed(make_rows, records)) for records in (case.records, case.after()))
    for one, other in zip(others(before, case), others(after, case), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * float(one.abs().max()))


@examples
@given(records=st.lists(TOKENS, min_size=2, max_size=RECORDS), learnt=st.integers(0, RECORDS - 1))
def test_no_gradient_reaches_another_records_tokens(
    records: list[list[int]], learnt: int, whole_model: Llama, make_rows: Make
) -> None:
    """Each record has tokens of its own, so the embedding's gradient says whose tokens the loss of one depends on."""
    learnt %= len(records)
    own = [[at * OWN_TOKENS + token % OWN_TOKENS for token in record] for at, record in enumerate(records)]
    piece = packed(make_rows, own)
    mine = torch.arange(len(piece.packed.tokens)).split(piece.packed.lengths)[learnt]
    whole_model.embedding.grad = None
    whole_model.loss(piece.packed, mine, piece.targets[mine]).backward()
    gradient = whole_model.embedding.grad
    assert gradient is not None
    reached = {int(token) // OWN_TOKENS for token in torch.nonzero(gradient.any(dim=1))}
    assert reached == {learnt}
