"""What a model unit is: a share of this machine's serving time, and what it comes to in tokens. Knows no engine.

Shares, not tokens, are sold: whatever bases are served side by side, all their units are parts of one machine.
"""

from dataclasses import dataclass

SHARES = 20
"""One unit is one of so many parts of the machine's serving time."""
UNITS_FOR_SALE = 16
"""The other fifth is never sold: answers on demand have it, and whatever the measurement did not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Tokens a second that one engine computes with every place taken: of prompts alone, or of answers alone."""

    input_tokens_s: float
    output_tokens_s: float

    def __post_init__(self) -> None:
        if not (self.input_tokens_s > 0 and self.output_tokens_s > 0):
            raise ValueError(f"a capacity is above 0; {self} is not")

    def work_s(self, input_tokens: int, output_tokens: int) -> float:
        """Seconds of the machine that so many tokens take."""
        return input_tokens / self.input_tokens_s + output_tokens / self.output_tokens_s


def share_of(units: int) -> float:
    """The part of the machine that units are."""
    return units / SHARES


def left_over(sold: int) -> int:
    """The shares that are nobody's own where so many units are sold: answers on demand have them together."""
    return max(SHARES - sold, SHARES - UNITS_FOR_SALE)


def refusal(asked: int, sold: int) -> str | None:
    """Why so many units cannot be had beside those sold; None where they can."""
    free = max(0, UNITS_FOR_SALE - sold)
    if asked <= free:
        return None
    mend = f"Ask for {free} at most, or delete" if free else "Delete"
    return (
        f"{asked} model units were asked for; this machine keeps {UNITS_FOR_SALE}, of which {sold} are sold and "
        f"{free} are free. {mend} provisioned throughput that is not needed."
    )
