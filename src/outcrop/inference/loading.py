"""A checkpoint's engine: the fast one where it is a plain Llama, else the general one. Knows no requests."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from outcrop.domain.context import context_tokens
from outcrop.domain.weights import BF16, FLOAT32, INT8
from outcrop.inference.cache import Cache, bytes_a_token
from outcrop.inference.engine import Doer
from outcrop.inference.general_models import GeneralModels
from outcrop.inference.general_runner import GeneralRunner, look_at
from outcrop.inference.kept_blocks import KeptBlocks, bytes_a_place
from outcrop.inference.models import Load, Models, load_network
from outcrop.inference.prefixes import Prefixes
from outcrop.inference.quality import RoundedLoader, Sample
from outcrop.inference.runner import Runner
from outcrop.inference.scheduler import Limits
from outcrop.inference.shelf import MOST_BYTES, NamedModels
from outcrop.modeling.config import LlamaConfig, is_plain_llama, read_config
from outcrop.text import Tokenizer

NOT_ROUNDED = {
    INT8: "int8 is computed on a CPU, for plain Llamas: the weights in {} stay in float32.",
    BF16: "bf16 is kept for plain Llamas: the weights in {} stay in float32.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What runs, what can be asked, how much of it at once, and what is kept of prompts."""

    doer: Doer
    models: NamedModels
    limits: Limits
    prefixes: Prefixes = field(default_factory=lambda: Prefixes(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How an engine is to be: answers side by side, what weights are kept in, and what memory may be taken.

    `cache_bytes`: for keys and values of answers under way, `prefix_bytes`: of kept beginnings of prompts;
    `models_bytes`: for models beside the base that may be evicted.
    """

    rows: int
    cache_bytes: int
    prefix_bytes: int = 0
    models_bytes: int = MOST_BYTES
    weights: str = FLOAT32


def load_engine(checkpoint: Path, device: torch.device, wishes: Wishes) -> Loaded:
    """The checkpoint, loaded. Raises CheckpointError or SettingsError."""
    plain = is_plain_llama(checkpoint)
    if wishes.weights != FLOAT32 and not (plain and (device.type == "cpu" or wishes.weights == BF16)):
        _tell(NOT_ROUNDED[wishes.weights].format(checkpoint))
        wishes = replace(wishes, weights=FLOAT32)
    return (_llama if plain else _general)(checkpoint, device, wishes)


def _llama(checkpoint: Path, device: torch.device, wishes: Wishes) -> Loaded:
    config = LlamaConfig.load(checkpoint)
    cache_tokens = wishes.cache_bytes // bytes_a_token(config)
    config = replace(config, context_tokens=min(config.context_tokens, cache_tokens))
    load: Load = load_network
    if wishes.weights != FLOAT32:
        load = RoundedLoader(Sample.of(Tokenizer.load(checkpoint), config.context_tokens), _tell, wishes.weights)
    prefixes = Prefixes(wishes.prefix_bytes // bytes_a_place(config))
    return Loaded(
        doer=Runner(Cache(config, cache_tokens, device), KeptBlocks(config, prefixes.places, device)),
        models=Models(checkpoint, config, device, load, wishes.models_bytes),
        limits=Limits(rows=wishes.rows, cache_tokens=cache_tokens, context_tokens=config.context_tokens),
        prefixes=prefixes,
    )


def _tell(sentence: str) -> None:
    """To the engine's log, whatever is logged otherwise: whoever asked for rounded weights is told what that costs."""
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201


def _general(checkpoint: Path, device: torch.device, wishes: Wishes) -> Loaded:
    models = GeneralModels(checkpoint, device, wishes.models_bytes)
    habits, longest = look_at(models.base), context_tokens(read_config(checkpoint))
    # Without a cache an answer takes no room but its tokens: what bounds it is the context alone.
    room = wishes.cache_bytes // habits.bytes_a_token if habits.bytes_a_token else wishes.rows * longest
    limits = Limits(rows=wishes.rows, cache_tokens=room, context_tokens=min(longest, room))
    # Each architecture keeps a cache in a form of its own, of which no piece can be taken: nothing is kept of prompts.
    return Loaded(doer=GeneralRunner(habits, device), models=models, limits=limits, prefixes=Prefixes(0))
