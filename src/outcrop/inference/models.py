"""The models that can be asked: the base, adapters on it, and other whole weights of its shape. Knows no requests."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from outcrop.domain.errors import SettingsError
from outcrop.inference.adapter import WEIGHTS_FILE, Adapter
from outcrop.inference.network import Network
from outcrop.inference.shelf import BASE, Shelf
from outcrop.modeling.config import LlamaConfig

FULL_WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A name's weights. Answers under way keep theirs, whatever is loaded or unloaded meanwhile."""

    name: str
    network: Network
    adapter: Adapter | None = None


class Models:
    """Models by name. Loading reads and lays out before anything changes, so nobody waits for it."""

    def __init__(self, checkpoint: Path, config: LlamaConfig, device: torch.device) -> None:
        self._config = config
        self._device = device
        self._base = Network.load(checkpoint, config, device)
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
            return Model(name, self._base, Adapter.load(folder, self._config, self._device))
        if not (folder / FULL_WEIGHTS_FILE).exists():
            raise SettingsError(f"The folder {folder} holds neither {WEIGHTS_FILE} nor {FULL_WEIGHTS_FILE}.")
        if replace(LlamaConfig.load(folder), context_tokens=self._config.context_tokens) != self._config:
            raise SettingsError(f"The model in {folder} has another shape than the checkpoint.")
        return Model(name, Network.load(folder, self._config, self._device))
