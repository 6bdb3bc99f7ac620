"""Broken constraints as a Fault of the service's own code. Knows nothing of how they were found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outcrop.domain.errors import Fault

_LONGEST_QUOTE = 100

_CODES = {"iam": "ValidationError", "sts": "ValidationError"}

_S3_MEMBERS = {
    "Bucket": "InvalidBucketName",
    "LocationConstraint": "InvalidLocationConstraint",
    "StorageClass": "InvalidStorageClass",
    "ServerSideEncryption": "InvalidEncryptionAlgorithmError",
    "ChecksumAlgorithm": "InvalidRequest",
}
"""Members of S3's operations whose constraints have a code of their own."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One member that breaks one rule. `value` is quoted where that helps and betrays nothing."""

    names: tuple[str, ...]
    rule: str
    sentence: str
    value: str | None = None

    @classmethod
    def at(cls, path: tuple[Any, ...], rule: str, sentence: str, value: str | None = None) -> "Problem":
        """A problem at a nested path."""
        return cls(tuple(reversed(list(_unnested(path)))), rule, sentence, value)

    def said(self) -> str:
        """In the words that AWS uses."""
        quoted = "" if self.value is None or len(self.value) > _LONGEST_QUOTE else f" {self._quoted()}"
        return f"Value{quoted} at '{'.'.join(self.names) or 'input'}' failed to satisfy constraint: {self.sentence}"

    def _quoted(self) -> str:
        return "null" if self.rule == "required" else f"'{self.value}'"


def fault_of(service: str, problems: list[Problem], places: Mapping[str, str]) -> Fault:
    """The one Fault that names every problem."""
    counted = "1 validation error" if len(problems) == 1 else f"{len(problems)} validation errors"
    message = f"{counted} detected: {'; '.join(problem.said() for problem in problems)}"
    return Fault(
        _s3_code(problems[0], places) if service == "s3" else _CODES.get(service, "ValidationException"), message
    )


def _s3_code(problem: Problem, places: Mapping[str, str]) -> str:
    top, member = (problem.names[0], problem.names[-1]) if problem.names else ("", "")
    if problem.rule not in ("required", "type") and "TagSet" in problem.names:
        return "InvalidTag"
    if problem.rule != "required" and member in _S3_MEMBERS:
        return _S3_MEMBERS[member]
    return "MalformedXML" if places.get(top, "body") == "body" else "InvalidArgument"


def _unnested(path: tuple[Any, ...]) -> Any:
    while path:
        path, name = path
        yield str(name)
