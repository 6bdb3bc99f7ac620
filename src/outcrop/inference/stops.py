"""Stop strings across token borders. Knows nothing of tokens: text goes in by pieces, text comes out.

The answer ends at the character that first completes a stop string, whatever the pieces were; where two are completed
by the same character, the longer counts. So an answer is the same streamed and unstreamed, alone and in a batch.
"""


class StopMatcher:
    """Holds back the shortest tail that could still become a stop string."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(sorted((stop for stop in stops if stop), key=len, reverse=True))
        self._held = ""

    def push(self, piece: str) -> tuple[str, str | None]:
        """Text that is safe to send, and the stop string that was met, if any."""
        text = self._held + piece
        met = self._first_completed(text, len(self._held))
        if met is not None:
            end, stop = met
            self._held = ""
            return text[: end - len(stop)], stop
        safe = len(text) - self._tail(text)
        self._held = text[safe:]
        return text[:safe], None

    def finish(self) -> str:
        """What was held back: no stop string can come of it any more."""
        held, self._held = self._held, ""
        return held

    def _first_completed(self, text: str, old: int) -> tuple[int, str] | None:
        """Where the first completed stop string ends, and which it is. Nothing ends inside the `old` characters."""
        best: tuple[int, str] | None = None
        for stop in self._stops:  # longest first, so that an equal end keeps the longer
            start = text.find(stop, max(0, old - len(stop) + 1))
            if start >= 0 and (best is None or start + len(stop) < best[0]):
                best = (start + len(stop), stop)
        return best

    def _tail(self, text: str) -> int:
        """The length of the longest end of `text` that begins a stop string."""
        return max((_overlap(text, stop) for stop in self._stops), default=0)


def _overlap(text: str, stop: str) -> int:
    for length in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
