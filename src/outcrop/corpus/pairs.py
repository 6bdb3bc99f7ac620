"""Rules that concern training and validation files together. Knows nothing of a single row."""

from collections.abc import Iterable, Sequence

from outcrop.corpus.report import Kind, Problem, Report, Warning_
from outcrop.corpus.tally import Places
from outcrop.families.record_format import RecordFormat


def check_together(training: Report, validation: Sequence[Report], rules: RecordFormat) -> list[Problem]:
    """Limits on the sum of all files' records."""
    total = training.rows + sum(report.rows for report in validation)
    if rules.total.minimum <= total <= rules.total.maximum:
        return []
    what = f"training and validation files have {total:,} records together"
    mend = f"{rules.whose} takes {rules.total.minimum:,} to {rules.total.maximum:,}"
    return [Problem(file=training.file, kind=Kind.COUNT, what=what, mend=mend)]


def leakage(training: Report, validation: Iterable[Report]) -> list[Warning_]:
    """Validation rows that are in the training file too: their loss says nothing about new data."""
    found: list[Warning_] = []
    for report in validation:
        places = Places()
        for fingerprint, line in report.fingerprints.items():
            if fingerprint in training.fingerprints:
                places.add(line)
        found += places.warning(report.file, f"rows that are in {training.file} too")
    return found
