"""Which model an identifier stands for: a foundation model or a custom one. Knows nothing of what is asked of it."""

from dataclasses import dataclass

import sqlalchemy as sa

from outcrop import families
from outcrop.domain import arn as arns
from outcrop.domain.errors import ResourceNotFoundException, ValidationException
from outcrop.services.call import Call
from outcrop.store import models


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenModel:
    """What was named. `custom` is None where a foundation model was named; `foundation` is always the root."""

    arn: str
    foundation: families.FoundationModel
    custom: models.CustomModel | None

    @property
    def custom_id(self) -> str | None:
        """The custom model's id."""
        return None if self.custom is None else self.custom.id


def choose(connection: sa.Connection, call: Call, identifier: str) -> ChosenModel:
    """The model of a foundation id or ARN, or a custom model's name or ARN.

    Raises ValidationException where no such foundation model is known, ResourceNotFoundException for a custom one.
    """
    foundation = find_foundation(call, identifier)
    if foundation is not None:
        arn = arns.foundation_model(call.region, foundation.model_id)
        return ChosenModel(arn=arn, foundation=foundation, custom=None)
    custom = models.find(connection, call.region, call.principal.account, identifier)
    if custom is not None:
        return ChosenModel(arn=custom.arn, foundation=_root(call, custom), custom=custom)
    if "." in identifier and ":custom-model/" not in identifier:
        raise ValidationException(f"The provided model identifier is invalid: {identifier} names no foundation model.")
    raise custom_model_unknown(identifier)


def find_foundation(call: Call, identifier: str) -> families.FoundationModel | None:
    """The foundation model of an id, or of an ARN of this Region."""
    if identifier.startswith("arn:"):
        arn = arns.parse(identifier)
        if arn is None or arn.region != call.region:
            return None
    return catalogue_of(call).find_model(identifier)


def catalogue_of(call: Call) -> families.Catalogue:
    """What the ids stand for today: the user's own mappings are read anew for each call."""
    return families.Catalogue.load(call.ground.settings.catalogue_file)


def siblings(call: Call, model: families.FoundationModel) -> list[families.FoundationModel]:
    """The ids that differ from this one in their context suffix alone, itself included."""
    return [other for other in catalogue_of(call).models().values() if other.base_id == model.base_id]


def custom_model_unknown(identifier: str) -> ResourceNotFoundException:
    """The error for a custom model that does not exist (yet: it appears when its job has completed)."""
    return ResourceNotFoundException(f"There is no custom model {identifier} in this account and Region.")


def _root(call: Call, custom: models.CustomModel) -> families.FoundationModel:
    found = catalogue_of(call).find_model(custom.base_model_id)
    if found is None:  # a model id of the user's own, whose mapping was taken away since
        raise ValidationException(
            f"The model {custom.name} rests on {custom.base_model_id}, which is not mapped any more."
        )
    return found
