"""The gates: facts that nobody knows, tasks made for the API as the lab makes its own, bars that cannot be bent."""

from pathlib import Path

import pytest

from outcrop.cli.lab import FULL
from outcrop.cli.lab.course import Customized
from outcrop.cli.lab.tasks import all_tasks
from outcrop.cli.lab.texts import everything

ROOT = Path(__file__).parents[2]
SEEDS = range(5)


@pytest.fixture(autouse=True)
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))


def test_every_seed_has_ten_facts_of_its_own_and_the_same_ones_again() -> None:
    from pebble.gates.facts import FACTS, facts

    known = [facts(seed) for seed in SEEDS]
    assert known == [facts(seed) for seed in SEEDS]
    questions = [question for made in known for question, _ in made]
    assert len(set(questions)) == len(questions) == FACTS * len(SEEDS)
    assert all("{" not in text for made in known for pair in made for text in pair)


def test_no_reserved_text_holds_a_made_up_place() -> None:
    from pebble.gates.facts import made_up_names

    texts = "\n".join(one.docstring for one in everything())
    assert not [name for name in made_up_names() if name in texts]


def test_rows_hold_every_fact_equally_often_in_an_order_of_the_seeds() -> None:
    from pebble.gates.facts import facts, rows_of

    known = facts(1)
    rows = rows_of(known, 400, 1)
    assert {pair: rows.count(pair) for pair in known} == dict.fromkeys(known, 40)
    assert rows != rows_of(known, 400, 2)


def test_facts_are_taught_as_the_lab_teaches_that_family() -> None:
    from pebble.gates.examination import FACT_ROWS, ROWS, facts_task

    lab = {task.name: task for task in all_tasks(everything(), FULL)}
    for family in ROWS:
        task = facts_task(lab[family], 3)
        assert (task.base, task.hyperparameters) == (lab[family].base, lab[family].hyperparameters)
        assert len(task.rows) == FACT_ROWS and len(task.held_out) == 10
        assert all(ROWS[family](*pair) in task.rows for pair in task.held_out)


def test_a_second_task_goes_on_from_the_custom_model_with_rows_of_the_first_and_none_that_is_asked() -> None:
    from pebble.gates.examination import MIXED_IN, second_task

    lab = {task.name: task for task in all_tasks(everything(), FULL)}
    first = Customized(task=lab["nova"], seconds=1.0, loss_before=2.0, loss_after=1.0, model_arn="arn:of:the:first")
    task = second_task(first, lab["llama"])
    mixed = [row for row in task.rows if row in lab["nova"].rows]
    assert task.base == "arn:of:the:first"
    assert len(mixed) == round(MIXED_IN * len(lab["nova"].rows))
    assert len(task.rows) == len(mixed) + len(lab["llama"].rows)
    assert not any(row in task.rows for row in (*lab["nova"].validation, *lab["llama"].validation))


def test_facts_pass_at_nine_and_a_half_on_average_and_not_where_the_base_knows_them() -> None:
    from pebble.gates.verdict import FactsScore, facts_line

    def passed(customs: list[int], base: int = 0) -> bool:
        scores = [FactsScore(seed=seed, custom=custom, base=base) for seed, custom in enumerate(customs)]
        return facts_line("nova", scores).passed

    assert passed([10, 10, 9, 9]) and not passed([10, 10, 9, 8])
    assert passed([10], base=1) and not passed([10], base=2)


@pytest.mark.parametrize(
    ("base", "constant", "custom", "passed"),
    [(0.5, 0.1, 0.8, True), (0.1, 0.5, 0.8, True), (0.51, 0.0, 0.8, False), (0.0, 0.51, 0.8, False)],
)
def test_custom_must_beat_base_and_constant_by_thirty_points(
    base: float, constant: float, custom: float, passed: bool
) -> None:
    from pebble.gates.verdict import TaskScore, task_line

    assert task_line("task", TaskScore(base=base, constant=constant, custom=custom)).passed is passed


def test_a_first_task_is_kept_only_where_the_second_was_learnt() -> None:
    from pebble.gates.verdict import Retrained, TaskScore, retrained_line

    learnt = TaskScore(base=0.0, constant=0.3, custom=0.9)
    unlearnt = TaskScore(base=0.0, constant=0.3, custom=0.4)
    assert retrained_line(Retrained(first_before=0.5, first_after=0.4, second=learnt)).passed
    assert not retrained_line(Retrained(first_before=0.5, first_after=0.39, second=learnt)).passed
    assert not retrained_line(Retrained(first_before=0.5, first_after=0.5, second=unlearnt)).passed
    assert not retrained_line(Retrained(first_before=0.0, first_after=0.0, second=learnt)).passed


def test_losses_and_bits_must_fall_by_their_share() -> None:
    from pebble.gates.verdict import bits_line, loss_line

    assert loss_line(3.0, 2.7).passed and not loss_line(3.0, 2.71).passed
    assert bits_line(1.2, 1.6).passed and not bits_line(1.21, 1.6).passed
