"""The model that a plan trains: base checkpoint, parent and fresh adapter put together, and the result taken out.

A result is always relative to the foundation checkpoint: a parent's adapter is continued where rank and targets
agree, else both are folded into one; whole weights stay whole. Knows no rows and no loop.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from outcrop.domain.errors import JobFailure
from outcrop.domain.plan import LoraPlan, TrainingPlan
from outcrop.modeling.attaching import attach, quantize, spelled_out_for
from outcrop.modeling.load import load_model
from outcrop.modeling.model import Attached, CausalModel
from outcrop.training.adapter import CONFIG_FILE, WEIGHTS_FILE, AdapterData, fold, rescaled
from outcrop.training.tensor_file import safetensors_chunks
from outcrop.training.vault import ModelFolder

FULL_WEIGHTS_FILE = "model.safetensors"
FULL_CONFIG_FILE = "config.json"
FREE_SHARE = 0.8  # of a card's free memory that weights may take: the rest is for what a few short rows need
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pupil:
    """`adapters` is None where every weight is trained. `folded` is a parent's adapter that lies in the weights.

    `whole`: the weights are not the foundation checkpoint's, beyond `folded`.
    """

    model: CausalModel
    plan: TrainingPlan
    adapters: Attached | None
    folded: AdapterData | None = None
    whole: bool = False

    def drop_gradients(self) -> None:
        """Frees the gradients' memory. Call it once nothing is trained any more."""
        for parameter in self.model.parameters():
            parameter.grad = None

    def save(self, folder: ModelFolder) -> None:
        """Writes the result, sealed: an adapter where one says all, else whole weights."""
        data = self.adapter()
        if data is None:
            folder.write(FULL_CONFIG_FILE, self._full_config())
            folder.write(FULL_WEIGHTS_FILE, self._full_weights())
        else:
            folder.write(CONFIG_FILE, data.config())
            folder.write(WEIGHTS_FILE, data.weights())

    def adapter(self) -> AdapterData | None:
        """What makes the foundation checkpoint this model; None where that takes whole weights."""
        if self.adapters is None or self.whole:
            return None
        assert self.plan.lora is not None
        own = AdapterData(plan=self.plan.lora, tensors=self.adapters.give())
        return fold(self.folded, own) if self.folded else own

    def base(self) -> CausalModel | None:
        """The foundation checkpoint, where it lies under the adapter as it is served: that is taken off.

        None where other weights took its place: a parent's, or what 4 bits left.
        """
        kept = self.folded is None and not self.whole and self.plan.quantization is None
        if self.adapters is None or not kept:
            return None
        self.adapters.detach()
        return self.model

    def _full_weights(self) -> Iterator[bytes | memoryview]:
        """In float32, a tensor at a time: a second copy of them all might not fit beside the first."""
        if self.adapters is not None:
            self.adapters.merge()
        return safetensors_chunks(self.model.give(), {"format": "pt"}, torch.float32)

    def _full_config(self) -> bytes:
        config = json.loads((Path(self.plan.base_checkpoint) / FULL_CONFIG_FILE).read_bytes())
        return json.dumps(config | {"torch_dtype": "float32", "dtype": "float32"}, indent=1).encode()


def prepare(plan: TrainingPlan, parent: ModelFolder | None) -> Pupil:
    """Loads what the plan names. Raises JobFailure where the parent does not fit the base."""
    pupil = _prepared(plan, parent)
    if plan.recompute:
        pupil.model.recompute()
    return pupil


def _prepared(plan: TrainingPlan, parent: ModelFolder | None) -> Pupil:
    whole = parent is not None and parent.has(FULL_WEIGHTS_FILE)
    before = None if parent is None or whole else _read_adapter(parent)
    model = _loaded(plan, _device(), whole, exact=_is_merged(before, plan))
    if parent is not None and before is None:
        _take_whole(model, parent, plan)
    if plan.lora is None:
        return _all_weights(model, plan, before)
    return _with_adapter(model, dataclasses.replace(plan, lora=spelled_out_for(model, plan.lora)), before, whole)


def _with_adapter(model: CausalModel, plan: TrainingPlan, before: AdapterData | None, whole: bool) -> Pupil:
    """A parent's adapter goes on where it can, else into the weights before they are quantised."""
    assert plan.lora is not None
    continued = before is not None and _continues(before.plan, plan.lora)
    if before is not None and not continued:
        _merge(model, before)
    if plan.quantization is not None:
        quantize(model, _device())
    else:
        _round(model, _weight_type(plan, whole))
        model.to(_device())
    adapters = _attached(model, plan.lora, plan.seed)
    if before is not None and continued:
        _fit(adapters, rescaled(before, plan.lora))
        before = None
    return Pupil(model=model, plan=plan, adapters=adapters, folded=before, whole=whole)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _loaded(plan: TrainingPlan, device: torch.device, whole: bool, exact: bool = False) -> CausalModel:
    """Weights that will be quantised or rounded wait on the CPU: only what is left of them needs room on the device.

    `exact`: in float32 for now, because something is merged into them before they are rounded.
    """
    kept = _weight_type(plan, whole)
    waits = plan.quantization is not None or (exact and kept != torch.float32)
    place = torch.device("cpu") if waits else device
    return load_model(Path(plan.base_checkpoint), torch.float32 if exact else kept, place, TYPES[plan.precision])


def _is_merged(parent: AdapterData | None, plan: TrainingPlan) -> bool:
    """Whether the parent's adapter will go into the weights, as far as the plan tells before the model is there."""
    return parent is not None and (plan.lora is None or not _continues(parent.plan, plan.lora))


def _round(model: CausalModel, dtype: torch.dtype) -> None:
    """The parameters alone: a table of a network's own keeps the type that it was given."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def foundation(plan: TrainingPlan, whole: bool) -> CausalModel:
    """The foundation checkpoint, read once more: in the types of the training, but never in 4 bits.

    Where the training was over 4 bits it is as it will be served, in float32, on the CPU unless the card has room.
    """
    if plan.quantization is None:
        return _loaded(plan, _device(), whole)
    model = load_model(Path(plan.base_checkpoint), torch.float32, torch.device("cpu"))
    if torch.cuda.is_available() and _fits_card(model):
        model.to(torch.device("cuda"))
    return model


def _fits_card(model: CausalModel) -> bool:
    needed = sum(parameter.nbytes for parameter in model.parameters())
    return FREE_SHARE * torch.cuda.mem_get_info()[0] > needed


def take_model(base: CausalModel, model: ModelFolder) -> None:
    """Makes the foundation checkpoint `base` the model in a folder: its whole weights, or its adapter merged in.

    Raises JobFailure where they do not fit.
    """
    if model.has(FULL_WEIGHTS_FILE):
        _take_weights(base, model)
    else:
        _merge(base, _read_adapter(model))


def put_adapter(base: CausalModel, data: AdapterData) -> None:
    """Attaches an adapter to `base`. Raises JobFailure where it does not fit."""
    _fit(_attached(base, data.plan, seed=0), data)


def _weight_type(plan: TrainingPlan, whole: bool) -> torch.dtype:
    """Frozen weights are kept as they are computed with; those that are trained, or in the result, stay exact."""
    return torch.float32 if plan.lora is None or whole else TYPES[plan.precision]


def _all_weights(model: CausalModel, plan: TrainingPlan, before: AdapterData | None) -> Pupil:
    if before is not None:
        _merge(model, before)
    model.requires_grad_(True)
    return Pupil(model=model, plan=plan, adapters=None)


def _continues(parent: LoraPlan, plan: LoraPlan) -> bool:
    return parent.rank == plan.rank and set(parent.targets) == set(plan.targets)


def _attached(model: CausalModel, plan: LoraPlan, seed: int) -> Attached:
    adapters = attach(model, plan, seed)
    if adapters is None:
        raise JobFailure(f"None of the adapter's targets ({', '.join(plan.targets)}) is in the base model.")
    return adapters


def _merge(model: CausalModel, data: AdapterData) -> None:
    adapters = _attached(model, data.plan, seed=0)
    _fit(adapters, data)
    adapters.merge()
    adapters.detach()


def _fit(adapters: Attached, data: AdapterData) -> None:
    if _shapes(data.tensors) != _shapes(adapters.give()):
        raise JobFailure("The model's adapter does not fit the base model: another size or shape.")
    adapters.take(data.tensors)


def _shapes(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    """What must be equal before anything is copied: whatever is raised after that has another cause."""
    return {name: tensor.shape for name, tensor in tensors.items()}


def _read_adapter(parent: ModelFolder) -> AdapterData:
    return AdapterData.parse(parent.read(CONFIG_FILE), parent.read(WEIGHTS_FILE))


def _take_whole(model: CausalModel, parent: ModelFolder, plan: TrainingPlan) -> None:
    if plan.quantization is not None:
        # The result would be whole weights again, and 4 bits of the parent's are not the parent's.
        raise JobFailure(
            "The parent model has whole weights of its own, which qlora would coarsen for good; "
            "hint: outcrop.method lora or full"
        )
    _take_weights(model, parent)


def _take_weights(model: CausalModel, parent: ModelFolder) -> None:
    try:
        tensors = load(parent.read(FULL_WEIGHTS_FILE))
    except SafetensorError as error:
        raise JobFailure("The model's weights cannot be read: they are no safetensors file.") from error
    if _shapes(tensors) != _shapes(model.give()):
        raise JobFailure("The model's weights do not fit the base model: another size or shape.")
    model.take(tensors)
