"""The CSV files of a job in the user's bucket, with the layout that Bedrock's clients read. Knows nothing of training.

The three places of the validation file are those that official sources read it from; they disagree, so all are written.
The losses before the first step have a file of their own: steps and epochs count from 0, so these belong to none.
"""

import math
from collections.abc import Iterable

from outcrop.domain.events import Step, Validation

TRAINING_FILE = "training_artifacts/step_wise_training_metrics.csv"
ESTIMATE_FILE = "training_artifacts/estimate.json"
PROGRESS_FILE = "training_artifacts/progress.json"
CURVE_SVG = "training_artifacts/loss_curve.svg"
CURVE_PNG = "training_artifacts/loss_curve.png"
VALIDATION_FILES = (
    "validation_artifacts/post_fine_tuning_validation/validation_metrics.csv",
    "validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv",
    "validation_artifacts/validation_metrics.csv",
)
BEFORE_FILE = "validation_artifacts/before_training/validation_metrics.csv"
REPORT_FILE = "data_report.json"
LARGEST_EXPONENT = 700.0  # exp() of more overflows a double


def job_folder(output_prefix: str, job_id: str) -> str:
    """Key of the job's folder below an output prefix (without its bucket), with a slash at its end."""
    head = output_prefix.rstrip("/")
    return f"{head}/model-customization-job-{job_id}/" if head else f"model-customization-job-{job_id}/"


def training_csv(steps: Iterable[Step]) -> bytes:
    """`step_wise_training_metrics.csv`: every column numeric, a header, no index."""
    rows = (f"{s.step},{s.epoch},{s.loss:.6f},{perplexity(s.loss):.6f}" for s in steps)
    return _csv("step_number,epoch_number,training_loss,perplexity", rows)


def validation_csv(validations: Iterable[Validation]) -> bytes:
    """`validation_metrics.csv`: one line an epoch and validator."""
    rows = (f"{v.step},{v.epoch},{v.loss:.6f},{perplexity(v.loss):.6f}" for v in validations)
    return _csv("step_number,epoch_number,validation_loss,perplexity", rows)


def perplexity(loss: float) -> float:
    """exp(loss), bounded where a double would overflow."""
    return math.exp(min(loss, LARGEST_EXPONENT))


def _csv(header: str, rows: Iterable[str]) -> bytes:
    return ("\n".join([header, *rows]) + "\n").encode()
