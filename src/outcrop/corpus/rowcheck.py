"""One line of a file to a typed row or to what is wrong with it. Knows nothing of the other lines."""

from typing import Any

import msgspec

from outcrop.corpus.explain import explain
from outcrop.corpus.findings import Finding
from outcrop.corpus.report import Kind
from outcrop.corpus.rules import RULES, Examination, size_finding
from outcrop.corpus.shapes import Row
from outcrop.domain.conversation import Record
from outcrop.families.record_format import RecordFormat


class RowCheck:
    """Checks lines against one format. After `check`, `examination` and `extra_members` tell of that line."""

    def __init__(self, rules: RecordFormat, tokens_are_counted: bool = False) -> None:
        self._rules = rules
        self._kind: Any = RULES[rules.kind](rules)
        self._decode = msgspec.json.Decoder(self._kind.row_type).decode
        # An estimate of tokens yields to a count.
        estimate = rules.characters_are_an_estimate and tokens_are_counted
        per_token = None if estimate else rules.characters_per_token
        self._most_characters = rules.tokens_per_record * per_token if per_token else None
        self.examination = Examination()
        self.extra_members = False

    def check(self, line: bytes) -> Row | None:
        """The row, or None where `examination.findings` says what is wrong."""
        into = self.examination = Examination()
        self.extra_members = False
        try:
            row: Row = self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._explain(line, error)
            return None
        self._kind.examine(row, into)
        # Two quotes a string, and those in its texts: a row with more was not read whole.
        if line.count(b'"') != 2 * into.strings:
            self._look_closer(line)
        if self._most_characters is not None and into.characters > self._most_characters:
            into.findings.append(size_finding(into.characters, self._rules, self._most_characters))
        return None if into.findings else row

    def record(self, row: Row) -> Record:
        """A checked row as a record."""
        record: Record = self._kind.record(row)
        return record

    def _look_closer(self, line: bytes) -> None:
        examination = self.examination
        if line.count(b'"') == 2 * examination.strings + examination.text.count('"'):
            return
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            self.examination.findings.append(not_utf8(error))
            return
        explanation = explain(text, self._rules)
        self.extra_members = explanation.extra_members
        self.examination.findings += explanation.findings

    def _explain(self, line: bytes, error: Exception) -> None:
        self.examination.findings += self._reasons(line, error)

    def _reasons(self, line: bytes, error: Exception) -> list[Finding]:
        """At least one reason: the decoder's own words where we have none."""
        if not line.strip():
            return [Finding((), "the line is blank", "take it out: every line is one record", Kind.PARSE, 1)]
        try:
            text = line.decode()
        except UnicodeDecodeError as wrong:
            return [not_utf8(wrong)]
        found = explain(text, self._rules).findings
        return list(found) or [Finding((), f"not JSON ({error})", "write one JSON object a line", Kind.PARSE, 1)]


def not_utf8(error: UnicodeDecodeError) -> Finding:
    """The row is not UTF-8; `column` is the byte's place in the line."""
    what = f"not UTF-8: byte {error.start + 1} of the line"
    return Finding((), what, "save the file as UTF-8", Kind.PARSE, error.start + 1)
