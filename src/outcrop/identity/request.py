"""What a signature is checked against: the request as it came, and the credential that it names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request as received: nothing decoded, nothing put in order.

    `path` and `query` are still percent-encoded; header names are lower-case, the values of a repeated header joined
    by commas, each byte one character (latin-1). `body` is None where it streams and is checked as it passes.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes | None


class Credential(Protocol):
    """What identity needs to know of an access key."""

    @property
    def secret(self) -> str:
        """The secret access key."""

    @property
    def session_token(self) -> str | None:
        """The token that must come with a temporary credential."""

    @property
    def arn(self) -> str:
        """Whose key it is."""

    @property
    def user_id(self) -> str:
        """The unique id of whose key it is."""


class Expired:
    """What is found in place of a temporary credential whose time is over."""


FindCredential = Callable[[str, datetime], Credential | Expired | None]
"""(access key id, now) -> the credential; None where no such key lives."""
