"""IAM: users, their keys, roles, policies. One state for every Region. What policies then decide is `policy`'s."""

from outcrop.services.call import Operation
from outcrop.services.iam import (
    access_keys,
    api_keys,
    attachments,
    boundaries,
    inline,
    policies,
    policy_versions,
    roles,
    service_roles,
    tags,
    users,
)

_MODULES = (
    access_keys,
    api_keys,
    attachments,
    boundaries,
    inline,
    policies,
    policy_versions,
    roles,
    service_roles,
    tags,
    users,
)

OPERATIONS: dict[str, Operation] = {name: done for module in _MODULES for name, done in module.OPERATIONS.items()}
