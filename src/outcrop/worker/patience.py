"""How often what failed is tried again, and when it counts as hopeless. Knows nothing of engines or models."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

FIRST_REST_S, LONGEST_REST_S = 0.5, 30.0
FORGIVEN_AFTER_S = 60.0  # who lived this long did not die of its start
HOPELESS_AFTER = 3  # deaths in a row
RETRY_REFUSED_S = 10.0
LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Rest:
    """How long a checkpoint's engine rests after it died, doubling each time. `hopeless`: why it will not come."""

    deaths: int = 0
    until: float = 0.0
    hopeless: str | None = None

    def after_death(self, lived_s: float, what: str) -> None:
        """It died."""
        self.deaths = 1 if lived_s > FORGIVEN_AFTER_S else self.deaths + 1
        self.until = time.monotonic() + min(FIRST_REST_S * 2 ** (self.deaths - 1), LONGEST_REST_S)
        self.hopeless = f"The engine does not start: {what}." if self.deaths >= HOPELESS_AFTER else None

    def cannot_be(self, why: str) -> None:
        """It cannot even be started."""
        if self.hopeless != why:
            LOG.error("an engine cannot be started: %s", why)
        self.hopeless = why
        self.until = time.monotonic() + RETRY_REFUSED_S

    def forgive(self) -> None:
        """Nobody waits for it any more."""
        self.deaths, self.hopeless = 0, None


@dataclass(slots=True)
class _Refusal:
    sentence: str
    until: float


@dataclass(slots=True)
class Refusals:
    """Models that cannot be loaded, and why. Each is tried again now and then: a key may be enabled again."""

    _known: dict[str, _Refusal] = field(default_factory=dict)
    _deaths: dict[str, int] = field(default_factory=dict)

    def of(self, model_id: str) -> str | None:
        """Why a model cannot be loaded."""
        known = self._known.get(model_id)
        return None if known is None else known.sentence

    def among(self, model_ids: Iterable[str]) -> dict[str, str]:
        """Why, of those that cannot be loaded."""
        return {model_id: self._known[model_id].sentence for model_id in model_ids if model_id in self._known}

    def stands(self, model_id: str) -> bool:
        """Whether it is too early to try again."""
        known = self._known.get(model_id)
        return known is not None and time.monotonic() < known.until

    def add(self, model_id: str, sentence: str) -> None:
        """It was refused; said once in the log, not at every try."""
        if self.of(model_id) != sentence:
            LOG.error("custom model %s cannot be served: %s", model_id, sentence)
        self._known[model_id] = _Refusal(sentence, time.monotonic() + RETRY_REFUSED_S)

    def count_death(self, model_id: str) -> None:
        """The engine died while it loaded this one: once may be chance."""
        self._deaths[model_id] = self._deaths.get(model_id, 0) + 1
        if self._deaths[model_id] >= HOPELESS_AFTER:
            self.add(model_id, "the engine ended each time that it loaded it; its log tells more.")

    def forget(self, model_id: str) -> None:
        """It is loaded."""
        self._known.pop(model_id, None)
        self._deaths.pop(model_id, None)
