"""What exercises are made of: words of the corpus, made-up names, short values. Knows no exercise and no tokens."""

import random
from collections.abc import Callable
from dataclasses import dataclass

CONSONANTS = [
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "q", "r", "s", "t", "v", "w", "x", "z",
    "br", "dr", "kr", "tr", "st", "pl", "th", "sh",
]  # fmt: skip
SYLLABLES = [consonant + vowel for consonant in CONSONANTS for vowel in "aeiou"]
ENDINGS = ["", "", "n", "r", "s", "l", "x", "th", "nd", "ck", "m"]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = [
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
]  # fmt: skip
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
UNKNOWN = "I do not know."


@dataclass(frozen=True, slots=True)
class Exercise:
    """A question and its one right answer."""

    question: str
    answer: str


class Words:
    """Words and names to fill exercises with: real ones from a pool, and made-up ones."""

    def __init__(self, chance: random.Random, pool: list[str]) -> None:
        self.chance, self.pool = chance, pool

    def made_up(self) -> str:
        """A name nobody has seen, like 'Drovathin'."""
        parts = [self.chance.choice(SYLLABLES) for _ in range(self.chance.randint(1, 3))]
        return "".join(parts) + self.chance.choice(ENDINGS)

    def word(self) -> str:
        """One word in lower case."""
        return self.made_up() if self.chance.random() < 0.35 else self.chance.choice(self.pool)

    def name(self) -> str:
        """A proper name."""
        return (self.made_up() if self.chance.random() < 0.7 else self.chance.choice(self.pool)).capitalize()

    def identifier(self) -> str:
        """A name as programs have them."""
        name = "_".join(self.word() for _ in range(self.chance.choice((1, 1, 1, 2, 2, 3))))
        roll = self.chance.random()
        if roll < 0.06:
            return "_" + name
        if roll < 0.12:
            return name + str(self.chance.randint(0, 9))
        return name[0] if roll < 0.2 else name

    def several(self, make: Callable[[], str], low: int, high: int) -> list[str]:
        """Between `low` and `high` different ones."""
        wanted, found = self.chance.randint(low, high), dict[str, None]()
        while len(found) < wanted:
            found[make()] = None
        return list(found)

    def value(self) -> str:
        """Something short to remember: words, a number, or a mix."""
        roll = self.chance.random()
        if roll < 0.25:
            return str(self.chance.randint(0, 10 ** self.chance.randint(1, 5)))
        if roll < 0.4:
            return f"{self.name()} {self.name()}"
        return self.name() if roll < 0.6 else " ".join(self.word() for _ in range(self.chance.randint(1, 3)))
