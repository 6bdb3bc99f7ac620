"""What a job's history says of what its training child tells."""

import pytest

from outcrop.domain.events import CheckpointDamaged, CheckpointUnwritten, Event, Resumed, Step
from outcrop.worker.succession import history_entry


@pytest.mark.parametrize(
    ("event", "entry"),
    [
        (Resumed(step=0, lost_steps=3), {"event": "restarted", "lost_steps": 3}),
        (Resumed(step=8, lost_steps=1), {"event": "resumed", "from_step": 8, "lost_steps": 1}),
        (
            CheckpointDamaged(step=8, cause="state is not as it was written"),
            {"event": "checkpoint_damaged", "step": 8, "cause": "state is not as it was written"},
        ),
        (
            CheckpointUnwritten(step=6, cause="No space left on device"),
            {"event": "checkpoint_unwritten", "step": 6, "cause": "No space left on device"},
        ),
        (Step(step=0, epoch=0, loss=2.0, learning_rate=1e-4, tokens=9), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_an_attempt_met_is_an_entry_and_a_step_is_none(event: Event, entry: dict[str, object] | None) -> None:
    assert history_entry(event) == entry
