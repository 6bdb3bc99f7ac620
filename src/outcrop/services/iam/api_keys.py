"""Service-specific credentials: Bedrock API keys of users. Knows nothing of what a key may be used for."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.iam import pages
from outcrop.services.iam.users import own_name
from outcrop.store import identities
from outcrop.store.identities import ApiKey, Kind

SERVICE = "bedrock.amazonaws.com"


def create_service_specific_credential(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A new API key; the only answer that ever holds it."""
    _require_bedrock(request["ServiceName"])
    with identities.changing(call.ground.database) as connection:
        user = identities.get(connection, Kind.USER, request["UserName"])
        key, text = identities.add_api_key(connection, user, call.at, request.get("CredentialAgeDays"))
    return {"ServiceSpecificCredential": {**_view(key, call.at), "ServiceCredentialSecret": text}}


def list_service_specific_credentials(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The keys of a user, or of all, without the keys themselves."""
    if "ServiceName" in request:
        _require_bedrock(request["ServiceName"])
    asked = pages.wanted(request)
    with call.ground.database.read() as connection:
        keys = identities.api_keys(connection, _listed_user(connection, call, request))
    return pages.page(keys, asked, lambda key: key.id, "ServiceSpecificCredentials", lambda key: _view(key, call.at))


def update_service_specific_credential(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Activate or deactivate a key."""
    if request["Status"] == "Expired":
        raise Fault("ValidationError", "Status must be Active or Inactive: a key expires by itself.")
    with identities.changing(call.ground.database) as connection:
        identities.set_api_key_status(connection, _named(connection, call, request), request["Status"] == "Active")
    return {}


def delete_service_specific_credential(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a key."""
    with identities.changing(call.ground.database) as connection:
        identities.delete_api_key(connection, _named(connection, call, request))
    return {}


def _require_bedrock(service: str) -> None:
    if service != SERVICE:
        raise Fault("NotSupportedService", f"Outcrop makes service-specific credentials for {SERVICE} only.")


def _listed_user(connection: sa.Connection, call: Call, request: dict[str, Any]) -> str | None:
    """Whose keys are listed: None for every user's."""
    if not request.get("AllUsers"):
        return _user(connection, call, request)
    if "UserName" in request:
        raise Fault("ValidationError", "UserName and AllUsers cannot be specified together.")
    return None


def _named(connection: sa.Connection, call: Call, request: dict[str, Any]) -> ApiKey:
    return identities.get_api_key(connection, _user(connection, call, request), request["ServiceSpecificCredentialId"])


def _user(connection: sa.Connection, call: Call, request: dict[str, Any]) -> str:
    """The user who is named, else the one who calls."""
    return identities.get(connection, Kind.USER, request.get("UserName") or own_name(call)).name


def _view(key: ApiKey, now: datetime) -> dict[str, Any]:
    seen = {
        "UserName": key.user_name,
        "Status": _status(key, now),
        "CreateDate": key.created_at,
        "ServiceSpecificCredentialId": key.id,
        "ServiceName": SERVICE,
        "ServiceCredentialAlias": key.alias,
    }
    return seen if key.expires_at is None else {**seen, "ExpirationDate": key.expires_at}


def _status(key: ApiKey, now: datetime) -> str:
    if key.expires_at is not None and key.expires_at <= now:
        return "Expired"
    return "Active" if key.active else "Inactive"


OPERATIONS: dict[str, Operation] = {
    "CreateServiceSpecificCredential": create_service_specific_credential,
    "ListServiceSpecificCredentials": list_service_specific_credentials,
    "UpdateServiceSpecificCredential": update_service_specific_credential,
    "DeleteServiceSpecificCredential": delete_service_specific_credential,
}
