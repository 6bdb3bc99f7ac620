"""Every way of not being who you say, refused in the words of the service."""

import dataclasses
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from outcrop.domain.errors import Fault
from outcrop.identity import Expired, FindCredential, Scope, SignedRequest, authenticate, claimed_scope

Sign = Callable[..., SignedRequest]
SERVICES = ["bedrock", "kms", "iam", "sts", "s3"]
CODES = {
    "unsigned": {
        "bedrock": "MissingAuthenticationTokenException",
        "kms": "MissingAuthenticationTokenException",
        "iam": "MissingAuthenticationToken",
        "sts": "MissingAuthenticationToken",
        "s3": "AccessDenied",
    },
    "unknown key": {
        "bedrock": "UnrecognizedClientException",
        "kms": "UnrecognizedClientException",
        "iam": "InvalidClientTokenId",
        "sts": "InvalidClientTokenId",
        "s3": "InvalidAccessKeyId",
    },
    "mismatch": {
        "bedrock": "InvalidSignatureException",
        "kms": "InvalidSignatureException",
        "iam": "SignatureDoesNotMatch",
        "sts": "SignatureDoesNotMatch",
        "s3": "SignatureDoesNotMatch",
    },
    "skewed": {
        "bedrock": "InvalidSignatureException",
        "kms": "InvalidSignatureException",
        "iam": "SignatureDoesNotMatch",
        "sts": "SignatureDoesNotMatch",
        "s3": "RequestTimeTooSkewed",
    },
    "malformed": {
        "bedrock": "IncompleteSignatureException",
        "kms": "IncompleteSignatureException",
        "iam": "IncompleteSignature",
        "sts": "IncompleteSignature",
        "s3": "AuthorizationHeaderMalformed",
    },
}


def refused(request: SignedRequest, service: str, find: FindCredential, now: datetime) -> str:
    with pytest.raises(Fault) as caught:
        authenticate(request, service, find, now)
    return caught.value.code


def altered(request: SignedRequest, **headers: str | None) -> SignedRequest:
    merged = {**request.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return dataclasses.replace(request, headers={name: value for name, value in merged.items() if value is not None})


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8600/",
        "http://localhost:8600/custom-models/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Acustom-model%2Fx?a=b%20c&a=a&z",
        "http://127.0.0.1:8600/bucket/key%20with%20%C3%A9%28~?list-type=2&prefix=a%2Fb",
    ],
)
def test_what_botocore_signs_is_accepted(
    service: str, url: str, sign: Sign, find_credential: FindCredential, now: datetime
) -> None:
    request = sign(service, "POST", url, headers={"X-Amz-Target": "a   b ", "Content-Type": "text/plain"}, body=b"{}")
    identity = authenticate(request, service, find_credential, now)
    assert (identity.arn, identity.session) == ("arn:aws:iam::123456789012:user/ada", False)
    assert (identity.scope.region, identity.scope.service) == ("us-east-1", service)


@pytest.mark.parametrize("service", SERVICES)
class TestRefusals:
    def test_no_signature(self, service: str, sign: Sign, find_credential: FindCredential, now: datetime) -> None:
        request = altered(sign(service), authorization=None)
        assert refused(request, service, find_credential, now) == CODES["unsigned"][service]

    def test_an_unknown_key(self, service: str, sign: Sign, now: datetime) -> None:
        assert refused(sign(service), service, lambda _id, _now: None, now) == CODES["unknown key"][service]

    @pytest.mark.parametrize("part", ["method", "path", "query", "host", "date", "signature"])
    def test_an_altered_part(
        self, service: str, part: str, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        request = sign(service)
        alterations: dict[str, SignedRequest] = {
            "method": dataclasses.replace(request, method="DELETE"),
            "path": dataclasses.replace(request, path="/other"),
            "query": dataclasses.replace(request, query="maxResults=1"),
            "host": altered(request, host="elsewhere"),
            "date": altered(
                request, x_amz_date=request.headers["x-amz-date"].replace("0507Z", "0506Z").replace("07Z", "06Z")
            ),
            "signature": altered(request, authorization=request.headers["authorization"][:-4] + "beef"),
        }
        assert refused(alterations[part], service, find_credential, now) == CODES["mismatch"][service]

    def test_a_header_that_nobody_signed(
        self, service: str, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        request = altered(sign(service), x_amz_acl="public-read")
        expected = "AccessDenied" if service == "s3" else CODES["mismatch"][service]
        assert refused(request, service, find_credential, now) == expected

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_a_clock_that_is_wrong(
        self, service: str, minutes: int, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        late = now + timedelta(minutes=minutes)
        assert refused(sign(service), service, find_credential, late) == CODES["skewed"][service]

    def test_another_services_scope(
        self, service: str, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        request = sign("ec2", body=b"")
        assert refused(request, service, find_credential, now) == CODES["mismatch"][service]

    @pytest.mark.parametrize("region", ["*", "US-EAST-1", "a" * 65])
    def test_a_scope_whose_region_is_none(
        self, service: str, region: str, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        request = sign(service, region=region)
        assert refused(request, service, find_credential, now) == CODES["mismatch"][service]

    @pytest.mark.parametrize("region", ["local", "dev"])
    def test_a_clients_own_name_for_a_region_counts(
        self, service: str, region: str, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        identity = authenticate(sign(service, region=region), service, find_credential, now)
        assert identity.scope.region == region

    @pytest.mark.parametrize(
        "authorization",
        [
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260304/us-east-1/bedrock/aws4_request",
            "AWS4-HMAC-SHA256 Credential=nonsense, SignedHeaders=host;x-amz-date, Signature=00",
            "AWS4-HMAC-SHA256 ,,,===",
            "AWS AKIDEXAMPLE:c2lnbmF0dXJl",
            "Basic dXNlcg==",
            "",
            "AWS4-HMAC-SHA256",
        ],
    )
    def test_a_malformed_authorization(
        self, service: str, authorization: str, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        request = altered(sign(service), authorization=authorization)
        assert refused(request, service, find_credential, now) == CODES["malformed"][service]

    @pytest.mark.parametrize("stamp", ["", "yesterday", "20260231T000000Z", "20260304T050607"])
    def test_a_date_that_is_none(
        self, service: str, stamp: str, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        request = altered(sign(service), x_amz_date=stamp)
        assert refused(request, service, find_credential, now) == CODES["malformed"][service]

    def test_a_host_outside_the_signature(
        self, service: str, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        request = sign(service)
        bare = request.headers["authorization"].replace("host;", "")
        assert (
            refused(altered(request, authorization=bare), service, find_credential, now) == CODES["malformed"][service]
        )

    def test_a_header_that_is_named_twice_in_the_signature(
        self, service: str, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        """Who knows a key's id alone must not have a long header hashed a thousand times over."""
        request = sign(service)
        twice = request.headers["authorization"].replace("host;", "host;" * 1000)
        refusal = refused(altered(request, authorization=twice), service, find_credential, now)
        assert refusal == CODES["malformed"][service]

    def test_bearer_tokens_are_not_taken(
        self, service: str, sign: Sign, find_credential: FindCredential, now: datetime
    ) -> None:
        request = altered(sign(service), authorization="Bearer bedrock-api-key-abc")
        assert refused(request, service, find_credential, now) in {
            "AccessDeniedException",
            "AccessDenied",
            "InvalidClientTokenId",
        }


class TestBodies:
    def test_an_altered_body_is_refused(self, sign: Sign, find_credential: FindCredential, now: datetime) -> None:
        request = dataclasses.replace(sign(method="POST", body=b"{}"), body=b"[]")
        assert refused(request, "bedrock", find_credential, now) == "InvalidSignatureException"

    def test_a_stated_hash_must_be_the_bodys(self, sign: Sign, find_credential: FindCredential, now: datetime) -> None:
        request = sign(method="POST", body=b"{}", headers={"X-Amz-Content-SHA256": "0" * 64})
        assert refused(request, "bedrock", find_credential, now) == "InvalidSignatureException"

    @pytest.mark.parametrize("service", ["bedrock", "s3"])
    def test_an_unknown_payload_mode_is_refused(
        self, service: str, key: Any, find_credential: FindCredential, now: datetime
    ) -> None:
        from outcrop.identity.claims import read_claim
        from outcrop.identity.sigv4 import signature

        mode = "UNSIGNED-PAYLOAD" if service == "bedrock" else "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
        headers = {"host": "h", "x-amz-date": "20260304T050607Z", "x-amz-content-sha256": mode}
        prefix = f"AWS4-HMAC-SHA256 Credential={key.id}/20260304/us-east-1/{service}/aws4_request, "
        prefix += "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
        draft = SignedRequest(
            method="PUT", path="/b/k", query="", headers={**headers, "authorization": prefix + "0"}, body=b""
        )
        right = signature(key.secret, read_claim(draft, service), draft, mode)
        request = altered(draft, authorization=prefix + right)
        expected = "InvalidRequest" if service == "s3" else "InvalidSignatureException"
        assert refused(request, service, find_credential, now) == expected

    def test_s3_wants_the_payload_hash_stated(self, sign: Sign, find_credential: FindCredential, now: datetime) -> None:
        request = altered(sign("s3"), x_amz_content_sha256=None)
        assert refused(request, "s3", find_credential, now) == "InvalidRequest"


class TestSessions:
    def test_a_session_needs_its_token(self, sign: Sign, key: Any, now: datetime) -> None:
        session = dataclasses.replace(key, session_token="token-1")
        identity = authenticate(sign(key=session), "bedrock", lambda _id, _now: session, now)
        assert identity.session
        assert refused(sign(), "bedrock", lambda _id, _now: session, now) == "UnrecognizedClientException"
        other = dataclasses.replace(key, session_token="token-2")
        assert refused(sign(key=other), "bedrock", lambda _id, _now: session, now) == "UnrecognizedClientException"

    def test_an_expired_session_is_told_so(self, sign: Sign, key: Any, now: datetime) -> None:
        session = dataclasses.replace(key, session_token="token-1")
        assert refused(sign(key=session), "bedrock", lambda _id, _now: Expired(), now) == "ExpiredTokenException"
        assert refused(sign("s3", key=session), "s3", lambda _id, _now: Expired(), now) == "ExpiredToken"
        assert refused(sign("sts", key=session), "sts", lambda _id, _now: Expired(), now) == "ExpiredToken"

    def test_a_token_with_a_lasting_key_is_refused(self, sign: Sign, key: Any, now: datetime) -> None:
        pretender = dataclasses.replace(key, session_token="token-1")
        assert refused(sign(key=pretender), "bedrock", lambda _id, _now: key, now) == "UnrecognizedClientException"


def presigned(key: Any, version: str, operation: str = "get_object", **parameters: Any) -> SignedRequest:
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://localhost:8600",
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        aws_session_token=key.session_token,
        config=Config(signature_version=version),
    )
    expires_s = parameters.pop("expires_s", 600)
    url = client.generate_presigned_url(
        operation, Params={"Bucket": "b-1", "Key": "a key/é", **parameters}, ExpiresIn=expires_s
    )
    parts = urlsplit(url)
    method = "PUT" if operation == "put_object" else "GET"
    return SignedRequest(method=method, path=parts.path, query=parts.query, headers={"host": parts.netloc}, body=None)


@pytest.fixture
def real_now() -> datetime:
    from datetime import UTC

    return datetime.now(UTC)  # boto3 presigns by the machine's clock


@pytest.mark.parametrize("version", ["s3", "s3v4"])
class TestPresigned:
    @pytest.mark.parametrize("token", [None, "session/token+1="])
    def test_boto3s_urls_are_accepted(self, version: str, token: str | None, key: Any, real_now: datetime) -> None:
        holder = dataclasses.replace(key, session_token=token)
        request = presigned(holder, version, ResponseContentType="text/plain; a=b")
        identity = authenticate(request, "s3", lambda _id, _now: holder, real_now)
        assert identity.payload == "UNSIGNED-PAYLOAD"

    def test_they_expire(self, version: str, key: Any, find_credential: FindCredential, real_now: datetime) -> None:
        late = real_now + timedelta(seconds=660)
        assert refused(presigned(key, version), "s3", find_credential, late) == "AccessDenied"

    def test_another_key_is_another_object(
        self, version: str, key: Any, find_credential: FindCredential, real_now: datetime
    ) -> None:
        request = dataclasses.replace(presigned(key, version), path="/b-1/other")
        assert refused(request, "s3", find_credential, real_now) == "SignatureDoesNotMatch"

    def test_an_altered_parameter_is_refused(
        self, version: str, key: Any, find_credential: FindCredential, real_now: datetime
    ) -> None:
        request = presigned(key, version, ResponseContentType="text/plain")
        other = dataclasses.replace(request, query=request.query.replace("text%2Fplain", "text%2Fhtml"))
        assert other != request
        assert refused(other, "s3", find_credential, real_now) == "SignatureDoesNotMatch"

    def test_headers_that_it_does_not_name_are_refused(
        self, version: str, key: Any, find_credential: FindCredential, real_now: datetime
    ) -> None:
        request = altered(presigned(key, version, "put_object"), x_amz_acl="public-read")
        assert refused(request, "s3", find_credential, real_now) in {"AccessDenied", "SignatureDoesNotMatch"}

    def test_an_unknown_key_is_named_so(self, version: str, key: Any, real_now: datetime) -> None:
        assert refused(presigned(key, version), "s3", lambda _id, _now: None, real_now) == "InvalidAccessKeyId"


def test_a_sigv2_put_carries_its_headers_in_the_query(
    key: Any, find_credential: FindCredential, real_now: datetime
) -> None:
    request = presigned(key, "s3", "put_object", ContentType="text/plain", Metadata={"who": "ada"})
    sent = altered(request, content_type="text/plain", x_amz_meta_who="ada")
    assert authenticate(sent, "s3", find_credential, real_now).arn == key.arn


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
        ("X-Amz-Algorithm=other&X-Amz-Credential=a", "AuthorizationHeaderMalformed"),
        ("AWSAccessKeyId=a", "AccessDenied"),
        ("AWSAccessKeyId=a&Signature=b&Expires=%FF", "AccessDenied"),
        ("AWSAccessKeyId=a&Signature=b&Expires=" + "9" * 5000, "InvalidAccessKeyId"),
        (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20260304/us-east-1/s3/aws4_request"
            "&X-Amz-Date=20260304T050607Z&X-Amz-SignedHeaders=host&X-Amz-Signature=0&X-Amz-Expires=604801",
            "AuthorizationHeaderMalformed",
        ),
        (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20260304/us-east-1/s3/aws4_request"
            "&X-Amz-Date=20260304T051607Z&X-Amz-SignedHeaders=host&X-Amz-Signature=0&X-Amz-Expires=6",
            "RequestTimeTooSkewed",
        ),
        (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20260304/us-east-1/s3/aws4_request"
            "&X-Amz-Date=20260304T050607Z&X-Amz-SignedHeaders=host&X-Amz-Signature=0&X-Amz-Expires=x",
            "AuthorizationHeaderMalformed",
        ),
        (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20260304/us-east-1/s3/aws4_request"
            "&X-Amz-Date=20260304T050607Z&X-Amz-SignedHeaders=host;x-amz-date;host&X-Amz-Signature=0&X-Amz-Expires=6",
            "AuthorizationHeaderMalformed",
        ),
    ],
)
def test_malformed_presigned_requests_are_refused(
    query: str, code: str, find_credential: FindCredential, now: datetime
) -> None:
    request = SignedRequest(method="GET", path="/b/k", query=query, headers={"host": "h"}, body=None)
    assert refused(request, "s3", find_credential, now) == code


_LONG = 60_000
_LONG_CREDENTIALS = [
    "Credential=" + "a" * _LONG,
    "a" * _LONG,
    "Credential=" * (_LONG // 11),
    "Credential=" + "/" * _LONG,
    "Credential=" + "a/20260304/" * (_LONG // 11),
    "Credential=" + "a," * (_LONG // 2),
    "Credential=a/20260304/us-east-1/" + "s" * _LONG + "/aws4_request",
    "Credential=" + "a" * _LONG + "/20260304/us-east-1/s3/aws4_request",
]


@pytest.mark.parametrize("text", _LONG_CREDENTIALS, ids=range(len(_LONG_CREDENTIALS)))
def test_a_scope_is_not_sought_in_a_long_text_for_long(text: str) -> None:
    began = time.process_time()
    header = SignedRequest(method="GET", path="/", query="", headers={"authorization": text}, body=None)
    query = f"X-Amz-Credential={text.removeprefix('Credential=')}"
    presigned = SignedRequest(method="GET", path="/", query=query, headers={}, body=None)
    assert claimed_scope(header) is None
    assert claimed_scope(presigned) is None
    assert time.process_time() - began < 5  # by far: looking again from every place took twenty


@pytest.mark.parametrize("before", ["", "SignedHeaders=host, ", "SignedHeaders=host;x-amz-date,Signature=00,"])
@pytest.mark.parametrize("after", ["", ", SignedHeaders=host, Signature=" + "0" * _LONG, ",SignedHeaders=host"])
def test_a_scope_is_found_wherever_the_credential_stands(before: str, after: str) -> None:
    authorization = f"AWS4-HMAC-SHA256 {before}Credential=a/20260304/eu-west-1/kms/aws4_request{after}"
    request = SignedRequest(method="GET", path="/", query="", headers={"authorization": authorization}, body=None)
    assert claimed_scope(request) == Scope(region="eu-west-1", service="kms")
