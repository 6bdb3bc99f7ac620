"""Custom models: get, list, delete. Knows nothing of their files."""

from typing import Any

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.domain.errors import ConflictException
from outcrop.services.bedrock.bases import custom_model_unknown
from outcrop.services.bedrock.paging import answered, page_of
from outcrop.services.bedrock.present import metrics, present
from outcrop.services.call import Call, Operation
from outcrop.store import deployments, invocation_jobs, jobs, models, tags, throughput


def get_custom_model(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One model, by name or ARN, with what its job was given and measured."""
    with call.ground.database.read() as connection:
        model = _known(connection, call, request["modelIdentifier"])
        job = jobs.by_id(connection, model.job_id)
    assert job is not None, f"custom model {model.id} has lost its job {model.job_id}"
    return _described(model, job)


def list_custom_models(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Models of this account and Region, a page at a time, the newest first unless asked otherwise."""
    if request.get("isOwned") is False:
        return {"modelSummaries": []}  # nobody shares models here: every model is its account's own
    filters = {
        "created_after": request.get("creationTimeAfter"),
        "created_before": request.get("creationTimeBefore"),
        "status": request.get("modelStatus"),
        "name_contains": request.get("nameContains"),
        "base_model_id": _foundation_id(call, request.get("baseModelArnEquals")),
        "foundation_model_id": _foundation_id(call, request.get("foundationModelArnEquals")),
    }
    rows, token = page_of(call, request, models.LISTING, filters)
    prefix, account = arns.foundation_model(call.region, ""), call.principal.account
    return answered("modelSummaries", [_summary(row, prefix, account) for row in rows], token)


def delete_custom_model(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a model that nothing uses. Its files are wiped by the worker; models trained from it stand alone."""
    with call.ground.database.write() as connection:
        model = _known(connection, call, request["modelIdentifier"])
        _refuse_in_use(connection, model)
        models.mark_deleted(connection, model.id, call.at)
        tags.forget(connection, model.arn)
    return {}


def _known(connection: sa.Connection, call: Call, identifier: str) -> models.CustomModel:
    model = models.find(connection, call.region, call.principal.account, identifier)
    if model is None:
        raise custom_model_unknown(identifier)
    return model


def _refuse_in_use(connection: sa.Connection, model: models.CustomModel) -> None:
    users = {
        "provisioned throughput": throughput.names_using(connection, model.id),
        "deployment": deployments.names_using(connection, model.id),
        "customization job": jobs.names_continuing(connection, model.id),
        "model invocation job": invocation_jobs.names_asking(connection, model.id),
    }
    named = [f"{kind} {name}" for kind, names in users.items() for name in names]
    if named:
        raise ConflictException(f"The custom model {model.name} is in use by {', '.join(named)}.")


def _foundation_id(call: Call, arn: str | None) -> str | None:
    """The id in a foundation model's ARN of this Region. Any other ARN matches no model, as no id is spelled so."""
    prefix = arns.foundation_model(call.region, "")
    return arn.removeprefix(prefix) if arn is not None else None


def _described(model: models.CustomModel, job: jobs.Job) -> dict[str, Any]:
    return present(
        {
            "modelArn": model.arn,
            "modelName": model.name,
            "jobName": job.name,
            "jobArn": job.arn,
            "baseModelArn": arns.foundation_model(model.region, model.base_model_id),
            "customizationType": model.customization_type,
            "modelKmsKeyArn": model.kms_key_arn,
            "hyperParameters": job.hyperparameters,
            "trainingDataConfig": job.training_data,
            "validationDataConfig": job.validation_data,
            "outputDataConfig": job.output_data,
            "creationTime": model.created_at,
            "modelStatus": model.status.value,
            **metrics(job),
        }
    )


def _summary(row: tuple[Any, ...], foundation_prefix: str, account: str) -> dict[str, Any]:
    arn, name, created_at, base_model_id, customization_type, status, _ = row
    return {
        "modelArn": arn,
        "modelName": name,
        "creationTime": created_at,
        "baseModelArn": foundation_prefix + base_model_id,
        "baseModelName": "",  # required by the API's model, and empty in its answers
        "customizationType": customization_type,
        "ownerAccountId": account,
        "modelStatus": status,
    }


OPERATIONS: dict[str, Operation] = {
    "GetCustomModel": get_custom_model,
    "ListCustomModels": list_custom_models,
    "DeleteCustomModel": delete_custom_model,
}
