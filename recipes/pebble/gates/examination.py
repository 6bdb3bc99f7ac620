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
from pebble.gates.found import FactsScore, Found, Retrained, TaskScore

FACT_ROWS = 400
FACT_VALIDATION = 40  # what every family accepts; the facts themselves: only that they are learnt is asked
MIXED_IN = 1 / 3  # of the first task's rows, when the second is taught
POLL_S = 2.0  # so many jobs are looked at that looking oftener would cost a share of the core that they train on
ROWS: dict[str, Callable[[str, str], Row]] = {"nova": converse_row, "claude": claude_row, "llama": converse_row}
UNLABELED = "titan"
FIRST, SECOND = "nova", "llama"  # their records are of one kind
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
class Wanted:
    """Which measurements, and of how many seeds' facts: parts may be examined in processes of their own."""

    seeds: Sequence[int] = ()
    tasks: bool = False
    pretraining: bool = False

    @property
    def nothing(self) -> bool:
        """Whether no server is needed."""
        return not (self.seeds or self.tasks or self.pretraining)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where the examination is held."""

    clients: Clients
    place: Place
    bars: Bars


def examine(clients: Clients, wanted: Wanted, size: Size, bars: Bars) -> Found:
    """What is wanted, on the server of `clients`. Raises OutcropError where a job fails."""
    room = Room(clients=clients, place=course.set_up(clients), bars=bars)
    lab = {task.name: task for task in all_tasks(everything(), size)}
    wanted_of_lab = [task for task in lab.values() if (wanted.tasks if task.held_out else wanted.pretraining)]
    taught = [facts_task(lab[family], seed) for family in ROWS for seed in wanted.seeds]
    with bars.progress:
        done = course.customize(clients, room.place, [*wanted_of_lab, *taught], bars, POLL_S)
        customized = {one.task.name: one for one in done}
        found = Found(facts=_facts(room, customized, wanted.seeds)) if wanted.seeds else Found()
        if wanted.pretraining:
            unlabeled = customized[UNLABELED]
            found = replace(found, losses=(unlabeled.loss_before, unlabeled.loss_after), samples=_samples(room.clients))
        if wanted.tasks:
            scores = {lab[family].what: _score(room, customized[family]) for family in ROWS}
            again = _retrain(room, customized[FIRST], lab[SECOND], scores[lab[FIRST].what])
            found = replace(found, tasks=scores, retrained=again)
        return found


def facts_task(like: Task, seed: int) -> Task:
    """Ten facts of a seed's own, for the family of the lab's task, with that task's hyperparameters."""
    known = facts(seed)
    rows = tuple(ROWS[like.name](*pair) for pair in rows_of(known, FACT_ROWS, seed))
    return replace(
        like,
        name=facts_name(like.name, seed),
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


def facts_name(family: str, seed: int) -> str:
    """What the task of a seed's facts is called."""
    return f"facts-{family}-{seed}"


def _facts(room: Room, customized: dict[str, Customized], seeds: Sequence[int]) -> dict[str, tuple[FactsScore, ...]]:
    return {
        family: tuple(_facts_score(room, customized[facts_name(family, seed)], seed) for seed in seeds)
        for family in ROWS
    }


def _facts_score(room: Room, one: Customized, seed: int) -> FactsScore:
    task = one.task
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


def _samples(clients: Clients) -> tuple[str, ...]:
    return tuple(begin + asking.invoke_titan(clients, STORYTELLER, begin) for begin in BEGINNINGS)


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
