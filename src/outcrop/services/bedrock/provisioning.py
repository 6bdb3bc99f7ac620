"""Provisioned throughput: create, get, list, update, delete. Knows nothing of engines, nor of a unit's tokens."""

from calendar import monthrange
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop import families
from outcrop.domain import arn as arns
from outcrop.domain import model_units
from outcrop.domain.errors import (
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from outcrop.domain.states import ThroughputStatus
from outcrop.services.bedrock import bases, tagging
from outcrop.services.bedrock.idempotency import once
from outcrop.services.bedrock.paging import answered, page_of
from outcrop.services.bedrock.present import present
from outcrop.services.call import Call, Operation
from outcrop.store import tags, throughput, tokens
from outcrop.store.throughput import Throughput

COMMITMENT_MONTHS = {"OneMonth": 1, "SixMonths": 6}


def create_provisioned_model_throughput(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Provision a foundation model or a custom model; the worker puts it in service."""
    arn = once(call, "CreateProvisionedModelThroughput", request, lambda c: _create(c, call, request))
    return {"provisionedModelArn": arn}


def get_provisioned_model_throughput(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One provisioned model, by name or ARN."""
    with call.ground.database.read() as connection:
        found = _known(connection, call, request["provisionedModelId"])
    return present({**_summary(found), "failureMessage": found.failure_message})


def list_provisioned_model_throughputs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Provisioned models of this account and Region, a page at a time, the newest first unless asked otherwise."""
    filters = {
        "created_after": request.get("creationTimeAfter"),
        "created_before": request.get("creationTimeBefore"),
        "status": request.get("statusEquals"),
        "model_arn": request.get("modelArnEquals"),
        "name_contains": request.get("nameContains"),
    }
    rows, token = page_of(call, request, throughput.LISTING, filters)
    summaries = [present(_summary(throughput.from_row(row))) for row in rows]
    return answered("provisionedModelSummaries", summaries, token)


def update_provisioned_model_throughput(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Give it another name, or another model of the same base; traffic stays with the old model until then."""
    with call.ground.database.write() as connection:
        found = _known(connection, call, request["provisionedModelId"])
        if found.status in (ThroughputStatus.CREATING, ThroughputStatus.UPDATING):
            raise ValidationException(
                f"The provisioned model {found.name} is {found.status}: try again when it is not."
            )
        values = _renamed(connection, call, found, request.get("desiredProvisionedModelName"))
        values |= _moved(connection, call, found, request.get("desiredModelId"))
        if values:
            throughput.change(connection, found.id, {**values, "modified_at": call.at})
    return {}


def delete_provisioned_model_throughput(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Delete it, unless a commitment holds it or an update is under way. Its custom model stays."""
    with call.ground.database.write() as connection:
        found = _known(connection, call, request["provisionedModelId"])
        if found.status is ThroughputStatus.UPDATING:
            raise ConflictException(f"The provisioned model {found.name} is Updating: try again when it is not.")
        ends = found.commitment_expires_at
        if ends is not None and call.at < ends:
            raise ConflictException(
                f"The provisioned model {found.name} is under a {found.commitment} commitment "
                f"until {ends.isoformat()}: it cannot be deleted before."
            )
        throughput.remove(connection, found.id)
        tags.forget(connection, found.arn)
        tokens.forget(connection, found.arn)
    return {}


def _create(connection: sa.Connection, call: Call, request: dict[str, Any]) -> str:
    name, units = request["provisionedModelName"], request["modelUnits"]
    chosen = bases.choose(connection, call, request["modelId"])
    if chosen.custom is None:
        _refuse_on_demand_only(call, chosen.foundation)
    _refuse_name_in_use(connection, call, name)
    _refuse_what_cannot_be_kept(connection, units)
    given = tagging.checked(request.get("tags", ()), resource_name=name)
    made = _made(call, request, chosen)
    throughput.add(connection, made)
    tags.put(connection, made.arn, given)
    return made.arn


def _made(call: Call, request: dict[str, Any], chosen: bases.ChosenModel) -> Throughput:
    made_id, commitment = call.ground.new_id(), request.get("commitmentDuration")
    expires = None if commitment is None else months_later(call.at, COMMITMENT_MONTHS[commitment])
    return Throughput(
        id=made_id,
        arn=arns.provisioned_model(call.region, call.principal.account, made_id),
        account=call.principal.account,
        region=call.region,
        name=request["provisionedModelName"],
        model_units=request["modelUnits"],
        foundation_model_id=chosen.foundation.model_id,
        model_arn=chosen.arn,
        model_id=chosen.custom_id,
        desired_model_arn=chosen.arn,
        desired_model_id=chosen.custom_id,
        commitment=commitment,
        commitment_expires_at=expires,
        created_at=call.at,
        modified_at=call.at,
    )


def _renamed(connection: sa.Connection, call: Call, found: Throughput, name: str | None) -> dict[str, Any]:
    if name is None or name == found.name:
        return {}
    _refuse_name_in_use(connection, call, name)
    return {"name": name}


def _moved(connection: sa.Connection, call: Call, found: Throughput, identifier: str | None) -> dict[str, Any]:
    """The columns that send it to another model: none where it serves that model already."""
    if identifier is None:
        return {}
    if found.desired_model_id is None:
        raise ValidationException(
            f"The provisioned model {found.name} serves a base model: its model cannot be changed."
        )
    chosen = bases.choose(connection, call, identifier)
    if not _same_base(call, chosen.foundation, found.foundation_model_id):
        raise ValidationException(
            f"The provisioned model {found.name} serves models of the base {found.foundation_model_id}; "
            f"{identifier} is of the base {chosen.foundation.model_id}."
        )
    if chosen.arn == found.model_arn and found.status is ThroughputStatus.IN_SERVICE:
        return {}
    if found.status is ThroughputStatus.FAILED:  # its units were free meanwhile, and may be sold
        _refuse_what_cannot_be_kept(connection, found.model_units)
    desired = {"desired_model_arn": chosen.arn, "desired_model_id": chosen.custom_id}
    return {**desired, "status": ThroughputStatus.UPDATING.value, "failure_message": None}


def _same_base(call: Call, foundation: families.FoundationModel, foundation_model_id: str) -> bool:
    """Ids that differ in their context suffix alone are one base; a retrained model has its parent's base."""
    other = bases.catalogue_of(call).find_model(foundation_model_id)
    return other is not None and other.base_id == foundation.base_id


def _known(connection: sa.Connection, call: Call, identifier: str) -> Throughput:
    found = throughput.find(connection, call.region, call.principal.account, identifier)
    if found is None:
        raise ResourceNotFoundException(f"There is no provisioned model {identifier} in this account and Region.")
    return found


def _refuse_on_demand_only(call: Call, model: families.FoundationModel) -> None:
    if "PROVISIONED" in model.inference_types:
        return
    able = [other.model_id for other in bases.siblings(call, model) if "PROVISIONED" in other.inference_types]
    hint = f" Use {' or '.join(able)}." if able else ""
    raise ValidationException(f"The model {model.model_id} does not support provisioned throughput.{hint}")


def _refuse_name_in_use(connection: sa.Connection, call: Call, name: str) -> None:
    if throughput.find(connection, call.region, call.principal.account, name) is not None:
        raise ValidationException("The provided provisioned model name is currently in use.")


def _refuse_what_cannot_be_kept(connection: sa.Connection, units: int) -> None:
    refused = model_units.refusal(units, throughput.units_sold(connection))
    if refused is not None:
        raise ServiceQuotaExceededException(refused)


def months_later(moment: datetime, months: int) -> datetime:
    """The same day and time some months later, or that month's last day."""
    year, month = divmod(moment.month - 1 + months, 12)
    year, month = moment.year + year, month + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def _summary(found: Throughput) -> dict[str, Any]:
    return {
        "provisionedModelName": found.name,
        "provisionedModelArn": found.arn,
        "modelArn": found.model_arn,
        "desiredModelArn": found.desired_model_arn,
        "foundationModelArn": arns.foundation_model(found.region, found.foundation_model_id),
        "modelUnits": found.model_units,
        "desiredModelUnits": found.model_units,
        "status": found.status.value,
        "commitmentDuration": found.commitment,
        "commitmentExpirationTime": found.commitment_expires_at,
        "creationTime": found.created_at,
        "lastModifiedTime": found.modified_at,
    }


OPERATIONS: dict[str, Operation] = {
    "CreateProvisionedModelThroughput": create_provisioned_model_throughput,
    "GetProvisionedModelThroughput": get_provisioned_model_throughput,
    "ListProvisionedModelThroughputs": list_provisioned_model_throughputs,
    "UpdateProvisionedModelThroughput": update_provisioned_model_throughput,
    "DeleteProvisionedModelThroughput": delete_provisioned_model_throughput,
}
