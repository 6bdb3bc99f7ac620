"""STS: who am I, and temporary credentials of a role. Whether a role trusts the caller is `policy`'s to say."""

from outcrop.services.call import Operation
from outcrop.services.sts import assuming, caller

OPERATIONS: dict[str, Operation] = {**caller.OPERATIONS, **assuming.OPERATIONS}
