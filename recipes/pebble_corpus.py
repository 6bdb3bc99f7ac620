"""Prints what the pebble reads: `python recipes/pebble_corpus.py` (sources, licences, sizes, packages, tokenizers)."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from pebble.corpus import SAMPLE_CHARACTERS, Corpus, held_out_texts, read_corpus
from pebble.tokenizer import train_tokenizer

SHIPPED = Path(__file__).parents[1] / "src/outcrop/pebbles/text/tokenizer.json"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python-docs", type=Path, help="folder of the Python documentation's *.rst.txt files")
    parser.add_argument("--every", type=int, default=1, help="read only every nth file")
    parser.add_argument("--vocabularies", type=int, nargs="*", default=[], help="train tokenizers of these sizes")
    parser.add_argument("--sample", type=int, default=SAMPLE_CHARACTERS, help="characters a tokenizer is trained on")
    options = parser.parse_args(arguments)
    corpus = read_corpus(options.every, options.python_docs)
    if not corpus.has_documentation:
        print("The Python documentation is not on this machine: the pebble will not read it.")
    shipped = Tokenizer.from_file(str(SHIPPED))
    show_sources(corpus, shipped)
    print(f"\nshipped tokenizer: {held_out_bytes_a_token(shipped):.3f} held-out bytes a token", flush=True)
    for size in options.vocabularies:
        trained = train_tokenizer(corpus.sample(options.sample), size)
        print(f"vocabulary {size}: {held_out_bytes_a_token(trained):.3f} held-out bytes a token", flush=True)


def show_sources(corpus: Corpus, tokenizer: Tokenizer) -> None:
    """A line a source, then a line a package."""
    print("source | licence | passages | read | kept | tokens | passes")
    for text in corpus.texts:
        tokens = sum(len(one.ids) for one in tokenizer.encode_batch_fast(list(text.passages)))
        sizes = f"{len(text.passages)} | {text.characters_read} | {text.size_bytes} | {tokens}"
        passes = f"{text.source.passes:g}, late {text.source.late_passes:g}"
        print(f"{text.source.name} | {text.source.licence} | {sizes} | {passes}", flush=True)
    print("\n" + ", ".join(f"{one.name} {one.version} ({one.licence})" for one in corpus.packages))


def held_out_bytes_a_token(tokenizer: Tokenizer) -> float:
    """How much of the held-out docstrings a token carries."""
    texts = held_out_texts()
    return sum(len(text.encode()) for text in texts) / sum(len(one.ids) for one in tokenizer.encode_batch_fast(texts))


if __name__ == "__main__":
    main()
