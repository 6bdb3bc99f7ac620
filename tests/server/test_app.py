"""Whatever comes in ASGI's terms, signed or not, gets one answer that is not a 500."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.services import table

METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "X"])
PIECES = st.sampled_from(
    [
        "custom-models",
        "model-customization-jobs",
        "model",
        "foundation-models",
        "invoke",
        "converse",
        "tagResource",
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Acustom-model%2Fa",
        "%",
        "%2",
        "%FF",
        "%00",
        "..",
        "bucket-1",
        "a",
        "é",
        " ",
        "",
    ]
)
PATHS = st.lists(PIECES, max_size=4).map(lambda pieces: "/" + "/".join(pieces))
NAMES = st.sampled_from(
    [
        "list-type",
        "uploads",
        "uploadId",
        "partNumber",
        "delete",
        "tagging",
        "maxResults",
        "nextToken",
        "Action",
        "x",
        "",
    ]
)
VALUES = st.sampled_from(["", "1", "-1", "x", "%FF", "%", "a=b", "9" * 30, "2026-01-01", "ListUsers"])
QUERIES = st.lists(st.tuples(NAMES, VALUES).map("=".join), max_size=3).map("&".join)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "content_type",
            "x_amz_target",
            "x_amz_trailer",
            "x_amz_checksum_crc32",
            "content_md5",
            "range",
            "if_match",
            "x_amz_copy_source",
            "x_amz_meta_a",
            "x_amz_decoded_content_length",
            "accept",
        ]
    ),
    st.sampled_from(
        ["", "1", "application/json", "application/x-www-form-urlencoded", "TrentService.Encrypt", "bytes=5-1", "é\x01"]
    ),
    max_size=4,
)
BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=30),
    st.sampled_from(
        [
            b"{}",
            b"[]",
            b"null",
            b'{"a":',
            b"\xff",
            b'{"KeyId": 5}',
            b'{"KeyId":"alias/none","Plaintext":"AAAA"}',
            b"Action=ListUsers&MaxItems=x",
            b"Action=GetUser&UserName=" + b"a" * 200,
            b"Action=CreateRole&Tags.member.1.Key=a&Tags=b",
            b"<Delete><Object><Key>a</Key></Object></Delete>",
            b"<Delete>",
            b'<!DOCTYPE a [<!ENTITY b "c">]><Delete>&b;</Delete>',
            b'{"messages":' + b"[" * 2000,
        ]
    ),
)
SERVICES = st.sampled_from(["bedrock", "s3", "iam", "sts", "kms", "ec2"])
QUIET = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
Make = Callable[..., Any]


@given(METHODS, PATHS, QUERIES, HEADERS, BODIES)
@QUIET
def test_no_unsigned_request_gets_further_than_403(
    in_process: Make, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = in_process(table.OPERATIONS).ask(method, f"{path}?{query}", headers=named, body=body)
    assert 400 <= answer.status < 500, answer


@given(SERVICES, METHODS, PATHS, QUERIES, HEADERS, BODIES)
@QUIET
def test_no_signed_request_gives_a_500(
    in_process: Make, service: str, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    answer = in_process(table.OPERATIONS).signed(service, method, f"{path}?{query}", body=body, **headers)
    assert answer.status < 500 or answer.status == 501, answer
    assert "x-amzn-requestid" in answer.headers
