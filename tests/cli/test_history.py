"""A job's history reads as sentences, and one of a newer program still as words."""

from typing import Any

import pytest

from outcrop.cli.history import in_words
from outcrop.domain.events import CheckpointDamaged, CheckpointUnwritten, Event, Resumed
from outcrop.worker.succession import history_entry

WHEN = {"attempt": 2, "at": "2026-11-25T10:46:30.123456+00:00"}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Resumed(step=0, lost_steps=1), "began again; 1 step is done again"),
        (Resumed(step=1200, lost_steps=3), "went on after step 1,200; 3 steps are done again"),
        (Resumed(step=40, lost_steps=0), "went on after step 40"),
        (CheckpointDamaged(step=40, cause="It is cut short."), "the checkpoint after step 40 could not be used: It is"),
        (CheckpointUnwritten(step=40, cause="No space."), "the checkpoint after step 40 could not be written: No sp"),
    ],
)
def test_what_happened_to_a_training_is_a_sentence(event: Event, said: str) -> None:
    entry = history_entry(event)
    assert entry is not None
    assert in_words({**entry, **WHEN}).startswith(f"2026-11-25 10:46:30, attempt 2: {said}")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"event": "restarted", "phase": "validationDetails"}, "began again"),
        (
            {"event": "generation_metrics", "rows": 8, "rouge_l": 0.25},
            "answers to validation rows: rows 8, rouge l 0.250",
        ),
        ({"event": "moved_house", "to": "another"}, "moved house: to another"),
        ({"event": "resumed"}, "resumed"),
    ],
)
def test_no_entry_is_shown_as_a_dictionary(entry: dict[str, Any], said: str) -> None:
    assert in_words({**entry, **WHEN}) == f"2026-11-25 10:46:30, attempt 2: {said}"
