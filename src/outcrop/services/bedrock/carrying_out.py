"""Hyperparameters that a job could not carry out, refused with the reason. Knows nothing of tables and ranges.

Server and worker share an installation and a home: what is not here now would fail, or be left out in silence, later.
"""

import importlib.util
from typing import Any

from outcrop.domain.errors import ValidationException
from outcrop.families import CONTINUED_PRE_TRAINING, Hyperparameters
from outcrop.services.bedrock import bases
from outcrop.services.call import Call


def refuse_what_cannot_be_carried_out(
    call: Call, request: dict[str, Any], base: bases.ChosenModel, asked: Hyperparameters
) -> None:
    """Raises ValidationException."""
    _refuse_what_is_not_installed(asked)
    _refuse_what_has_no_answers(request, asked)
    _refuse_what_needs_validation(request, asked)
    _refuse_bfloat16_where_weights_stay_exact(call, base, asked)


def _refuse_what_is_not_installed(asked: Hyperparameters) -> None:
    if asked.method == "qlora" and importlib.util.find_spec("bitsandbytes") is None:
        raise ValidationException(
            "hyperParameters: outcrop.method qlora needs bitsandbytes, which is not installed where Outcrop runs; "
            "pip install 'outcrop[qlora]' there, or send outcrop.method lora."
        )


def _refuse_what_has_no_answers(request: dict[str, Any], asked: Hyperparameters) -> None:
    if asked.generation_sample and request.get("customizationType") == CONTINUED_PRE_TRAINING:
        raise ValidationException(
            "hyperParameters: outcrop.generationSample compares answers, and the passages of CONTINUED_PRE_TRAINING "
            "have none: leave it out."
        )


def _refuse_what_needs_validation(request: dict[str, Any], asked: Hyperparameters) -> None:
    if request.get("validationDataConfig", {}).get("validators"):
        return
    sent = {
        "outcrop.keepBest true": asked.keep_best,
        "outcrop.validateEverySteps": asked.validate_every_steps,
        "outcrop.generationSample": asked.generation_sample,
    }
    names = [name for name, value in sent.items() if value]
    if names:
        raise ValidationException(
            f"hyperParameters: {' and '.join(names)} cannot be carried out without validation data: "
            "give validationDataConfig.validators, or leave it out."
        )


def _refuse_bfloat16_where_weights_stay_exact(call: Call, base: bases.ChosenModel, asked: Hyperparameters) -> None:
    """Networks of transformers compute in the type of their weights, and whole weights in a result stay exact."""
    if asked.precision != "bfloat16":
        return
    settings, parent = call.ground.settings, base.custom
    whole = parent is not None and settings.whole_weights_file(parent.job_id).exists()
    checkpoint = bases.catalogue_of(call).checkpoint_for(base.foundation.model_id)
    if (whole or asked.method == "full") and not checkpoint.is_plain_llama:
        why = (
            "the custom model that this job continues has whole weights"
            if whole
            else "outcrop.method full trains all weights"
        )
        raise ValidationException(
            f"hyperParameters: outcrop.precision bfloat16 cannot be carried out here: {why}, which stay in float32, "
            f"and {checkpoint.name} is no plain Llama, so that it computes in the type of its weights. Leave it out."
        )
