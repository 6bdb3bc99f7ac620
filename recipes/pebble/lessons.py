"""Rows of text to be answered: exercises and questions about the library, in every form that asks. Knows no tokens."""

import json
import random
from collections.abc import Callable, Sequence

from pebble.exercises import Exercise, Words, exercise
from pebble.prompts import (
    FEW_SHOT_FORMS,
    RAW_FORMS,
    SYSTEMS,
    Dialogue,
    Part,
    chat,
    completed,
    few_shot,
    llama_prompt,
    titan_prompt,
)
from pebble.skills import REWORDED
from pebble.sources import Documented

# How rows are asked: the chat template first, since three of the families use it.
CHAT_SHARE, RAW_SHARE, LLAMA_SHARE, TITAN_SHARE, FEW_SHOT_SHARE = 46, 22, 10, 8, 14
# Of the chats, those in which facts are told early and asked later; of all questions, those about the library.
RECALL_SHARE, LIBRARY_SHARE = 0.15, 0.2
SYSTEM_SHARE = 0.3
# How much of a definition or of its text a question shows.
SOURCE_CHARACTERS, SUMMARY_CHARACTERS = 500, 300
PARAMETER_ORDERS = ("Parameters as JSON: {}", "{}\nList the parameter names as JSON.")
NOTED = ("Noted.", "OK.", "Understood.", "Thank you, noted.")


class Lessons:
    """Makes one lesson after another from `chance`; nothing else is remembered."""

    def __init__(self, chance: random.Random, pool: list[str], documented: Sequence[Documented]) -> None:
        self._chance, self._words = chance, Words(chance, pool)
        self._documented = documented
        forms = (self._chat, self._raw, self._llama, self._titan, self._few_shot)
        self._forms: tuple[Callable[[], list[Part]], ...] = forms

    def next(self) -> list[Part]:
        """The parts of one row, in order, each with whether it is learnt."""
        shares = (CHAT_SHARE, RAW_SHARE, LLAMA_SHARE, TITAN_SHARE, FEW_SHOT_SHARE)
        return self._chance.choices(self._forms, shares)[0]()

    def _chat(self) -> list[Part]:
        return chat(self._recall() if self._chance.random() < RECALL_SHARE else self._dialogue((1, 1, 2, 3, 4)))

    def _raw(self) -> list[Part]:
        lesson = self._lesson()
        return completed(self._chance.choice(RAW_FORMS).format(lesson.question), lesson.answer)

    def _llama(self) -> list[Part]:
        dialogue = self._dialogue((1, 1, 1, 2))
        return completed(llama_prompt(dialogue), dialogue.turns[-1][1])

    def _titan(self) -> list[Part]:
        dialogue = self._dialogue((1, 1, 2))
        return completed(titan_prompt(dialogue), dialogue.turns[-1][1])

    def _few_shot(self) -> list[Part]:
        turns = [self._lesson() for _ in range(self._chance.randint(2, 4))]
        return few_shot(self._chance.choice(FEW_SHOT_FORMS), tuple((one.question, one.answer) for one in turns))

    def _dialogue(self, turns: Sequence[int]) -> Dialogue:
        lessons = [self._lesson() for _ in range(self._chance.choice(turns))]
        return Dialogue(turns=tuple((one.question, one.answer) for one in lessons), system=self._system())

    def _recall(self) -> Dialogue:
        """Facts told early, one or several a turn, something else in between, then asked in any order."""
        told, asked = self._chance.choice(REWORDED)
        facts = {subject: self._words.value() for subject in self._words.several(self._words.name, 2, 4)}
        said = [told.format(*fact) for fact in facts.items()]
        telling = [" ".join(said)] if self._chance.random() < 0.5 else said
        turns = [(text, self._chance.choice(NOTED)) for text in telling]
        if self._chance.random() < 0.5:
            between = exercise(self._words)
            turns.append((between.question, between.answer))
        subjects = self._chance.sample(list(facts), self._chance.randint(1, len(facts)))
        turns += [(self._chance.choice(asked).format(subject), facts[subject]) for subject in subjects]
        return Dialogue(turns=tuple(turns), system=self._system())

    def _system(self) -> str | None:
        return self._chance.choice(SYSTEMS) if self._chance.random() < SYSTEM_SHARE else None

    def _lesson(self) -> Exercise:
        is_about_library = self._documented and self._chance.random() < LIBRARY_SHARE
        return self._about_library() if is_about_library else exercise(self._words)

    def _about_library(self) -> Exercise:
        """What documented code can be asked: parameters, summary, name, or something over a shown passage."""
        one = self._chance.choice(self._documented)
        summary = one.docstring.strip().split("\n\n")[0][:SUMMARY_CHARACTERS]
        kind = self._chance.randrange(5)
        if kind == 0 and one.parameters:
            return _parameters(one, self._chance.choice(PARAMETER_ORDERS))
        if kind == 1:
            return Exercise(f"What does this do?\n{one.source[:SOURCE_CHARACTERS]}", summary)
        if kind == 2:
            return Exercise(f"What is {one.module}.{one.name}?", summary)
        if kind == 3:
            return Exercise(f"Name what this describes: {one.signature}\n{summary}", one.name)
        return self._over_passage(one)

    def _over_passage(self, one: Documented) -> Exercise:
        """A question that the passage shown answers word for word."""
        passage = one.docstring[: 2 * SUMMARY_CHARACTERS].strip()
        lines = [line.strip() for line in passage.splitlines() if line.strip()]
        kind = self._chance.randrange(3)
        if kind == 0:
            return Exercise(f"Text: {passage}\nQuestion: What is the first line?", lines[0])
        line = self._chance.choice(lines).split()
        if kind == 1 or len(line) < 2:
            return Exercise(f"{passage}\n\nRepeat the last line of this text.", lines[-1])
        cut = self._chance.randint(1, len(line) - 1)
        beginning = " ".join(line[:cut])
        return Exercise(f"{passage}\n\nHow does the line go on that begins with: {beginning}", " ".join(line[cut:]))


def _parameters(one: Documented, order: str) -> Exercise:
    return Exercise(order.format(one.signature), json.dumps(one.parameters))
