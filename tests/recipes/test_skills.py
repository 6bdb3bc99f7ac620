"""Every kind of exercise has the answer that its question asks for."""

import json
import random
from collections.abc import Callable
from datetime import date, timedelta
from inspect import getsource
from pathlib import Path

import pytest

from pebble import exercises, lessons, skills
from pebble.exercises import KINDS, Exercise, Words
from pebble.lessons import Lessons
from pebble.sources import Documented

MADE = 60
POOL = ["path", "mode", "size", "value", "name", "index", "table", "line", "reader", "writer", "key", "row"]
TASKS = Path(__file__).parents[2] / "src/outcrop/cli/lab/tasks.py"


def made(kind: Callable[[Words], Exercise]) -> list[tuple[str, str]]:
    words = Words(random.Random(7), POOL)
    return [(one.question, one.answer) for one in (kind(words) for _ in range(MADE))]


def numbers(text: str) -> list[int]:
    return [int(word) for word in "".join(c if c.isdigit() else " " for c in text).split()]


def test_kinds_keep_their_names_and_have_one_each() -> None:
    names = [kind.__name__ for kind, _ in KINDS]
    assert len(set(names)) == len(names)
    assert names[:4] == ["repeat", "list_as_json", "list_from_json", "parameters"]
    assert {"look_up", "fact_in_text", "unknown", "as_object", "has_word"} <= set(names)


@pytest.mark.parametrize(
    "kind",
    [skills.reworded_fact, skills.json_value, skills.labels, skills.find, skills.pattern, exercises.look_up],
)
def test_answers_that_are_recalled_stand_in_the_question(kind: Callable[[Words], Exercise]) -> None:
    assert all(answer in question for question, answer in made(kind))


def test_small_sums_are_right() -> None:
    for kind, operation in (
        (skills.addition, int.__add__), (skills.subtraction, int.__sub__), (skills.product, int.__mul__),
    ):  # fmt: skip
        assert all(int(answer) == operation(*numbers(question)) for question, answer in made(kind))
    for question, answer in made(skills.larger):
        assert int(answer) == (max if "larger" in question else min)(numbers(question))
    for question, answer in made(skills.next_number):
        first, second, *_, last = numbers(question)
        assert int(answer) == last + second - first


def test_json_is_read_and_written() -> None:
    for question, answer in made(skills.json_keys):
        shown = question[question.index("{") : question.rindex("}") + 1]
        assert json.loads(answer) == list(json.loads(shown))
    for question, answer in made(skills.from_object):
        shown = json.loads(question[question.index("{") : question.rindex("}") + 1])
        assert answer.splitlines() == [f"{key}: {value}" for key, value in shown.items()]
    for question, answer in made(skills.json_value):
        shown = json.loads(question[question.index("{") : question.rindex("}") + 1])
        assert answer in map(str, shown.values())


def test_lists_are_turned_into_each_other() -> None:
    for question, answer in made(skills.bullets):
        assert all(line[2:] in question and line[:2] in ("- ", "* ") for line in answer.splitlines())
    for question, answer in made(skills.from_bullets):
        items = [line[2:] for line in question.splitlines() if line.startswith("- ")]
        assert answer in (json.dumps(items), ", ".join(items))
    for question, answer in made(skills.sorted_words):
        assert answer.split(", ") == sorted(question.removeprefix("Sort by the alphabet: ").split(", "))
    for question, answer in made(skills.sorted_numbers):
        assert numbers(answer) == sorted(numbers(question))
    for question, answer in made(skills.reversed_list):
        assert answer.split(", ")[::-1] == question.removeprefix("Write in reverse order: ").split(", ")
    for question, answer in made(skills.without):
        gone, _, shown = question.removeprefix("Leave out ").partition(": ")
        assert answer.split(", ") == [item for item in shown.split(", ") if item != gone]


def test_dates_and_words_are_right() -> None:
    for question, answer in made(skills.days_later):
        days, *start = numbers(question)
        step = timedelta(days=days if "after" in question else -days)
        assert date.fromisoformat(answer) == date(*start) + step
    for question, answer in made(skills.letter_case):
        assert answer.lower() == question.split()[1].lower()
        assert answer.isupper() or "capital letters" not in question
    for question, answer in made(skills.replace_word):
        old, new = question.split()[1], question.split()[3].rstrip(":")
        before = question.partition(": ")[2].split()
        assert answer.split() == [new if word == old else word for word in before]
    for question, answer in made(skills.fill_in):
        assert "[" not in answer
        assert all(line.partition(": ")[2] in answer for line in question.splitlines()[2:])
    assert {answer for _, answer in made(skills.month_number)} <= {*map(str, range(1, 13)), *exercises.MONTHS}


def a_thing() -> Documented:
    return Documented(
        module="shelf", name="keep", signature="def keep(self, book)", parameters=("self", "book"),
        docstring="Keep a book on the shelf.\n\nIt stays there until somebody asks\nfor it by its name.",
        source="def keep(self, book):\n    self.books.append(book)",
    )  # fmt: skip


def test_lessons_end_where_the_answer_ends_and_come_in_every_form() -> None:
    source = Lessons(random.Random(1), POOL, [a_thing()])
    rows = [source.next() for _ in range(400)]
    texts = ["".join(text for text, _ in parts) for parts in rows]
    assert all(parts[-1][1] and parts[-1][0].endswith("<|end|>") for parts in rows)
    assert all(text.startswith("<|bos|>") for text in texts)
    for form in (
        "<|assistant|>",
        "<|start_header_id|>assistant",
        "\nBot:",
        "\nAnswer:",
        "Noted.",
        "<|system|>",
        "shelf",
    ):
        assert sum(form in text for text in texts) > 2, form


def test_facts_told_early_are_asked_later_in_other_words() -> None:
    source = Lessons(random.Random(1), POOL, [])
    recalled = 0
    for _ in range(50):
        turns = source._recall().turns
        for at, (question, answer) in enumerate(turns):
            earlier = " ".join(said for said, _ in turns[:at])
            if answer not in lessons.NOTED and any(answer in said for said, _ in turns[:at]):
                recalled += answer in earlier and question not in earlier
    assert recalled > 50


def test_no_lesson_asks_what_the_lab_asks() -> None:
    tasks = TASKS.read_text(encoding="utf-8")
    asked = ("Which module says this?", "Write down our record of this.", "What does this define?")
    assert all(question in tasks for question in asked)
    taught = "".join(map(getsource, (exercises, skills, lessons)))
    assert not [question for question in asked if question in taught]
