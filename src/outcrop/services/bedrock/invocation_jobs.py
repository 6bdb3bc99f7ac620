"""Batch inference jobs: get, list, stop. Knows nothing of how they run."""

from typing import Any

import sqlalchemy as sa

from outcrop.domain.errors import ConflictException, ResourceNotFoundException
from outcrop.services.bedrock.invocation_creation import create_model_invocation_job
from outcrop.services.bedrock.paging import answered, page_of
from outcrop.services.bedrock.present import present
from outcrop.services.call import Call, Operation
from outcrop.store import invocation_jobs
from outcrop.store.invocation_jobs import FINISHED, InvocationJob


def get_model_invocation_job(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One job, by id or ARN."""
    with call.ground.database.read() as connection:
        return _described(_known(connection, call, request["jobIdentifier"]))


def list_model_invocation_jobs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Jobs of this account and Region, a page at a time, the newest first unless asked otherwise."""
    filters = {
        "created_after": request.get("submitTimeAfter"),
        "created_before": request.get("submitTimeBefore"),
        "status": request.get("statusEquals"),
        "name_contains": request.get("nameContains"),
    }
    rows, token = page_of(call, request, invocation_jobs.LISTING, filters)
    return answered("invocationJobSummaries", [_described(invocation_jobs.from_row(row)) for row in rows], token)


def stop_model_invocation_job(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Ask a job that has not ended to stop; one that no worker has begun is Stopped at once."""
    with call.ground.database.write() as connection:
        job = _known(connection, call, request["jobIdentifier"])
        if job.stop_requested or job.status in FINISHED:
            raise ConflictException(
                f"The job {job.name} is {job.status}: only a job that runs or waits can be stopped."
            )
        invocation_jobs.request_stop(connection, job, call.at)
    return {}


def _known(connection: sa.Connection, call: Call, identifier: str) -> InvocationJob:
    job = invocation_jobs.find(connection, call.region, call.principal.account, identifier)
    if job is None:
        raise ResourceNotFoundException(f"There is no model invocation job {identifier} in this account and Region.")
    return job


def _described(job: InvocationJob) -> dict[str, Any]:
    """Get and List answer the same members."""
    return present(
        {
            "jobArn": job.arn,
            "jobName": job.name,
            "modelId": job.model_identifier,
            "clientRequestToken": job.client_request_token,
            "roleArn": job.role_arn,
            "status": job.status.value,
            "message": job.message,
            "submitTime": job.created_at,
            "lastModifiedTime": job.modified_at,
            "endTime": job.ended_at,
            "inputDataConfig": job.input_data,
            "outputDataConfig": job.output_data,
            "vpcConfig": job.vpc,
            "timeoutDurationInHours": job.timeout_hours,
            "jobExpirationTime": job.expires_at,
            "modelInvocationType": job.invocation_type,
            **_counts(job),
        }
    )


def _counts(job: InvocationJob) -> dict[str, int]:
    """Absent until validation has counted the records."""
    if job.total_records is None:
        return {}
    return {
        "totalRecordCount": job.total_records,
        "processedRecordCount": job.processed_records,
        "successRecordCount": job.success_records,
        "errorRecordCount": job.error_records,
    }


OPERATIONS: dict[str, Operation] = {
    "CreateModelInvocationJob": create_model_invocation_job,
    "GetModelInvocationJob": get_model_invocation_job,
    "ListModelInvocationJobs": list_model_invocation_jobs,
    "StopModelInvocationJob": stop_model_invocation_job,
}
