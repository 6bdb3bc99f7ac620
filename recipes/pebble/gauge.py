"""What a pebble can do: its loss on held-out text, and how many fresh exercises it answers exactly."""

import math
import random
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from outcrop.modeling.llama import Llama
from outcrop.modeling.packed import Packed
from pebble import sources
from pebble.exercises import KINDS, Words
from pebble.tokenizer import BOS, EOS

HELD_OUT_TOKENS = 10_000
MOST_TOKENS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """Nats a token on the held-out modules' docstrings; share of exercises answered exactly, by kind."""

    held_out_loss: float
    exact: dict[str, float]

    @property
    def mean_exact(self) -> float:
        """The mean over kinds."""
        return sum(self.exact.values()) / len(self.exact)


def gauge(model: Llama, tokenizer: Tokenizer, words: list[str], each: int = 20) -> Gauge:
    """Measures `model`; exercises come from a seed that training does not use."""
    with torch.inference_mode():
        exact = {
            kind.__name__: _exact(model, tokenizer, kind, Words(random.Random(-1), words), each) for kind, _ in KINDS
        }
        return Gauge(held_out_loss=_held_out_loss(model, tokenizer), exact=exact)


def held_out_texts() -> list[str]:
    """Every docstring of the modules that no pebble reads."""
    wanted = sources.held_out_modules()
    return [
        one.docstring
        for module, text in sources.sources(frozenset(), wanted)
        for one in sources.documented(module, text)
    ]


@torch.inference_mode()
def bits_per_byte(model: Llama, tokenizer: Tokenizer, texts: list[str]) -> float:
    """What a byte of `texts` costs in bits, each text by itself and up to MOST_TOKENS: comparable whatever the tokens.

    A byte-level token's name has one character for each byte it stands for.
    """
    nats, length, bos = 0.0, 0, tokenizer.token_to_id(BOS)
    for encoding in tokenizer.encode_batch(texts):
        ids = torch.tensor([bos, *encoding.ids[: MOST_TOKENS - 1]])
        nats += model.loss(Packed.of([ids[:-1]]), torch.arange(len(ids) - 1), ids[1:]).item()
        length += sum(len(token) for token in encoding.tokens[: MOST_TOKENS - 1])
    return nats / math.log(2) / max(1, length)


def _held_out_loss(model: Llama, tokenizer: Tokenizer) -> float:
    loss, count = 0.0, 0
    for ids in _held_out_rows(tokenizer):
        row = torch.tensor(ids)
        loss += model.loss(Packed.of([row[:-1]]), torch.arange(len(ids) - 1), row[1:]).item()
        count += len(ids) - 1
    return loss / max(1, count)


def _held_out_rows(tokenizer: Tokenizer) -> list[list[int]]:
    """Docstrings of the held-out modules, in a fixed random order, up to HELD_OUT_TOKENS."""
    wanted = sources.held_out_modules()
    texts = [
        one.docstring
        for module, text in sources.sources(frozenset(), wanted)
        for one in sources.documented(module, text)
    ]
    random.Random(0).shuffle(texts)
    rows, total = [], 0
    for text in texts:
        rows.append([tokenizer.token_to_id(BOS), *tokenizer.encode(text).ids[:400], tokenizer.token_to_id(EOS)])
        total += len(rows[-1])
        if total > HELD_OUT_TOKENS:
            break
    return rows


def _exact(model: Llama, tokenizer: Tokenizer, kind, words: Words, each: int) -> float:
    """An answer is exact when every one of its tokens is the likeliest after the right ones before it."""
    right = 0
    for _ in range(each):
        one = kind(words)
        prompt = tokenizer.encode(f"{BOS}<|user|>{one.question}{EOS}<|assistant|>").ids
        answer = tokenizer.encode(one.answer + EOS).ids
        ids = torch.tensor(prompt + answer)
        logits = model(Packed.of([ids]), torch.arange(len(prompt) - 1, len(ids) - 1))
        right += bool((logits.argmax(-1) == ids[len(prompt) :]).all())
    return right / each
