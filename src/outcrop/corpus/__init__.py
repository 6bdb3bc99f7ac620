"""Training data as text: read as a stream, checked row by row, summed up. Knows nothing of stores, jobs or training."""

from outcrop.corpus.check import CheckOptions, check, read
from outcrop.corpus.pairs import check_together, leakage
from outcrop.corpus.report import Problem, Report, Warning_
from outcrop.corpus.sample import Segment, marked

__all__ = [
    "CheckOptions",
    "Problem",
    "Report",
    "Segment",
    "Warning_",
    "check",
    "check_together",
    "leakage",
    "marked",
    "read",
]
