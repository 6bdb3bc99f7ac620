"""Objectives are files: each says what is learnt and how it is weighed; one more is one file more."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from outcrop.domain.errors import JobFailure
from outcrop.domain.plan import Objective as ObjectiveName
from outcrop.text import Rendered
from outcrop.training import objectives
from outcrop.training.loop import Material, train
from outcrop.training.objective import Objective
from outcrop.training.objectives import objective_named
from outcrop.training.pupil import prepare

# Rows come in pairs, the better answer first: it shall be the likelier one.
PREFERENCE = """
import torch
from torch.nn.functional import linear, log_softmax, softplus

from outcrop.training.objective import Objective


def pairs(rows, seed, epoch):
    first = rows.order(seed, epoch)
    first = torch.tensor(first[first % 2 == 0])
    return torch.stack([first, first + 1], dim=1).reshape(-1).numpy()


def pieces(rows, batch):
    return rows.pieces(batch, budget=batch.tokens)  # in one: a pair must not be cut apart


def likelihoods(model, piece):
    logits = linear(model.states(piece.packed, piece.wanted), model.head)
    chances = log_softmax(logits, dim=-1).gather(1, piece.targets.unsqueeze(1)).squeeze(1)
    row = torch.repeat_interleave(torch.tensor(piece.packed.lengths))[piece.wanted]
    return torch.zeros(len(piece.packed.lengths)).index_add(0, row, chances)


def loss(model, piece):
    better, worse = likelihoods(model, piece).view(-1, 2).unbind(1)
    return softplus(worse - better).sum()


OBJECTIVE = Objective(order=pairs, pieces=pieces, loss=loss, weight=lambda piece: len(piece.packed.lengths) / 2)
"""


@pytest.fixture
def preference(tmp_path: Path) -> Iterator[str]:
    """A third objective: one file, put where the others are found."""
    (tmp_path / "toy_preference.py").write_text(PREFERENCE)
    objectives.__path__.append(str(tmp_path))
    importlib.invalidate_caches()
    yield "toy_preference"
    objectives.__path__.remove(str(tmp_path))


@pytest.mark.parametrize("name", get_args(ObjectiveName))
def test_every_objective_that_a_plan_may_name_is_a_file(name: str) -> None:
    assert isinstance(objective_named(name), Objective)
    assert Path(objectives.__path__[0], f"{name}.py").is_file()


def test_an_objective_that_nobody_wrote_is_named() -> None:
    with pytest.raises(JobFailure, match="'telepathy' is none that this trainer knows"):
        objective_named("telepathy")


def test_a_third_objective_is_one_file_and_learns(
    preference: str, make_plan: Callable[..., Any], make_rows: Callable[..., Any], heard: Any
) -> None:
    pairs = [(question, answer) for question in range(8) for answer in (question + 10, question + 20)]
    held = make_rows([Rendered([1, question + 3, answer], [False, False, True]) for question, answer in pairs])
    plan = make_plan(objective=preference, epochs=6)
    finished = train(prepare(plan, None).model, Material(training=held, validation=(held,)), plan, heard)
    assert finished.validation_losses[0] < 0.1 < heard.validations[0].loss


def test_continued_pre_training_learns_all_of_a_text(make_rows: Callable[..., Any]) -> None:
    whole, labeled = Rendered([1, 5, 6], [False, True, True]), Rendered([1, 5, 6], [False, False, True])
    require = objective_named("continued_pre_training").require
    assert require(make_rows([whole]), "training").trained_tokens == 2
    with pytest.raises(JobFailure, match=r"1 of the 2 training rows leave text out of what is learnt \(row 2\)"):
        require(make_rows([whole, labeled]), "training")


def test_fine_tuning_names_the_rows_that_teach_nothing(make_rows: Callable[..., Any]) -> None:
    good, bare = Rendered([1, 5, 6], [False, False, True]), Rendered([1, 5, 6], [False, False, False])
    with pytest.raises(JobFailure, match=r"12 of the 13 training rows .*\(rows 2, 3, .*, 11 and 2 more\)"):
        objective_named("fine_tuning").require(make_rows([good] + 12 * [bare]), "training")
