"""One look at the world, again and again, in a thread of its own. Knows nothing of what is looked at."""

import logging
import threading
from collections.abc import Callable

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
LOG = logging.getLogger(__name__)


class Rounds:
    """Calls `look` every so often until `closing`, then `at_end`.

    What fails is logged and tried again, more and more seldom: a worker has nobody to tell.
    """

    def __init__(
        self,
        look: Callable[[], None],
        every_s: float,
        closing: threading.Event,
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._look, self._every_s = look, every_s
        self._closing, self._at_end = closing, at_end
        self._thread = threading.Thread(target=self._run, name=look.__name__)

    def start(self) -> None:
        """The first look comes at once."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def _run(self) -> None:
        pause_s, failed_s = 0.0, FIRST_PAUSE_S
        while not self._closing.wait(pause_s):
            try:
                self._look()
                pause_s, failed_s = self._every_s, FIRST_PAUSE_S
            except Exception:
                LOG.exception("%s failed; it is tried again", self._look.__name__)
                pause_s, failed_s = max(failed_s, self._every_s), min(failed_s * 2, LONGEST_PAUSE_S)
        try:
            self._at_end()
        except Exception:
            LOG.exception("the end of %s failed", self._look.__name__)
