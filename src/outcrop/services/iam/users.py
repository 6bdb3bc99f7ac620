"""Users: create, get, list, delete. Knows nothing of their keys and policies."""

from typing import Any

from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.iam import making, pages, views
from outcrop.store import identities
from outcrop.store.identities import Entity, Kind

ROOT_NAME = "root"  # how lists and answers call the account's root, who is no user


def create_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A new user, who may do nothing yet."""
    name, path = request["UserName"], making.path(request)
    user = Entity(
        kind=Kind.USER,
        name=name,
        path=path,
        unique_id=making.unique_id(call, making.USER_PREFIX),
        arn=making.arn(call, "user", path, name),
        created_at=call.at,
        boundary=request.get("PermissionsBoundary"),
        tags=making.new_tags(request),
    )
    with identities.changing(call.ground.database) as connection:
        if user.boundary is not None:
            identities.get_policy(connection, user.boundary)
        identities.create(connection, user)
    return {"User": views.user(user)}


def get_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A user by name; the caller himself where no name is given."""
    if "UserName" not in request and call.principal.arn.endswith(":root"):
        return {"User": _root(call)}
    with call.ground.database.read() as connection:
        name = request.get("UserName") or own_name(call)
        return {"User": views.user(identities.get(connection, Kind.USER, name))}


def list_users(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Users under a path, by name."""
    asked = pages.wanted(request)
    with call.ground.database.read() as connection:
        found = identities.listed(connection, Kind.USER, request.get("PathPrefix", "/"), asked.after, asked.limit + 1)
    return pages.page(found, asked, lambda user: user.name.lower(), "Users", views.listed_user)


def delete_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a user on whom nothing hangs any more."""
    with identities.changing(call.ground.database) as connection:
        identities.delete(connection, identities.get(connection, Kind.USER, request["UserName"]))
    return {}


def list_groups_for_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """No group: Outcrop has none."""
    with call.ground.database.read() as connection:
        identities.get(connection, Kind.USER, request["UserName"])
    return {"Groups": [], "IsTruncated": False}


def own_name(call: Call) -> str:
    """The name of the user who calls."""
    if ":user/" not in call.principal.arn:
        raise Fault("ValidationError", "Must specify userName when calling with non-User credentials")
    return call.principal.arn.rpartition("/")[2]


def _root(call: Call) -> dict[str, Any]:
    principal = call.principal
    with call.ground.database.read() as connection:
        oldest = identities.access_keys(connection, identities.ROOT)[0].created_at
    return {
        "Path": "/",
        "UserName": ROOT_NAME,
        "UserId": principal.user_id,
        "Arn": principal.arn,
        "CreateDate": oldest,
    }


OPERATIONS: dict[str, Operation] = {
    "CreateUser": create_user,
    "GetUser": get_user,
    "ListUsers": list_users,
    "DeleteUser": delete_user,
    "ListGroupsForUser": list_groups_for_user,
}
