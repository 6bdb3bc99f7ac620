"""The models on a checkpoint of any architecture: the base, adapters on it, other whole weights. Knows no requests."""

import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from outcrop.domain.errors import CheckpointError, SettingsError
from outcrop.inference import probe
from outcrop.inference.adapter import CONFIG_FILE, WEIGHTS_FILE, read_adapter, scale_of
from outcrop.inference.shelf import BASE, MOST_BYTES, About, Shelf
from outcrop.modeling.config import read_config
from outcrop.modeling.general import General
from outcrop.modeling.linear_layers import PREFIX, linear_layers, sizes
from outcrop.modeling.transformers_library import probe_tokens

FULL_WEIGHTS_FILE = "model.safetensors"
# Where weights came from and how they were stored is not their shape.
NO_SHAPE = ("torch_dtype", "dtype", "transformers_version", "_name_or_path", "architectures")


@dataclass(frozen=True, slots=True)
class LayerPatch:
    """What an adapter adds to one layer: `inputs @ narrow @ widen`. The scale is in `widen`."""

    narrow: Tensor  # [inputs, rank]
    widen: Tensor  # [rank, outputs]


Patches = dict[str, LayerPatch]


class Weights:
    """One set of whole weights. `patches` are those of the adapter that runs now; whoever runs it holds `lock`."""

    def __init__(self, model: General) -> None:
        self.model = model
        self.layers = linear_layers(model.network)
        self.patches: Patches = {}
        self.lock = threading.Lock()
        for name, layer in self.layers.items():
            layer.register_forward_hook(self._adding(name))

    @property
    def size_bytes(self) -> int:
        """Memory that the weights take."""
        return sum(weight.nbytes for weight in self.model.network.parameters())

    @torch.inference_mode()
    def probed(self, patches: Patches) -> Tensor:
        """Logits [tokens, vocabulary] of the probe."""
        network = self.model.network
        tokens = probe_tokens(network)
        with self.lock:
            self.patches = patches
            found: Tensor = network(input_ids=tokens, use_cache=False).logits[0]
        return found.float()

    def _adding(self, name: str) -> Any:
        def add(_: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> Tensor | None:
            patch = self.patches.get(name)
            return None if patch is None else outputs + inputs[0] @ patch.narrow @ patch.widen

        return add


@dataclass(frozen=True, slots=True, eq=False)
class GeneralModel:
    """A name's weights and patches. Answers under way keep theirs, whatever is loaded or unloaded meanwhile."""

    name: str
    weights: Weights
    patches: Patches
    about: About


class GeneralModels:
    """Models by name. Loading reads and checks before anything changes, so nobody waits for it."""

    def __init__(self, checkpoint: Path, device: torch.device, most_bytes: int = MOST_BYTES) -> None:
        """`most_bytes`: of all models beside the base that may be evicted."""
        self._device = device
        self._shape = _shape(checkpoint)
        self._base = self._weights(checkpoint)
        self._probed = self._base.probed({})
        self.shelf = Shelf(_whole(BASE, self._base), most_bytes)

    @property
    def base(self) -> General:
        """The checkpoint's own model."""
        return self._base.model

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter, or whole weights, under a name; one already there is replaced. Raises SettingsError."""
        self.shelf.require_free(name)
        self.shelf.put(name, self._read(name, folder))

    def _read(self, name: str, folder: Path) -> GeneralModel:
        if (folder / WEIGHTS_FILE).exists():
            return self._read_adapter(name, folder)
        if not (folder / FULL_WEIGHTS_FILE).exists():
            raise SettingsError(f"The folder {folder} holds neither {WEIGHTS_FILE} nor {FULL_WEIGHTS_FILE}.")
        try:
            if _shape(folder) != self._shape:
                raise SettingsError(f"The model in {folder} has another shape than the checkpoint.")
            return _whole(name, self._weights(folder))
        except CheckpointError as error:
            raise SettingsError(str(error)) from error

    def _read_adapter(self, name: str, folder: Path) -> GeneralModel:
        patches = read_patches(folder, self._base, self._device)
        shift = probe.shift(name, self._probed, self._base.probed(patches))
        version = probe.version_of(folder / CONFIG_FILE, folder / WEIGHTS_FILE)
        size_bytes = sum(patch.narrow.nbytes + patch.widen.nbytes for patch in patches.values())
        return GeneralModel(name, self._base, patches, About(version=version, size_bytes=size_bytes, shift=shift))

    def _weights(self, folder: Path) -> Weights:
        model = General.load(folder).eval().to(self._device)
        return Weights(model.requires_grad_(False))


def _whole(name: str, weights: Weights) -> GeneralModel:
    """Whole weights are not read again for a digest: each time they are loaded they are another version."""
    return GeneralModel(name, weights, {}, About(version=secrets.token_hex(), size_bytes=weights.size_bytes))


def read_patches(folder: Path, weights: Weights, device: torch.device) -> Patches:
    """The adapter in `folder`. Raises SettingsError for one that does not fit or that is not served."""
    about, tensors = read_adapter(folder, served={"fan_in_fan_out": (False, True)})
    scale, patches = scale_of(about), {}
    for name, layer in weights.layers.items():
        down = tensors.pop(f"{PREFIX}.{name}.lora_A.weight", None)
        up = tensors.pop(f"{PREFIX}.{name}.lora_B.weight", None)
        if down is None or up is None:
            continue
        outputs, inputs = sizes(layer)
        if down.shape[1:] != (inputs,) or up.shape != (outputs, len(down)):
            shapes = f"{tuple(down.shape)} and {tuple(up.shape)}"
            raise SettingsError(f"The adapter's matrices {shapes} do not fit a layer {inputs} wide to {outputs}.")
        patches[name] = LayerPatch(down.float().t().to(device), (up.float().t() * scale).to(device))
    if tensors:
        raise SettingsError(f"The adapter has tensors that are not served: {', '.join(sorted(tensors)[:3])}.")
    if not patches:
        raise SettingsError(f"The adapter in {folder} names no layer; see its {CONFIG_FILE}.")
    return patches


def _shape(folder: Path) -> dict[str, Any]:
    return {member: value for member, value in read_config(folder).items() if member not in NO_SHAPE}
