"""Bits a byte are what they say: counted by hand for a model to which every token costs the same."""

import math
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
PEBBLE = ROOT / "src/outcrop/pebbles/text"


@pytest.fixture(autouse=True)
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))


class Even:
    """Finds every token as likely as any other, so that each costs `bits`."""

    device = torch.device("cpu")

    def __init__(self, bits: float) -> None:
        self.bits = bits
        self.rows: list[int] = []

    def loss(self, packed, wanted, targets) -> torch.Tensor:
        self.rows += packed.lengths
        assert len(wanted) == len(targets) == len(packed.tokens)
        return torch.tensor(self.bits * len(targets) * math.log(2))


def test_bits_per_byte_counts_tokens_with_the_end_and_bytes_of_utf8() -> None:
    from tokenizers import Tokenizer

    from pebble.gauge import bits_per_byte

    tokenizer = Tokenizer.from_file(str(PEBBLE / "tokenizer.json"))
    texts = ["Return the name.", "Grüße"]
    predicted = sum(len(tokenizer.encode(text).ids) + 1 for text in texts)  # and the end of each
    assert bits_per_byte(Even(3.0), tokenizer, texts) == pytest.approx(3.0 * predicted / (16 + 7))


def test_a_text_that_is_too_long_counts_as_far_as_it_is_read() -> None:
    from tokenizers import Tokenizer

    from pebble.gauge import ROW_TOKENS, bits_per_byte

    tokenizer = Tokenizer.from_file(str(PEBBLE / "tokenizer.json"))
    model = Even(2.0)
    assert bits_per_byte(model, tokenizer, ["7" * 900]) == pytest.approx(2.0)  # a digit is a token and a byte
    assert model.rows == [ROW_TOKENS - 1]


def test_texts_are_measured_one_by_one_however_they_are_packed() -> None:
    from tokenizers import Tokenizer

    from outcrop.modeling.llama import Llama
    from pebble.gauge import PACK_TOKENS, bits_per_byte, held_out_texts

    tokenizer, model = Tokenizer.from_file(str(PEBBLE / "tokenizer.json")), Llama.load(PEBBLE)
    texts = held_out_texts()[:60]
    assert sum(len(tokenizer.encode(text).ids) for text in texts) > PACK_TOKENS / 2
    sizes = [len(text.encode()) for text in texts]
    alone = [bits_per_byte(model, tokenizer, [text]) * size for text, size in zip(texts, sizes, strict=True)]
    assert bits_per_byte(model, tokenizer, texts) == pytest.approx(sum(alone) / sum(sizes), rel=1e-3)
