"""What botocore sends is what our parser gives back, for every operation served."""

from typing import Any

from outcrop import wire

_BOTOCORE_ADDS = {"ClientRequestToken", "ContentMD5", "ContentLength", "ContentType", "EncodingType"}


def _parsed(line: Any, operation: wire.Operation, params: dict[str, Any]) -> dict[str, Any]:
    try:
        line.call(operation, params, wire.Response(200, [], b""))
    except Exception:  # an empty answer need not parse: what was sent is what counts
        if line.seen is None:
            raise
    seen = line.seen
    service = wire.service(operation.service)
    match = service.match(seen.method, seen.raw_path, seen.query, seen.headers, seen.body)
    assert match is not None, f"{seen.method} {seen.raw_path}"
    assert match.operation is operation
    parsed = wire.parse(operation, match, seen.query, seen.headers, seen.body)
    wire.constrain(operation, parsed)
    return parsed


def _without_additions(parsed: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    if parsed.get("Body") == b"":
        parsed = {key: value for key, value in parsed.items() if key != "Body"}
    added = {key for key in parsed if key[0].upper() + key[1:] in _BOTOCORE_ADDS or key.startswith("Checksum")}
    return {key: value for key, value in parsed.items() if key in params or key not in added}


def test_what_botocore_sends_is_parsed_to_the_same_arguments(
    operation: wire.Operation, line_to: Any, varied: Any
) -> None:
    for params in varied(lambda examples: examples.arguments(operation)):
        assert _without_additions(_parsed(line_to(operation.service), operation, params), params) == params
