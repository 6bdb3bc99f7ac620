"""Identities as IAM answers them, in botocore's member names. Knows nothing of requests."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from outcrop.store.identities import Entity, ManagedPolicy


def encoded(document: str) -> str:
    """A policy document as IAM sends it: percent-encoded, which every SDK takes back."""
    return quote(document, safe="")


def user(entity: Entity) -> dict[str, Any]:
    """A User."""
    return {
        "Path": entity.path,
        "UserName": entity.name,
        "UserId": entity.unique_id,
        "Arn": entity.arn,
        "CreateDate": entity.created_at,
        **_extras(entity),
    }


def role(entity: Entity) -> dict[str, Any]:
    """A Role with everything that GetRole tells."""
    return {**listed_role(entity), **_extras(entity), "RoleLastUsed": {}}


def listed_role(entity: Entity) -> dict[str, Any]:
    """A Role as lists hold it: without tags, boundary and last use."""
    described = {} if entity.description is None else {"Description": entity.description}
    return {
        "Path": entity.path,
        "RoleName": entity.name,
        "RoleId": entity.unique_id,
        "Arn": entity.arn,
        "CreateDate": entity.created_at,
        "AssumeRolePolicyDocument": encoded(entity.trust or ""),
        "MaxSessionDuration": entity.max_session_s,
        **described,
    }


def listed_user(entity: Entity) -> dict[str, Any]:
    """A User as lists hold it: without tags and boundary."""
    return {name: value for name, value in user(entity).items() if name not in ("Tags", "PermissionsBoundary")}


def policy(managed: ManagedPolicy, attachments: int, boundaries: int) -> dict[str, Any]:
    """A Policy with everything that GetPolicy tells."""
    described = {} if managed.description is None else {"Description": managed.description}
    tagged = {"Tags": tags(managed.tags)} if managed.tags else {}
    return {**listed_policy(managed, attachments, boundaries), **described, **tagged}


def listed_policy(managed: ManagedPolicy, attachments: int, boundaries: int) -> dict[str, Any]:
    """A Policy as lists hold it: without description and tags."""
    return {
        "PolicyName": managed.name,
        "PolicyId": managed.unique_id,
        "Arn": managed.arn,
        "Path": managed.path,
        "DefaultVersionId": f"v{managed.default_version}",
        "AttachmentCount": attachments,
        "PermissionsBoundaryUsageCount": boundaries,
        "IsAttachable": True,
        "CreateDate": managed.created_at,
        "UpdateDate": managed.updated_at,
    }


def tags(held: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as a list."""
    return [{"Key": key, "Value": value} for key, value in held.items()]


def _extras(entity: Entity) -> dict[str, Any]:
    boundary = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": entity.boundary}
    return {
        **({"PermissionsBoundary": boundary} if entity.boundary else {}),
        **({"Tags": tags(entity.tags)} if entity.tags else {}),
    }
