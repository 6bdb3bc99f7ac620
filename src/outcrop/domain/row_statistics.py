"""Token rows in numbers: what is counted of them before anything is trained. Parts counted apart may be added.

Knows nothing of tokenizers, files or models.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStatistics:
    """Sums over rows, after they were cut to what the checkpoint takes.

    `tokens` are all of them, `trained_tokens` those that are predicted and learnt (a row's first token never is).
    `computed_tokens` go through the model: those before a row's last learnt one. `longest` is the longest row and
    `squares` the sum of squared lengths (which attention's work grows with), both in computed tokens.
    """

    rows: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    computed_tokens: int = 0
    longest: int = 0
    squares: int = 0

    def __add__(self, other: "RowStatistics") -> "RowStatistics":
        return RowStatistics(
            rows=self.rows + other.rows,
            tokens=self.tokens + other.tokens,
            trained_tokens=self.trained_tokens + other.trained_tokens,
            computed_tokens=self.computed_tokens + other.computed_tokens,
            longest=max(self.longest, other.longest),
            squares=self.squares + other.squares,
        )

    @property
    def mean(self) -> float:
        """A row's mean length, in computed tokens."""
        return self.computed_tokens / max(1, self.rows)

    @property
    def deviation(self) -> float:
        """The standard deviation of the rows' lengths."""
        return float(max(0.0, self.squares / max(1, self.rows) - self.mean**2) ** 0.5)

    @property
    def trained_share(self) -> float:
        """Which part of what goes through the model predicts something that is learnt."""
        return self.trained_tokens / max(1, self.computed_tokens)

    def shortened(self, longest: int) -> "RowStatistics":
        """The same rows in proportion, the longest of them `longest`."""
        share = longest / max(1, self.longest)
        return RowStatistics(
            rows=self.rows,
            tokens=round(self.tokens * share),
            trained_tokens=round(self.trained_tokens * share),
            computed_tokens=round(self.computed_tokens * share),
            longest=longest,
            squares=round(self.squares * share**2),
        )

    @staticmethod
    def of_row(trained: Sequence[bool]) -> "RowStatistics":
        """One row, by the mask of what is learnt."""
        learnt = sum(trained[1:])
        computed = len(trained) - 1 - list(reversed(trained)).index(True) if learnt else 0
        return RowStatistics(
            rows=1,
            tokens=len(trained),
            trained_tokens=learnt,
            computed_tokens=computed,
            longest=computed,
            squares=computed * computed,
        )

    @staticmethod
    def of(rows: Iterable[Sequence[bool]]) -> "RowStatistics":
        """All rows, each by the mask of what is learnt."""
        return sum(map(RowStatistics.of_row, rows), RowStatistics())
