"""All families together: models by id, hyperparameters checked, record formats. Knows nothing of checkpoints."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, cast

from outcrop.domain import arn
from outcrop.domain.errors import ValidationException
from outcrop.domain.machine import Precision
from outcrop.domain.plan import CHECKPOINT_EVERY_S
from outcrop.families.claude import Claude
from outcrop.families.family import Family
from outcrop.families.hyperparameters import Hyperparameters, resolve, stated
from outcrop.families.llama import Llama
from outcrop.families.model import CustomizationType, FoundationModel
from outcrop.families.nova import Nova
from outcrop.families.open import Open
from outcrop.families.record_format import RecordFormat
from outcrop.families.titan import Titan

FAMILIES: dict[str, Family] = {family.name: family for family in (Nova(), Claude(), Llama(), Titan(), Open())}
MODELS: dict[str, FoundationModel] = {model.model_id: model for family in FAMILIES.values() for model in family.models}

_KEEP_BEST: dict[int | float | str | None, bool | None] = {"true": True, "false": False, None: None}
_PRECISION: dict[int | float | str | None, Precision | None] = {
    "float32": "float32",
    "bfloat16": "bfloat16",
    "auto": None,
    None: None,
}


def find_model(identifier: str) -> FoundationModel | None:
    """The model that an id or a foundation-model ARN names."""
    return MODELS.get(model_id_of(identifier))


def model_id_of(identifier: str) -> str:
    """The id inside a foundation-model ARN; anything else as it is."""
    parts = arn.parse(identifier)
    if parts is None or parts.service != "bedrock" or not parts.resource.startswith("foundation-model/"):
        return identifier
    return parts.resource.removeprefix("foundation-model/")


def family_of(model: FoundationModel) -> Family:
    """The family that a model belongs to."""
    return FAMILIES[model.family]


def check_hyperparameters(
    model: FoundationModel, customization_type: CustomizationType, sent: Mapping[str, str]
) -> Hyperparameters:
    """What was sent, typed, defaults filled in. Raises ValidationException naming each problem, range and value."""
    _supported(model, customization_type)
    family = family_of(model)
    table = family.hyperparameters(model, customization_type)
    values = resolve(table, sent, f"{model.model_id} ({customization_type})")
    found = family.typed(values, stated(table, sent))
    return replace(
        found,
        method=cast(Literal["lora", "qlora", "full"], values.get("outcrop.method", "lora")),
        lora_rank=_integer(values.get("outcrop.loraRank")),
        lora_alpha=_integer(values.get("outcrop.loraAlpha")),
        lora_targets=_names(values.get("outcrop.loraTargets")),
        lora_dropout=float(values.get("outcrop.loraDropout", 0.0)),
        validate_every_steps=_integer(values.get("outcrop.validateEverySteps")),
        keep_best=_KEEP_BEST[values.get("outcrop.keepBest")],
        checkpoint_every_s=float(values.get("outcrop.checkpointEverySeconds", CHECKPOINT_EVERY_S)),
        precision=_PRECISION[values.get("outcrop.precision")],
        seed=_integer(values.get("outcrop.seed")) or 0,
        generation_sample=_integer(values.get("outcrop.generationSample")) or 0,
    )


def record_format(model: FoundationModel, customization_type: CustomizationType, batch_size: int = 1) -> RecordFormat:
    """The rules of a training file. Titan takes shorter records in larger batches."""
    _supported(model, customization_type)
    return family_of(model).record_format(model, customization_type, batch_size)


def _supported(model: FoundationModel, customization_type: str) -> None:
    if customization_type not in model.customizations:
        takes = " and ".join(model.customizations)
        raise ValidationException(f"{model.model_id} does not support {customization_type}; it supports {takes}.")


def _integer(value: int | float | str | None) -> int | None:
    return value if isinstance(value, int) else None


def _names(value: int | float | str | None) -> tuple[str, ...] | None:
    return tuple(value.split(",")) if isinstance(value, str) else None
