"""The models that can be asked: the base, adapters on it, and other whole weights of its shape. Knows no requests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from outcrop.domain.errors import SettingsError
from outcrop.inference import compiled
from outcrop.inference.adapter import WEIGHTS_FILE, Adapter
from outcrop.inference.cache import Cache
from outcrop.inference.network import TorchNetwork
from outcrop.inference.places import Patched, Place
from outcrop.inference.shelf import BASE, Shelf
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.weights import read_tensors

FULL_WEIGHTS_FILE = "model.safetensors"


class Network(Protocol):
    """One set of whole weights."""

    def fit(self, adapter: Adapter) -> Any:
        """The adapter as `forward` takes it."""

    def forward(
        self, tokens: Sequence[int], places: Sequence[Place], cache: Cache, patched: Sequence[Patched[Any]]
    ) -> Tensor:
        """Hidden states [tokens, hidden] before the last norm; keys and values are in the cache then."""

    def logits(self, states: Tensor) -> Tensor:
        """[tokens, hidden] -> [tokens, vocabulary]."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A name's weights. Answers under way keep theirs, whatever is loaded or unloaded meanwhile.

    `adapter`: as `network` laid it out.
    """

    name: str
    network: Network
    adapter: Any = None


def load_network(folder: Path, config: LlamaConfig, device: torch.device, eight_bits: bool = False) -> Network:
    """The checkpoint in `folder`, in float32 or rounded to 8 bits, whatever it is stored in.

    Raises SettingsError where a tensor lacks.
    """
    tensors = read_tensors(folder)
    try:
        if compiled.usable(config, device):
            return compiled.CompiledNetwork(config, tensors, eight_bits)
        return TorchNetwork(config, tensors, device, eight_bits)
    except KeyError as error:
        raise SettingsError(f"The checkpoint {folder} has no tensor {error.args[0]}.") from error


Load = Callable[[Path, LlamaConfig, torch.device], Network]


class Models:
    """Models by name. Loading reads and lays out before anything changes, so nobody waits for it."""

    def __init__(self, checkpoint: Path, config: LlamaConfig, device: torch.device, load: Load = load_network) -> None:
        """`load`: how whole weights are read."""
        self._config = config
        self._device = device
        self._load_weights = load
        self._base = load(checkpoint, config, device)
        self._shelf = Shelf(Model(BASE, self._base))

    def names(self) -> list[str]:
        """Every name that can be asked for, the base first."""
        return self._shelf.names()

    def find(self, name: str) -> Model | None:
        """The model of a name."""
        return self._shelf.find(name)

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter, or whole weights, under a name; one already there is replaced. Raises SettingsError."""
        self._shelf.require_free(name)
        self._shelf.put(name, self._read(name, folder))

    def unload(self, name: str) -> bool:
        """Forget a name. False where it was not loaded."""
        return self._shelf.remove(name)

    def _read(self, name: str, folder: Path) -> Model:
        if (folder / WEIGHTS_FILE).exists():
            return Model(name, self._base, self._base.fit(Adapter.load(folder, self._config, self._device)))
        if not (folder / FULL_WEIGHTS_FILE).exists():
            raise SettingsError(f"The folder {folder} holds neither {WEIGHTS_FILE} nor {FULL_WEIGHTS_FILE}.")
        if replace(LlamaConfig.load(folder), context_tokens=self._config.context_tokens) != self._config:
            raise SettingsError(f"The model in {folder} has another shape than the checkpoint.")
        return Model(name, self._load_weights(folder, self._config, self._device))
