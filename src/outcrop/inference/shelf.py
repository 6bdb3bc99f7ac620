"""Models by name, for several threads. Knows nothing of what a model is."""

import threading
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from outcrop.domain.errors import OutcropError, SettingsError

BASE = "base"
Item = TypeVar("Item")


class ModelsAway(OutcropError):
    """What holds the models does not answer: it may be back, and nothing is wrong with what was asked."""


class NamedModels(Protocol):
    """What the face asks of the models."""

    def names(self) -> list[str]:
        """Every name that can be asked for, the base first."""

    def find(self, name: str) -> object | None:
        """The model of a name."""

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter, or whole weights, under a name; one already there is replaced.

        Raises SettingsError or ModelsAway.
        """

    def unload(self, name: str) -> bool:
        """Forget a name. False where it was not loaded."""


class Shelf(Generic[Item]):
    """The base and what was put beside it. Whoever holds a model keeps it, whatever happens to its name."""

    def __init__(self, base: Item) -> None:
        self._held = {BASE: base}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Every name, the base first."""
        return list(self._held)

    def find(self, name: str) -> Item | None:
        """The model of a name."""
        return self._held.get(name)

    def require_free(self, name: str) -> None:
        """Raises SettingsError for the base's name, which is not given away."""
        if name == BASE:
            raise SettingsError(f"The name {BASE!r} is the checkpoint's own.")

    def put(self, name: str, item: Item) -> None:
        """Puts a model under a name; one already there is replaced."""
        with self._lock:
            self._held[name] = item

    def remove(self, name: str) -> bool:
        """Forget a name. False where it was not there."""
        with self._lock:
            return name != BASE and self._held.pop(name, None) is not None
