"""Counts over a file's good rows: duplicates and tokens, in bounded memory. Knows nothing of problems' places."""

import heapq
from dataclasses import dataclass, field

from outcrop.corpus.report import Tokens, Warning_
from outcrop.domain.row_statistics import RowStatistics
from outcrop.text import Rendered

# More rows than any family takes; beyond it, duplicates are no longer looked for.
MOST_FINGERPRINTS = 1_000_000
LONGEST_SHOWN = 5
LINES_SHOWN = 5


@dataclass(slots=True)
class Places:
    """How often something was seen, and where first."""

    count: int = 0
    lines: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        """Seen once more."""
        self.count += 1
        if len(self.lines) < LINES_SHOWN:
            self.lines.append(line)

    def warning(self, file: str, what: str) -> list[Warning_]:
        """A warning, where anything was seen."""
        if not self.count:
            return []
        return [Warning_(file=file, what=f"{what}: {self.count:,}", count=self.count, lines=tuple(self.lines))]


@dataclass(slots=True)
class Fingerprints:
    """Rows by a 64-bit hash of their text. Two different rows look the same once in 10^8 files of a million rows."""

    most: int = MOST_FINGERPRINTS
    lines: dict[int, int] = field(default_factory=dict)
    again: Places = field(default_factory=Places)

    def add(self, text: str, line: int) -> None:
        """One more row."""
        fingerprint = hash(text)
        if fingerprint in self.lines:
            self.again.add(line)
        elif len(self.lines) < self.most:
            self.lines[fingerprint] = line


@dataclass(slots=True)
class TokenTally:
    """Tokens of all rows. `limit` is what the checkpoint can take in."""

    limit: int | None
    prompt: int = 0
    trained: int = 0
    truncated_rows: int = 0
    truncated_tokens: int = 0
    statistics: RowStatistics = field(default_factory=RowStatistics)
    _longest: list[tuple[int, int]] = field(default_factory=list)

    def add(self, rendered: Rendered, line: int) -> None:
        """One more row."""
        size, trained = len(rendered.ids), rendered.trained_count
        self.trained += trained
        self.prompt += size - trained
        # Of two rows of one length the earlier is kept: the heap's smallest goes first.
        heapq.heappush(self._longest, (size, -line))
        if len(self._longest) > LONGEST_SHOWN:
            heapq.heappop(self._longest)
        self.statistics += RowStatistics.of_row(rendered.cut(self.limit or size).trained)
        if self.limit is not None and size > self.limit:
            self.truncated_rows += 1
            self.truncated_tokens += size - self.limit

    def tokens(self) -> Tokens:
        """The sum."""
        longest = sorted(self._longest, reverse=True)
        return Tokens(
            prompt=self.prompt,
            trained=self.trained,
            longest=tuple((size, -line) for size, line in longest),
            limit=self.limit,
            truncated_rows=self.truncated_rows,
            truncated_tokens=self.truncated_tokens,
            statistics=self.statistics,
        )
