"""The model that a plan trains: base checkpoint, parent and fresh adapter put together, and the result taken out.

A result is always relative to the foundation checkpoint: a parent's adapter is continued where rank and targets
agree, else both are folded into one; whole weights stay whole. Knows no rows and no loop.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from outcrop.domain.errors import JobFailure
from outcrop.domain.plan import LoraPlan, TrainingPlan
from outcrop.modeling.attaching import attach, quantize, spelled_out_for
from outcrop.modeling.load import load_model
from outcrop.modeling.model import Attached, CausalModel
from outcrop.training.adapter import CONFIG_FILE, WEIGHTS_FILE, AdapterData, fold, rescaled
from outcrop.training.vault import ModelFolder

FULL_WEIGHTS_FILE = "model.safetensors"
FULL_CONFIG_FILE = "config.json"
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

    def save(self, folder: ModelFolder) -> None:
        """Writes the result, sealed: an adapter where one says all, else whole weights."""
        if self.adapters is None or self.whole:
            folder.write(FULL_CONFIG_FILE, self._full_config())
            folder.write(FULL_WEIGHTS_FILE, self._full_weights())
        else:
            data = self._adapter(self.adapters)
            folder.write(CONFIG_FILE, data.config())
            folder.write(WEIGHTS_FILE, data.weights())

    def base(self) -> CausalModel:
        """The foundation checkpoint as it was trained on. Call it last: the trained model may be taken apart for it."""
        if self.adapters is not None and self.folded is None and not self.whole:
            self.adapters.detach()
            return self.model
        model = _loaded(self.plan, _device(), self.whole)
        if self.plan.quantization is not None:
            quantize(model, _device())
        return model

    def _adapter(self, adapters: Attached) -> AdapterData:
        assert self.plan.lora is not None
        own = AdapterData(plan=self.plan.lora, tensors=adapters.give())
        return fold(self.folded, own) if self.folded else own

    def _full_weights(self) -> bytes:
        if self.adapters is not None:
            self.adapters.merge()
        tensors = {name: tensor.float().cpu().contiguous() for name, tensor in self.model.give().items()}
        return save(tensors, metadata={"format": "pt"})

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
    model = _loaded(plan, _device(), whole)
    before = None if parent is None or whole else _read_adapter(parent)
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
    adapters = _attached(model, plan.lora, plan.seed)
    if before is not None and continued:
        _fit(adapters, rescaled(before, plan.lora))
        before = None
    return Pupil(model=model, plan=plan, adapters=adapters, folded=before, whole=whole)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _loaded(plan: TrainingPlan, device: torch.device, whole: bool) -> CausalModel:
    """Weights that will be quantised wait on the CPU: only their 4 bits need room on the device."""
    place = device if plan.quantization is None else torch.device("cpu")
    activations = TYPES[plan.precision]
    return load_model(Path(plan.base_checkpoint), _weight_type(plan, whole), place, activations)


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
    try:
        adapters.take(data.tensors)
    except (KeyError, RuntimeError) as error:
        raise JobFailure("The model's adapter does not fit the base model: another size or shape.") from error


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
        model.take(load(parent.read(FULL_WEIGHTS_FILE)))
    except (KeyError, RuntimeError, SafetensorError) as error:
        raise JobFailure("The model's weights do not fit the base model: another size or shape.") from error
