"""Where a call counts: a model's ARN names its Region, which an API key does not. Knows nothing of what is asked."""

from dataclasses import replace

from outcrop.domain import arn as arns
from outcrop.domain.errors import ValidationException
from outcrop.domain.regions import is_region
from outcrop.services.call import Call


def in_the_models_region(call: Call, model: str) -> Call:
    """The call in the Region of the model's ARN; as it is where the model is no ARN.

    Raises ValidationException for an ARN whose Region is none.
    """
    arn = arns.parse(model)
    if arn is None:
        return call
    if not is_region(arn.region):
        raise ValidationException(
            "The provided model identifier is invalid: the fourth part of an ARN names a Region, such as us-east-1."
        )
    return replace(call, region=arn.region)
