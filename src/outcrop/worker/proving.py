"""The model that an attempt made, proved at the gate, and its sample of answers told. Knows nothing of training."""

import logging
import time

from outcrop.domain.plan import TrainingPlan
from outcrop.worker import data, gate, generation
from outcrop.worker.attempt import Attempt
from outcrop.worker.metrics import CSV, MetricsFiles

LOG = logging.getLogger(__name__)


def prove(attempt: Attempt, plan: TrainingPlan, key: bytes, metrics: MetricsFiles) -> None:
    """The model that was made must answer in the serving engine as it did in training. Raises JobFailure."""
    candidate = gate.Candidate(
        job_id=attempt.job.id,
        fence=attempt.claimed.fence,
        folder=attempt.folder / "out",
        key=key,
        checkpoint=plan.base_checkpoint,
    )
    probes, asked = gate.read_probes(candidate), attempt.questions(key).read()
    began = time.monotonic()

    def examine(loaded: gate.Loaded) -> list[generation.Scored]:
        parity = gate.examine(loaded, probes, asked, attempt.lease.check)
        LOG.info("job %s passed the gate after %.2f s: %s", attempt.job.id, time.monotonic() - began, parity)
        return generation.sample(loaded, asked.questions[: plan.generation_sample], attempt.lease.check)

    _tell_generation(attempt, gate.admit(attempt.ground, candidate, attempt.lease.check, examine), metrics)


def _tell_generation(attempt: Attempt, rows: list[generation.Scored], metrics: MetricsFiles) -> None:
    if rows:
        place = data.output_of(attempt.job).below(generation.GENERATION_FILE)
        data.access_of(attempt.ground, attempt.job).put(place, generation.as_csv(rows), CSV)
        attempt.note({"event": "generation_metrics", **generation.means(rows)})
        metrics.write_progress()  # which tells the job's history to whoever cannot read its row
