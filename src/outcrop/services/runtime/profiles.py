"""Inference profiles: other names of foundation models. Knows no model.

Bedrock's spread a model's requests over a geography's Regions; here one machine answers every Region, so that a
profile is its model.
"""

from outcrop.domain import arn as arns

GEOGRAPHIES = frozenset({"us", "us-gov", "eu", "apac", "jp", "au", "ca", "global"})
_KIND = "inference-profile/"


def model_id_of(identifier: str, account: str) -> str | None:
    """The foundation id in a profile's id, or in its ARN in this account; None for what is no profile."""
    arn = arns.parse(identifier)
    if arn is not None:
        is_profile = arn.service == "bedrock" and arn.account == account and arn.resource.startswith(_KIND)
        return _without_geography(arn.resource.removeprefix(_KIND)) if is_profile else None
    return _without_geography(identifier)


def _without_geography(profile_id: str) -> str | None:
    geography, _, model_id = profile_id.partition(".")
    return model_id if geography in GEOGRAPHIES and model_id else None
