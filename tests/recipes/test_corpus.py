"""The corpus holds every source, says where each comes from, and shares no long run of words with the held-out text."""

from pathlib import Path

import numpy as np
import pytest

from pebble import corpus, duplicates

SOME = 40  # every so many files: a sample of all sources


@pytest.fixture(scope="module")
def sample() -> corpus.Corpus:
    return corpus.read_corpus(SOME, python_docs=Path("/nonexistent"))


def test_sources_have_a_name_a_licence_and_a_reason() -> None:
    assert len({source.name for source in corpus.SOURCES}) == len(corpus.SOURCES)
    for source in corpus.SOURCES:
        assert source.what
        assert source.why
        assert source.passes > 0
        assert any(licence in source.licence for licence in ("PSF-2.0", "Apache-2.0"))
    assert max(corpus.SOURCES, key=lambda source: source.passes) is corpus.LIBRARY


def test_no_passage_shares_a_long_run_of_words_with_the_held_out_docstrings(sample: corpus.Corpus) -> None:
    words = duplicates.Words()
    held_out = duplicates.held_out_runs(corpus.held_out_texts(), words)
    assert len(held_out) > 10_000
    read = [duplicates.runs(np.array(words.numbers(text), dtype=np.uint64), 12) for text in sample.passages]
    read += [duplicates.runs(np.array(words.numbers(one.docstring), dtype=np.uint64), 12) for one in sample.documented]
    assert not np.isin(np.concatenate(read), held_out).any()


def test_without_the_documentation_it_reads_the_rest_and_says_so(sample: corpus.Corpus) -> None:
    assert not sample.has_documentation
    empty = [text.source.name for text in sample.texts if not text.passages]
    assert corpus.DOCUMENTATION.name in empty
    assert corpus.LIBRARY.name not in empty
    assert sample.pool
    assert sample.documented


def test_a_fraction_of_a_pass_shows_all_in_turn() -> None:
    items = list(range(100))
    rounds = [list(corpus.spread(items, 0.25, number)) for number in range(8)]
    assert all(20 <= len(shown) <= 30 for shown in rounds)
    seen = [item for shown in rounds for item in shown]
    assert all(seen.count(item) == 2 for item in items)
    assert list(corpus.spread(items[:2], 3)) == [0, 0, 0, 1, 1, 1]
