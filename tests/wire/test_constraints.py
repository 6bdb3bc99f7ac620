"""Every rule that the models state is enforced, with the service's own code and the member's name."""

import copy
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.model import Shape
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop import wire
from outcrop.domain.errors import Fault

_CODES = {"iam": "ValidationError", "sts": "ValidationError"}
_S3_CODES = {
    "InvalidArgument",
    "InvalidBucketName",
    "InvalidEncryptionAlgorithmError",
    "InvalidLocationConstraint",
    "InvalidRequest",
    "InvalidStorageClass",
    "InvalidTag",
    "MalformedXML",
}
_LONGEST_TRIED = 100_000


@dataclass(frozen=True)
class Violation:
    """One rule to break: where, and by which value (`Missing` takes the member away)."""

    rule: str
    path: tuple[Any, ...]
    value: Any

    def done_to(self, params: dict[str, Any]) -> dict[str, Any]:
        broken = copy.deepcopy(params)
        holder = broken
        for step in self.path[:-1]:
            holder = holder[step]
        if self.value is _MISSING:
            del holder[self.path[-1]]
        else:
            holder[self.path[-1]] = self.value
        return broken

    @property
    def member(self) -> str:
        return next(step for step in reversed(self.path) if isinstance(step, str))


_MISSING = object()


@dataclass(frozen=True)
class Violations:
    """Every way to break a rule of a shape, one at a time, in an example that has all members."""

    find_unfitting: Callable[[Shape], str | None]

    def of(self, shape: Shape, value: Any, path: tuple[Any, ...] = ()) -> Iterator[Violation]:
        if getattr(shape, "is_document_type", False) or shape.serialization.get("streaming"):
            return
        if path:
            yield from self._own(shape, value, path)
        match shape.type_name:
            case "structure":
                for key, part in value.items():
                    if key in shape.required_members:
                        yield Violation("required", (*path, key), _MISSING)
                    yield from self.of(shape.members[key], part, (*path, key))
            case "list":
                for place, part in enumerate(value[:1]):
                    yield from self.of(shape.member, part, (*path, place))
            case "map":
                for key, part in value.items():
                    yield from self.of(shape.value, part, (*path, key))

    def _own(self, shape: Shape, value: Any, path: tuple[Any, ...]) -> Iterator[Violation]:
        kind, low, high = shape.type_name, shape.metadata.get("min"), shape.metadata.get("max")
        yield Violation("type", path, 17 if kind == "string" else "neither")
        if kind in ("integer", "long", "float", "double"):
            yield Violation("type", path, 2**70 if kind in ("integer", "long") else True)
            if low is not None:
                yield Violation("min", path, low - 1)
            if high is not None and high < 2**31 - 1:
                yield Violation("max", path, high + 1)
        elif getattr(shape, "enum", None):
            yield Violation("enum", path, "no-such-value")
        elif kind in ("string", "blob", "list"):
            yield from self._lengths(kind, value, shape, path)
            if shape.metadata.get("pattern") and (text := self.find_unfitting(shape)) is not None:
                yield Violation("pattern", path, text)

    def _lengths(self, kind: str, value: Any, shape: Shape, path: tuple[Any, ...]) -> Iterator[Violation]:
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max")
        unit: Any = {"string": "a", "blob": b"a", "list": value[:1]}[kind]
        if low:
            yield Violation("min", path, unit * (low - 1))
        if high is not None and high < _LONGEST_TRIED:
            yield Violation("max", path, unit * (high + 1))


def _broken_rules(operation: wire.Operation, varied: Any, find_unfitting: Any) -> Iterator[tuple[Any, Violation]]:
    shape = operation.model.input_shape
    for params in varied(lambda examples: examples.arguments(operation)):
        for violation in Violations(find_unfitting).of(shape, params) if shape else ():
            yield params, violation


def test_each_broken_rule_is_refused_in_the_services_words_and_names_the_member(
    operation: wire.Operation, varied: Any, find_unfitting: Any
) -> None:
    tried = set()
    for params, violation in _broken_rules(operation, varied, find_unfitting):
        if (violation.rule, violation.path) in tried:
            continue
        tried.add((violation.rule, violation.path))
        with pytest.raises(Fault) as caught:
            wire.constrain(operation, violation.done_to(params))
        assert violation.member in caught.value.message, violation
        if operation.service == "s3":
            assert caught.value.code in _S3_CODES, violation
        else:
            assert caught.value.code == _CODES.get(operation.service, "ValidationException")
        assert "1 validation error detected" in caught.value.message or violation.rule == "type", caught.value.message


def test_what_satisfies_the_model_passes(operation: wire.Operation, varied: Any) -> None:
    for params in varied(lambda examples: examples.arguments(operation)):
        wire.constrain(operation, params)


def test_all_problems_are_told_at_once() -> None:
    operation = wire.service("bedrock").operation("CreateModelCustomizationJob")
    with pytest.raises(Fault) as caught:
        wire.constrain(
            operation, {"jobName": "a job!", "customizationType": "MAGIC", "hyperParameters": {"epochCount": 2}}
        )
    message = caught.value.message
    assert message.startswith("8 validation errors detected: ")
    for said in (
        "Value 'a job!' at 'jobName' failed to satisfy constraint: Member must satisfy regular expression pattern: ",
        "Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
        "Value 'MAGIC' at 'customizationType' failed to satisfy constraint: Member must satisfy enum value set: [",
        "Value at 'hyperParameters.epochCount' failed to satisfy constraint: Member must be a string",
    ):
        assert said in message


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        (
            "CreateBucket",
            {"Bucket": "b", "CreateBucketConfiguration": {"LocationConstraint": "moon"}},
            "InvalidLocationConstraint",
        ),
        ("ListObjectsV2", {"Bucket": "b", "MaxKeys": "many"}, "InvalidArgument"),
        ("PutObject", {"Bucket": "b", "Key": "k", "StorageClass": "ATTIC"}, "InvalidStorageClass"),
        ("PutObject", {"Bucket": "b", "Key": "k", "ServerSideEncryption": "rot13"}, "InvalidEncryptionAlgorithmError"),
        ("PutObject", {"Bucket": "b", "Key": "k", "ACL": "everybody"}, "InvalidArgument"),
        ("UploadPart", {"Bucket": "b", "Key": "k", "PartNumber": 1}, "InvalidArgument"),
        ("DeleteObjects", {"Bucket": "b"}, "MalformedXML"),
        ("DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{}]}}, "MalformedXML"),
        (
            "PutObjectTagging",
            {"Bucket": "b", "Key": "k", "Tagging": {"TagSet": [{"Key": "", "Value": "v"}]}},
            "InvalidTag",
        ),
    ],
)
def test_s3_answers_from_its_own_table(name: str, params: dict[str, Any], code: str) -> None:
    with pytest.raises(Fault) as caught:
        wire.constrain(wire.service("s3").operation(name), params)
    assert caught.value.code == code


def test_a_pattern_that_could_run_for_years_is_given_up_soon() -> None:
    operation = wire.service("bedrock").operation("GetModelCustomizationJob")
    begun = time.thread_time()
    with pytest.raises(Fault, match="jobIdentifier"):
        wire.constrain(operation, {"jobIdentifier": "a" + "-" * 500 + "!"})
    assert time.thread_time() - begun < 2


def test_sensitive_values_are_not_quoted() -> None:
    operation = wire.service("bedrock").operation("CreateModelCustomizationJob")
    params = {"hyperParameters": {"epochCount": "1"}, "jobName": "a secret!" * 30}
    with pytest.raises(Fault) as caught:
        wire.constrain(operation, params)
    assert "a secret!" not in caught.value.message  # too long to help


def test_a_document_nested_too_deep_is_refused() -> None:
    deep: Any = {}
    for _ in range(100):
        deep = {"deeper": deep}
    operation = wire.service("bedrock-runtime").operation("Converse")
    with pytest.raises(Fault, match="additionalModelRequestFields"):
        wire.constrain(operation, {"modelId": "amazon.nova-lite-v1:0", "additionalModelRequestFields": deep})


# ---------------------------------------------------------------- beside botocore's own validator

_ANYTHING = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _paths(part, (*path, key))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _paths(part, (*path, place))


def test_what_botocores_validator_refuses_is_refused(
    operation: wire.Operation, make_examples: Any, counts: Any
) -> None:
    """So nobody needs to run both. (botocore also refuses null and unknown members: the parser drops those.)"""
    shape = operation.model.input_shape
    if shape is None or not shape.members:
        return
    params = make_examples(turn=1).arguments(operation)
    paths = [path for path in _paths(params) if path[0] != operation.streams_in]

    @settings(max_examples=counts.few_or_full(15, 300), deadline=None, database=None)
    @given(st.sampled_from(paths), _ANYTHING)
    def check(path: tuple[Any, ...], value: Any) -> None:
        broken = Violation("any", path, value).done_to(params)
        if _refused_by_botocore(shape, broken):
            with pytest.raises(Fault):
                wire.constrain(operation, broken)

    check()


def _refused_by_botocore(shape: Shape, params: dict[str, Any]) -> bool:
    try:
        report = ParamValidator().validate(params, shape)
    except (RuntimeError, ValueError, OverflowError):  # its own way to refuse some timestamps
        return True
    return any(kind != "unknown field" for kind, _, _ in report._errors)


# ---------------------------------------------------------------- what is remembered of values


def test_a_value_that_was_asked_before_fits_its_own_pattern_and_no_other() -> None:
    """A role's ARN is a job's role, and no job; twice, as the second answer is remembered."""
    role, job = "arn:aws:iam::123456789012:role/trainer", "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/"
    asked = wire.service("bedrock").operation("GetModelInvocationJob")
    for _ in range(2):
        wire.constrain(asked, {"jobIdentifier": job + "abcdefghijkl"})
        with pytest.raises(Fault, match="jobIdentifier"):
            wire.constrain(asked, {"jobIdentifier": role})
        wire.constrain(wire.service("sts").operation("AssumeRole"), {"RoleArn": role, "RoleSessionName": "me"})


@pytest.mark.parametrize(
    ("api", "name", "member", "value", "kept"),
    [
        ("iam", "CreateUser", "UserName", "a-name-that-is-new-here", True),
        ("iam", "ChangePassword", "OldPassword", "a-password-that-is-new-here", False),
        ("iam", "CreateUser", "Path", f"/{'a' * 300}/", False),
    ],
    ids=["a name", "a password", "a long path"],
)
def test_secrets_and_long_values_are_not_remembered(api: str, name: str, member: str, value: str, kept: bool) -> None:
    held = value[:1] + value[1:]  # a text of its own, which nothing else refers to
    asked = wire.service(api).operation(name)
    others = {"UserName": "somebody", "NewPassword": "another"}
    params = {key: text for key, text in others.items() if key in asked.model.input_shape.required_members}
    params[member] = held
    before = sys.getrefcount(held)
    wire.constrain(asked, params)
    assert (sys.getrefcount(held) > before) is kept
