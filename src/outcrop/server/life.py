"""The life of a request, as a list. Each step gives the next what it needs, or raises the Fault that answers it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from outcrop import identity, wire
from outcrop.domain.errors import Fault
from outcrop.identity import Identity
from outcrop.server.bodies import may_be_large, read_whole
from outcrop.server.calling import Calling
from outcrop.server.incoming import Incoming
from outcrop.server.s3_bodies import s3_body, with_hoisted_headers
from outcrop.services.api_keys import authorize_operation
from outcrop.services.call import Call, Ground, Principal
from outcrop.store import identities

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller asks for. `body` is None where it has not been read yet (S3)."""

    operation: wire.Operation
    match: wire.Match
    query: wire.Query
    body: bytes | None


class Life:
    """What every request goes through."""

    def __init__(self, ground: Ground, calling: Calling) -> None:
        self._ground = ground
        self._calling = calling

    async def live(self, request: Incoming) -> wire.Response:
        """The answer to a request. Raises a Fault, which is an answer too, or HungUp where nobody waits for one."""
        claimed = claimed_name(request)
        service = identify(request, claimed)
        refuse_foreign(claimed)
        self.recognize(request, service)
        body = await self.receive(request, service)
        caller = self.authenticate(request, service, body)
        asked = self.route(request, service, body)
        params = await self.parse(request, asked, caller)
        constrain(asked, params)
        call = call_of(self._ground, request, caller)
        await self.authorize(asked, params, call)
        result = await self._calling.ask(asked.operation, call, params, request.receive)
        return serialize(request, asked, result)

    def recognize(self, request: Incoming, service: wire.Service) -> None:
        """Refuse a large body before it is read if its sender shows no key of ours. S3 reads later: see `receive`.

        An API key is in the head whole: no body of whatever size is read for one that does not live.
        """
        if takes_api_keys(request, service):
            self._bearer(request, service)
        elif service.name != "s3" and may_be_large(request.signed.headers):
            identity.recognize(request.signed, _signing_name(service), self._find_credential, request.at)

    async def receive(self, request: Incoming, service: wire.Service) -> bytes | None:
        """The body, which is signed. S3's signatures state its hash, so that it may come later: None."""
        if service.name == "s3":
            return None
        return await read_whole(request.receive, request.signed.headers, self._ground.settings.max_body_bytes)

    def authenticate(self, request: Incoming, service: wire.Service, body: bytes | None) -> Identity:
        """Who calls."""
        if takes_api_keys(request, service):
            return self._bearer(request, service)
        return identity.authenticate(request.with_body(body), _signing_name(service), self._find_credential, request.at)

    def route(self, request: Incoming, service: wire.Service, body: bytes | None) -> Asked:
        """Which operation is asked for, of those that are served."""
        signed, query = request.signed, request.query()
        match = service.match(signed.method, signed.path, query, signed.headers, body or b"")
        if match is None:
            raise service.no_such_operation(signed.method, signed.path)
        self._calling.function(match.operation)
        return Asked(match.operation, match, query, body)

    async def parse(self, request: Incoming, asked: Asked, caller: Identity) -> wire.Params:
        """The operation's arguments. A body that streams is checked while the operation reads it."""
        headers, body = request.signed.headers, asked.body
        if body is not None:
            return wire.parse(asked.operation, asked.match, asked.query, headers, body)
        request = request.with_headers(with_hoisted_headers(headers, asked.query))
        streamed = await s3_body(request, asked.operation, caller, self._ground.settings.max_body_bytes)
        return wire.parse(asked.operation, asked.match, asked.query, request.signed.headers, streamed)

    async def authorize(self, asked: Asked, params: wire.Params, call: Call) -> None:
        """May they? Policies decide about API keys; whoever signs with a key of the account may do anything yet."""
        if call.principal.bearer:
            await asyncio.to_thread(authorize_operation, call, asked.operation.name, params)

    def _bearer(self, request: Incoming, service: wire.Service) -> Identity:
        found = identity.authenticate_bearer(request.signed, partial(find_api_key, self._ground), request.at)
        if found is None:
            raise identity.refusal(_signing_name(service), identity.Reason.BEARER)
        return found

    def _find_credential(self, access_key_id: str, now: datetime) -> identities.Credential | identity.Expired | None:
        ground = self._ground
        found = identities.find_credential(ground.database, ground.master_key, access_key_id, now)
        if found is None and identities.has_expired(ground.database, access_key_id, now):
            return identity.Expired()
        return found


def call_of(ground: Ground, request: Incoming, caller: Identity) -> Call:
    """The call that a service is given."""
    return Call(
        ground=ground,
        principal=Principal(
            account=ground.account,
            arn=caller.arn,
            user_id=caller.user_id,
            session=caller.session,
            bearer=caller.bearer,
        ),
        region=caller.scope.region,
        request_id=request.request_id,
        at=request.at,
        headers=request.signed.headers,
        source_ip=request.source_ip,
    )


def find_api_key(ground: Ground, alias: str, now: datetime) -> identities.BearerCredential | None:
    """The living API key of an alias."""
    return identities.find_api_key(ground.database, alias, now)


def takes_api_keys(request: Incoming, service: wire.Service) -> bool:
    """Whether the request shows an API key to a service that takes them: Bedrock and its runtime."""
    return _signing_name(service) == "bedrock" and identity.shows_a_key(request.signed)


def _signing_name(service: wire.Service) -> str:
    return service.name.removesuffix("-runtime")


def claimed_name(request: Incoming) -> str | None:
    """The service that the request says it is signed for; None where it does not say."""
    scope = identity.claimed_scope(request.signed)
    if scope is not None:
        return scope.service
    return "s3" if identity.is_v2(request.signed) else None


def identify(request: Incoming, claimed: str | None) -> wire.Service:
    """Which service is meant: what the credential is scoped to, else what the request looks like.

    For a service that Outcrop has not, it is one that speaks the same dialect.
    """
    signed = request.signed
    service = wire.service_for(claimed, signed.method, signed.path, signed.headers)
    return service or wire.service(_dialect_of(signed))


def refuse_foreign(claimed: str | None) -> None:
    """Refuse a request that is signed for a service that Outcrop has not."""
    if claimed is not None and wire.service_for(claimed, "GET", "/", {}) is None:
        raise Fault("NotImplemented", f"Outcrop does not serve {claimed}.")


def _dialect_of(signed: identity.SignedRequest) -> str:
    if "x-amz-target" in signed.headers:
        return "kms"
    return "sts" if signed.headers.get("content-type", "").startswith(FORM) else "bedrock"


def constrain(asked: Asked, params: wire.Params) -> None:
    """Refuse arguments that break the model's rules."""
    wire.constrain(asked.operation, params)


def serialize(request: Incoming, asked: Asked, result: dict[str, Any]) -> wire.Response:
    """The result as HTTP."""
    return wire.serialize(asked.operation, result, request.request_id)
