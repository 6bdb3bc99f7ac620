"""An API key proves its user, and nothing that is not that very key proves anybody."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from outcrop.domain import api_key
from outcrop.identity import SignedRequest, authenticate_bearer, shows_a_key

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ALIAS = "ada+0a1b2c3d-at-123456789012"
KEY = api_key.spell(ALIAS, "s" * 44)
ARN = "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aprovisioned-model%2Fabc"


@dataclass(frozen=True)
class Known:
    id: str = "ACCAEXAMPLE"
    digest: bytes = field(default=api_key.digest(KEY))
    arn: str = "arn:aws:iam::123456789012:user/ada"
    user_id: str = "AIDAEXAMPLE"


def asked(authorization: str | None, path: str = "/model/m/converse") -> SignedRequest:
    headers = {} if authorization is None else {"authorization": authorization}
    return SignedRequest(method="POST", path=path, query="", headers=headers, body=None)


def found(alias: str, now: datetime) -> Known | None:
    assert now == NOW
    return Known() if alias == ALIAS else None


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_a_living_key_proves_its_user(scheme: str) -> None:
    identity = authenticate_bearer(asked(scheme + KEY), found, NOW)
    assert identity is not None
    assert (identity.arn, identity.user_id, identity.access_key_id) == (Known.arn, Known.user_id, Known.id)
    assert identity.bearer and not identity.session


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        KEY,
        f"Basic {KEY}",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY},Bearer {KEY}",
        f"Bearer {api_key.spell(ALIAS, 't' * 44)}",
        f"Bearer {api_key.spell('eve+0a1b2c3d-at-123456789012', 's' * 44)}",
        "Bearer é",
    ],
)
def test_anything_else_proves_nobody(authorization: str | None) -> None:
    assert authenticate_bearer(asked(authorization), found, NOW) is None


@pytest.mark.parametrize(
    ("path", "region"),
    [
        ("/model/m/converse", "us-east-1"),
        (f"/model/{ARN}/x", "eu-west-1"),
        (f"/model/{ARN.replace('eu-west-1', 'banana')}/x", "us-east-1"),
    ],
)
def test_the_region_is_that_of_the_arn_that_is_asked(path: str, region: str) -> None:
    identity = authenticate_bearer(asked(f"Bearer {KEY}", path), found, NOW)
    assert identity is not None and identity.scope.region == region


def test_only_the_bearer_scheme_shows_a_key() -> None:
    assert shows_a_key(asked("Bearer x"))
    assert not shows_a_key(asked("AWS4-HMAC-SHA256 Credential=a"))
    assert not shows_a_key(asked(None))
