"""What is asked of a policy: who wants to do what, on what, and the facts around it. Knows no document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from outcrop.domain import arn as arns
from outcrop.policy.variables import Context


@dataclass(frozen=True, kw_only=True)
class AccessRequest:
    """What is asked. `context` holds IAM's condition keys; `service` is set where a service itself calls.

    `role_arn` is the role behind an assumed-role session (its ARN cannot be told from the session's where it has a
    path). `resource_must_agree`: key policies and trust policies, without whose word nobody gets in.
    """

    action: str
    resource: str
    principal_arn: str = ""
    account: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    role_arn: str | None = None
    service: str | None = None
    resource_must_agree: bool = False

    @cached_property
    def facts(self) -> Context:
        """The context with lower-case keys, completed by what the principal tells."""
        return {**self._principal_facts(), **{key.lower(): value for key, value in self.context.items()}}

    @property
    def is_root(self) -> bool:
        """The account's own root needs no policy."""
        return bool(self.account) and self.principal_arn == arns.iam(self.account, "root")

    def _principal_facts(self) -> dict[str, Any]:
        parsed = arns.parse(self.principal_arn)
        if parsed is None:
            return {}
        facts = {"aws:principalarn": self.role_arn or self.principal_arn, "aws:principalaccount": self.account}
        kind, _, path = parsed.resource.partition("/")
        if kind in _PRINCIPAL_TYPES:
            facts["aws:principaltype"] = _PRINCIPAL_TYPES[kind]
        if kind == "user":
            facts["aws:username"] = path.rpartition("/")[2]
        return facts


_PRINCIPAL_TYPES = {"root": "Account", "user": "User", "assumed-role": "AssumedRole"}
