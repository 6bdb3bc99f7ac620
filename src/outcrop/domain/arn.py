"""ARNs: made, read, never guessed. Knows nothing of what exists."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arn:
    """The six parts of an ARN; `resource` keeps its slashes and colons."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def parse(text: str) -> Arn | None:
    """The parts of an ARN, or None where the text is not one."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        return None
    return Arn(*parts[1:])


def foundation_model(region: str, model_id: str) -> str:
    """ARN of a foundation model: its account is empty."""
    return f"arn:aws:bedrock:{region}::foundation-model/{model_id}"


def customization_job(region: str, account: str, base_model_id: str, job_id: str) -> str:
    """ARN of a customization job; the base model's id keeps its context suffix."""
    return f"arn:aws:bedrock:{region}:{account}:model-customization-job/{base_model_id}/{job_id}"


def custom_model(region: str, account: str, base_model_id: str, model_id: str) -> str:
    """ARN of a custom model; the base model's id keeps its context suffix."""
    return f"arn:aws:bedrock:{region}:{account}:custom-model/{base_model_id}/{model_id}"


def inference_profile(region: str, account: str, profile_id: str) -> str:
    """ARN of an inference profile: another name of a foundation model."""
    return f"arn:aws:bedrock:{region}:{account}:inference-profile/{profile_id}"


def provisioned_model(region: str, account: str, provisioned_id: str) -> str:
    """ARN of provisioned throughput."""
    return f"arn:aws:bedrock:{region}:{account}:provisioned-model/{provisioned_id}"


def deployment(region: str, account: str, deployment_id: str) -> str:
    """ARN of an on-demand deployment of a custom model."""
    return f"arn:aws:bedrock:{region}:{account}:custom-model-deployment/{deployment_id}"


def invocation_job(region: str, account: str, job_id: str) -> str:
    """ARN of a batch inference job."""
    return f"arn:aws:bedrock:{region}:{account}:model-invocation-job/{job_id}"


def kms_key(region: str, account: str, key_id: str) -> str:
    """ARN of a KMS key."""
    return f"arn:aws:kms:{region}:{account}:key/{key_id}"


def kms_alias(region: str, account: str, alias: str) -> str:
    """ARN of a KMS alias; `alias` begins with `alias/`."""
    return f"arn:aws:kms:{region}:{account}:{alias}"


def iam(account: str, resource: str) -> str:
    """ARN of an IAM resource, as in `role/service-role/name` (IAM has no Region)."""
    return f"arn:aws:iam::{account}:{resource}"


def s3_bucket(bucket: str) -> str:
    """ARN of a bucket."""
    return f"arn:aws:s3:::{bucket}"


def s3_object(bucket: str, key: str) -> str:
    """ARN of an object."""
    return f"arn:aws:s3:::{bucket}/{key}"
