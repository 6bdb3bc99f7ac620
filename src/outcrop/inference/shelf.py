"""Models by name, for several threads, within a bound of memory. Knows nothing of how a model computes.

What may be evicted is said from outside, by name; all else is pinned. The least recently asked for goes first. Whoever
holds a model keeps it, whatever happens to its name, so that memory is free when the last answer with it has ended.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from outcrop.domain.errors import OutcropError, SettingsError

BASE = "base"
MOST_BYTES = 2**30  # a thousand adapters of a small base, some tens of a large one's


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a model's weights.

    `version`: of the weights, not of the name; no two that differ have the same. `shift`: how far an adapter moved a
    logit of the probe at most; None where there was no probe.
    """

    version: str
    size_bytes: int
    shift: float | None = None


class Described(Protocol):
    """What the shelf asks of a model."""

    @property
    def about(self) -> About:
        """What is known of its weights."""


Item = TypeVar("Item", bound=Described)


class ModelsAway(OutcropError):
    """What holds the models does not answer: it may be back, and nothing is wrong with what was asked."""


class NamedModels(Protocol):
    """What the face asks of the models."""

    @property
    def shelf(self) -> "Shelf[Any]":
        """Where they stand."""

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter, or whole weights, under a name; one already there is replaced.

        Raises SettingsError or ModelsAway.
        """


class Shelf(Generic[Item]):
    """The base and what was put beside it."""

    def __init__(self, base: Item, most_bytes: int = MOST_BYTES) -> None:
        """`most_bytes`: of all that is not the base; what is pinned may take more."""
        self._held: OrderedDict[str, Item] = OrderedDict({BASE: base})  # the least recently asked for first
        self._most_bytes = most_bytes
        self._evictable: frozenset[str] = frozenset()
        self._evicted: set[str] = set()
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Every name, the base first."""
        with self._lock:
            return [BASE, *(name for name in self._held if name != BASE)]

    def find(self, name: str) -> Item | None:
        """The model of a name, for somebody who asks it now."""
        with self._lock:
            if name in self._held:
                self._held.move_to_end(name)
            return self._held.get(name)

    def require_free(self, name: str) -> None:
        """Raises SettingsError for the base's name, which is not given away."""
        if name == BASE:
            raise SettingsError(f"The name {BASE!r} is the checkpoint's own.")

    def put(self, name: str, item: Item) -> None:
        """Puts a model under a name; one already there is replaced."""
        with self._lock:
            self._held[name] = item
            self._held.move_to_end(name)
            self._evicted.discard(name)
            self._make_room()

    def remove(self, name: str) -> bool:
        """Forget a name. False where it was not there."""
        with self._lock:
            was_evicted = name in self._evicted
            self._evicted.discard(name)
            return was_evicted or (name != BASE and self._held.pop(name, None) is not None)

    def may_evict(self, names: Iterable[str]) -> None:
        """From now on these names may go where room is needed, and no others. Names that come later count, too."""
        with self._lock:
            self._evictable = frozenset(names)
            self._make_room()

    def evicted(self) -> list[str]:
        """Names that had to go, and were neither loaded nor forgotten since."""
        with self._lock:
            return sorted(self._evicted)

    def report(self) -> list[dict[str, Any]]:
        """Each model by name, the base first."""
        with self._lock:
            return [self._told(name) for name in sorted(self._held, key=lambda name: (name != BASE, name))]

    def taken(self) -> dict[str, int]:
        """Bytes of all that is not the base, what they may be, and how many models these are."""
        with self._lock:
            return {"bytes": self._taken(), "most_bytes": self._most_bytes, "count": len(self._held) - 1}

    def _taken(self) -> int:
        return sum(item.about.size_bytes for name, item in self._held.items() if name != BASE)

    def _told(self, name: str) -> dict[str, Any]:
        about = self._held[name].about
        pinned = name not in self._evictable
        told = {"id": name, "version": about.version, "bytes": about.size_bytes, "pinned": pinned}
        return told if about.shift is None else {**told, "largest_logit_change": about.shift}

    def _make_room(self) -> None:
        """What was asked for last stays, even alone beyond the bound: else it would go before it has answered."""
        taken = self._taken()
        *others, _ = [name for name in self._held if name != BASE] or [BASE]
        for name in [name for name in others if name in self._evictable]:
            if taken <= self._most_bytes:
                return
            taken -= self._held.pop(name).about.size_bytes
            self._evicted.add(name)
