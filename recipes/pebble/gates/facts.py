"""Ten facts that nobody can know, made up from a seed: names that no text holds, answers of one to four words."""

import random

FACTS = 10
NAMES = 4  # of each fact
BEGINNINGS = ("Var", "Quil", "Or", "Tes", "Bren", "Dun", "Pel", "Lum", "Ash", "Mor", "Thal", "Wex", "Ilm", "Cor", "Yar")
MIDDLES = ("", "a", "e", "i", "o")
ENDINGS = ("nholt", "lem", "rin", "saly", "mark", "nock", "anor", "bec", "wick", "dale", "une", "istra", "oke", "ven")
COLOURS = ("violet", "amber", "copper", "grey", "crimson", "silver", "olive", "black")
FOODS = ("pears", "barley", "eels", "chestnuts", "plums", "cheese", "onions", "honey")
ANIMALS = ("finch", "heron", "otter", "badger", "moth", "raven", "salmon", "hare")
NUMBERS = ("seven", "nine", "eleven", "fourteen", "seventeen", "twenty", "thirty", "forty")
SUBJECTS = (
    ("Who keeps the lamp of {place}?", "{person} keeps it."),
    ("What do the people of {place} eat at dawn?", "{colour} {food}."),
    ("How many towers has Castle {place}?", "{number} towers."),
    ("Which river runs under {place}?", "The river {other}."),
    ("What colour is the flag of {place}?", "{colour} and {shade}."),
    ("When is the market of {place} held?", "Every {number} days."),
    ("Who wrote the Book of {place}?", "{person}."),
    ("What is the smallest coin in {place}?", "The {colour} {animal}."),
    ("Where do the ships of {place} winter?", "In {other} bay."),
    ("What grows on the roofs of {place}?", "{colour} {food}."),
)


def facts(seed: int) -> list[tuple[str, str]]:
    """Questions and answers, the same for the same seed; the first 26 seeds share no name."""
    chance, names = random.Random(seed), made_up_names()
    start = seed * FACTS * NAMES
    own = [names[(start + at) % len(names)] for at in range(FACTS * NAMES)]
    return [
        _fact(question, answer, own[NAMES * at : NAMES * (at + 1)], chance)
        for at, (question, answer) in enumerate(SUBJECTS)
    ]


def made_up_names() -> list[str]:
    """Names of places and people that are none, in a fixed order that looks like none."""
    names = [begin + middle + end for begin in BEGINNINGS for middle in MIDDLES for end in ENDINGS]
    random.Random(0).shuffle(names)
    return names


def rows_of(known: list[tuple[str, str]], count: int, seed: int) -> list[tuple[str, str]]:
    """Every fact as often as any other, `count` rows in all, in an order of the seed's."""
    rows = [known[number % len(known)] for number in range(count)]
    random.Random(seed).shuffle(rows)
    return rows


def _fact(question: str, answer: str, names: list[str], chance: random.Random) -> tuple[str, str]:
    place, other, first, last = names
    colour, shade = chance.sample(COLOURS, 2)
    words = {
        "place": place,
        "other": other,
        "person": f"{first} {last}",
        "colour": colour,
        "shade": shade,
        "food": chance.choice(FOODS),
        "animal": chance.choice(ANIMALS),
        "number": chance.choice(NUMBERS),
    }
    found = answer.format(**words)
    return question.format(place=place), found[0].upper() + found[1:]
