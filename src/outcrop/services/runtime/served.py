"""What an invocation's model identifier stands for: whose dialect, which checkpoint, which weights. Asks no engine."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.domain.errors import (
    ModelErrorException,
    ModelNotReadyException,
    ResourceNotFoundException,
    ValidationException,
)
from outcrop.families import Catalogue, Checkpoint, Family, FoundationModel, family_of
from outcrop.services.call import Call
from outcrop.services.runtime.profiles import model_id_of
from outcrop.store import models
from outcrop.store.models import CustomModel, Servable
from outcrop.store.trained_on import other_weights

BASE = "base"  # the engine's name for the checkpoint's own weights
ANSWERING = frozenset({"Active", "InService", "Updating"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an identifier counts."""

    region: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One model that can be asked. `engine_model` is its name in the engine; `sentence` says plainly what answers.

    `buyer`: the provisioned throughput that it was asked through, by its id.
    """

    model: FoundationModel
    family: Family
    checkpoint: Path
    engine_model: str
    sentence: str
    buyer: str | None = None


def find_served(call: Call, identifier: str) -> Served:
    """The model behind an identifier. Blocks on the database. Raises the Faults that Bedrock's clients expect."""
    _refuse_custom_model_arn(identifier)
    catalogue = Catalogue.load(call.ground.settings.catalogue_file)
    foundation = _foundation(call, identifier, catalogue)
    if foundation is not None:
        _check_region(call.region, identifier)
        _check_on_demand(foundation)
        return _base(foundation, catalogue)
    with call.ground.database.read() as connection:
        found = models.servable(connection, call.region, call.principal.account, identifier, catalogue.find_model)
        other = None if found is None or found.model is None else other_weights(connection, found.model)
    if found is None:
        raise ResourceNotFoundException(f"There is no model {identifier} in this account and Region.")
    _check_status(found, identifier)
    if other is not None:
        raise ModelErrorException(other, originalStatusCode=500)
    root = _root(catalogue, found.foundation_model_id)
    served = _base(root, catalogue) if found.model is None else _custom(root, found.model, catalogue)
    return replace(served, buyer=found.throughput_id)


async def find_soon(call: Call, identifier: str) -> Served:
    """The same on an event loop: at once where reads never wait, as a thread costs more than such a read."""
    if call.ground.database.reads_never_wait:
        return find_served(call, identifier)
    return await asyncio.to_thread(find_served, call, identifier)


def find_batched(connection: sa.Connection, catalogue: Catalogue, place: Place, identifier: str) -> Served:
    """The model behind a batch job's identifier: a foundation model or its profile, or a custom model by its own ARN.

    A custom model needs no provisioned throughput here; `engine_model` is its id. Raises the same Faults.
    """
    profiled = model_id_of(identifier, place.account)
    foundation = catalogue.find_model(identifier) or (catalogue.find_model(profiled) if profiled is not None else None)
    if foundation is not None:
        _check_region(place.region, identifier)
        _check_on_demand(foundation)
        return _base(foundation, catalogue)
    custom = models.find(connection, place.region, place.account, identifier)
    if custom is None:
        raise ResourceNotFoundException(f"There is no model {identifier} in this account and Region.")
    return _custom(_root(catalogue, custom.base_model_id), custom, catalogue)


def _foundation(call: Call, identifier: str, catalogue: Catalogue) -> FoundationModel | None:
    """The foundation model of an id or ARN, its own or an inference profile's."""
    profiled = model_id_of(identifier, call.principal.account)
    return catalogue.find_model(identifier) or (catalogue.find_model(profiled) if profiled is not None else None)


def _root(catalogue: Catalogue, foundation_model_id: str) -> FoundationModel:
    root = catalogue.find_model(foundation_model_id)
    if root is None:
        raise ResourceNotFoundException(f"The foundation model {foundation_model_id} is no longer served.")
    return root


def _base(model: FoundationModel, catalogue: Catalogue) -> Served:
    checkpoint = catalogue.checkpoint_for(model.model_id)
    return Served(
        model=model,
        family=family_of(model),
        checkpoint=checkpoint.path,
        engine_model=BASE,
        sentence=checkpoint.sentence,
    )


def _custom(model: FoundationModel, custom: CustomModel, catalogue: Catalogue) -> Served:
    """A custom model stays on the checkpoint that it was trained on, whatever its id is mapped to now."""
    checkpoint = Path(custom.checkpoint)
    return Served(
        model=model,
        family=family_of(model),
        checkpoint=checkpoint,
        engine_model=custom.id,
        sentence=_custom_sentence(custom, checkpoint, catalogue.checkpoint_for(model.model_id)),
    )


def _custom_sentence(custom: CustomModel, trained_on: Path, mapped: Checkpoint) -> str:
    if mapped.path == trained_on:
        return f"{custom.name} is a custom model. {mapped.sentence}"
    return f"{custom.name} is a custom model, trained on the checkpoint {trained_on.name}."


def _refuse_custom_model_arn(identifier: str) -> None:
    arn = arns.parse(identifier)
    if arn is not None and arn.resource.startswith("custom-model/"):
        raise ValidationException(
            f"The custom model {identifier} cannot be invoked by its own ARN: use the ARN of provisioned throughput "
            "or of a custom model deployment that serves it."
        )


def _check_region(region: str, identifier: str) -> None:
    arn = arns.parse(identifier)
    if arn is not None and arn.region != region:
        raise ValidationException(f"The provided model identifier is invalid: this is {region}, not {arn.region}.")


def _check_on_demand(model: FoundationModel) -> None:
    if "ON_DEMAND" not in model.inference_types:
        raise ValidationException(
            # The typographic apostrophe is Bedrock's: clients look for these very words.
            f"Invocation of model ID {model.model_id} with on-demand throughput isn\N{RIGHT SINGLE QUOTATION MARK}t "
            "supported. Retry your request with provisioned throughput for it or for a model customized from it."
        )


def _check_status(found: Servable, identifier: str) -> None:
    if found.status == "Creating":
        raise ModelNotReadyException(f"{identifier} is still being created. Try again when it is in service.")
    if found.status not in ANSWERING:
        raise ValidationException(f"{identifier} cannot be invoked: its status is {found.status}.")
