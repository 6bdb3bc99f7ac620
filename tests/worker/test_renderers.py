"""Processes that render answer as this one would; one that ends or fails is told in words without a row's text."""

import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from outcrop.domain.errors import JobFailure
from outcrop.prepared.piece import Span, from_bytes
from outcrop.sealed import new_key
from outcrop.worker import renderer
from outcrop.worker.renderer import asked_of, receive, send, stretch_of
from outcrop.worker.renderers import MOST_RENDERERS, Render, cores
from outcrop.worker.rendering import Recipe, Stretch, Stretches, render
from preparation import Preparation, completions, passages

SECRET = "the owl is in the third drawer"
SPAN = Span(first_line=3, lines=2, start=100, end=200)
CONTENT = b'{"input": "Bedrock shows here."}\n{"input": "And here it does not."}'


@pytest.fixture
def preparation(tmp_path: Path) -> Preparation:
    return Preparation(folder=tmp_path, key=new_key(), children_from_bytes=0)


@contextmanager
def rendering(preparation: Preparation, count: int) -> Iterator[tuple[Render, list[psutil.Process]]]:
    """A render function, and the processes behind it."""
    before = set(psutil.Process().children())
    with preparation.crew.rendering(count) as ask:
        yield ask, [child for child in psutil.Process().children() if child not in before]


def recipe_of(preparation: Preparation, **changes: Any) -> Recipe:
    return Preparation(folder=preparation.folder, key=preparation.key, **changes).recipe


def test_a_process_answers_what_this_one_would(preparation: Preparation) -> None:
    stretch = Stretch(span=SPAN, content=CONTENT)
    here = render(stretch, preparation.recipe, preparation.recipe.tokenizer()).to_bytes()
    with rendering(preparation, 2) as (ask, processes):
        assert len(processes) == 2
        assert {ask(stretch) for _ in range(4)} == {here}
        assert all(process.nice() > psutil.Process().nice() for process in processes)
    assert not [process for process in processes if process.is_running()]
    assert not list((preparation.folder / "processes").iterdir())


def test_a_process_that_was_killed_fails_the_job_in_words(preparation: Preparation) -> None:
    with rendering(preparation, 2) as (ask, processes):
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(JobFailure, match=r"rendered the data ended early \(signal 9"):
                ask(Stretch(span=SPAN, content=CONTENT))
    assert not list((preparation.folder / "processes").iterdir())


def test_a_checkpoint_that_cannot_render_is_told_by_the_process(tmp_path: Path) -> None:
    preparation = Preparation(folder=tmp_path, key=new_key(), checkpoint=tmp_path / "gone", children_from_bytes=0)
    crew = Preparation(folder=tmp_path, key=new_key()).crew
    crew = type(crew)(recipe=preparation.recipe, tokenizer=crew.tokenizer, count=1, records=crew.records, log=crew.log)
    with crew.rendering(2) as ask:
        for _ in range(2):
            with pytest.raises(JobFailure, match=r"tokenizer\.json does not exist"):
                ask(Stretch(span=SPAN, content=CONTENT))


def run_here(recipe: Recipe, *stretches: Stretch) -> list[Callable[[], bytes | None]]:
    """The child's own loop; a function that reads each answer."""
    asked, answers = io.BytesIO(), io.BytesIO()
    send(asked, recipe.to_json())
    for stretch in stretches:
        send(asked, asked_of(stretch))
    asked.seek(0)
    renderer.main(asked, answers)
    answers.seek(0)
    return [lambda: receive(answers)] * (len(stretches) + 1)


def test_the_loop_answers_every_stretch_and_ends_with_its_input(preparation: Preparation) -> None:
    stretch = Stretch(span=SPAN, content=CONTENT)
    first, second, end = run_here(preparation.recipe, stretch, stretch)
    assert from_bytes(first() or b"").span == SPAN
    assert len(from_bytes(second() or b"")) == 2
    assert end() is None


def test_what_fails_in_the_loop_names_no_row(preparation: Preparation, capfd: pytest.CaptureFixture[str]) -> None:
    asked, answers = io.BytesIO(), io.BytesIO()
    for frame in (preparation.recipe.to_json(), SECRET.encode()):  # too short for a stretch
        send(asked, frame)
    asked.seek(0)
    renderer.main(asked, answers)
    answers.seek(0)
    with pytest.raises(JobFailure, match="for a reason of its own"):
        receive(answers)
    assert SECRET not in "".join(capfd.readouterr()) + repr(answers.getvalue())


def test_a_loop_that_is_told_nothing_ends() -> None:
    answers = io.BytesIO()
    renderer.main(io.BytesIO(), answers)
    assert not answers.getvalue()


def test_an_answer_cut_anywhere_is_no_answer() -> None:
    whole = io.BytesIO()
    send(whole, b"the answer")
    for size in range(len(whole.getvalue())):
        assert receive(io.BytesIO(whole.getvalue()[:size])) is None


def test_a_stretch_and_a_recipe_travel_whole(preparation: Preparation) -> None:
    stretch = Stretch(span=SPAN, content=CONTENT)
    assert stretch_of(asked_of(stretch)) == stretch
    for rules in (passages(), completions()):
        recipe = recipe_of(preparation, rules=rules)
        assert Recipe.from_json(recipe.to_json()) == recipe


def test_stretches_from_anywhere_are_those_from_the_start() -> None:
    content = b"".join(b"x" * (number * 37 % 91) + b"\n" for number in range(300))
    through, stretches = Stretches(io.BytesIO(content), 500), []
    start, line = 0, 1
    while (stretch := through.read(start, line)) is not None:
        stretches.append(stretch)
        start, line = stretch.span.end, line + stretch.span.lines
    assert b"".join(stretch.content + b"\n" for stretch in stretches) == content
    anywhere = Stretches(io.BytesIO(content), 500)
    for stretch in (stretches[5], stretches[2], stretches[3], stretches[-1]):
        assert anywhere.read(stretch.span.start, stretch.span.first_line) == stretch


def test_a_small_file_is_rendered_here() -> None:
    crew = Preparation(folder=Path(), key=b"", children_from_bytes=1000).crew
    assert (crew.hands(999), crew.hands(1000)) == (1, 2)
    assert 1 <= cores() <= MOST_RENDERERS
