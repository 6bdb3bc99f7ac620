"""Where a call counts: a model's ARN names its Region, which an API key does not. Knows nothing of what is asked."""

from dataclasses import replace

from outcrop.domain import arn as arns
from outcrop.services.call import Call


def in_the_models_region(call: Call, model: str) -> Call:
    """The call in the Region of the model's ARN; as it is where the model is no ARN."""
    arn = arns.parse(model)
    return call if arn is None or not arn.region else replace(call, region=arn.region)
