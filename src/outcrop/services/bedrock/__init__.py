"""Bedrock's control plane: what each operation means. Knows nothing of HTTP, and makes no gradient step."""

from outcrop.services.bedrock import (
    customization,
    deploying,
    foundation,
    invocation_jobs,
    models,
    provisioning,
    tagging,
)
from outcrop.services.call import Operation

OPERATIONS: dict[str, Operation] = {
    **foundation.OPERATIONS,
    **customization.OPERATIONS,
    **models.OPERATIONS,
    **provisioning.OPERATIONS,
    **deploying.OPERATIONS,
    **invocation_jobs.OPERATIONS,
    **tagging.OPERATIONS,
}
