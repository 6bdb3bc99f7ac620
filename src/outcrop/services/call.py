"""What every operation is given: who calls, from where, when, and the ground it stands on. Knows nothing of HTTP."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from outcrop.config import Settings
from outcrop.services.turned_away import Name, TurnedAway
from outcrop.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls. `session` is set for temporary credentials of an assumed role, `bearer` for an API key."""

    account: str
    arn: str
    user_id: str
    session: bool = False
    bearer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What operations stand on. One for the whole server."""

    settings: Settings
    database: Database
    account: str
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    master_key: bytes = field(repr=False)
    turned_away: TurnedAway = field(default_factory=TurnedAway)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, authenticated. `headers` have lower-case names; `source_ip` is who connected, a proxy it may be."""

    ground: Ground
    principal: Principal
    region: str
    request_id: str
    at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    source_ip: str | None = None

    def at_the_door_of(self, identifier: str) -> AbstractAsyncContextManager[None]:
        """Within it the engine of a model may be asked; see `TurnedAway`."""
        name: Name = (self.region, self.principal.account, identifier)
        return self.ground.turned_away.at_the_door_of(name)


Operation = Callable[[Call, dict[str, Any]], dict[str, Any]]
