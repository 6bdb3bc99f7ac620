"""Who sent a request under an API key: the head alone says it, and proves it. Knows no signature and no operation."""

import hmac
import re
from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from urllib.parse import unquote

from outcrop.domain import api_key, regions
from outcrop.identity.authenticate import UNSIGNED_PAYLOAD, Identity
from outcrop.identity.claims import Scope
from outcrop.identity.request import SignedRequest

_REGION_OF_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:([a-z0-9-]{1,64}):")


class ApiKey(Protocol):
    """What identity needs to know of an API key."""

    @property
    def id(self) -> str:
        """The key's id."""

    @property
    def digest(self) -> bytes:
        """Of the whole key (`domain.api_key.digest`)."""

    @property
    def arn(self) -> str:
        """Whose key it is."""

    @property
    def user_id(self) -> str:
        """The unique id of whose key it is."""


FindApiKey = Callable[[str, datetime], ApiKey | None]
"""(alias, now) -> the key; None where no such key lives."""


def shows_a_key(request: SignedRequest) -> bool:
    """Whether the request comes with a bearer key, of whatever worth."""
    return _scheme_and_key(request)[0] == "bearer"


def authenticate_bearer(request: SignedRequest, find_api_key: FindApiKey, now: datetime) -> Identity | None:
    """The identity behind a request's key; None where it has none that lives."""
    scheme, key = _scheme_and_key(request)
    alias = api_key.alias_of(key) if scheme == "bearer" else None
    found = None if alias is None else find_api_key(alias, now)
    if found is None or not hmac.compare_digest(found.digest, api_key.digest(key)):
        return None
    return Identity(
        access_key_id=found.id,
        arn=found.arn,
        user_id=found.user_id,
        session=False,
        scope=Scope(region=region_in(unquote(request.path)), service="bedrock"),
        payload=UNSIGNED_PAYLOAD,
        chain=None,
        bearer=True,
    )


def region_in(text: str) -> str:
    """The Region of the first Bedrock ARN in a text, else the default one: a key, unlike a signature, names none."""
    found = _REGION_OF_ARN.search(text)
    return found[1] if found is not None and regions.is_region(found[1]) else regions.DEFAULT


def _scheme_and_key(request: SignedRequest) -> tuple[str, str]:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return scheme.lower(), key.strip()
