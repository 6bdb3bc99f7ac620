"""The stream of rows: its shares, its end tokens, and that it goes on exactly from where it was."""

import json
from itertools import islice
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from pebble.corpus import CODE, LIBRARY, Corpus, Text
from pebble.material import LESSON_SHARE, LONG_PIECE_TOKENS, REPETITION_SHARE, TEXT_SHARE, Material, Row
from pebble.sources import Documented

PEBBLE = Path(__file__).parents[2] / "src/outcrop/pebbles/text/tokenizer.json"
POOL = ["path", "mode", "size", "value", "name", "index", "table", "line", "reader", "writer"]
BATCH_TOKENS = 2048


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(PEBBLE))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """A small one: a source of several passes, and one of a fraction of a pass."""
    passages = tuple(
        f"Passage {at} says that {word} follows {at} <|end|>. " * 9 for at in range(40) for word in POOL[:3]
    )
    one = Documented(
        module="shelf", name="keep", signature="def keep(self, book)", parameters=("self", "book"),
        docstring="Keep a book.\n\nIt stays until somebody asks.", source="def keep(self, book):\n    pass",
    )  # fmt: skip
    return Corpus(
        texts=tuple(
            Text(source=source, passages=passages[at::2], characters_read=0)
            for at, source in enumerate((LIBRARY, CODE))
        ),
        documented=(one,),
        pool=POOL,
        packages=(),
        has_documentation=False,
    )


def plain(batches: list[list[Row]]) -> list[tuple[list[int], list[bool]]]:
    return [(row.ids.tolist(), row.trained.tolist()) for batch in batches for row in batch]


def test_the_stream_follows_from_the_seed(corpus: Corpus, tokenizer: Tokenizer) -> None:
    def stream(seed: int) -> list[tuple[list[int], list[bool]]]:
        return plain(list(islice(Material(corpus, tokenizer, seed).batches(BATCH_TOKENS), 4)))

    assert stream(1) == stream(1)
    assert stream(1) != stream(2)


@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_restored_stream_goes_on_exactly(corpus: Corpus, tokenizer: Tokenizer, after: int) -> None:
    first = Material(corpus, tokenizer, 5)
    batches = first.batches(BATCH_TOKENS)
    for _ in range(after):
        next(batches)
    kept = json.loads(json.dumps(first.state()))
    again = Material(corpus, tokenizer, 5)
    again.restore(kept)
    assert again.state() == kept
    assert plain(list(islice(again.batches(BATCH_TOKENS), 6))) == plain(list(islice(batches, 6)))
    assert again.state() == first.state()


def test_a_state_of_another_seed_is_refused(corpus: Corpus, tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="seed 5"):
        Material(corpus, tokenizer, 6).restore(Material(corpus, tokenizer, 5).state())


def test_the_three_kinds_come_in_their_shares_and_a_round_shows_each_source_as_often_as_it_says(
    corpus: Corpus, tokenizer: Tokenizer
) -> None:
    material = Material(corpus, tokenizer, 1)
    batches = list(islice(material.batches(BATCH_TOKENS), 40))
    state = material.state()
    seen = sum(len(row.ids) for batch in batches for row in batch)
    assert sum(state[f"{kind}_tokens"] for kind in ("text", "lesson", "repetition")) == seen
    for kind, share in (("text", TEXT_SHARE), ("lesson", LESSON_SHARE), ("repetition", REPETITION_SHARE)):
        assert abs(state[f"{kind}_tokens"] / seen - share) < 0.02
    pieces = [material._pieces(number, late=False) for number in range(10)]
    shown = [sum(start == 0 for passage, start, _ in round_ if passage < 60) for round_ in pieces]
    assert shown == [60 * LIBRARY.passes] * 10
    fraction = sum(start == 0 for round_ in pieces for passage, start, _ in round_ if passage >= 60)
    assert abs(fraction - 600 * CODE.passes) <= 6


def test_late_rounds_are_rounds_of_their_own_and_the_early_ones_stay_where_they_are(
    corpus: Corpus, tokenizer: Tokenizer
) -> None:
    material = Material(corpus, tokenizer, 1)
    late = iter([False] * 3 + [True] * 40)
    batches = material.batches(BATCH_TOKENS, lambda: next(late))
    for _ in range(3):
        next(batches)
    early = material.state()
    for _ in range(40):
        next(batches)
    after = material.state()
    assert [after[name] for name in ("round", "piece")] == [early[name] for name in ("round", "piece")]
    assert (after["late_round"], after["late_piece"]) > (0, 0) == (early["late_round"], early["late_piece"])
    shown = [sum(start == 0 for passage, start, _ in material._pieces(number, late=True) if passage < 60)
             for number in range(3)]  # fmt: skip
    assert shown == [60 * LIBRARY.late_passes] * 3


def test_rows_begin_once_end_once_and_learn_something_but_never_their_first_token(
    corpus: Corpus, tokenizer: Tokenizer
) -> None:
    bos = tokenizer.token_to_id("<|bos|>")
    rows = plain(list(islice(Material(corpus, tokenizer, 2).batches(BATCH_TOKENS), 30)))
    assert len({tuple(ids) for ids, _ in rows}) > 200
    for ids, trained in rows:
        assert ids[0] == bos
        assert bos not in ids[1:]
        assert not trained[0]
        assert any(trained)
        assert len(ids) == len(trained) <= LONG_PIECE_TOKENS + 2


def test_a_special_token_spelled_in_a_text_is_only_text(corpus: Corpus, tokenizer: Tokenizer) -> None:
    material = Material(corpus, tokenizer, 1)
    row = material._text_row(material._texts[0], 0, len(material._texts[0]))
    ids = row.ids.tolist()
    assert ids.count(tokenizer.token_to_id("<|end|>")) == 1
    assert ids[-1] == tokenizer.token_to_id("<|end|>")
    assert tokenizer.encode_special_tokens is False
