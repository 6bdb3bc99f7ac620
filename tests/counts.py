"""How often a long test repeats: few by default, all with OUTCROP_COUNTS=full (`make soak`)."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """The one setting that repetition counts come from."""

    full: bool = os.environ.get("OUTCROP_COUNTS") == "full"

    def few_or_full(self, few: int, full: int) -> int:
        return full if self.full else few
