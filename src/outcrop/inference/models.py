"""The models that can be asked: the base, adapters on it, and other whole weights of its shape. Knows no requests."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from outcrop.domain.errors import SettingsError
from outcrop.domain.weights import FLOAT32
from outcrop.inference import compiled, probe
from outcrop.inference.adapter import CONFIG_FILE, WEIGHTS_FILE, Adapter
from outcrop.inference.cache import Cache
from outcrop.inference.network import TorchNetwork
from outcrop.inference.places import Patched, Place
from outcrop.inference.shelf import BASE, MOST_BYTES, About, Shelf
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.weights import read_tensors

FULL_WEIGHTS_FILE = "model.safetensors"


class Network(Protocol):
    """One set of whole weights."""

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""

    def fit(self, adapter: Adapter) -> Any:
        """The adapter as `forward` takes it; `size_bytes` says what memory that takes."""

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
    about: About
    adapter: Any = None


def load_network(folder: Path, config: LlamaConfig, device: torch.device, weights: str = FLOAT32) -> Network:
    """The checkpoint in `folder`, its matrices kept as `weights` says, whatever it is stored in.

    Raises SettingsError where a tensor lacks.
    """
    tensors = read_tensors(folder)
    try:
        if compiled.usable(config, device):
            return compiled.CompiledNetwork(config, tensors, weights)
        return TorchNetwork(config, tensors, device, weights)
    except KeyError as error:
        raise SettingsError(f"The checkpoint {folder} has no tensor {error.args[0]}.") from error


Load = Callable[[Path, LlamaConfig, torch.device], Network]


class Models:
    """Models by name. Loading reads and lays out before anything changes, so nobody waits for it."""

    def __init__(
        self,
        checkpoint: Path,
        config: LlamaConfig,
        device: torch.device,
        load: Load = load_network,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`load`: how whole weights are read. `most_bytes`: of all models beside the base that may be evicted."""
        self._config = config
        self._device = device
        self._load_weights = load
        self._base = load(checkpoint, config, device)
        self._probed = _probed(self._base, config, device, [])
        self.shelf = Shelf(_whole(BASE, self._base), most_bytes)

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter, or whole weights, under a name; one already there is replaced. Raises SettingsError."""
        self.shelf.require_free(name)
        self.shelf.put(name, self._read(name, folder))

    def _read(self, name: str, folder: Path) -> Model:
        if (folder / WEIGHTS_FILE).exists():
            return self._read_adapter(name, folder)
        if not (folder / FULL_WEIGHTS_FILE).exists():
            raise SettingsError(f"The folder {folder} holds neither {WEIGHTS_FILE} nor {FULL_WEIGHTS_FILE}.")
        if replace(LlamaConfig.load(folder), context_tokens=self._config.context_tokens) != self._config:
            raise SettingsError(f"The model in {folder} has another shape than the checkpoint.")
        return _whole(name, self._load_weights(folder, self._config, self._device))

    def _read_adapter(self, name: str, folder: Path) -> Model:
        laid_out = self._base.fit(Adapter.load(folder, self._config, self._device))
        patched = [Patched(0, probe.TOKENS, laid_out)]
        shift = probe.shift(name, self._probed, _probed(self._base, self._config, self._device, patched))
        version = probe.version_of(folder / CONFIG_FILE, folder / WEIGHTS_FILE)
        about = About(version=version, size_bytes=laid_out.size_bytes, shift=shift)
        return Model(name, self._base, about, laid_out)


def _whole(name: str, network: Network) -> Model:
    """Whole weights are not read again for a digest: each time they are loaded they are another version."""
    return Model(name, network, About(version=secrets.token_hex(), size_bytes=network.size_bytes))


@torch.inference_mode()
def _probed(network: Network, config: LlamaConfig, device: torch.device, patched: Sequence[Patched[Any]]) -> Tensor:
    """Logits [tokens, vocabulary] of the probe."""
    count = min(probe.TOKENS, config.context_tokens)
    cache = Cache(config, count, device)
    cache.prepare((), 1, count)
    tokens = probe.spread(config.vocabulary_size)[:count]
    return network.logits(network.forward(tokens, [Place(0, 0, count)], cache, patched))
