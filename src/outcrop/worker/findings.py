"""What was found in a job's files, together: the report beside its output, and the words of its failure.

Only the report, which is sealed like every object, is whole. Knows nothing of how files are read or checked.
"""

import json
from dataclasses import dataclass
from typing import Any

from outcrop import corpus
from outcrop.corpus import Problem, Report
from outcrop.families import RecordFormat
from outcrop.store.jobs import FAILURE_MESSAGE_LIMIT
from outcrop.store.objects import ObjectRecord
from outcrop.worker.access import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One file: its report and what was read, or the sentence that says why it could not be read."""

    place: Place
    report: Report | None = None
    record: ObjectRecord | None = None
    unreadable: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the report."""
        if self.report is None:
            return {"uri": self.place.uri, "file": self.place.file_name, "ok": False, "unreadable": self.unreadable}
        return {"uri": self.place.uri, **self.report.to_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The training file and its validation files."""

    training: Look
    validation: tuple[Look, ...]
    rules: RecordFormat

    def to_json(self) -> bytes:
        """The whole report."""
        content = {
            "files": [look.to_dict() for look in (self.training, *self.validation)],
            "together": [str(problem) for problem in self._together()],
            "warnings": [str(leak) for leak in self._leaks()],
        }
        return json.dumps(content, indent=1).encode()

    def failure_message(self, report: Place) -> str | None:
        """Why the job cannot go on, file by file, within what the API can say; None where it can."""
        tail = f" The whole report is {report.uri}"
        bad = [look for look in (self.training, *self.validation) if look.report is None or not look.report.ok]
        room = FAILURE_MESSAGE_LIMIT - len(tail)
        said = [_said(look, room // len(bad) - 1) for look in bad]
        said += [str(problem) for problem in self._together()] if not bad else []
        return " ".join(said)[:room] + tail if said else None

    def _together(self) -> list[Problem]:
        """Limits on all files' records; nothing where one could not be read."""
        reports = [look.report for look in self.validation if look.report is not None]
        if self.training.report is None or len(reports) < len(self.validation):
            return []
        return corpus.check_together(self.training.report, reports, self.rules)

    def _leaks(self) -> "list[corpus.Warning_]":
        reports = [look.report for look in self.validation if look.report is not None]
        return [] if self.training.report is None else corpus.leakage(self.training.report, reports)


def _said(look: Look, room: int) -> str:
    if look.report is None:
        assert look.unreadable is not None
        return look.unreadable[:room]
    return look.report.failure_message(room)
