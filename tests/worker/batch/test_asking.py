"""Answers are kept in the records' order, and whatever ends the asking costs none that is there."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from outcrop.domain.errors import Fault, JobFailure
from outcrop.families import Answer, Ask
from outcrop.families.ask import Sampling
from outcrop.sealed import new_key
from outcrop.worker.batch.answers import Answers, Position
from outcrop.worker.batch.asking import Asking, Tally
from outcrop.worker.batch.attempt import TimeUp
from outcrop.worker.batch.inputs import Record
from outcrop.worker.batch.share import Share
from outcrop.worker.lease import Closing, StopRequested


@dataclass
class Oracle:
    """What an engine is to the asking: it answers at once, but for the questions that have an error of their own."""

    socket: Path
    errors: dict[str, Exception]
    engine_model: str = "base"

    async def answer(self, ask: Ask) -> Answer:
        assert ask.raw_prompt is not None
        if ask.raw_prompt in self.errors:
            raise self.errors[ask.raw_prompt]
        return Answer(text=f"re {ask.raw_prompt}", stop="end_turn", input_tokens=2, output_tokens=3)


class Plain:
    """A dialect of one word."""

    def asked(self, model_input: dict[str, Any]) -> Ask:
        return Ask(raw_prompt=model_input["q"], sampling=Sampling(max_tokens=1, temperature=0.0, top_p=1.0))

    def answered(self, model_input: dict[str, Any], answer: Answer, latency_ms: int) -> dict[str, Any]:
        return {"a": answer.text}


@dataclass
class Desk:
    """An asking, and what it told of what is kept."""

    asking: Asking
    kept: list[tuple[Position, Tally]] = field(default_factory=list)

    @property
    def lines(self) -> list[bytes]:
        """What is kept of the first file."""
        return b"".join(self.asking.answers.pieces(0)).splitlines()


def desk(folder: Path, errors: dict[str, Exception], check: Any = lambda: None) -> Desk:
    folder.mkdir(exist_ok=True)
    kept: list[tuple[Position, Tally]] = []
    asking = Asking(
        engine=Oracle(folder / "nobody.sock", errors),  # type: ignore[arg-type]  # as far as it is asked
        dialect=Plain(),
        share=Share(),
        answers=Answers(job_id="job1", folder=folder, key=new_key()),
        check=check,
        keep=lambda position, tally: kept.append((position, tally)),
        position=Position(),
        tally=Tally(),
    )
    return Desk(asking, kept)


def records(count: int) -> Iterator[Record]:
    for number in range(1, count + 1):
        yield Record(number=number, end=100 * number, record_id=None, model_input={"q": f"q{number}"})


def test_every_record_is_a_line_in_order_and_all_of_it_counts(tmp_path: Path) -> None:
    made = desk(tmp_path / "a", {"q2": Fault("ValidationException", "No.")})
    asyncio.run(made.asking.file(0, records(5)))
    assert [line.partition(b",")[0] for line in made.lines] == [b'{"recordId":"RECORD%07d"' % n for n in range(1, 6)]
    assert [b"error" in line for line in made.lines] == [False, True, False, False, False]
    position, tally = made.kept[-1]
    assert (position.offset, position.line, position.segments) == (500, 5, 1)
    assert tally == made.asking.tally == Tally(success=4, errors=1, input_tokens=8, output_tokens=12)


@pytest.mark.parametrize(
    "ending",
    [JobFailure("The engine is gone."), StopRequested(), TimeUp(), Closing(), OSError(5, "Input/output error")],
    ids=lambda one: type(one).__name__,
)
def test_what_ends_one_question_costs_none_of_the_answers_before_it(tmp_path: Path, ending: Exception) -> None:
    made = desk(tmp_path / "a", {"q4": ending})
    with pytest.raises(type(ending)):
        asyncio.run(made.asking.file(0, records(40)))
    made.asking.keep_what_is_there()
    assert len(made.lines) == 3
    position, tally = made.kept[-1]
    assert (position.offset, position.line, tally.records) == (300, 3, 3)


def test_a_job_that_is_stopped_from_outside_keeps_what_was_answered(tmp_path: Path) -> None:
    looks = iter(range(3))

    def check() -> None:
        if next(looks, None) is None:
            raise StopRequested

    made = desk(tmp_path / "a", {}, check)
    with pytest.raises(StopRequested):
        asyncio.run(made.asking.file(0, records(1000)))
    made.asking.keep_what_is_there()
    assert 0 < len(made.lines) == made.asking.tally.records < 1000
    assert made.kept[-1][0].line == len(made.lines)


def test_answers_that_the_disk_refuses_do_not_count_as_kept(tmp_path: Path) -> None:
    made = desk(tmp_path / "a", {})
    asyncio.run(made.asking.file(0, records(5)))
    made.asking.answers = replace(made.asking.answers, folder=tmp_path / "gone")
    with pytest.raises(OSError):
        asyncio.run(made.asking.file(1, records(3)))
    assert (made.asking.kept.records, made.asking.tally.records) == (5, 8)


def test_asking_goes_on_behind_what_is_kept(tmp_path: Path) -> None:
    first = desk(tmp_path / "a", {"q3": TimeUp()})
    with pytest.raises(TimeUp):
        asyncio.run(first.asking.file(0, records(5)))
    first.asking.keep_what_is_there()
    position, tally = first.kept[-1]
    again = desk(tmp_path / "a", {})
    again.asking.answers = first.asking.answers
    again.asking.position, again.asking.tally = position, tally
    asyncio.run(again.asking.file(0, (record for record in records(5) if record.number > position.line)))
    assert [b'"re q%d"' % n in line for n, line in enumerate(again.lines, start=1)] == [True] * 5
    assert again.kept[-1][0].segments == 2 and again.kept[-1][1].records == 5
