"""A checkpoint's engine: the fast one where it is a plain Llama, else the general one. Knows no requests."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from outcrop.domain.context import context_tokens
from outcrop.inference.cache import Cache, bytes_a_token
from outcrop.inference.engine import Doer
from outcrop.inference.general_models import GeneralModels
from outcrop.inference.general_runner import GeneralRunner, look_at
from outcrop.inference.models import Models
from outcrop.inference.runner import Runner
from outcrop.inference.scheduler import Limits
from outcrop.inference.shelf import NamedModels
from outcrop.modeling.config import LlamaConfig, is_plain_llama, read_config


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What runs, what can be asked, and how much of it at once."""

    doer: Doer
    models: NamedModels
    limits: Limits


def load_engine(checkpoint: Path, device: torch.device, *, rows: int, cache_bytes: int) -> Loaded:
    """The checkpoint, loaded. Raises CheckpointError or SettingsError."""
    load = _llama if is_plain_llama(checkpoint) else _general
    return load(checkpoint, device, rows, cache_bytes)


def _llama(checkpoint: Path, device: torch.device, rows: int, cache_bytes: int) -> Loaded:
    config = LlamaConfig.load(checkpoint)
    cache_tokens = cache_bytes // bytes_a_token(config)
    config = replace(config, context_tokens=min(config.context_tokens, cache_tokens))
    return Loaded(
        doer=Runner(Cache(config, cache_tokens, device)),
        models=Models(checkpoint, config, device),
        limits=Limits(rows=rows, cache_tokens=cache_tokens, context_tokens=config.context_tokens),
    )


def _general(checkpoint: Path, device: torch.device, rows: int, cache_bytes: int) -> Loaded:
    models = GeneralModels(checkpoint, device)
    habits, longest = look_at(models.base), context_tokens(read_config(checkpoint))
    # Without a cache an answer takes no room but its tokens: what bounds it is the context alone.
    cache_tokens = cache_bytes // habits.bytes_a_token if habits.bytes_a_token else rows * longest
    context = min(longest, cache_tokens)
    limits = Limits(rows=rows, cache_tokens=cache_tokens, context_tokens=context)
    return Loaded(doer=GeneralRunner(habits, device), models=models, limits=limits)
