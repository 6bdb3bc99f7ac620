"""What a pebble can do: its loss on held-out text, and how many fresh exercises it answers exactly."""

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from outcrop.cli.lab.texts import everything
from outcrop.modeling.llama import Llama
from outcrop.modeling.packed import Packed
from pebble import sources
from pebble.exercises import KINDS, Words
from pebble.tokenizer import BOS, EOS

HELD_OUT_TOKENS = 10_000
ROW_TOKENS = 512  # with the first token and the end
PACK_TOKENS = 4096  # rows computed at once: more is no faster on a CPU, and logits take memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """Nats a token on the held-out modules' docstrings; share of exercises answered exactly, by kind."""

    held_out_loss: float
    exact: dict[str, float]

    @property
    def mean_exact(self) -> float:
        """The mean over kinds."""
        return sum(self.exact.values()) / len(self.exact)


def bits_per_byte(model: Llama, tokenizer: Tokenizer, texts: Iterable[str]) -> float:
    """The bits that `model` needs for each UTF-8 byte of `texts`: comparable whatever the tokenizer.

    Each text is a row of its own of at most ROW_TOKENS, its end told with it; of a longer one the beginning is
    measured, without an end, and only the bytes of that count.
    """
    nats, bytes_ = 0.0, 0
    with torch.inference_mode():
        for rows in _packs([_row(tokenizer, text) for text in texts]):
            packed = Packed.of([row.ids[:-1] for row in rows]).to(model.device)
            targets = torch.cat([row.ids[1:] for row in rows]).to(model.device)
            nats += model.loss(packed, torch.arange(len(targets), device=model.device), targets).item()
            bytes_ += sum(row.bytes for row in rows)
    return nats / math.log(2) / bytes_


def held_out_texts() -> list[str]:
    """Every docstring of the reserved modules, each once: what `bits_per_byte` is told of for a pebble."""
    return [one.docstring for one in everything()]


def gauge(model: Llama, tokenizer: Tokenizer, words: list[str], each: int = 20) -> Gauge:
    """Measures `model`; exercises come from a seed that training does not use."""
    with torch.inference_mode():
        exact = {
            kind.__name__: _exact(model, tokenizer, kind, Words(random.Random(-1), words), each) for kind, _ in KINDS
        }
        return Gauge(held_out_loss=_held_out_loss(model, tokenizer), exact=exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A text's tokens (int64) with the first and, where it fits, the end; and how many bytes those stand for."""

    ids: torch.Tensor
    bytes: int


def _row(tokenizer: Tokenizer, text: str) -> _Row:
    encoded = tokenizer.encode(text)
    begin, end = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
    if len(encoded.ids) + 2 <= ROW_TOKENS:
        return _Row(ids=torch.tensor([begin, *encoded.ids, end]), bytes=len(text.encode()))
    kept = encoded.ids[: ROW_TOKENS - 1]
    characters = encoded.offsets[len(kept) - 1][1]
    return _Row(ids=torch.tensor([begin, *kept]), bytes=len(text[:characters].encode()))


def _packs(rows: list[_Row]) -> Iterator[list[_Row]]:
    """Rows together, in order, up to PACK_TOKENS."""
    pack: list[_Row] = []
    for row in rows:
        if pack and sum(len(one.ids) for one in pack) + len(row.ids) > PACK_TOKENS:
            yield pack
            pack = []
        pack.append(row)
    if pack:
        yield pack


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
