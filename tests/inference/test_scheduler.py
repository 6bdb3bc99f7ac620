"""What is decided and absorbed, with a stand-in for the tensors: the next token is a function of the last."""

from collections.abc import Sequence

import pytest

from outcrop.inference.asking import Progress, Sampling
from outcrop.inference.scheduler import Answer, FirstCome, Limits, Scheduler, Step

END = 9


class Spelled:
    """A writer that writes tokens as letters."""

    def __init__(self, stop: str | None = None, tail: str = "") -> None:
        self.stop, self.tail = stop, tail

    def push(self, token: int) -> tuple[str, str | None]:
        letter = chr(97 + token)
        return ("", letter) if letter == self.stop else (letter, None)

    def finish(self) -> tuple[str, str | None]:
        return self.tail, None


def limits(rows: int = 4, cache_tokens: int = 100, prefill_tokens: int = 8) -> Limits:
    return Limits(rows=rows, cache_tokens=cache_tokens, context_tokens=40, prefill_tokens=prefill_tokens)


def answer(prompt: list[int], max_tokens: int = 3, model: str = "base", writer: Spelled | None = None) -> Answer:
    sampling = Sampling(max_tokens=max_tokens, seed=1)
    return Answer(prompt=prompt, sampling=sampling, model=model, writer=writer or Spelled())


def next_tokens(step: Step) -> list[int]:
    return [(span.tokens[-1] + 1) % 10 for span in step.spans if span.chooses]


def run(scheduler: Scheduler) -> dict[Answer, list[Progress]]:
    said: dict[Answer, list[Progress]] = {}
    while (step := scheduler.decide()) is not None:
        for one, progress in scheduler.absorb(step, next_tokens(step)):
            said.setdefault(one, []).append(progress)
    return said


def text(progress: list[Progress]) -> str:
    return "".join(piece.text for piece in progress)


def test_an_answer_ends_at_its_limit_with_reason_length() -> None:
    scheduler, one = Scheduler(limits(), frozenset({END})), answer([0, 1])
    scheduler.submit(one)
    said = run(scheduler)[one]
    assert text(said) == "cde"
    assert said[-1].finish is not None and said[-1].finish.reason == "length"
    assert said[-1].output_tokens == 3
    assert not scheduler.busy


def test_an_end_token_stops_and_counts_and_is_not_text() -> None:
    scheduler, one = Scheduler(limits(), frozenset({END})), answer([7], max_tokens=10, writer=Spelled(tail="held"))
    scheduler.submit(one)
    said = run(scheduler)[one]
    assert (text(said), said[-1].output_tokens) == ("iheld", 2)
    assert said[-1].finish is not None and said[-1].finish.reason == "stop"
    assert said[-1].finish.stop_string is None


def test_a_stop_string_ends_the_answer_and_is_named() -> None:
    scheduler, one = Scheduler(limits(), frozenset()), answer([0], max_tokens=10, writer=Spelled(stop="d"))
    scheduler.submit(one)
    said = run(scheduler)[one]
    assert text(said) == "bc"
    assert said[-1].finish is not None and said[-1].finish.stop_string == "d"


def test_a_long_prompt_comes_in_pieces_while_others_go_on() -> None:
    scheduler = Scheduler(limits(prefill_tokens=8), frozenset())
    running, newcomer = answer([0], max_tokens=10), answer([0] * 20)
    scheduler.submit(running)
    first = scheduler.decide()
    assert first is not None
    scheduler.absorb(first, next_tokens(first))
    scheduler.submit(newcomer)
    shapes = []
    for _ in range(3):
        step = scheduler.decide()
        assert step is not None
        shapes.append([(len(span.tokens), span.chooses) for span in step.spans])
        scheduler.absorb(step, next_tokens(step))
    assert shapes == [[(1, True), (8, False)], [(1, True), (8, False)], [(1, True), (4, True)]]


def test_the_rectangle_of_the_cache_is_never_promised_beyond_its_budget() -> None:
    scheduler = Scheduler(limits(rows=8, cache_tokens=60), frozenset())
    answers = [answer([0] * 5, max_tokens=15) for _ in range(7)]  # 20 positions each: three fit
    for one in answers:
        scheduler.submit(one)
    while (step := scheduler.decide()) is not None:
        assert step.rows * max(20, step.length) <= 60
        scheduler.absorb(step, next_tokens(step))
    assert all(one.output_tokens == 15 for one in answers)


def test_rows_stay_together_when_one_leaves() -> None:
    scheduler = Scheduler(limits(), frozenset())
    short, second, third = answer([0], max_tokens=1), answer([1], max_tokens=9), answer([2], max_tokens=9)
    for one in (short, second, third):
        scheduler.submit(one)
    step = scheduler.decide()
    assert step is not None
    scheduler.absorb(step, next_tokens(step))
    step = scheduler.decide()
    assert step is not None
    assert [(move.source, move.target, move.length) for move in step.moves] == [(2, 0, 1)]
    assert sorted(span.answer.row for span in step.spans) == [0, 1]


def test_models_run_side_by_side() -> None:
    scheduler = Scheduler(limits(), frozenset())
    for model in ("x", "y", "x", "y"):
        scheduler.submit(answer([0], model=model))
    step = scheduler.decide()
    assert step is not None
    assert [span.answer.model for span in step.spans] == ["x", "x", "y", "y"]


@pytest.mark.parametrize("steps_before", [0, 1])
def test_a_cancelled_answer_leaves_at_once(steps_before: int) -> None:
    scheduler, one = Scheduler(limits(), frozenset()), answer([0], max_tokens=30)
    scheduler.submit(one)
    for _ in range(steps_before):
        step = scheduler.decide()
        assert step is not None
        scheduler.absorb(step, next_tokens(step))
    one.cancelled = True
    assert scheduler.decide() is None
    assert not scheduler.busy


class Still(FirstCome):
    """These stand still; nobody else does."""

    def __init__(self) -> None:
        self.still: set[Answer] = set()

    def holds_back(self, answer: Answer) -> bool:
        return answer in self.still

    def next(self, waiting: Sequence[Answer]) -> Answer | None:
        return next((one for one in waiting if one not in self.still), None)


def two_of_three_stand_still() -> tuple[Scheduler, list[Answer]]:
    """Three answers after their first step, in a cache of 60 places; all but the first stand still from now on."""
    turns = Still()
    scheduler = Scheduler(limits(cache_tokens=60), frozenset(), turns)
    answers = [answer([0] * 5, max_tokens=15) for _ in range(3)]
    for each in answers:
        scheduler.submit(each)
    step = scheduler.decide()
    assert step is not None
    scheduler.absorb(step, next_tokens(step))
    turns.still = set(answers[1:])
    return scheduler, answers


def test_nobody_makes_room_where_that_is_no_help() -> None:
    """Beside the first, two rows of 40 would be wanted: the cache has 60 places, whoever stands still."""
    scheduler, (stays, one, other) = two_of_three_stand_still()
    scheduler.submit(answer([0] * 5, max_tokens=35))
    step = scheduler.decide()
    assert step is not None
    assert (one.row, other.row, scheduler.answers()[:3]) == (1, 2, [stays, one, other])


def test_no_more_make_room_than_are_needed() -> None:
    scheduler, (_, one, other) = two_of_three_stand_still()
    newcomer = answer([0] * 5, max_tokens=15)
    scheduler.submit(newcomer)
    scheduler.decide()
    assert (one.row, other.row, newcomer.row) == (1, -1, 2)


class Asked(Still):
    """Remembers of whom it was asked how much may run."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Answer] = []

    def most_tokens(self, answer: Answer) -> int:
        self.asked.append(answer)
        return super().most_tokens(answer)


def test_only_of_those_who_could_run_it_is_asked_how_much() -> None:
    turns = Asked()
    scheduler = Scheduler(limits(prefill_tokens=4), frozenset(), turns)
    still, runs, has_no_room = (answer([0] * 6, max_tokens=1) for _ in range(3))
    for each in (still, runs, has_no_room):
        scheduler.submit(each)
    assert scheduler.decide() is not None
    turns.still, turns.asked = {still}, []
    step = scheduler.decide()
    assert step is not None
    assert [span.answer for span in step.spans] == turns.asked == [runs]
