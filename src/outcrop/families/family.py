"""What a family is: its models, its hyperparameters, its records, its dialect. Adding a family is adding a file."""

from collections.abc import Mapping
from typing import Any, Protocol

from outcrop.families.ask import Answer, Ask, StreamDialect
from outcrop.families.hyperparameters import Hyperparameter, Hyperparameters
from outcrop.families.model import CustomizationType, FoundationModel
from outcrop.families.record_format import RecordFormat


class Family(Protocol):
    """All that differs between families; everything else is the same for all."""

    name: str
    models: tuple[FoundationModel, ...]

    def hyperparameters(
        self, model: FoundationModel, customization_type: CustomizationType
    ) -> tuple[Hyperparameter, ...]:
        """The family's table, without Outcrop's own."""

    def typed(self, values: Mapping[str, Any], stated: dict[str, str]) -> Hyperparameters:
        """The family's names in the program's own."""

    def record_format(
        self, model: FoundationModel, customization_type: CustomizationType, batch_size: int
    ) -> RecordFormat:
        """Rules of a training file."""

    def parse_invoke(self, body: dict[str, Any], model: FoundationModel) -> Ask:
        """An InvokeModel body. Raises ValidationException for what is wrong and for what Outcrop does not carry out."""

    def answer(self, answer: Answer, model: FoundationModel, message_id: str) -> dict[str, Any]:
        """The body of InvokeModel's response."""

    def stream(self, model: FoundationModel, message_id: str) -> StreamDialect:
        """The chunks of InvokeModelWithResponseStream."""
