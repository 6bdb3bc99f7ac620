"""Whether somebody answers as the trainer does: arithmetic on log-probabilities. Knows no engine and no file.

The yardstick is the base model: what trainer and engine differ by on it is rounding, and a custom model may differ by a
few times that. A wrong scale, another adapter or a lost matrix moves the answers by what training moved them, or more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from outcrop.domain.probes import LIKELIEST, Place, Probes

# Measured: a right model differs by 1.1 times what its base does on average, by 1.6 at most (see the decision record).
TIMES_BASE = 4.0
# What float32 can differ by where the base happens to agree to the last bit.
FLOOR_MEAN = 1e-4
FLOOR_LARGEST = 2e-3
# bfloat16 against float32 is some hundredths on the base, a base in 4 bits some tenths; another checkpoint more than 1.
SAME_BASE_MEAN = 0.5

Rows = Sequence[Sequence[Place]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Of log-probabilities, in nats."""

    mean: float
    largest: float

    @staticmethod
    def between(stated: Rows, heard: Rows) -> "Difference":
        """Over every token that is stated. The one who is heard may list others: it lists its own likeliest."""
        found = [
            abs(chance - _heard(there, token, chance))
            for row, heard_row in zip(stated, heard, strict=True)
            for here, there in zip(row, heard_row, strict=True)
            for token, chance in here.items()
        ]
        return Difference(mean=sum(found) / len(found), largest=max(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What was measured: how far one was heard to be from the trainer's word, `base` and `own` (the custom model).

    `to_base`: how far the custom model was heard to be from the trainer's base; `moved`: what training did to it, by
    the trainer alone.
    """

    base: Difference
    own: Difference
    to_base: Difference
    moved: Difference
    count: int
    rows: int

    @property
    def allowed(self) -> Difference:
        """What the custom model may differ by."""
        return Difference(
            mean=TIMES_BASE * self.base.mean + FLOOR_MEAN, largest=TIMES_BASE * self.base.largest + FLOOR_LARGEST
        )

    @property
    def same_base(self) -> bool:
        """Whether the base that was heard is the trainer's: what it differs by is the yardstick of all else."""
        return self.base.mean <= SAME_BASE_MEAN

    @property
    def holds(self) -> bool:
        """Whether the answers are those of the model that was trained."""
        if not self.same_base:
            return False
        allowed = self.allowed
        near = self.own.mean <= allowed.mean and self.own.largest <= allowed.largest
        # By less than rounding: it may be as near to its base. (By a little more, the nearer of the two still tells.)
        hardly_moved = self.moved.mean <= self.base.mean + FLOOR_MEAN
        return near and (self.own.mean < self.to_base.mean or hardly_moved)

    def sentence(self, who: str) -> str:
        """What is wrong, in numbers."""
        if not self.same_base:
            return (
                f"{who} has another base model than the training had: over {self.count} log-probabilities it is "
                f"{self.base.mean:.2g} nats from the trainer's base on average (allowed: {SAME_BASE_MEAN})."
            )
        return (
            f"{who} does not answer as the model was trained: over {self.count} log-probabilities of {self.rows} probe "
            f"rows it is {self.own.mean:.2g} nats from the trainer on average and {self.own.largest:.2g} at most "
            f"(allowed: {self.allowed.mean:.2g} and {self.allowed.largest:.2g}, from {self.base.mean:.2g} and "
            f"{self.base.largest:.2g} on the base model), and {self.to_base.mean:.2g} from the base; training moved it "
            f"by {self.moved.mean:.2g}."
        )


def measure(probes: Probes, base: Rows, model: Rows) -> Parity:
    """Compares what the trainer stated with what was heard, row by row, of the base and of the custom model."""
    stated_base, stated = [row.base for row in probes.rows], [row.model for row in probes.rows]
    return Parity(
        base=Difference.between(stated_base, base),
        own=Difference.between(stated, model),
        to_base=Difference.between(stated_base, model),
        moved=Difference.between(stated_base, stated),
        count=sum(map(len, chain.from_iterable(stated))),
        rows=len(probes.rows),
    )


def _heard(there: Place, token: int, stated: float) -> float:
    """What was heard of a token. One that is not listed is no likelier than the last of the likeliest."""
    if token in there:
        return there[token]
    return min(stated, sorted(there.values(), reverse=True)[:LIKELIEST][-1])
