"""What a check found: problems with place and mend, warnings, counts. Never a row's text. Knows nothing of checking."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from outcrop.domain.row_statistics import RowStatistics

FAILURE_MESSAGE_LIMIT = 2048


class Kind(StrEnum):
    """What sort of problem: it decides the words that clients look for."""

    PARSE = "parse"
    RULE = "rule"
    SIZE = "size"
    TOKENS = "tokens"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that must be mended. Line and column count from 1; None where it concerns the file as a whole."""

    file: str
    line: int | None = None
    column: int | None = None
    kind: Kind
    what: str
    mend: str

    @property
    def place(self) -> str:
        """`train.jsonl:17:5`."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    def __str__(self) -> str:
        return f"{self.place}: {self.what}; {self.mend}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning_:
    """Something that may be meant. `lines` are the first few places of `count`."""

    file: str
    what: str
    count: int
    lines: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = ", ".join(str(line) for line in self.lines)
        more = " and more" if self.count > len(self.lines) and self.lines else ""
        return f"{self.file}: {self.what}" + (f" (line {where}{more})" if where else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Counts in a checkpoint's own tokens. `longest` are (tokens, line), the longest row first.

    `statistics` is what an estimate needs to know of the rows as they will be trained, cut to the limit.
    """

    prompt: int = 0
    trained: int = 0
    longest: tuple[tuple[int, int], ...] = ()
    limit: int | None = None
    truncated_rows: int = 0
    truncated_tokens: int = 0
    statistics: RowStatistics = field(default_factory=RowStatistics)

    @property
    def total(self) -> int:
        """All tokens."""
        return self.prompt + self.trained


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One file's check. `problems` are the first ones of `problem_count`; `fingerprints` tell rows apart."""

    file: str
    rows: int
    bad_rows: int
    size_bytes: int
    problems: tuple[Problem, ...]
    problem_count: int
    warnings: tuple[Warning_, ...] = ()
    tokens: Tokens | None = None
    fingerprints: dict[int, int] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """Whether training may use the file."""
        return self.problem_count == 0

    def failure_message(self, limit: int = FAILURE_MESSAGE_LIMIT) -> str:
        """The problems as a job's failureMessage: the words that clients look for, then as many places as fit."""
        if self.ok:
            return ""
        head = f"{_phrase(self.problems)}. {_some(self.problem_count, 'problem')}"
        message = f"{head} in {self.bad_rows} of {_some(self.rows, 'row')}."
        for at, problem in enumerate(self.problems):
            rest = self.problem_count - at
            more = f" And {rest} more in the report."
            if len(message) + len(str(problem)) + 1 + len(more) > limit:
                return (message + more)[:limit]
            message += f" {problem}"
        missing = self.problem_count - len(self.problems)
        return message if not missing else f"{message} And {missing} more."

    def to_json(self) -> str:
        """The whole report as one JSON object."""
        return json.dumps(self.to_dict(), indent=1)

    def to_dict(self) -> dict[str, Any]:
        """The whole report as plain data."""
        return {
            "file": self.file,
            "ok": self.ok,
            "rows": self.rows,
            "badRows": self.bad_rows,
            "sizeBytes": self.size_bytes,
            "problemCount": self.problem_count,
            "problems": [_problem_dict(problem) for problem in self.problems],
            "warnings": [
                {"what": warning.what, "count": warning.count, "lines": list(warning.lines)}
                for warning in self.warnings
            ],
            "tokens": None if self.tokens is None else _tokens_dict(self.tokens),
        }

    def to_text(self) -> str:
        """The report for a terminal."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        good = self.rows - self.bad_rows
        yield f"{self.file}: {_some(self.rows, 'row')}, {good:,} good, {self.size_bytes:,} bytes"
        if self.tokens is not None:
            yield from _token_lines(self.tokens)
        yield from (f"problem: {problem}" for problem in self.problems)
        if self.problem_count > len(self.problems):
            yield f"problem: and {self.problem_count - len(self.problems):,} more"
        yield from (f"warning: {warning}" for warning in self.warnings)


def _phrase(problems: tuple[Problem, ...]) -> str:
    """The fragment that clients of Bedrock look for, by the gravest kind of problem."""
    by_kind: dict[Kind, Problem] = {}
    for problem in problems:
        by_kind.setdefault(problem.kind, problem)
    first = next((by_kind[kind] for kind in Kind if kind in by_kind), None)
    if first is None:
        return "The dataset cannot be used"
    return {
        Kind.PARSE: f"Unable to parse {first.file}",
        Kind.RULE: f"Invalid records in {first.file}",
        Kind.SIZE: f"Input size exceeded in file {first.file}",
        Kind.TOKENS: first.what,
        Kind.COUNT: f"Invalid number of records in {first.file}",
    }[first.kind]


def _problem_dict(problem: Problem) -> dict[str, Any]:
    return {
        "line": problem.line,
        "column": problem.column,
        "kind": str(problem.kind),
        "what": problem.what,
        "mend": problem.mend,
    }


def _tokens_dict(tokens: Tokens) -> dict[str, Any]:
    return {
        "prompt": tokens.prompt,
        "trained": tokens.trained,
        "total": tokens.total,
        "longest": [{"tokens": size, "line": line} for size, line in tokens.longest],
        "limit": tokens.limit,
        "truncatedRows": tokens.truncated_rows,
        "truncatedTokens": tokens.truncated_tokens,
    }


def _token_lines(tokens: Tokens) -> Iterator[str]:
    yield f"tokens: {tokens.total:,} ({tokens.prompt:,} prompt, {tokens.trained:,} trained)"
    if tokens.longest:
        yield "longest rows: " + ", ".join(f"{size:,} tokens (line {line})" for size, line in tokens.longest)
    if tokens.truncated_rows:
        yield (
            f"truncated: {_some(tokens.truncated_rows, 'row')} beyond the checkpoint's {tokens.limit:,} tokens, "
            f"{tokens.truncated_tokens:,} tokens lost"
        )


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
