"""What rounding weights costs, measured when they are loaded: whoever loses too much is not served.

Both ways read one text that comes with the program. Knows networks and tokens; nothing of requests.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from outcrop.domain.errors import SettingsError
from outcrop.domain.weights import BF16, INT8
from outcrop.inference.cache import Cache
from outcrop.inference.models import Network, load_network
from outcrop.inference.places import Place
from outcrop.modeling.config import LlamaConfig
from outcrop.text import Tokenizer

SPELLED = {BF16: "bfloat16", INT8: "8 bits"}
SAMPLE = Path(__file__).with_name("reading_sample.txt")
WINDOW = 128  # tokens read at once: bounds the memory of their logits
MOST_TOKENS = 1024  # of the sample: a large checkpoint must not take minutes to load
MOST_MORE_BITS = 0.01  # of the bits that each byte takes in float32
LEAST_EQUAL = 0.9  # of the likeliest tokens; a model that knows nothing has many that are nearly as likely


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How a rounded model reads the sample against the model in float32. `weights`: what it is kept in."""

    bits_per_byte: float
    bits_per_byte_float32: float
    equal_greedy_tokens: float
    tokens: int
    weights: str = INT8

    @property
    def more_bits(self) -> float:
        """Share of bits that a byte takes more."""
        return self.bits_per_byte / self.bits_per_byte_float32 - 1.0

    @property
    def holds(self) -> bool:
        """Whether the rounded model may be served."""
        return self.more_bits <= MOST_MORE_BITS and self.equal_greedy_tokens >= LEAST_EQUAL

    def sentence(self) -> str:
        """The numbers, and what they may be."""
        return (
            f"In {SPELLED[self.weights]} a byte of {self.tokens} sample tokens takes {self.bits_per_byte:.4f} bits, "
            f"in float32 {self.bits_per_byte_float32:.4f}: {self.more_bits:+.2%} (allowed: {MOST_MORE_BITS:+.0%}). "
            f"{self.equal_greedy_tokens:.1%} of the likeliest tokens are the same (allowed: {LEAST_EQUAL:.0%} or more)."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The text that both ways read: windows of tokens, and the bytes that they stand for."""

    windows: tuple[tuple[int, ...], ...]
    text_bytes: int

    @staticmethod
    def of(tokenizer: Tokenizer, context_tokens: int) -> "Sample":
        """The sample as a checkpoint reads it; each window begins as a text does."""
        tokens = tokenizer.encode(SAMPLE.read_text(encoding="utf-8"))[:MOST_TOKENS]
        begin = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
        wide = min(WINDOW, context_tokens) - len(begin)
        pieces = [tokens[at : at + wide] for at in range(0, len(tokens), wide)]
        windows = tuple((*begin, *piece) for piece in pieces if len(piece) > 1)
        said = sum(len(tokenizer.decode_all(window[1:]).encode()) for window in windows)
        return Sample(windows=windows, text_bytes=said)


class RoundedLoader:
    """Loads rounded weights once they have shown that they may be; `tell` hears of each what was measured."""

    def __init__(self, sample: Sample, tell: Callable[[str], None], weights: str = INT8) -> None:
        self._sample = sample
        self._tell = tell
        self._weights = weights

    def __call__(self, folder: Path, config: LlamaConfig, device: torch.device) -> Network:
        """As `load_network`. Raises SettingsError, with the numbers, where too much is lost."""
        exact = load_network(folder, config, device)
        wanted = [_read(exact, config, window, device) for window in self._sample.windows]
        del exact  # before the other is made: two would be five bytes a weight
        rounded = load_network(folder, config, device, self._weights)
        found = [_read(rounded, config, window, device) for window in self._sample.windows]
        quality = replace(_quality(self._sample, found, wanted), weights=self._weights)
        if not quality.holds:
            spelled = SPELLED[self._weights]
            raise SettingsError(f"The weights in {folder} are not served in {spelled}. {quality.sentence()}")
        self._tell(quality.sentence())
        return rounded


@dataclass(frozen=True, slots=True)
class _Reading:
    """Of one window: nats that its tokens took, and the likeliest token at each place."""

    nats: float
    likeliest: Tensor


@torch.inference_mode()
def _read(network: Network, config: LlamaConfig, window: Sequence[int], device: torch.device) -> _Reading:
    count = len(window) - 1
    cache = Cache(config, count, device)
    cache.prepare((), 1, count)
    logits = network.logits(network.forward(window[:-1], [Place(0, 0, count)], cache, []))  # [count, vocabulary]
    following = torch.tensor(window[1:], device=logits.device)
    nats = torch.nn.functional.cross_entropy(logits.float(), following, reduction="sum")
    return _Reading(float(nats), logits.argmax(-1))


def _quality(sample: Sample, found: Sequence[_Reading], wanted: Sequence[_Reading]) -> Quality:
    tokens = sum(len(reading.likeliest) for reading in found)
    same = sum(int((a.likeliest == b.likeliest).sum()) for a, b in zip(found, wanted, strict=True))
    bits = math.log(2) * sample.text_bytes
    return Quality(
        bits_per_byte=sum(reading.nats for reading in found) / bits,
        bits_per_byte_float32=sum(reading.nats for reading in wanted) / bits,
        equal_greedy_tokens=same / tokens,
        tokens=tokens,
    )
