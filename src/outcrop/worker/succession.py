"""What an attempt leaves to the one after it: the plan once the data is ready, and the job's history. Knows no lease.

A job's work folder holds `plan.json`, the prepared rows and every attempt's checkpoints, which outlive an attempt, and
a folder named by each attempt's fencing number, which does not.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from outcrop.domain.events import CheckpointDamaged, CheckpointUnwritten, Event, Resumed
from outcrop.domain.plan import TrainingPlan
from outcrop.sealed.writer import sync_folder

PLAN_FILE = "plan.json"
CHECKPOINTS = "checkpoints"


def keep_plan(work: Path, plan: TrainingPlan) -> None:
    """From now on every attempt trains this plan; on disk, whole, when this returns."""
    part = work / f".{PLAN_FILE}.part"
    with part.open("w", encoding="utf-8") as file:
        file.write(plan.to_json())
        file.flush()
        os.fsync(file.fileno())
    part.replace(work / PLAN_FILE)
    sync_folder(work)


def kept_plan(work: Path) -> TrainingPlan | None:
    """The plan that an earlier attempt kept, where all that it names is still there; else None."""
    try:
        plan = TrainingPlan.from_json((work / PLAN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError):  # none yet, or one of another version of the program
        return None
    needed = (plan.base_checkpoint, plan.training_rows, *plan.validation_rows)
    return plan if all(Path(path).exists() for path in needed) else None


def attempt_folder(work: Path, fence: int) -> Path:
    """A fresh folder for this attempt; those of the attempts before it are removed."""
    for path in work.glob("*"):
        if path.name.isdecimal() and int(path.name) < fence:
            shutil.rmtree(path, ignore_errors=True)
    folder = work / str(fence)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def checkpoints_folder(work: Path, fence: int) -> Path:
    """Where this attempt's checkpoints go, beside those of the attempts before it; it is there from now on.

    That it is tells a later attempt that this one came as far as training.
    """
    folder = work / CHECKPOINTS / str(fence)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def history_entry(event: Event) -> dict[str, Any] | None:
    """What a job's history says of an event, without attempt and time; None for what is no part of it."""
    match event:
        case Resumed(step=0):
            return {"event": "restarted", "lost_steps": event.lost_steps}
        case Resumed():
            return {"event": "resumed", "from_step": event.step, "lost_steps": event.lost_steps}
        case CheckpointDamaged():
            return {"event": "checkpoint_damaged", "step": event.step, "cause": event.cause}
        case CheckpointUnwritten():
            return {"event": "checkpoint_unwritten", "step": event.step, "cause": event.cause}
    return None
