"""Client request tokens: the same token and parameters answer the same ARN; other parameters are refused by name.

Knows nothing of what is made.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from outcrop.domain.errors import ValidationException
from outcrop.services.call import Call
from outcrop.store import tokens

_TOKEN = "clientRequestToken"


def once(call: Call, operation: str, request: dict[str, Any], make: Callable[[sa.Connection], str]) -> str:
    """The ARN of what `make` makes, in one transaction; of what it made before, where the token says so."""
    with call.ground.database.write() as connection:
        if _TOKEN not in request:
            return make(connection)
        token = _token(call, operation, request)
        known = tokens.recall(connection, token)
        if known is not None:
            _refuse_other_parameters(request, json.loads(known[0]))
            return known[1]
        arn = make(connection)
        tokens.remember(connection, token, json.dumps(_digests(request)), arn)
        return arn


def _token(call: Call, operation: str, request: dict[str, Any]) -> tokens.RequestToken:
    account, region = call.principal.account, call.region
    return tokens.RequestToken(account=account, region=region, operation=operation, token=request[_TOKEN])


def _refuse_other_parameters(request: dict[str, Any], before: dict[str, str]) -> None:
    now = _digests(request)
    differing = sorted(name for name in {*now, *before} if now.get(name) != before.get(name))
    if differing:
        raise ValidationException(
            f"The clientRequestToken was used before with other values of {', '.join(differing)}. "
            "Send the same parameters again, or another token."
        )


def _digests(request: dict[str, Any]) -> dict[str, str]:
    """A digest of each member, so that a difference can be named without keeping the values."""
    sent = {name: value for name, value in request.items() if name != _TOKEN}
    return {name: hashlib.sha256(_canonical(value)).hexdigest()[:16] for name, value in sent.items()}


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, default=str).encode()
