"""Policies as values: parse, evaluate, explain. Pure: knows no user, no request and no database.

Who asks passes the documents and the facts; the answer carries the reason.
"""

from outcrop.policy.document import Policy, Purpose, Statement, parse
from outcrop.policy.evaluation import Decision, allows_everywhere, evaluate, trusts
from outcrop.policy.request import AccessRequest
from outcrop.policy.tags import IAM_RESOURCE, PRINCIPAL, RESOURCE, tag_facts

__all__ = [
    "IAM_RESOURCE",
    "PRINCIPAL",
    "RESOURCE",
    "AccessRequest",
    "Decision",
    "Policy",
    "Purpose",
    "Statement",
    "allows_everywhere",
    "evaluate",
    "parse",
    "tag_facts",
    "trusts",
]
