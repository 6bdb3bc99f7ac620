"""What was said before is said once, and what the lab holds out not at all."""

import numpy as np

from pebble import duplicates

SENTENCE = "The quick brown fox jumps over the lazy dog while the cat looks on from its place by the fire"
OTHER = "A wholly different sentence about tables and rows and what a reader may find in the last of them"
HELD_OUT = "Return the product of the two given operands rounded to the precision of this context and its flags"


def test_runs_are_equal_where_the_words_are_and_only_there() -> None:
    words = duplicates.Words()

    def runs(text: str) -> list[int]:
        return list(duplicates.runs(np.array(words.numbers(text), dtype=np.uint64), 3))

    assert runs("one two three four") == runs("One, TWO (three) *four*")
    assert len(set(runs("one two three four"))) == 2
    assert not set(runs("one two three")) & set(runs("two one three"))
    assert runs("one two") == []


def test_exact_and_near_repetitions_lose_to_the_first() -> None:
    words = duplicates.Words()
    nothing = duplicates.held_out_runs([], words)
    near = SENTENCE.replace("fire", "door")
    passages = [SENTENCE, f"{OTHER}\n\n{SENTENCE.upper()}!", near, "Short and new."]
    assert duplicates.unsaid(passages, nothing, words) == [SENTENCE, OTHER, "", "Short and new."]


def test_a_paragraph_that_quotes_the_held_out_goes_even_where_the_quotation_is_broken_in_two() -> None:
    words = duplicates.Words()
    held_out = duplicates.held_out_runs([HELD_OUT], words)
    half = " ".join(HELD_OUT.split()[:8])
    rest = " ".join(HELD_OUT.split()[8:])
    passages = [f"{OTHER}\n\nAs they say: {HELD_OUT}.", f"{half}\n\n{rest}"]
    assert duplicates.unsaid(passages, held_out, words) == [OTHER, ""]
    assert duplicates.unsaid([half, rest], held_out, words) == [half, rest]
