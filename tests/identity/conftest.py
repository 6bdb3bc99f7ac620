"""One key, and requests signed with it by botocore."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from outcrop.identity import FindCredential, SignedRequest

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@dataclass(frozen=True)
class Key:
    id: str = "AKIDEXAMPLE"
    secret: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    session_token: str | None = None
    arn: str = "arn:aws:iam::123456789012:user/ada"
    user_id: str = "AIDAEXAMPLE"


@pytest.fixture
def key() -> Key:
    return Key()


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def find_credential(key: Key) -> FindCredential:
    return lambda access_key_id, _now: key if access_key_id == key.id else None


Sign = Callable[..., SignedRequest]


@pytest.fixture
def sign(key: Key, monkeypatch: pytest.MonkeyPatch) -> Sign:
    """Signs as botocore does, at NOW, and gives the request as a server would receive it."""

    def signed(
        service: str = "bedrock",
        method: str = "GET",
        url: str = "http://localhost:8600/custom-models",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        key: Key = key,
        at: datetime = NOW,
        region: str = "us-east-1",
    ) -> SignedRequest:
        for module_time in ("botocore.auth.get_current_datetime",):
            monkeypatch.setattr(
                module_time, lambda remove_tzinfo=True: at.replace(tzinfo=None) if remove_tzinfo else at
            )
        request = AWSRequest(method=method, url=url, data=body, headers=headers or {})
        credentials = Credentials(key.id, key.secret, key.session_token)
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(credentials, service, region).add_auth(request)
        return received(request, method, url, None if service == "s3" else body)

    return signed


def received(request: AWSRequest, method: str, url: str, body: bytes | None) -> SignedRequest:
    parts = urlsplit(url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    return SignedRequest(
        method=method, path=parts.path, query=parts.query, headers={"host": parts.netloc, **headers}, body=body
    )
