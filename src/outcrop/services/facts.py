"""What the conditions of policies ask about: the circumstances of a call, and the tags of whom and what it concerns.

Knows no policy. A fact that is left out is a denial that is not heard: whoever asks policies asks here.
"""

from typing import Any

from outcrop import policy
from outcrop.domain import arn as arns
from outcrop.services.call import Call
from outcrop.store import identities, tags
from outcrop.store.identities import Kind


def circumstances(call: Call) -> dict[str, Any]:
    """When, from where, over what and by whose id."""
    address = {} if call.source_ip is None else {"aws:SourceIp": call.source_ip}
    return {
        **address,
        "aws:CurrentTime": call.at.isoformat(),
        "aws:EpochTime": int(call.at.timestamp()),
        "aws:RequestedRegion": call.region,
        "aws:SecureTransport": call.ground.settings.tls,
        "aws:userid": call.principal.user_id,
    }


def of_resource(call: Call, resource: str) -> dict[str, Any]:
    """The tags of a resource of Bedrock's or IAM's, as they are now. Blocks on the database.

    `*` has none, nor what belongs to no account: foundation models.
    """
    arn = arns.parse(resource)
    if arn is None or not arn.account:
        return {}
    with call.ground.database.read() as connection:
        if arn.service != "iam":
            return policy.tag_facts(tags.of(connection, resource), policy.RESOURCE)
        role = identities.find(connection, Kind.ROLE, arn.resource.rpartition("/")[2])
    return {} if role is None or role.arn != resource else of_role(role)


def of_role(role: identities.Entity) -> dict[str, Any]:
    """The tags of a role that is passed or assumed."""
    return policy.tag_facts(role.tags, policy.RESOURCE, policy.IAM_RESOURCE)
