"""One plan is made from what is asked for, whoever asks: a job, or an estimate before there is one."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from living import jsonl, nova_row
from outcrop import families
from outcrop.domain.row_statistics import RowStatistics
from outcrop.prepared.manifest import Manifest
from outcrop.worker import estimating, planning
from outcrop.worker.data import WrittenRows, base_of, kind_of
from outcrop.worker.planning import Asked

pytestmark = pytest.mark.xdist_group("worker")

# What only a job with data has; everything else is the same for a file that is no job's yet.
OF_THE_JOB = {"job_id", "training_rows", "validation_rows", "truncated_rows", "skipped_rows", "empty_answers", "parent"}
VALIDATION = [nova_row("What is this?", "It is that.")]
ROWS = RowStatistics.of([[False, True, True]] * 8)


def written() -> WrittenRows:
    summary = Manifest(
        rows=8,
        tokens=24,
        trained_tokens=16,
        longest=3,
        statistics=ROWS,
        truncated_rows=1,
        skipped_rows=2,
        empty_answers=3,
        index_sha256="",
        pieces=(),
    )
    return WrittenRows(training=Path("/training"), validation=(Path("/validation"),), summary=summary)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"outcrop.method": "full", "outcrop.precision": "bfloat16", "outcrop.seed": "4"},
        {"outcrop.method": "qlora", "outcrop.loraRank": "3", "outcrop.checkpointEverySeconds": "600"},
    ],
    ids=["nothing", "full", "qlora"],
)
def test_a_file_is_estimated_by_the_very_plan_that_its_job_will_have(scene: Any, sent: dict[str, str]) -> None:
    validators = {"validators": [{"s3Uri": scene.put("check.jsonl", jsonl(VALIDATION))}]}
    job = scene.queue("planned", hyperParameters={"epochCount": "2", **sent}, validationDataConfig=validators)
    model, checkpoint = base_of(scene.ground, job)
    stated = families.check_hyperparameters(model, kind_of(job), job.hyperparameters)
    asked = Asked(model=model, checkpoint=checkpoint, kind=kind_of(job), hyperparameters=stated)
    expected = estimating.expect_file(scene.ground.settings, asked, ROWS)
    assert expected is not None
    before, later = asdict(expected.question.plan), asdict(planning.make_plan(scene.ground, job, written()))
    differing = {name for name in later if later[name] != before[name]}
    assert differing == OF_THE_JOB - {"parent"}
