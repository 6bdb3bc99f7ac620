"""Every operation that Outcrop serves, by service. What is not here is answered as not served."""

from collections.abc import Mapping
from typing import cast

from outcrop.services import bedrock, iam, kms, own, runtime, s3, sts
from outcrop.services.call import Operation

OPERATIONS: dict[str, Mapping[str, Operation]] = {
    "bedrock": bedrock.OPERATIONS,
    "bedrock-runtime": cast(Mapping[str, Operation], runtime.OPERATIONS),  # these alone are async: to be awaited
    "s3": s3.OPERATIONS,
    "iam": iam.OPERATIONS,
    "sts": sts.OPERATIONS,
    "kms": kms.OPERATIONS,
    "outcrop": own.OPERATIONS,
}
