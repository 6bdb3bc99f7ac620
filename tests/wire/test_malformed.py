"""However malformed a request is, the wire answers with a Fault or with arguments that satisfy the model."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop import wire
from outcrop.domain.errors import Fault

_DIALECTS = wire.NAMES
_METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "x"])
_WORDS = st.sampled_from(
    ["", "model", "custom-models", "converse", "invoke", "..", "%2F", "%", "%zz", "%ff", "%00", "a:b", "é", "-" * 90]
)
_PATHS = st.lists(_WORDS | st.text(max_size=8), max_size=5).map(lambda parts: "/" + "/".join(parts))
_NAMES = st.sampled_from(
    [
        "uploads",
        "uploadId",
        "partNumber",
        "list-type",
        "tagging",
        "maxResults",
        "max-keys",
        "Action",
        "creationTimeAfter",
        "",
    ]
)
_PAIRS = st.lists(st.tuples(_NAMES | st.text(max_size=6), st.text(max_size=12)), max_size=5)
_HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "x-amz-target",
            "x-amz-copy-source",
            "content-type",
            "x-amz-meta-a",
            "expires",
            "if-modified-since",
            "content-length",
        ]
    ),
    st.sampled_from(["TrentService.Encrypt", "TrentService.", ".", "9" * 30, "NaN", "Fri, 99 Foo 2026", "-1"])
    | st.text(max_size=9),
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
_SPECIAL = [
    b"",
    b"null",
    b"[]",
    b"NaN",
    b'{"a":1e999}',
    b"[" * 5000,
    b'{"a":' * 5000,
    b'"\\ud800"',
    b"\xff\xfe",
    b"9" * 5000,
    b"-" + b"9" * 5000,
    b'{"messages":' + b"[" * 900 + b"]" * 900 + b"}",
    b"<",
    b"<a/>",
    b"<a>" * 5000,
    b"<Delete><Object/></Delete>",
    b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    b'<?xml version="1.0" encoding="utf-7"?><a/>',
    b'<?xml version="1.0" encoding="nonsense"?><a/>',
    b"<Delete>&#0;</Delete>",
    b"Action=CreateUser&Action=CreateUser",
    b"Action=CreateUser&Tags.member.1=x&Tags.member.1.Key=y",
    b"Action=CreateUser&Tags.member.\xff=x",
    b"Action=CreateUser&Tags=x&UserName.a=b",
    b"Action=CreateUser&UserName=%ff",
    b"Action=ListUsers&MaxItems=" + b"9" * 5000,
    b"Action=AssumeRole" + b"&a" * 11000,
    b"Action=CreateUser&" + b"." * 500 + b"=x",
]
_BODIES = st.sampled_from(_SPECIAL) | st.binary(max_size=40) | _JSON.map(lambda value: json.dumps(value).encode())


def _answer(service: wire.Service, method: str, path: str, query: Any, headers: Any, body: bytes) -> None:
    """What a server does with a request, up to the point where the operation would be called."""
    try:
        match = service.match(method, path, query, headers, body)
        if match is None:
            raise service.no_such_operation(method, path)
        params = wire.parse(match.operation, match, query, headers, body)
        wire.constrain(match.operation, params)
    except Fault as error:
        response = wire.fault(service, None, error, "r")
        assert 400 <= response.status < 500, error


def _thorough(few: int) -> Any:
    return settings(
        max_examples=few,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def test_no_request_raises_anything_but_a_fault(service: wire.Service, counts: Any) -> None:
    @_thorough(counts.few_or_full(150, 5_000))
    @given(_METHODS, _PATHS, _PAIRS, _HEADERS, _BODIES)
    def check(method: str, path: str, query: Any, headers: Any, body: bytes) -> None:
        _answer(service, method, path, query, headers, body)

    check()


def test_no_body_of_an_operation_raises_anything_but_a_fault(operation: wire.Operation, counts: Any) -> None:
    service = wire.service(operation.service)
    match = wire.Match(operation=operation, uri=dict.fromkeys(_labels(operation.model.http["requestUri"]), "DRAFT"))

    @_thorough(counts.few_or_full(15, 300))
    @given(_BODIES, _PAIRS, _HEADERS)
    def check(body: bytes, query: Any, headers: Any) -> None:
        try:
            wire.constrain(operation, wire.parse(operation, match, query, headers, body))
        except Fault as error:
            assert wire.fault(service, operation, error, "r").status < 500

    check()


def test_each_known_trap_is_met_by_every_operation(operation: wire.Operation) -> None:
    match = wire.Match(operation=operation, uri=dict.fromkeys(_labels(operation.model.http["requestUri"]), "DRAFT"))
    for body in _SPECIAL:
        try:
            wire.constrain(operation, wire.parse(operation, match, (), {}, body))
        except Fault as error:
            assert wire.fault(wire.service(operation.service), operation, error, "r").status < 500


def test_a_shape_that_contains_itself_may_not_be_nested_without_end() -> None:
    operation = wire.service("bedrock").operation("CreateEvaluationJob")
    filters = '{"andAll":[' * 400 + "]}" * 400
    search = {"vectorSearchConfiguration": {"filter": "FILTERS"}}
    retrieve = {"retrieveConfig": {"knowledgeBaseId": "a", "knowledgeBaseRetrievalConfiguration": search}}
    body = json.dumps({"inferenceConfig": {"ragConfigs": [{"knowledgeBaseConfig": retrieve}]}})
    body = body.replace('"FILTERS"', filters)
    match = wire.Match(operation=operation, uri={})
    with pytest.raises(Fault):
        wire.constrain(operation, wire.parse(operation, match, (), {}, body.encode()))


def _labels(path: str) -> list[str]:
    return [part.strip("{+}") for part in path.partition("?")[0].split("/") if part.startswith("{")]


def _mutations(value: Any, anything: Any) -> st.SearchStrategy[Any]:
    """The value with any one part of it replaced by anything."""
    if isinstance(value, dict) and value:
        return anything | st.sampled_from(sorted(value)).flatmap(
            lambda key: _mutations(value[key], anything).map(lambda part: {**value, key: part})
        )
    if isinstance(value, list) and value:
        return anything | _mutations(value[0], anything).map(lambda part: [part, *value[1:]])
    return anything


def test_a_valid_json_body_with_any_part_replaced_raises_nothing_but_a_fault(make_examples: Any, counts: Any) -> None:
    converse = wire.service("bedrock-runtime").operation("Converse")
    valid = {
        "messages": [
            {"role": "user", "content": [{"text": "hi"}, {"image": {"format": "png", "source": {"bytes": "AA=="}}}]}
        ],
        "system": [{"text": "be brief"}],
        "inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "stopSequences": ["x"]},
        "requestMetadata": {"a": "b"},
        "toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]},
    }
    match = wire.Match(operation=converse, uri={"modelId": "amazon.nova-lite-v1:0"})

    @_thorough(counts.few_or_full(300, 5_000))
    @given(_mutations(valid, _JSON))
    def check(body: Any) -> None:
        try:
            wire.constrain(converse, wire.parse(converse, match, (), {}, json.dumps(body).encode()))
        except Fault as error:
            assert error.code in ("ValidationException", "SerializationException")

    check()


def test_a_valid_form_with_any_field_replaced_raises_nothing_but_a_fault(counts: Any) -> None:
    service = wire.service("iam")
    fields = {
        "Action": "CreateRole",
        "RoleName": "r",
        "Tags.member.1.Key": "k",
        "Tags.member.1.Value": "v",
        "MaxSessionDuration": "1",
    }
    names = st.sampled_from([*fields, "Tags", "Tags.member", "Tags.member.1", "Tags.member.x.Key", "RoleName.1", "."])

    @_thorough(counts.few_or_full(200, 5_000))
    @given(names, st.text(max_size=9))
    def check(name: str, value: str) -> None:
        _answer(service, "POST", "/", [], {}, urlencode({**fields, name: value}).encode())

    check()


def test_a_valid_xml_body_with_any_element_replaced_raises_nothing_but_a_fault(counts: Any) -> None:
    service = wire.service("s3")
    inner = st.sampled_from(
        ["<Key>k</Key>", "<Key/>", "<Key><Key/></Key>", "<VersionId>1</VersionId>", "text", "", "<Size>x</Size>"]
    )
    outer = st.lists(inner, max_size=4).map(lambda parts: f"<Object>{''.join(parts)}</Object>")
    bodies = st.lists(outer | inner | st.just("<Quiet>maybe</Quiet>"), max_size=4)

    @_thorough(counts.few_or_full(200, 5_000))
    @given(bodies)
    def check(parts: list[str]) -> None:
        body = f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(parts)}</Delete>'
        _answer(service, "POST", "/b", [("delete", "")], {}, body.encode())

    check()


def test_any_key_comes_back_from_its_path(counts: Any) -> None:
    service = wire.service("s3")

    @_thorough(counts.few_or_full(200, 5_000))
    @given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
    def check(key: str) -> None:
        match = service.match("GET", f"/a-bucket/{quote(key, safe='/~')}", [], {})
        assert match is not None
        assert match.uri == {"Bucket": "a-bucket", "Key": key}

    check()
