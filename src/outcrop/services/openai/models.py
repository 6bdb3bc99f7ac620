"""The models that a caller may ask, by the names to ask them with. Knows no dialect of an invocation."""

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from outcrop.domain.errors import ResourceNotFoundException, ValidationException
from outcrop.domain.states import DeploymentStatus, ThroughputStatus
from outcrop.families import Catalogue, lacking_files
from outcrop.services.api_keys import may_invoke, permissions_of
from outcrop.services.call import Call
from outcrop.services.openai.places import in_the_models_region
from outcrop.services.permissions import Permissions
from outcrop.services.runtime.resources import invoked_resources
from outcrop.services.runtime.served import find_served
from outcrop.store import deployments, throughput

OWN = "outcrop"  # who owns what the account itself customized
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One that can be asked. `created` is in whole seconds since 1970: a checkpoint's when its folder was written."""

    id: str
    created: int
    owned_by: str

    def view(self) -> dict[str, Any]:
        """As OpenAI lists it."""
        return {"id": self.id, "object": "model", "created": self.created, "owned_by": self.owned_by}


async def list_models(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """Foundation models, and what is provisioned and deployed in every Region, as far as policies let the caller."""
    found = await asyncio.to_thread(_allowed, call)
    return {"body": {"object": "list", "data": [model.view() for model in found]}, "headers": {}}


async def retrieve_model(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One model, by any name that it can be asked with."""
    found = await asyncio.to_thread(_retrieved, call, request["model"])
    return {"body": found.view(), "headers": {}}


def _allowed(call: Call) -> list[Model]:
    permissions_of(call)
    permissions = cache(lambda region: Permissions(replace(call, region=region)))
    found = [(model, _placed(call, model)) for model in (*_foundation(call), *_bought(call))]
    return [
        model
        for model, placed in found
        if placed is not None and may_invoke(permissions(placed.region), placed, model.id)
    ]


def _placed(call: Call, model: Model) -> Call | None:
    """The call where the model is. None where that is no Region, as a client's own name for one (`local`) is none."""
    try:
        return in_the_models_region(call, model.id)
    except ValidationException as fault:
        LOG.warning("%s is not listed among the models: %s", model.id, fault.message)
        return None


def _retrieved(call: Call, identifier: str) -> Model:
    """Raises ResourceNotFoundException too where policies hide it: who may not ask need not know."""
    placed = in_the_models_region(call, identifier)
    if not may_invoke(permissions_of(placed), placed, identifier):
        raise ResourceNotFoundException(f"There is no model {identifier} that you may use.")
    served = find_served(placed, identifier)
    arn = invoked_resources(placed, identifier)[-1]
    bought = next((model for model in _bought(placed) if model.id == arn), None)
    if bought is not None:
        return replace(bought, id=identifier)
    created = _written(served.checkpoint)
    if created is None:
        raise ResourceNotFoundException(
            f"The checkpoint {served.checkpoint.name}, which {identifier} is mapped to, is not there; `outcrop doctor` "
            "says what is missing."
        )
    return Model(id=identifier, created=created, owned_by=served.model.provider)


def _foundation(call: Call) -> list[Model]:
    """Those whose checkpoints are there: one folder that is gone must not take the list away."""
    catalogue = Catalogue.load(call.ground.settings.catalogue_file)
    written = cache(_written)  # most ids share one folder
    created = {
        model: written(catalogue.checkpoint_for(model.model_id).path)
        for model in catalogue.models().values()
        if "ON_DEMAND" in model.inference_types
    }
    return [
        Model(id=model.model_id, created=at, owned_by=model.provider) for model, at in created.items() if at is not None
    ]


def _bought(call: Call) -> list[Model]:
    """What answers under provisioned throughput or a deployment, by ARN."""
    account, database = call.principal.account, call.ground.database
    answering = (ThroughputStatus.IN_SERVICE, ThroughputStatus.UPDATING)
    bought = [
        (one.account, one.arn, one.created_at) for one in throughput.standing(database) if one.status in answering
    ]
    deployed = [
        (one.account, one.arn, one.created_at)
        for one in deployments.standing(database)
        if one.status is DeploymentStatus.ACTIVE
    ]
    return [
        Model(id=arn, created=int(created_at.timestamp()), owned_by=OWN)
        for owner, arn, created_at in (*bought, *deployed)
        if owner == account
    ]


def _written(checkpoint: Path) -> int | None:
    """When; None where it lacks files, which only the log says whole: a caller need not know our folders."""
    lacking = lacking_files(checkpoint)
    if lacking is not None:
        LOG.warning("what is mapped to %s is not listed among the models: %s", checkpoint, lacking)
        return None
    return int((checkpoint / "config.json").stat().st_mtime)
