"""A foundation model as the catalogue lists it. Knows nothing of checkpoints or of what a family does."""

from dataclasses import dataclass
from typing import Literal

CustomizationType = Literal["FINE_TUNING", "CONTINUED_PRE_TRAINING"]
InferenceType = Literal["ON_DEMAND", "PROVISIONED"]

FINE_TUNING: CustomizationType = "FINE_TUNING"
CONTINUED_PRE_TRAINING: CustomizationType = "CONTINUED_PRE_TRAINING"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundationModel:
    """One model id. `base_id` names the model itself: ids that differ only in a context suffix share it.

    `short_name` leaves room for a checkpoint's name beside it; modalities state what Outcrop carries out today.
    """

    model_id: str
    base_id: str
    name: str
    short_name: str
    provider: str
    family: str
    context_tokens: int
    customizations: tuple[CustomizationType, ...] = (FINE_TUNING,)
    inference_types: tuple[InferenceType, ...] = ("ON_DEMAND",)
    input_modalities: tuple[str, ...] = ("TEXT",)
    output_modalities: tuple[str, ...] = ("TEXT",)
    streaming: bool = True
    lifecycle_status: Literal["ACTIVE", "LEGACY"] = "ACTIVE"

    def also(self, model_id: str) -> "FoundationModel":
        """The same model under another on-demand id."""
        return self._under(model_id, self.context_tokens, self.inference_types)

    def with_context(self, model_id: str, context_tokens: int) -> "FoundationModel":
        """The same model under an id with a context suffix: a base for customization, served on provisioned units."""
        return self._under(model_id, context_tokens, ("PROVISIONED",))

    def _under(
        self, model_id: str, context_tokens: int, inference_types: tuple[InferenceType, ...]
    ) -> "FoundationModel":
        return FoundationModel(
            model_id=model_id,
            base_id=self.base_id,
            name=self.name,
            short_name=self.short_name,
            provider=self.provider,
            family=self.family,
            context_tokens=context_tokens,
            customizations=self.customizations,
            inference_types=inference_types,
            input_modalities=self.input_modalities,
            output_modalities=self.output_modalities,
            streaming=self.streaming,
            lifecycle_status=self.lifecycle_status,
        )
