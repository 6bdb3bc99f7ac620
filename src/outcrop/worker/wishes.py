"""Engines that jobs need for a moment, by checkpoint, and which of them will not come. Any thread may ask.

Knows nothing of engines or jobs: whoever keeps engines looks here as well.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Wishes:
    """What is wished for now. Kept in memory: a wish ends with the worker whose job had it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self._hopeless: dict[str, str] = {}

    @contextmanager
    def held(self, checkpoint: str) -> Iterator[None]:
        """Wish for the checkpoint's engine for as long as the block runs."""
        with self._lock:
            self._held[checkpoint] += 1
        try:
            yield
        finally:
            self._release(checkpoint)

    def checkpoints(self) -> set[str]:
        """All that is wished for."""
        with self._lock:
            return set(self._held)

    def give_up(self, checkpoint: str, why: str) -> None:
        """Tell those who wish for it now that it will not come."""
        with self._lock:
            if checkpoint in self._held:
                self._hopeless[checkpoint] = why

    def hope_again(self, checkpoint: str) -> None:
        """Forget what was said so far: whoever begins to wait now hears of what happens from now on."""
        with self._lock:
            self._hopeless.pop(checkpoint, None)

    def hopeless(self, checkpoint: str) -> str | None:
        """Why the checkpoint's engine will not come; None where it may."""
        with self._lock:
            return self._hopeless.get(checkpoint)

    def _release(self, checkpoint: str) -> None:
        with self._lock:
            self._held[checkpoint] -= 1
            if not self._held[checkpoint]:
                del self._held[checkpoint]
                self._hopeless.pop(checkpoint, None)
