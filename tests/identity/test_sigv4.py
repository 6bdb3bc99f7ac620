"""AWS's published examples, and botocore's signer as the oracle."""

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.domain.errors import Fault
from outcrop.identity import SignedRequest, authenticate
from outcrop.identity.claims import read_claim
from outcrop.identity.sigv4 import canonical_path, canonical_query, signature

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
SUITE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
S3_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

SUITE = [
    ("get-vanilla", "GET", "/", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    (
        "get-vanilla-query-order-key-case",
        "GET",
        "/",
        "Param2=value2&Param1=value1",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    ("post-vanilla", "POST", "/", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("get-relative", "GET", "/example/..", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-slash", "GET", "//", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
]


@pytest.mark.parametrize(("method", "path", "query", "expected"), [row[1:] for row in SUITE], ids=[r[0] for r in SUITE])
def test_aws_suite_signatures_are_computed_to_the_letter(method: str, path: str, query: str, expected: str) -> None:
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={expected}"
    )
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z", "authorization": authorization}
    request = SignedRequest(method=method, path=path, query=query, headers=headers, body=b"")
    assert signature(SUITE_SECRET, read_claim(request, "service"), request, EMPTY) == expected


S3_EXAMPLES = [
    (
        "ranged get",
        "GET",
        "/test.txt",
        "",
        {"range": "bytes=0-9", "x-amz-content-sha256": EMPTY},
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    (
        "put",
        "PUT",
        "/test%24file.text",
        "",
        {
            "date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        },
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    (
        "bucket lifecycle",
        "GET",
        "/",
        "lifecycle",
        {"x-amz-content-sha256": EMPTY},
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    (
        "list objects",
        "GET",
        "/",
        "max-keys=2&prefix=J",
        {"x-amz-content-sha256": EMPTY},
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "query", "extra", "expected"), [row[1:] for row in S3_EXAMPLES], ids=[r[0] for r in S3_EXAMPLES]
)
def test_s3_documented_signatures_are_computed_to_the_letter(
    method: str, path: str, query: str, extra: dict[str, str], expected: str
) -> None:
    headers = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z", **extra}
    signed = ";".join(sorted(headers))
    headers["authorization"] = (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={signed},Signature={expected}"
    )
    request = SignedRequest(method=method, path=path, query=query, headers=headers, body=None)
    claim = read_claim(request, "s3")
    assert signature(S3_SECRET, claim, request, headers["x-amz-content-sha256"]) == expected


def test_the_documented_presigned_url_is_accepted() -> None:
    @dataclasses.dataclass(frozen=True)
    class Documented:
        secret: str = S3_SECRET
        session_token: str | None = None
        arn: str = "arn:aws:iam::123456789012:root"
        user_id: str = "123456789012"

    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
        "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    request = SignedRequest(
        method="GET",
        path="/test.txt",
        query=query,
        headers={"host": "examplebucket.s3.amazonaws.com"},
        body=None,
    )
    at = datetime(2013, 5, 24, 12, tzinfo=UTC)
    assert authenticate(request, "s3", lambda _id, _now: Documented(), at).scope.service == "s3"
    with pytest.raises(Fault, match="Request has expired"):
        authenticate(request, "s3", lambda _id, _now: Documented(), at.replace(day=26))


def test_an_arn_in_the_path_is_encoded_once_more_except_by_s3() -> None:
    assert canonical_path("/model/arn%3Aaws", "bedrock") == "/model/arn%253Aaws"
    assert canonical_path("/bucket/a%3Ab", "s3") == "/bucket/a%3Ab"
    assert canonical_path("/bucket/a(b)", "s3") == "/bucket/a%28b%29"


@given(st.text(st.characters(max_codepoint=255)))
def test_a_path_is_encoded_as_urllib_does(path: str) -> None:
    from urllib.parse import quote

    tame = "/" + path.replace("//", "").replace("/.", "").lstrip("/.")
    assert canonical_path(tame, "bedrock") == quote(tame, safe="/-_.~")


@pytest.mark.parametrize(
    ("path", "canonical"),
    [("", "/"), ("/a/./b/", "/a/b/"), ("/a/../..", "/"), ("//a//b", "/a/b"), ("/a/..", "/"), ("/.a", "/.a")],
)
def test_dot_segments_vanish_outside_s3(path: str, canonical: str) -> None:
    assert canonical_path(path, "iam") == canonical


@given(st.lists(st.tuples(st.text("ab/ +%=~é", max_size=5), st.text("ab/ +%=~é", max_size=5)), max_size=5))
def test_a_query_is_canonical_however_it_was_encoded(pairs: list[tuple[str, str]]) -> None:
    from urllib.parse import quote, quote_plus

    strictly = "&".join(f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in pairs)
    loosely = "&".join(f"{quote_plus(n, safe='~')}={quote_plus(v, safe='~')}" for n, v in pairs)
    assert canonical_query(strictly, presigned=False) == canonical_query(loosely, presigned=False)
    assert sorted(canonical_query(strictly, presigned=False).split("&")) == sorted(strictly.split("&"))
