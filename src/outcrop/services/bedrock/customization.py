"""Customization jobs: get, list, stop. Knows nothing of how they run."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.domain.errors import ConflictException, ResourceNotFoundException
from outcrop.domain.states import JobStatus
from outcrop.services.bedrock.creation import create_model_customization_job
from outcrop.services.bedrock.paging import answered, page_of
from outcrop.services.bedrock.present import metrics, present
from outcrop.services.call import Call, Operation
from outcrop.store import jobs


def get_model_customization_job(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One job, by name or ARN."""
    with call.ground.database.read() as connection:
        return _described(_known(connection, call, request["jobIdentifier"]))


def list_model_customization_jobs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Jobs of this account and Region, a page at a time, the newest first unless asked otherwise."""
    filters = {
        "created_after": request.get("creationTimeAfter"),
        "created_before": request.get("creationTimeBefore"),
        "status": request.get("statusEquals"),
        "name_contains": request.get("nameContains"),
    }
    rows, token = page_of(call, request, jobs.LISTING, filters)
    return answered("modelCustomizationJobSummaries", [_summary(call, row) for row in rows], token)


def stop_model_customization_job(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Ask a job that is InProgress to stop; a queued one is Stopped at once."""
    with call.ground.database.write() as connection:
        job = _known(connection, call, request["jobIdentifier"])
        if job.status is not JobStatus.IN_PROGRESS:
            raise ConflictException(
                f"The job {job.name} is {job.status}: only a job that is InProgress can be stopped."
            )
        jobs.request_stop(connection, job, call.at)
    return {}


def _known(connection: sa.Connection, call: Call, identifier: str) -> jobs.Job:
    job = jobs.find(connection, call.region, call.principal.account, identifier)
    if job is None:
        raise ResourceNotFoundException(f"There is no model customization job {identifier} in this account and Region.")
    return job


def _described(job: jobs.Job) -> dict[str, Any]:
    completed = job.status is JobStatus.COMPLETED
    return present(
        {
            "jobArn": job.arn,
            "jobName": job.name,
            "outputModelName": job.model_name,
            "outputModelArn": job.model_arn if completed else None,
            "clientRequestToken": job.client_request_token,
            "roleArn": job.role_arn,
            "status": job.status.value,
            "statusDetails": _phases(job.phases),
            "failureMessage": job.failure_message,
            "creationTime": job.created_at,
            "lastModifiedTime": job.modified_at,
            "endTime": job.ended_at,
            "baseModelArn": arns.foundation_model(job.region, job.base_model_id),
            "hyperParameters": job.hyperparameters,
            "trainingDataConfig": job.training_data,
            "validationDataConfig": job.validation_data,
            "outputDataConfig": job.output_data,
            "customizationType": job.customization_type,
            "outputModelKmsKeyArn": job.kms_key_arn,
            "vpcConfig": job.vpc,
            **metrics(job),
        }
    )


def _summary(call: Call, row: tuple[Any, ...]) -> dict[str, Any]:
    arn, base, name, status, created, modified, ended, model_id, model_name, kind, phases, _ = row
    completed = status == JobStatus.COMPLETED
    model_arn = arns.custom_model(call.region, call.principal.account, base, model_id)
    return present(
        {
            "jobArn": arn,
            "baseModelArn": arns.foundation_model(call.region, base),
            "jobName": name,
            "status": status,
            "statusDetails": _phases(phases),
            "lastModifiedTime": modified,
            "creationTime": created,
            "endTime": ended,
            "customModelArn": model_arn if completed else None,
            "customModelName": model_name,
            "customizationType": kind,
        }
    )


def _phases(phases: jobs.Phases) -> dict[str, Any]:
    return {name: {key: _moment(key, value) for key, value in phase.items()} for name, phase in phases.items()}


def _moment(key: str, value: Any) -> Any:
    return datetime.fromtimestamp(value, UTC) if key.endswith("Time") else value


OPERATIONS: dict[str, Operation] = {
    "CreateModelCustomizationJob": create_model_customization_job,
    "GetModelCustomizationJob": get_model_customization_job,
    "ListModelCustomizationJobs": list_model_customization_jobs,
    "StopModelCustomizationJob": stop_model_customization_job,
}
