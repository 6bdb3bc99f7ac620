"""The gates: facts that nobody knows, tasks made for the API as the lab makes its own, bars that cannot be bent."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from outcrop.cli.lab import FULL
from outcrop.cli.lab.course import Customized
from outcrop.cli.lab.tasks import all_tasks
from outcrop.cli.lab.texts import everything
from outcrop.families.catalogue import PEBBLE

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
    from pebble.gates.found import FactsScore
    from pebble.gates.verdict import facts_line

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
    from pebble.gates.found import TaskScore
    from pebble.gates.verdict import task_line

    assert task_line("task", TaskScore(base=base, constant=constant, custom=custom)).passed is passed


def test_a_first_task_is_kept_only_where_the_second_was_learnt() -> None:
    from pebble.gates.found import Retrained, TaskScore
    from pebble.gates.verdict import retrained_line

    learnt = TaskScore(base=0.0, constant=0.3, custom=0.9)
    unlearnt = TaskScore(base=0.0, constant=0.3, custom=0.4)
    assert retrained_line(Retrained(first_before=0.5, first_after=0.4, second=learnt)).passed
    assert not retrained_line(Retrained(first_before=0.5, first_after=0.39, second=learnt)).passed
    assert not retrained_line(Retrained(first_before=0.5, first_after=0.5, second=unlearnt)).passed
    assert not retrained_line(Retrained(first_before=0.0, first_after=0.0, second=learnt)).passed


def test_losses_and_bits_must_fall_by_their_share_and_weights_be_few() -> None:
    from pebble.gates.verdict import bits_line, loss_line, size_line

    assert size_line(10_000_000).passed and not size_line(10_000_001).passed
    assert loss_line(3.0, 2.7).passed and not loss_line(3.0, 2.71).passed
    assert bits_line(1.2, 1.6).passed and not bits_line(1.21, 1.6).passed


def _found(seeds: Sequence[int], whole: bool = False) -> Any:
    from pebble.gates.found import FactsScore, Found, Retrained, TaskScore
    from pebble.gates.verdict import FAMILIES, TASKS

    scores = tuple(FactsScore(seed=seed, custom=10, base=0) for seed in seeds)
    learnt = TaskScore(base=0.0, constant=0.3, custom=0.9)
    facts = dict.fromkeys(FAMILIES, scores)
    if not whole:
        return Found(facts=facts)
    return Found(
        bits=0.5,
        facts=facts,
        tasks={f"task {number}": learnt for number in range(TASKS)},
        losses=(3.0, 2.5),
        retrained=Retrained(first_before=0.8, first_after=0.7, second=learnt),
        samples=("a text",),
    )


def test_runs_of_parts_are_put_together_as_one_run_would_have_measured_it() -> None:
    from pebble.gates.found import Found, together

    parts = [_found((3, 4)), _found((0, 1, 2), whole=True)]
    kept = [Found.of(json.loads(json.dumps(asdict(part)))) for part in parts]
    assert kept == parts
    assert together(kept) == _found(range(5), whole=True)


@pytest.mark.parametrize("name", ["bits", "tasks", "losses", "retrained", "samples", "facts"])
def test_what_two_runs_measured_is_not_chosen_from(name: str) -> None:
    from pebble.gates.found import Found, together

    whole = _found((0,), whole=True)
    with pytest.raises(ValueError, match="leave one of them out"):
        together([whole, Found(**{name: getattr(whole, name)})])


def test_a_pebble_ships_only_after_every_gate_and_five_seeds() -> None:
    from pebble.gates.found import Found
    from pebble.gates.verdict import lines, missing

    assert list(missing(_found(range(5), whole=True))) == []
    assert "ten facts, nova: 1 more seeds" in list(missing(_found(range(4), whole=True)))
    assert len(list(missing(Found()))) == 7
    gates = lines(_found(range(5), whole=True), 9_000_000, 1.7)
    assert len(gates) == 10 and all(line.passed for line in gates)
    assert [line.gate for line in lines(Found(bits=1.2), 9_000_000, 1.7)] == ["size", "held-out text"]


def test_results_of_another_pebble_or_another_card_are_not_merged(tmp_path: Path) -> None:
    """And those of this one are, to the verdict, without anything being measured again."""
    from pebble.identity import identity

    examined = identity(PEBBLE)
    about = {"date": "2026-01-01", "command": "gates", "machine": "m", "seconds": 2}
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    command = [sys.executable, str(ROOT / "recipes/pebble_gates.py"), "--merge", *map(str, files)]
    command += ["--against", str(PEBBLE)] if sys.version_info[:2] != (3, 11) else []
    for file, found in zip(files, (_found((0, 1)), _found((2, 3, 4), whole=True)), strict=True):
        file.write_text(json.dumps({**about, "examined": examined, "measured": asdict(found)}))
    merged = subprocess.run(command, capture_output=True, text=True, timeout=100)
    result = json.loads(merged.stdout)
    assert (merged.returncode, result["passed"], result["missing"]) == (0, True, [])
    assert len(result["runs"]) == 2 and result["seconds"] == 4
    files[1].write_text(json.dumps({**about, "examined": examined | {"card": {}}, "measured": asdict(_found((2,)))}))
    refused = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert refused.returncode == 1 and "another pebble than the one here" in refused.stderr
