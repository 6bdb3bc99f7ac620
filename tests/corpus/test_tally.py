from outcrop.corpus.tally import Fingerprints, TokenTally
from outcrop.text import Rendered


def test_fingerprints_stop_growing_at_their_bound():
    prints = Fingerprints(most=3)
    for line, text in enumerate("abcdea", start=1):
        prints.add(text, line)
    assert len(prints.lines) == 3 and prints.again.count == 1 and prints.again.lines == [6]


def test_the_longest_rows_come_first_and_the_earlier_of_equals():
    tally = TokenTally(limit=None)
    for line, size in enumerate([3, 9, 3, 9, 1, 2, 8], start=1):
        tally.add(Rendered([0] * size, [True] * size), line)
    tokens = tally.tokens()
    assert tokens.longest == ((9, 2), (9, 4), (8, 7), (3, 1), (3, 3))
    assert tokens.trained == 35 and tokens.prompt == 0 and tokens.truncated_rows == 0
