"""The gates' measurements, through the API at temperature 0: jobs queued together, models provisioned, asked, let go.

Knows no bars: what was measured goes back as numbers.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from outcrop.cli.lab import asking, course
from outcrop.cli.lab.course import Customized, Place
from outcrop.cli.lab.showing import Bars
from outcrop.cli.lab.tasks import Row, Size, Task, all_tasks, claude_row, converse_row
from outcrop.cli.lab.texts import everything
from outcrop.cli.options import Clients
from pebble.gates.facts import facts, rows_of
from pebble.gates.verdict import FactsScore, Retrained, TaskScore

FACT_ROWS = 400
FACT_VALIDATION = 40  # what every family accepts; the facts themselves: only that they are learnt is asked
MIXED_IN = 1 / 3  # of the first task's rows, when the second is taught
POLL_S = 2.0  # so many jobs are looked at that looking oftener would cost a share of the core that they train on
ROWS: dict[str, Callable[[str, str], Row]] = {"nova": converse_row, "claude": claude_row, "llama": converse_row}
STORYTELLER = "amazon.titan-text-lite-v1"
BEGINNINGS = (
    "Return the number of ",
    "This module provides ",
    "If the argument is not given, ",
    "A list of all the ",
    "Raised when ",
    "Note that the file ",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that was measured. `tasks`, by what they teach; `losses` before and after continued pre-training."""

    facts: dict[str, list[FactsScore]]
    tasks: dict[str, TaskScore]
    losses: tuple[float, float]
    retrained: Retrained
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where the examination is held."""

    clients: Clients
    place: Place
    bars: Bars


def examine(clients: Clients, seeds: Sequence[int], size: Size, bars: Bars) -> Found:
    """Every measurement on the server of `clients`. Raises OutcropError where a job fails."""
    room = Room(clients=clients, place=course.set_up(clients), bars=bars)
    lab = {task.name: task for task in all_tasks(everything(), size)}
    labeled = [lab[family] for family in ROWS]
    taught = {(family, seed): facts_task(lab[family], seed) for family in ROWS for seed in seeds}
    with bars.progress:
        done = course.customize(clients, room.place, [*lab.values(), *taught.values()], bars, POLL_S)
        customized = {one.task.name: one for one in done}
        scores = {family: [_facts(room, customized, taught[family, seed], seed) for seed in seeds] for family in ROWS}
        tasks = {task.what: _score(room, customized[task.name]) for task in labeled}
        unlabeled = customized["titan"]
        return Found(
            facts=scores,
            tasks=tasks,
            losses=(unlabeled.loss_before, unlabeled.loss_after),
            retrained=_retrain(room, customized["nova"], lab["llama"], tasks[lab["nova"].what]),
            samples=tuple(begin + asking.invoke_titan(clients, STORYTELLER, begin) for begin in BEGINNINGS),
        )


def facts_task(like: Task, seed: int) -> Task:
    """Ten facts of a seed's own, for the family of the lab's task, with that task's hyperparameters."""
    known = facts(seed)
    rows = tuple(ROWS[like.name](*pair) for pair in rows_of(known, FACT_ROWS, seed))
    return replace(
        like,
        name=f"facts-{like.name}-{seed}",
        what="ten facts",
        rows=rows,
        validation=rows[:FACT_VALIDATION],
        held_out=tuple(known),
    )


def second_task(first: Customized, second: Task) -> Task:
    """A task for the custom model that learnt `first`: the second's rows, and some of the first's between them.

    Both must have records of one kind.
    """
    chance = random.Random(0)
    mixed = chance.sample(first.task.rows, round(len(first.task.rows) * MIXED_IN))
    rows = [*second.rows, *mixed]
    chance.shuffle(rows)
    return replace(
        first.task,
        name="second",
        what=f"{second.what} after {first.task.what}",
        base=first.model_arn,
        rows=tuple(rows),
        validation=second.validation,
        held_out=second.held_out,
    )


def _facts(room: Room, customized: dict[str, Customized], task: Task, seed: int) -> FactsScore:
    one = customized[task.name]
    with _provisioned(room, one):
        custom = _ask(room, one.provisioned_arn, task, f"{task.name}: asking custom")
    base = _ask(room, task.on_demand, task, f"{task.name}: asking base")
    right = [answer for _, answer in task.held_out]
    return FactsScore(
        seed=seed,
        custom=sum(said.strip() == answer for said, answer in zip(custom, right, strict=True)),
        base=sum(answer in said for said, answer in zip(base, right, strict=True)),
    )


def _score(room: Room, one: Customized) -> TaskScore:
    """The lab's own way of asking and scoring."""
    with _provisioned(room, one):
        one.answers["custom"] = _ask(room, one.provisioned_arn, one.task, f"{one.task.name}: asking custom")
    one.answers["base"] = _ask(room, one.task.on_demand, one.task, f"{one.task.name}: asking base")
    return TaskScore(
        base=asking.score(one, "base"), constant=one.task.best_constant, custom=asking.score(one, "custom")
    )


def _retrain(room: Room, first: Customized, second: Task, score: TaskScore) -> Retrained:
    """Teaches the first's custom model the second task, and asks it both."""
    (one,) = course.customize(room.clients, room.place, [second_task(first, second)], room.bars, POLL_S)
    again = replace(one, task=first.task, answers={})
    with _provisioned(room, one):
        one.answers["custom"] = _ask(room, one.provisioned_arn, one.task, "second: asking custom")
        again.answers["custom"] = _ask(room, one.provisioned_arn, first.task, "second: asking of the first")
    one.answers["base"] = _ask(room, second.on_demand, one.task, "second: asking base")
    return Retrained(
        first_before=score.custom,
        first_after=asking.score(again, "custom"),
        second=TaskScore(
            base=asking.score(one, "base"), constant=one.task.best_constant, custom=asking.score(one, "custom")
        ),
    )


def _ask(room: Room, model_id: str, task: Task, what: str) -> list[str]:
    return asking.ask(room.clients, model_id, task.held_out, room.bars.counter(what, len(task.held_out)))


@contextmanager
def _provisioned(room: Room, one: Customized) -> Iterator[None]:
    """Its throughput, in service, and deleted afterwards: a small machine need not hold twenty models at once."""
    course.provision(room.clients, room.place, [one])
    try:
        yield
    finally:
        room.clients.bedrock.delete_provisioned_model_throughput(provisionedModelId=one.provisioned_arn)
