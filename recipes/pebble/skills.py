"""More exercises: facts asked in other words, JSON both ways, lists, small sums, dates, labels learnt from examples.

Like all exercises, made from a random number generator and a pool of words. Knows no tokens.
"""

import json
from datetime import date as Date
from datetime import timedelta

from pebble.words import MONTHS, Exercise, Words

# Each: how a fact is told, and how else it may be asked for. {0} is the subject, {1} the answer.
REWORDED = (
    ("{0} lives in {1}.", ("Where is the home of {0}?", "In which place does {0} live?", "Home of {0}:")),
    ("{0} was born in {1}.", ("What is the birthplace of {0}?", "Where does {0} come from?")),
    ("{0} works as {1}.", ("What is the job of {0}?", "What does {0} do for a living?")),
    ("{0} is owned by {1}.", ("Who owns {0}?", "Whose is {0}?", "The owner of {0} is")),
    ("{0} costs {1}.", ("What is the price of {0}?", "How much is {0}?")),
    ("{0} was written by {1}.", ("Who is the author of {0}?", "Who wrote {0}?")),
    ("{0} was founded by {1}.", ("Who started {0}?", "Who is the founder of {0}?")),
    ("{0} likes to eat {1}.", ("What is the favourite food of {0}?", "What does {0} like to eat?")),
    ("The people of {0} speak {1}.", ("What is the language of {0}?", "Which language is spoken in {0}?")),
    ("{1} is the capital of {0}.", ("Name the capital of {0}.", "What is the main city of {0}?")),
    ("{1} leads {0}.", ("Who is the leader of {0}?", "Who is the head of {0}?")),
    ("{0} is painted {1}.", ("What is the colour of {0}?", "Which colour has {0}?")),
    ("{0} returns {1}.", ("What is the result of {0}?", "What does {0} give back?")),
    ("{0} raises {1}.", ("Which error does {0} raise?", "What is the exception of {0}?")),
    ("{0} defaults to {1}.", ("What is the default of {0}?", "Which value has {0} if none is given?")),
    ("{0} belongs to the module {1}.", ("Which module has {0}?", "Where is {0} defined?")),
)
SENTENCES = ("Write to {} about the {}.", "Here is {} with the {}.", "We saw {} near the {} today.", "{} has one {}.")
LARGEST_TERM, LARGEST_FACTOR = 50, 10


def reworded_fact(words: Words) -> Exercise:
    """Facts in one wording, asked in another."""
    told, asked = words.chance.choice(REWORDED)
    facts = {subject: words.value() for subject in words.several(words.name, 1, 4)}
    subject = words.chance.choice(list(facts))
    text = words.chance.choice((" ", "\n")).join(told.format(*fact) for fact in facts.items())
    question = words.chance.choice(asked).format(subject)
    form = words.chance.choice(("{0}\n{1}", "{0}\n\n{1}", "{0} {1}", "Text: {0}\nQuestion: {1}", "{1}\n{0}"))
    return Exercise(form.format(text, question), facts[subject])


def from_object(words: Words) -> Exercise:
    table = _table(words)
    order = words.chance.choice(("{}\nAs lines of key: value.", "Write this JSON object as plain lines: {}"))
    return Exercise(order.format(json.dumps(table)), "\n".join(f"{key}: {value}" for key, value in table.items()))


def json_value(words: Words) -> Exercise:
    table = _table(words)
    key = words.chance.choice(list(table))
    order = words.chance.choice(('{0}\nWhat is the value of "{1}"?', "{0}\n{1}?", 'Get "{1}" from {0}'))
    return Exercise(order.format(json.dumps(table), key), str(table[key]))


def json_keys(words: Words) -> Exercise:
    table = _table(words)
    order = words.chance.choice(("{}\nList the keys as JSON.", "Keys of {} as a JSON list:"))
    return Exercise(order.format(json.dumps(table)), json.dumps(list(table)))


def bullets(words: Words) -> Exercise:
    items = words.several(words.value, 2, 6)
    mark, ask = words.chance.choice((("- ", "as a list with dashes"), ("* ", "as a list with stars")))
    order = words.chance.choice(("Write these {1}: {0}", "{0}\nThe same {1}."))
    return Exercise(order.format("; ".join(items), ask), "\n".join(mark + item for item in items))


def from_bullets(words: Words) -> Exercise:
    items = words.several(words.word, 2, 6)
    as_json = words.chance.random() < 0.5
    order = "{}\nAs a JSON list." if as_json else "{}\nOn one line, with commas."
    return Exercise(
        order.format("\n".join("- " + one for one in items)), json.dumps(items) if as_json else ", ".join(items)
    )


def sorted_words(words: Words) -> Exercise:
    items = words.several(words.word, 2, 4)
    return Exercise(f"Sort by the alphabet: {', '.join(items)}", ", ".join(sorted(items)))


def sorted_numbers(words: Words) -> Exercise:
    numbers = words.chance.sample(range(100), words.chance.randint(2, 5))
    shown = ", ".join(map(str, numbers))
    return Exercise(f"Sort these numbers: {shown}", ", ".join(map(str, sorted(numbers))))


def reversed_list(words: Words) -> Exercise:
    items = words.several(words.word, 2, 5)
    return Exercise(f"Write in reverse order: {', '.join(items)}", ", ".join(items[::-1]))


def addition(words: Words) -> Exercise:
    first, second = words.chance.randint(0, LARGEST_TERM), words.chance.randint(0, LARGEST_TERM)
    order = words.chance.choice(("What is {} + {}?", "{} + {} =", "Add {} and {}.", "{} plus {}?"))
    return Exercise(order.format(first, second), str(first + second))


def subtraction(words: Words) -> Exercise:
    second = words.chance.randint(0, LARGEST_TERM)
    first = second + words.chance.randint(0, LARGEST_TERM)
    order = words.chance.choice(("What is {} - {}?", "{} - {} =", "{} minus {}?"))
    return Exercise(order.format(first, second), str(first - second))


def product(words: Words) -> Exercise:
    first, second = words.chance.randint(0, LARGEST_FACTOR), words.chance.randint(0, LARGEST_FACTOR)
    order = words.chance.choice(("What is {} * {}?", "{} * {} =", "{} times {}?"))
    return Exercise(order.format(first, second), str(first * second))


def larger(words: Words) -> Exercise:
    first, second = words.chance.sample(range(200), 2)
    asked, pick = words.chance.choice((("larger", max), ("smaller", min)))
    return Exercise(f"Which is {asked}, {first} or {second}?", str(pick(first, second)))


def letter_case(words: Words) -> Exercise:
    word = words.word()
    asked, answer = words.chance.choice(
        (("in capital letters", word.upper()), ("in small letters", word), ("with a capital letter", word.capitalize()))
    )
    shown = word.upper() if answer == word else word
    return Exercise(f"Write {shown} {asked}.", answer)


def days_later(words: Words) -> Exercise:
    start = Date(words.chance.randint(2000, 2030), words.chance.randint(1, 12), words.chance.randint(1, 28))
    days = words.chance.randint(1, 7)
    asked, step = words.chance.choice((("after", days), ("before", -days)))
    unit = "day" if days == 1 else "days"
    return Exercise(f"Which date is {days} {unit} {asked} {start}?", str(start + timedelta(days=step)))


def month_number(words: Words) -> Exercise:
    place = words.chance.randrange(len(MONTHS))
    if words.chance.random() < 0.5:
        return Exercise(f"Which number has the month {MONTHS[place]}?", str(place + 1))
    return Exercise(f"Name month {place + 1} of the year.", MONTHS[place])


def labels(words: Words) -> Exercise:
    """Things with made-up labels: the last one was there before."""
    names = words.several(words.word, 2, 3)
    things = {thing: words.chance.choice(names) for thing in words.several(words.word, 2, 6)}
    mark = words.chance.choice((" -> ", ": ", " = ", " => "))
    asked = words.chance.choice(list(things))
    examples = "\n".join(thing + mark + label for thing, label in things.items())
    return Exercise(f"{examples}\n{asked}{mark.rstrip()}", things[asked])


def find(words: Words) -> Exercise:
    """Something of a known form inside words."""
    kind = words.chance.choice(("number", "date", "address", "quoted text", "name in capital letters"))
    hidden = _hidden(words, kind)
    before, after = (" ".join(words.word() for _ in range(words.chance.randint(1, 5))) for _ in range(2))
    order = words.chance.choice(("Find the {1}: {0}", "{0}\nWhich {1} is in this text?", "{0}\nGive the {1}."))
    shown = f'"{hidden}"' if kind == "quoted text" else hidden
    return Exercise(order.format(f"{before} {shown} {after}", kind), hidden)


def fill_in(words: Words) -> Exercise:
    sentence, name, word = words.chance.choice(SENTENCES), words.name(), words.word()
    gaps = sentence.format("[name]", "[thing]")
    return Exercise(f"Fill in.\n{gaps}\nname: {name}\nthing: {word}", sentence.format(name, word))


def replace_word(words: Words) -> Exercise:
    items = words.several(words.word, 2, 6)
    old, new = words.chance.choice(items), words.made_up()
    changed = " ".join(new if item == old else item for item in items)
    return Exercise(f"Replace {old} by {new}: {' '.join(items)}", changed)


def pattern(words: Words) -> Exercise:
    """What was said over and over, once more."""
    items = words.several(words.word, 1, 4)
    said = items * words.chance.randint(2, 4)
    cut = words.chance.randrange(len(items))
    return Exercise(f"What comes next? {' '.join(said + items[:cut])}", items[cut])


def without(words: Words) -> Exercise:
    items = words.several(words.word, 2, 6)
    gone = words.chance.choice(items)
    return Exercise(f"Leave out {gone}: {', '.join(items)}", ", ".join(item for item in items if item != gone))


def next_number(words: Words) -> Exercise:
    start, step = words.chance.randint(0, 20), words.chance.choice((1, 2, 5, 10))
    shown = ", ".join(str(start + step * at) for at in range(4))
    return Exercise(f"Which number comes next? {shown}", str(start + step * 4))


def _table(words: Words) -> dict[str, str | int]:
    return {key: _json_value(words) for key in words.several(words.identifier, 1, 5)}


def _json_value(words: Words) -> str | int:
    return words.chance.randint(0, 999) if words.chance.random() < 0.3 else words.value()


def _hidden(words: Words, kind: str) -> str:
    chance = words.chance
    if kind == "number":
        return str(chance.randint(0, 99999))
    if kind == "date":
        return f"{chance.randint(1950, 2040)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    if kind == "address":
        return f"{words.made_up()}@{words.made_up()}.com"
    return words.made_up().upper() if kind == "name in capital letters" else f"{words.word()} {words.word()}"
