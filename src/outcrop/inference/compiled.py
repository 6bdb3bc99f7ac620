"""The forward pass as decoder.cpp computes it: lays weights out once, then one call a step. `network.py` is its twin.

Knows tensors and weights; nothing of requests or text. On a CPU with a compiler, for heads of whole vectors.
"""

import ctypes
import functools
import logging
import os
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from outcrop.domain.weights import FLOAT32
from outcrop.inference.adapter import Adapter, Patch
from outcrop.inference.cache import Cache
from outcrop.inference.eight_bits import GROUP, KEEPS, Weight
from outcrop.inference.panels import Matrix, Panels
from outcrop.inference.places import Patched, Place
from outcrop.modeling.compiler import NoCompiler, load
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.kernels import SWITCH
from outcrop.modeling.rope import rope_table
from outcrop.modeling.weights import GROUPS, fuse

SOURCE = Path(__file__).with_name("decoder.cpp")
PARTS = 3  # projections that one fused place joins, at most: decoder.cpp's own
log = logging.getLogger(__name__)


class _Layer(ctypes.Structure):
    _fields_ = (
        ("attention_norm", ctypes.c_void_p),
        ("mlp_norm", ctypes.c_void_p),
        ("matrices", Matrix * len(GROUPS)),
    )


class _Patch(ctypes.Structure):
    _fields_ = (("narrow", Matrix), ("widen", Matrix * PARTS), ("columns", ctypes.c_long * PARTS))


class _Model(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_long) for name in ("layer_count", "hidden", "inner", "heads", "key_heads", "size")),
        ("epsilon", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("cosine", "sine", "embedding", "norm")),
        ("head", Matrix),
        ("layers", ctypes.c_void_p),
    )


class _Slice(ctypes.Structure):
    _fields_ = (("start", ctypes.c_long), ("stop", ctypes.c_long), ("patches", ctypes.c_void_p))


class _Step(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_long),
        *((name, ctypes.c_void_p) for name in ("tokens", "rows", "positions", "keys", "values")),
        ("length", ctypes.c_long),
        ("slice_count", ctypes.c_long),
        ("slices", ctypes.c_void_p),
    )


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library, or None where torch must do; the reason is logged once."""
    if os.environ.get(SWITCH) == "off":
        log.info("Answers run on torch alone: %s=off.", SWITCH)
        return None
    try:
        return load(SOURCE)
    except NoCompiler as reason:
        log.warning("Answers run on torch alone, at a lower speed: %s.", reason)
        return None


def usable(config: LlamaConfig, device: torch.device) -> bool:
    """Whether a model of these sizes can be computed here."""
    held = library() if device.type == "cpu" else None
    return held is not None and config.head_size % held.lanes() == 0


def product(held: ctypes.CDLL, inputs: Tensor, weight: Weight) -> Tensor:
    """`eight_bits.product` as a library's pass makes it."""
    panels, inputs = Panels(weight, held.lanes()), inputs.contiguous()
    outputs = torch.empty(len(inputs), panels.matrix.outputs)
    held.product(
        ctypes.byref(panels.matrix),
        ctypes.c_void_p(inputs.data_ptr()),
        ctypes.c_long(len(inputs)),
        ctypes.c_void_p(outputs.data_ptr()),
    )
    return outputs


class CompiledAdapter:
    """An adapter laid out: an array of `_Patch`, layer by layer, place by place, and what it points to."""

    def __init__(self, adapter: Adapter, layers: int, lanes: int) -> None:
        self._kept: list[Panels] = []
        self.patches = (_Patch * (layers * len(GROUPS)))()
        for layer in range(layers):
            for place, group in enumerate(GROUPS):
                patch = adapter.patch(layer, group)
                if patch is not None:
                    self.patches[layer * len(GROUPS) + place] = self._laid_out(patch, lanes)

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return sum(panels.size_bytes for panels in self._kept) + ctypes.sizeof(self.patches)

    def _laid_out(self, patch: Patch, lanes: int) -> _Patch:
        made = _Patch(narrow=self._matrix(patch.narrow.t(), lanes))
        for number, part in enumerate(patch.parts):
            widen = patch.widen[part.rank : part.rank_stop, part.column : part.column_stop]
            made.widen[number] = self._matrix(widen.t(), lanes)
            made.columns[number] = part.column
        return made

    def _matrix(self, weight: Tensor, lanes: int) -> Matrix:
        panels = Panels(weight, lanes)
        self._kept.append(panels)
        return panels.matrix


class CompiledNetwork:
    """One set of whole weights, laid out in floats, bfloat16 or 8 bits."""

    def __init__(self, config: LlamaConfig, tensors: dict[str, Tensor], weights: str = FLOAT32) -> None:
        held = library()
        assert held is not None, "callers ask `usable` first"
        self.config = config
        self._library = held
        assert held.group() == GROUP, "both sides round alike"
        self._keep = KEEPS[weights]
        self._kept: list[Any] = []
        self._model = self._laid_out(tensors)

    @property
    def size_bytes(self) -> int:
        """Memory that the weights take."""
        sizes = (kept.size_bytes if isinstance(kept, Panels) else _bytes_of(kept) for kept in self._kept)
        return sum(sizes)

    def fit(self, adapter: Adapter) -> CompiledAdapter:
        """The adapter as `forward` takes it."""
        return CompiledAdapter(adapter, self.config.layers, self._library.lanes())

    def forward(
        self, tokens: Sequence[int], places: Sequence[Place], cache: Cache, patched: Sequence[Patched[CompiledAdapter]]
    ) -> Tensor:
        """Hidden states [tokens, hidden] before the last norm; keys and values are in the cache then."""
        count = len(tokens)
        states = torch.empty(count, self.config.hidden_size)
        flat = array("q", tokens)
        rows = array("q", [place.row for place in places for _ in range(place.count)])
        positions = array("q", [place.start + at for place in places for at in range(place.count)])
        slices = (_Slice * len(patched))(
            *(_Slice(part.start, part.stop, ctypes.addressof(part.adapter.patches)) for part in patched)
        )
        keys, values = _addresses(cache.keys), _addresses(cache.values)
        step = _Step(
            count, *(numbers.buffer_info()[0] for numbers in (flat, rows, positions, keys, values)),
            cache.shape[1], len(patched), ctypes.addressof(slices),
        )  # fmt: skip
        self._library.forward(ctypes.byref(self._model), ctypes.byref(step), ctypes.c_void_p(states.data_ptr()))
        return states

    def logits(self, states: Tensor) -> Tensor:
        """[tokens, hidden] -> [tokens, vocabulary]."""
        states = states.contiguous()
        found = torch.empty(len(states), self.config.vocabulary_size)
        self._library.logits(
            ctypes.byref(self._model),
            ctypes.c_void_p(states.data_ptr()),
            ctypes.c_long(len(states)),
            ctypes.c_void_p(found.data_ptr()),
        )
        return found

    def _laid_out(self, tensors: dict[str, Tensor]) -> _Model:
        config = self.config
        layers = (_Layer * config.layers)(*(self._layer(tensors, number) for number in range(config.layers)))
        self._kept.append(layers)
        cosine, sine = rope_table(config, config.context_tokens)
        embedding = tensors["model.embed_tokens.weight"]
        return _Model(
            config.layers, config.hidden_size, config.intermediate_size, config.heads, config.key_value_heads,
            config.head_size, config.norm_epsilon, self._address(cosine), self._address(sine),
            self._address(embedding), self._address(tensors["model.norm.weight"]),
            self._matrix(embedding if config.tied else tensors["lm_head.weight"]), ctypes.addressof(layers),
        )  # fmt: skip

    def _layer(self, tensors: dict[str, Tensor], number: int) -> _Layer:
        prefix = f"model.layers.{number}"
        layer = _Layer(
            self._address(tensors[f"{prefix}.input_layernorm.weight"]),
            self._address(tensors[f"{prefix}.post_attention_layernorm.weight"]),
        )
        for place, group in enumerate(GROUPS):
            layer.matrices[place] = self._matrix(fuse(tensors, number, group))
        return layer

    def _matrix(self, weight: Tensor) -> Matrix:
        panels = Panels(self._keep(weight), self._library.lanes())
        self._kept.append(panels)
        return panels.matrix

    def _address(self, tensor: Tensor) -> int:
        kept = tensor.float().contiguous()
        self._kept.append(kept)
        return kept.data_ptr()


def _bytes_of(kept: Any) -> int:
    return kept.nbytes if isinstance(kept, Tensor) else ctypes.sizeof(kept)


def _addresses(tensors: Sequence[Tensor]) -> "array[int]":
    return array("q", [tensor.data_ptr() for tensor in tensors])
