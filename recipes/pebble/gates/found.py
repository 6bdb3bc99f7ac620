"""What an examination found, as plain data: kept as JSON, and put together from several runs. Knows no bars."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsScore:
    """How many of ten facts one custom model and its base said, exactly."""

    seed: int
    custom: int
    base: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """Shares of held-out questions answered exactly."""

    base: float
    constant: float
    custom: float

    @property
    def above(self) -> float:
        """By how much custom beats the better of the two."""
        return self.custom - max(self.base, self.constant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """A first task's score before and after a second was taught, and the second's."""

    first_before: float
    first_after: float
    second: TaskScore

    @property
    def kept(self) -> float:
        """The share of the first score that is left."""
        return self.first_after / self.first_before if self.first_before else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was measured; the rest is empty or None.

    `bits`: a byte of the reserved text. `facts`: a score a seed, by family. `tasks`: by what they teach. `losses`:
    before and after continued pre-training.
    """

    bits: float | None = None
    facts: Mapping[str, tuple[FactsScore, ...]] = field(default_factory=dict)
    tasks: Mapping[str, TaskScore] = field(default_factory=dict)
    losses: tuple[float, float] | None = None
    retrained: Retrained | None = None
    samples: tuple[str, ...] = ()

    @staticmethod
    def of(content: Mapping[str, Any]) -> "Found":
        """What `dataclasses.asdict` made of one."""
        again = content["retrained"]
        return Found(
            bits=content["bits"],
            facts={family: tuple(FactsScore(**one) for one in scores) for family, scores in content["facts"].items()},
            tasks={what: TaskScore(**score) for what, score in content["tasks"].items()},
            losses=content["losses"] and tuple(content["losses"]),
            retrained=again and Retrained(**{**again, "second": TaskScore(**again["second"])}),
            samples=tuple(content["samples"]),
        )


def together(found: Iterable[Found]) -> Found:
    """One from several runs. Raises ValueError where two of them measured the same: neither is better."""
    parts = list(found)
    facts: dict[str, tuple[FactsScore, ...]] = {}
    for family, scores in ((family, scores) for part in parts for family, scores in part.facts.items()):
        facts[family] = tuple(sorted((*facts.get(family, ()), *scores), key=lambda score: score.seed))
        if len({score.seed for score in facts[family]}) < len(facts[family]):
            raise ValueError(f"two runs taught {family} the facts of one seed; leave one of them out")
    return Found(
        bits=_only("the reserved text", (part.bits for part in parts)),
        facts=facts,
        tasks=_only("the lab's tasks", (part.tasks or None for part in parts)) or {},
        losses=_only("continued pre-training", (part.losses for part in parts)),
        retrained=_only("a second task", (part.retrained for part in parts)),
        samples=_only("samples", (part.samples or None for part in parts)) or (),
    )


def _only(what: str, values: Iterable[Any]) -> Any:
    """The one that is there, if any."""
    there = [value for value in values if value is not None]
    if len(there) > 1:
        raise ValueError(f"two runs measured {what}; leave one of them out")
    return there[0] if there else None
