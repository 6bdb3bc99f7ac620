"""Generated questions and answers that teach skills, not facts: copy, look up, list as JSON, count, name dates.

Every exercise is made from a random number generator and a pool of words, so none is worth remembering: only the
skill is. Knows no tokens.
"""

import json
from collections.abc import Callable

from pebble import skills
from pebble.words import MONTHS, NUMBERS, UNKNOWN, WEEKDAYS, Exercise, Words

__all__ = ["KINDS", "Exercise", "Words", "exercise"]


def repeat(words: Words) -> Exercise:
    text = _sentence(words)
    order = words.chance.choice(
        ("Repeat: {}", "Say this again: {}", "Copy this text.\n{}", "{}\nRepeat the line above.")
    )
    return Exercise(order.format(text), text)


def list_as_json(words: Words) -> Exercise:
    loose = words.chance.random() < 0.4  # items with spaces inside
    items = words.several(words.value if loose else words.identifier, 1, 8)
    joined = words.chance.choice((", ", "; ", "\n") if loose else (", ", " ", "\n", " and ")).join(items)
    order = words.chance.choice(
        (
            "Write as a JSON list: {}",
            "Make a JSON array of these:\n{}",
            "{}\nAs a JSON list, please.",
            "JSON list of: {}",
        )
    )
    return Exercise(order.format(joined), json.dumps(items))


def list_from_json(words: Words) -> Exercise:
    items = words.several(words.identifier, 1, 7)
    order = words.chance.choice(("List the items of {}", "{}\nWrite these with commas between.", "Join: {}"))
    return Exercise(order.format(json.dumps(items)), ", ".join(items))


def parameters(words: Words) -> Exercise:
    names = words.several(words.identifier, 0, 7)
    order = words.chance.choice(
        (
            "Name the parameters of this function as a JSON list.\n{}",
            "{}\nWhich arguments does it take? Answer as JSON.",
            "Parameters of {} as JSON:",
            "List the argument names: {}",
            "Turn the signature into a JSON list of its parameters:\n{}",
        )
    )
    return Exercise(order.format(_signature(words, names)), json.dumps(names))


def defaults(words: Words) -> Exercise:
    names = words.several(words.identifier, 1, 5)
    values = {name: _default(words) for name in names}
    text = ", ".join(f"{name}={value}" for name, value in values.items())
    asked = words.chance.choice(names)
    return Exercise(f"def {words.identifier()}({text})\nWhat is the default of {asked}?", values[asked])


def function_name(words: Words) -> Exercise:
    name = words.identifier()
    text = _signature(words, words.several(words.identifier, 0, 5), name)
    order = words.chance.choice(("What is this function called?\n{}", "{}\nName of the function?", "Name it: {}"))
    return Exercise(order.format(text), name)


def look_up(words: Words) -> Exercise:
    keys = words.several(words.identifier if words.chance.random() < 0.5 else words.name, 2, 8)
    table = {key: words.value() for key in keys}
    asked = words.chance.choice(keys)
    if words.chance.random() < 0.5:
        shown = json.dumps(table)
    else:
        mark = words.chance.choice((": ", " = ", " -> ", " is "))
        shown = words.chance.choice(("\n", "; ", ", ")).join(key + mark + value for key, value in table.items())
    order = words.chance.choice(("{}\nWhat is {}?", "{}\nGive the value of {}.", "{}\n{}:", "{}\nLook up {}"))
    return Exercise(order.format(shown, asked), table[asked])


def fact_in_text(words: Words) -> Exercise:
    what = words.chance.choice(
        ("capital", "colour", "river", "owner", "code", "price", "home", "leader", "name", "author", "number", "food")
    )
    subjects = words.several(words.name, 1, 4)
    answers = {subject: words.value() for subject in subjects}
    asked = words.chance.choice(subjects)
    told = words.chance.choice(("The {0} of {1} is {2}.", "{1} has the {0} {2}.", "For {1}, the {0} is {2}."))
    text = " ".join(told.format(what, subject, answer) for subject, answer in answers.items())
    question = words.chance.choice(("What is the {} of {}?", "Tell me the {} of {}.", "{} of {}?", "Which {} has {}?"))
    return Exercise(text + words.chance.choice(("\n", " ")) + question.format(what, asked), answers[asked])


def unknown(words: Words) -> Exercise:
    question = words.chance.choice(
        ("What is the {} of {}?", "Who is the {} of {}?", "Where is the {} of {}?", "Tell me the {} of {}.")
    )
    return Exercise(question.format(words.word(), words.name()), UNKNOWN)


def count_up(words: Words) -> Exercise:
    first = words.chance.randint(0, 90)
    last = first + words.chance.randint(1, 9)
    order = words.chance.choice(("Count from {} to {}.", "Numbers from {} to {}:", "List the numbers {} to {}."))
    return Exercise(order.format(first, last), ", ".join(str(number) for number in range(first, last + 1)))


def how_many(words: Words) -> Exercise:
    items = words.several(words.word, 1, 6)
    order = words.chance.choice(("How many words: {}", "Count the words in: {}", "{}\nHow many are there?"))
    return Exercise(order.format(", ".join(items)), str(len(items)))


def number_word(words: Words) -> Exercise:
    number = words.chance.randrange(len(NUMBERS))
    if words.chance.random() < 0.5:
        return Exercise(f"Write {number} as a word.", NUMBERS[number])
    return Exercise(f"Write {NUMBERS[number]} as a number.", str(number))


def calendar(words: Words) -> Exercise:
    names, what = words.chance.choice(((WEEKDAYS, "day"), (MONTHS, "month")))
    place = words.chance.randrange(len(names))
    step, word = words.chance.choice(((1, "after"), (-1, "before")))
    return Exercise(f"Which {what} comes {word} {names[place]}?", names[(place + step) % len(names)])


def date(words: Words) -> Exercise:
    year, month, day = words.chance.randint(1900, 2040), words.chance.randint(1, 12), words.chance.randint(1, 28)
    iso, long = f"{year}-{month:02}-{day:02}", f"{day} {MONTHS[month - 1]} {year}"
    if words.chance.random() < 0.5:
        return Exercise(f"Write {long} as an ISO date.", iso)
    return Exercise(f"Write {iso} in words.", long)


def place_in_list(words: Words) -> Exercise:
    items = words.several(words.identifier, 2, 6)
    which, index = words.chance.choice((("first", 0), ("last", -1), ("second", 1)))
    order = words.chance.choice(("{1}\nWhich is the {0}?", "What is the {0} of: {1}", "Give the {0} item: {1}"))
    return Exercise(order.format(which, words.chance.choice((", ", " ", "\n")).join(items)), items[index])


def as_object(words: Words) -> Exercise:
    table = {key: words.value() for key in words.several(words.word, 1, 4)}
    text = words.chance.choice((", ", "\n", "; ")).join(f"{key}: {value}" for key, value in table.items())
    return Exercise(f"{text}\nAs a JSON object.", json.dumps(table))


def has_word(words: Words) -> Exercise:
    items = words.several(words.word, 2, 6)
    inside = words.chance.random() < 0.5
    asked = words.chance.choice(items) if inside else words.made_up()
    return Exercise(f"{', '.join(items)}\nIs {asked} in the list?", "yes" if asked in items else "no")


# Each with its share: copying first, since everything else is made of it.
KINDS: tuple[tuple[Callable[[Words], Exercise], int], ...] = (
    (repeat, 8), (list_as_json, 10), (list_from_json, 5), (parameters, 12), (defaults, 4), (function_name, 4),
    (look_up, 12), (fact_in_text, 12), (unknown, 2), (count_up, 3), (how_many, 3), (number_word, 1), (calendar, 2),
    (date, 3), (place_in_list, 4), (as_object, 4), (has_word, 2),
    (skills.reworded_fact, 8), (skills.from_object, 4), (skills.json_value, 5), (skills.json_keys, 3),
    (skills.bullets, 4), (skills.from_bullets, 3), (skills.sorted_words, 2), (skills.sorted_numbers, 2),
    (skills.reversed_list, 2), (skills.addition, 3), (skills.subtraction, 2), (skills.product, 2), (skills.larger, 2),
    (skills.letter_case, 2), (skills.days_later, 2), (skills.month_number, 1), (skills.labels, 6), (skills.find, 5),
    (skills.fill_in, 4), (skills.replace_word, 3), (skills.pattern, 3), (skills.without, 2), (skills.next_number, 1),
)  # fmt: skip


def exercise(words: Words) -> Exercise:
    """One exercise of a random kind."""
    kinds, shares = zip(*KINDS, strict=True)
    return words.chance.choices(kinds, shares)[0](words)


def _sentence(words: Words) -> str:
    roll = words.chance.random()
    if roll < 0.4:
        return ", ".join(words.several(words.identifier, 1, 8))
    text = " ".join(words.word() for _ in range(words.chance.randint(1, 10)))
    return text.capitalize() + "." if roll < 0.7 else text


def _default(words: Words) -> str:
    return words.chance.choice(
        (
            "None",
            "True",
            "False",
            "0",
            "1",
            str(words.chance.randint(2, 9999)),
            f"'{words.word()}'",
            "()",
            words.identifier(),
        )
    )


def _signature(words: Words, names: list[str], function: str | None = None) -> str:
    """`def f(self, a, b=None, *args)`: stars and defaults belong to the signature, not to the names."""
    shown, plain = [], words.chance.random() < 0.4
    for place, name in enumerate(names):
        roll = words.chance.random()
        if plain or roll < 0.5:
            shown.append(name)
        elif roll < 0.85 or place < len(names) - 2:
            shown.append(f"{name}={_default(words)}")
        else:
            shown.append(("**" if place == len(names) - 1 else "*") + name)
    head = words.chance.choice(("def ", "def ", "", "async def "))
    return f"{head}{function or words.identifier()}({', '.join(shown)})" + words.chance.choice(("", ":"))
