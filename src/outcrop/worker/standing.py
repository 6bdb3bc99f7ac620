"""Whom a training job goes behind: whoever bought throughput, and how far while they are answered. Starts nothing."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outcrop.services.runtime import engine as face
from outcrop.store import engines, throughput
from outcrop.store.engines import EngineState
from outcrop.worker.ground import WorkerGround
from outcrop.worker.priority import Standing


def standing_of_jobs(ground: WorkerGround) -> Standing:
    """FREE where nothing is sold; LAST while somebody who bought is being answered, and for a minute after."""
    with ground.database.read() as connection:
        sold = throughput.units_sold(connection)
    if sold == 0:
        return Standing.FREE
    return Standing.LAST if any(map(answers_buyers, _standings(ground))) else Standing.BEHIND


def answers_buyers(said: Mapping[str, Any]) -> bool:
    """Whether an engine has answered somebody who bought in the last minute, or does so now."""
    return any(buyer and (told["open"] or told["answers"]) for buyer, told in said["buyers"].items())


def _standings(ground: WorkerGround) -> list[dict[str, Any]]:
    """What each engine that answers says of its buyers."""
    said = []
    for engine in engines.every(ground.database):
        if engine.state is EngineState.READY:
            with contextlib.suppress(face.EngineRefused):  # it goes away, or knows no units
                said.append(face.throughput(Path(engine.socket)))
    return said
