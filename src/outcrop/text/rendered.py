"""A record as tokens, and which of them are learnt. Knows nothing of how it was made."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rendered:
    """`ids[i]` is learnt (its prediction counts in the loss) where `trained[i]`."""

    ids: list[int]
    trained: list[bool]

    @property
    def trained_count(self) -> int:
        """How many tokens are learnt."""
        return sum(self.trained)

    def cut(self, limit: int) -> "Rendered":
        """At most the first `limit` tokens."""
        return self if len(self.ids) <= limit else Rendered(self.ids[:limit], self.trained[:limit])
