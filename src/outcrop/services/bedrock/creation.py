"""CreateModelCustomizationJob: every check that needs no look at the data, then a queued row.

Knows nothing of training. What is not carried out is refused here, never accepted in silence.
"""

from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from outcrop import families
from outcrop.domain import arn as arns
from outcrop.domain.errors import ServiceQuotaExceededException, ValidationException
from outcrop.services.bedrock import bases, tagging
from outcrop.services.bedrock.admission import check_bucket_region, check_role, check_s3_uri, resolve_key
from outcrop.services.bedrock.carrying_out import refuse_what_cannot_be_carried_out
from outcrop.services.bedrock.idempotency import once
from outcrop.services.call import Call
from outcrop.store import jobs, models, tags

UNFINISHED_JOBS_LIMIT = 100  # AWS allows 10; a queue on one's own machine may be longer, but not endless
VALIDATORS_LIMIT = 10
CARRIED_OUT = (families.FINE_TUNING, families.CONTINUED_PRE_TRAINING)
NAME_IN_USE = "The provided job name is currently in use."  # clients compare the whole text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """What the checks found out about a request."""

    base: bases.ChosenModel
    customization_type: families.CustomizationType
    hyperparameters: dict[str, str]
    kms_key_arn: str | None
    model_tags: dict[str, str]


def create_model_customization_job(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Queue a job; the worker takes it from there."""
    return {"jobArn": once(call, "CreateModelCustomizationJob", request, lambda c: _create(c, call, request))}


def _create(connection: sa.Connection, call: Call, request: dict[str, Any]) -> str:
    _refuse_what_is_not_done(request)
    _check_data(call, request)
    _refuse_names_in_use(connection, call, request)
    _refuse_beyond_quota(connection, call)
    job_tags = tagging.checked(request.get("jobTags", ()), resource_name=request["jobName"])
    job = _job(call, request, _check(connection, call, request))
    check_role(connection, call, job.role_arn, job.arn)
    jobs.add(connection, job)
    tags.put(connection, job.arn, job_tags)
    return job.arn


def _check(connection: sa.Connection, call: Call, request: dict[str, Any]) -> _Checked:
    base = bases.choose(connection, call, request["baseModelIdentifier"])
    customization_type = cast(families.CustomizationType, request.get("customizationType", "FINE_TUNING"))
    _refuse_uncustomizable(call, base.foundation, customization_type)
    sent = request.get("hyperParameters", {})
    hyperparameters = families.check_hyperparameters(base.foundation, customization_type, sent)
    refuse_what_cannot_be_carried_out(call, request, base, hyperparameters)
    return _Checked(
        base=base,
        customization_type=customization_type,
        hyperparameters=hyperparameters.stated,
        kms_key_arn=resolve_key(call, request.get("customModelKmsKeyId")),
        model_tags=tagging.checked(request.get("customModelTags", ()), resource_name=request["customModelName"]),
    )


def _job(call: Call, request: dict[str, Any], checked: _Checked) -> jobs.Job:
    account, region, base_id = call.principal.account, call.region, checked.base.foundation.model_id
    job_id, model_id = call.ground.new_id(), call.ground.new_id()
    return jobs.Job(
        id=job_id,
        arn=arns.customization_job(region, account, base_id, job_id),
        account=account,
        region=region,
        name=request["jobName"],
        client_request_token=request.get("clientRequestToken"),
        model_id=model_id,
        model_name=request["customModelName"],
        model_tags=checked.model_tags,
        base_model_id=base_id,
        parent_id=checked.base.custom_id,
        customization_type=checked.customization_type,
        role_arn=request["roleArn"],
        kms_key_arn=checked.kms_key_arn,
        hyperparameters=checked.hyperparameters,
        training_data=request["trainingDataConfig"],
        validation_data=request.get("validationDataConfig", {"validators": []}),
        output_data=request["outputDataConfig"],
        vpc=request.get("vpcConfig"),
        phases=jobs.NO_PHASES,
        validation_losses=[],
        created_at=call.at,
        modified_at=call.at,
    )


def _refuse_what_is_not_done(request: dict[str, Any]) -> None:
    asked = request.get("customizationType", "FINE_TUNING")
    if asked not in CARRIED_OUT:
        raise ValidationException(
            f"Outcrop does not do customizationType {asked}; it does {' and '.join(CARRIED_OUT)}."
        )
    if "customizationConfig" in request:
        raise ValidationException("Outcrop does not do distillation or reinforcement: leave customizationConfig out.")
    if "invocationLogsConfig" in request["trainingDataConfig"]:
        raise ValidationException("Outcrop does not train on invocation logs: give trainingDataConfig.s3Uri instead.")


def _check_data(call: Call, request: dict[str, Any]) -> None:
    for member, uri in _inputs(request).items():
        check_s3_uri(member, uri, names_object=True)
        check_bucket_region(call, member, uri)
    member, uri = "outputDataConfig.s3Uri", request["outputDataConfig"]["s3Uri"]
    check_s3_uri(member, uri, names_object=False)
    check_bucket_region(call, member, uri)


def _inputs(request: dict[str, Any]) -> dict[str, str]:
    """The addresses of the files to be read, by the member that names each."""
    training = request["trainingDataConfig"].get("s3Uri")
    if training is None:
        raise ValidationException("trainingDataConfig.s3Uri is required.")
    validators = request.get("validationDataConfig", {}).get("validators", [])
    if len(validators) > VALIDATORS_LIMIT:
        raise ValidationException(f"A job takes {VALIDATORS_LIMIT} validators at most; {len(validators)} were given.")
    places = {
        f"validationDataConfig.validators.{place}.member.s3Uri": validator["s3Uri"]
        for place, validator in enumerate(validators, start=1)
    }
    return {"trainingDataConfig.s3Uri": training, **places}


def _refuse_names_in_use(connection: sa.Connection, call: Call, request: dict[str, Any]) -> None:
    here = (call.region, call.principal.account)
    if jobs.find(connection, *here, request["jobName"]) is not None:
        raise ValidationException(NAME_IN_USE)
    model_name = request["customModelName"]
    if models.find(connection, *here, model_name) or jobs.making_model_named(connection, *here, model_name):
        raise ValidationException("The provided model name is currently in use.")


def _refuse_beyond_quota(connection: sa.Connection, call: Call) -> None:
    if jobs.count_unfinished(connection, call.region, call.principal.account) >= UNFINISHED_JOBS_LIMIT:
        raise ServiceQuotaExceededException(
            f"{UNFINISHED_JOBS_LIMIT} customization jobs are queued or running in {call.region}: "
            "wait for one to end, or stop one."
        )


def _refuse_uncustomizable(call: Call, model: families.FoundationModel, customization_type: str) -> None:
    if customization_type in model.customizations:
        return
    able = [one.model_id for one in bases.siblings(call, model) if customization_type in one.customizations]
    hint = f" Use {' or '.join(able)}." if able else ""
    raise ValidationException(
        f"The base model {model.model_id} does not support the customization type {customization_type}.{hint}"
    )
