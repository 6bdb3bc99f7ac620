"""How many questions batch jobs may have open at an engine. Knows no job and no record.

Whoever calls while batch jobs run finds half of the engine's places free, and from then on all but one of them.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import outcrop.services.runtime.engine as face

AT_ONCE = 8  # half of an engine's places
BESIDE_CALLERS = 1
LOOK_EVERY_S = 0.1


class Share:
    """The batch jobs' part of each engine, all jobs together. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[Path] = Counter()
        self._places: dict[Path, tuple[float, int]] = {}

    def places(self, socket: Path) -> int:
        """How many questions may be open now. Blocks while the engine is asked who else has some."""
        looked, places = self._places.get(socket, (0.0, AT_ONCE))
        if time.monotonic() - looked >= LOOK_EVERY_S:
            places = AT_ONCE if self._callers(socket) <= 0 else BESIDE_CALLERS
            self._places[socket] = time.monotonic(), places
        return places

    def has_room(self, socket: Path, places: int) -> bool:
        """Whether one more question may be asked where so many may be open."""
        with self._lock:
            return self._open[socket] < places

    @contextmanager
    def asking(self, socket: Path) -> Iterator[None]:
        """One question is open for as long as the block runs."""
        with self._lock:
            self._open[socket] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[socket] -= 1

    def _callers(self, socket: Path) -> int:
        with self._lock:
            ours = self._open[socket]
        try:
            return face.open_answers(socket) - ours
        except face.EngineRefused:  # it is away: whoever asks it next will hear so
            return 0
