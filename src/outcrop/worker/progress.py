"""How far a training run is and how fast it goes, computed from what its child says. Knows no bucket and no clock."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from outcrop.domain.events import Event, Finished, Resumed, Started, Step, Validation

WINDOW_S = 30.0  # the speed is that of the last half minute: steady enough to read, quick to tell a change
SPEED_DIGITS = 1


@dataclass(slots=True, kw_only=True)
class Progress:
    """A run so far. `expected_s` is its estimate, which counts until there is a speed.

    `resumed_steps` were done by an earlier attempt: that they are told again is not speed.
    """

    expected_s: float | None = None
    began: datetime | None = None
    updated: datetime | None = None
    steps: int = 0
    last: Step | None = None
    trained_tokens: int = 0
    validations: dict[int, Validation] = field(default_factory=dict)
    finished: Finished | None = None
    resumed_steps: int = 0
    _recent: deque[tuple[datetime, int, int]] = field(default_factory=deque)

    def take(self, event: Event, now: datetime) -> None:
        """What the child said `now`."""
        self.began, self.updated = self.began or now, now
        match event:
            case Started():
                self.steps = event.steps
                self._mark(now)
            case Resumed():
                self.resumed_steps = event.step
            case Step():
                self.last = event
                self.trained_tokens += event.tokens
                self._mark(now)
            case Validation():
                self.validations[event.validator] = event
            case Finished():
                self.finished = event

    @property
    def steps_done(self) -> int:
        """How many steps were told."""
        return 0 if self.last is None else self.last.step + 1

    @property
    def tokens_per_second(self) -> float | None:
        """Trained tokens a second, lately; None before there is a speed."""
        speed = self._speed()
        return None if speed is None else speed[1]

    @property
    def seconds_left(self) -> float | None:
        """At the speed of the last half minute; before there is one, what was estimated."""
        if self.finished is not None:
            return 0.0
        speed = self._speed()
        if speed is not None and speed[0] > 0:
            return (self.steps - self.steps_done) / speed[0]
        if self.expected_s is None or self.began is None or self.updated is None:
            return None
        expected_s = self.expected_s * (1 - self.resumed_steps / max(1, self.steps))
        return max(0.0, expected_s - (self.updated - self.began).total_seconds())

    def to_dict(self, job: str, history: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The progress artifact: every number computed, null where there is none yet."""
        last = self.last
        return {
            "job": job,
            "stepsDone": self.steps_done,
            "steps": self.steps,
            "epoch": None if last is None else last.epoch,
            "trainedTokens": self.trained_tokens,
            "tokensPerSecond": _rounded(self.tokens_per_second),
            "secondsLeft": _rounded(self.seconds_left),
            "trainingLoss": None if last is None else last.loss,
            "validationLosses": [self.validations[number].loss for number in sorted(self.validations)],
            "stoppedEarly": self.finished is not None and self.finished.stopped_early,
            "ended": self.finished is not None,
            "updatedAt": None if self.updated is None else self.updated.isoformat(timespec="milliseconds"),
            "history": list(history),
        }

    def _mark(self, now: datetime) -> None:
        if self.steps_done <= self.resumed_steps:  # the window begins where new work does
            self._recent.clear()
        self._recent.append((now, self.steps_done, self.trained_tokens))
        while len(self._recent) > 2 and (now - self._recent[1][0]).total_seconds() >= WINDOW_S:
            self._recent.popleft()

    def _speed(self) -> tuple[float, float] | None:
        """Steps and trained tokens a second, lately."""
        if len(self._recent) < 2:
            return None
        (then, steps, tokens), (now, steps_now, tokens_now) = self._recent[0], self._recent[-1]
        took = (now - then).total_seconds()
        return ((steps_now - steps) / took, (tokens_now - tokens) / took) if took > 0 else None


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, SPEED_DIGITS)
