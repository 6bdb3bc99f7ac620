"""CreateModelInvocationJob: every check that needs no look at the data, then a queued row. Knows no engine."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.domain.errors import ConflictException, ServiceQuotaExceededException, ValidationException
from outcrop.services.bedrock import bases, tagging
from outcrop.services.bedrock.admission import check_bucket_region, check_role, check_s3_uri, resolve_key
from outcrop.services.bedrock.creation import NAME_IN_USE
from outcrop.services.bedrock.idempotency import once
from outcrop.services.call import Call
from outcrop.services.runtime.served import BASE, Place, Served, find_batched
from outcrop.store import invocation_jobs, tags
from outcrop.store.invocation_jobs import InvocationJob

UNFINISHED_JOBS_LIMIT = 100  # as with customization jobs: a slip of the hand is stopped, work is not
TIMEOUT_HOURS = 24  # where the request says none: the shortest that the API takes


def create_model_invocation_job(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Queue a job; the worker takes it from there."""
    return {"jobArn": once(call, "CreateModelInvocationJob", request, lambda c: _create(c, call, request))}


def _create(connection: sa.Connection, call: Call, request: dict[str, Any]) -> str:
    _check_places(call, request)
    if invocation_jobs.is_name_taken(connection, call.region, call.principal.account, request["jobName"]):
        raise ConflictException(NAME_IN_USE)
    _refuse_beyond_quota(connection, call)
    given = tagging.checked(request.get("tags", ()), resource_name=request["jobName"])
    place = Place(region=call.region, account=call.principal.account)
    served = find_batched(connection, bases.catalogue_of(call), place, request["modelId"])
    job = _job(call, request, served)
    check_role(connection, call, job.role_arn, job.arn)
    invocation_jobs.add(connection, job)
    tags.put(connection, job.arn, given)
    return job.arn


def _job(call: Call, request: dict[str, Any], served: Served) -> InvocationJob:
    job_id, account = call.ground.new_id(), call.principal.account
    hours = request.get("timeoutDurationInHours")
    return InvocationJob(
        id=job_id,
        arn=arns.invocation_job(call.region, account, job_id),
        account=account,
        region=call.region,
        name=request["jobName"],
        client_request_token=request.get("clientRequestToken"),
        model_identifier=request["modelId"],
        custom_model_id=None if served.engine_model == BASE else served.engine_model,
        invocation_type=request.get("modelInvocationType"),
        role_arn=request["roleArn"],
        kms_key_arn=resolve_key(call, _output(request).get("s3EncryptionKeyId")),
        input_data=request["inputDataConfig"],
        output_data=request["outputDataConfig"],
        vpc=request.get("vpcConfig"),
        timeout_hours=hours,
        expires_at=call.at + timedelta(hours=hours or TIMEOUT_HOURS),
        created_at=call.at,
        modified_at=call.at,
    )


def _check_places(call: Call, request: dict[str, Any]) -> None:
    for member, config in (
        ("inputDataConfig.s3InputDataConfig", _input(request)),
        ("outputDataConfig.s3OutputDataConfig", _output(request)),
    ):
        check_s3_uri(f"{member}.s3Uri", config["s3Uri"], names_object=False)
        check_bucket_region(call, f"{member}.s3Uri", config["s3Uri"])
        owner = config.get("s3BucketOwner", call.principal.account)
        if owner != call.principal.account:
            raise ValidationException(
                f"{member}.s3BucketOwner is {owner}: every bucket here belongs to the account {call.principal.account}."
            )


def _input(request: dict[str, Any]) -> dict[str, Any]:
    return _required(request, "inputDataConfig", "s3InputDataConfig")


def _output(request: dict[str, Any]) -> dict[str, Any]:
    return _required(request, "outputDataConfig", "s3OutputDataConfig")


def _required(request: dict[str, Any], member: str, choice: str) -> dict[str, Any]:
    """A union's one choice, which the model does not require by itself."""
    found: dict[str, Any] | None = request[member].get(choice)
    if found is None:
        raise ValidationException(f"{member}.{choice} is required.")
    return found


def _refuse_beyond_quota(connection: sa.Connection, call: Call) -> None:
    if invocation_jobs.count_unfinished(connection, call.region, call.principal.account) >= UNFINISHED_JOBS_LIMIT:
        raise ServiceQuotaExceededException(
            f"{UNFINISHED_JOBS_LIMIT} model invocation jobs are queued or running in {call.region}: "
            "wait for one to end, or stop one."
        )
