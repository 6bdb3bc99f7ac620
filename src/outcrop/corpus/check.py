"""Checking a training file as a stream: every bad row with line, column, what and mend, in constant memory.

Knows nothing of where the file lies, or of what becomes of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from outcrop.corpus.findings import Finding
from outcrop.corpus.lines import LONGEST_LINE, Source, lines
from outcrop.corpus.locate import column_of
from outcrop.corpus.report import Kind, Problem, Report, Warning_
from outcrop.corpus.rowcheck import RowCheck
from outcrop.corpus.tally import MOST_FINGERPRINTS, Fingerprints, Places, TokenTally
from outcrop.domain.conversation import Record
from outcrop.domain.errors import CheckpointError
from outcrop.families.record_format import RecordFormat
from outcrop.text import Tokenizer

PROBLEMS_KEPT = 1000
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """How to check. With a tokenizer, tokens are counted; `context_tokens` is what the checkpoint can take in.

    `on_chunk` is told how many more bytes were read; what it raises ends the check.
    """

    limit: int = PROBLEMS_KEPT
    part: Literal["training", "validation"] = "training"
    tokenizer: Tokenizer | None = None
    context_tokens: int | None = None
    on_chunk: Callable[[int], None] | None = None


def check(source: Source, file_name: str, rules: RecordFormat, options: CheckOptions | None = None) -> Report:
    """Read all of `source` and say what is wrong with it. Never raises for what the file holds."""
    run = _Check(file_name, rules, options or CheckOptions())
    for line, size in lines(source, run.options.on_chunk):
        run.take(line, size)
        if run.unreadable:
            break
    return run.report()


def read(source: Source, rules: RecordFormat) -> Iterator[Record]:
    """The good rows of a file, as records."""
    rows = RowCheck(rules)
    for at, (line, _) in enumerate(lines(source)):
        if line is None:
            continue
        row = rows.check(line.removeprefix(_BOM) if at == 0 else line)
        if row is not None:
            yield rows.record(row)


@dataclass(slots=True)
class _Check:
    """A check under way."""

    file: str
    rules: RecordFormat
    options: CheckOptions
    unreadable: bool = False
    line: int = 0
    bad_rows: int = 0
    size_bytes: int = 0
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    empty_answers: Places = field(default_factory=Places)
    extra_members: Places = field(default_factory=Places)
    fingerprints: Fingerprints = field(init=False)
    _row_check: RowCheck = field(init=False)
    _tally: TokenTally | None = field(init=False)

    def __post_init__(self) -> None:
        counted = self.options.tokenizer is not None
        # A file with more rows than the family takes is refused whatever its rows say.
        self.fingerprints = Fingerprints(min(MOST_FINGERPRINTS, self.rules.total.maximum))
        self._row_check = RowCheck(self.rules, tokens_are_counted=counted)
        self._tally = TokenTally(self.options.context_tokens) if counted else None

    def take(self, line: bytes | None, size: int) -> None:
        """One more line."""
        self.line += 1
        self.size_bytes += size + 1
        if line is None:
            self._bad([_too_long(size)])
            return
        if self.line == 1:
            line = self._without_mark(line)
        checker = self._row_check
        row = checker.check(line)
        if row is None:
            self._bad(checker.examination.findings, line, self.size_bytes - size - 1)
            return
        examination = checker.examination
        self.fingerprints.add(examination.text, self.line)
        if examination.has_empty_answer:
            self.empty_answers.add(self.line)
        if checker.extra_members:
            self.extra_members.add(self.line)
        if self._tally is not None:
            self._count_tokens(checker.record(row), self._tally)

    def report(self) -> Report:
        """What was found, limits on the whole file included."""
        # The last line's newline was counted whether it is there or not: sizes are good to a byte.
        self._whole_file()
        return Report(
            file=self.file,
            rows=self.line,
            bad_rows=self.bad_rows,
            size_bytes=self.size_bytes,
            problems=tuple(self.problems),
            problem_count=self.problem_count,
            warnings=tuple(self._warnings()),
            tokens=None if self._tally is None else self._tally.tokens(),
            fingerprints=self.fingerprints.lines,
        )

    def _count_tokens(self, record: Record, tally: TokenTally) -> None:
        assert self.options.tokenizer is not None
        try:
            rendered = self.options.tokenizer.render(record)
        except CheckpointError as error:  # a template that takes no system prompt, say: a matter of this row
            self._bad([Finding((), str(error), "write the record as the checkpoint takes it", column=1)])
            return
        size, most = len(rendered.ids), self.rules.tokens_per_record
        if size > most:
            what = f"Maximum input token count {size} exceeds limit of {most}"
            self._bad([Finding((), what, "shorten the record or split it", Kind.TOKENS, 1)])
        elif not rendered.trained_count:
            self._bad([Finding((), "nothing in the record is learnt", "add an answer", column=1)])
        elif not rendered.cut(context := self.options.context_tokens or size).trained_count:
            what = f"nothing is left to learn once the record is cut to the checkpoint's {context} tokens"
            self._bad([Finding((), what, "shorten its prompt", column=1)])
        else:
            tally.add(rendered, self.line)

    def _bad(self, findings: list[Finding], line: bytes = b"", start: int = 0) -> None:
        self.bad_rows += 1
        self.problem_count += len(findings)
        for finding in findings[: max(0, self.options.limit - len(self.problems))]:
            self.problems.append(self._placed(finding, line, start))

    def _placed(self, finding: Finding, line: bytes, start: int) -> Problem:
        what = finding.what
        if what.startswith("not UTF-8") and finding.column is not None:
            what += f", byte {start + finding.column} of the file"
        return Problem(
            file=self.file,
            line=self.line,
            column=finding.column or column_of(line.decode(errors="replace"), finding.path),
            kind=finding.kind,
            what=what,
            mend=finding.mend,
        )

    def _without_mark(self, line: bytes) -> bytes:
        """The first line without a byte-order mark; in UTF-16 nothing after it can be read."""
        if line.startswith(_UTF16):
            self.unreadable = True
            self._of_file(Kind.PARSE, "the file is UTF-16", "save it as UTF-8")
        if not line.startswith(_BOM):
            return line
        self._of_file(Kind.PARSE, "the file begins with a byte-order mark", "save it as UTF-8 without one")
        return line[len(_BOM) :]

    def _of_file(self, kind: Kind, what: str, mend: str) -> None:
        self.problem_count += 1
        self.problems.append(Problem(file=self.file, kind=kind, what=what, mend=mend))

    def _whole_file(self) -> None:
        training = self.options.part == "training"
        counts = self.rules.training if training else self.rules.validation
        most_bytes = self.rules.max_training_bytes if training else self.rules.max_validation_bytes
        whose, part = self.rules.whose, self.options.part
        if self.line == 0:
            self._of_file(Kind.PARSE, "the file is empty", "write one JSON object a line")
        elif self.line > counts.maximum:
            what = f"the {part} file has {self.line:,} records"
            self._of_file(Kind.COUNT, what, f"{whose} takes at most {counts.maximum:,}")
        elif self.line < counts.minimum and not self.unreadable:
            what = f"the {part} file has {self.line:,} records"
            self._of_file(Kind.COUNT, what, f"{whose} needs at least {counts.minimum:,}")
        if most_bytes is not None and self.size_bytes > most_bytes:
            what = f"the {part} file has {self.size_bytes:,} bytes"
            self._of_file(Kind.SIZE, what, f"{whose} takes at most {most_bytes:,}")

    def _warnings(self) -> Iterator[Warning_]:
        if not self.file.endswith(".jsonl"):
            yield Warning_(file=self.file, what="the file's name does not end with .jsonl", count=1)
        yield from self.fingerprints.again.warning(self.file, "rows that repeat an earlier one")
        yield from self.empty_answers.warning(self.file, "rows with an empty answer")
        yield from self.extra_members.warning(
            self.file, "rows with members that are not part of the format and are ignored"
        )


def _too_long(size: int) -> Finding:
    what = f"the line has {size:,} bytes"
    return Finding((), what, f"a record may have at most {LONGEST_LINE:,}: is each on a line of its own?", column=1)
