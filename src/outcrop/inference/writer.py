"""Chosen tokens into text that may be sent: exact characters, nothing that could still become a stop string."""

from outcrop.inference.stops import StopMatcher
from outcrop.text import TokenStream


class TextWriter:
    """One answer's text as it grows."""

    def __init__(self, stream: TokenStream, stops: tuple[str, ...]) -> None:
        self._stream = stream
        self._matcher = StopMatcher(stops)

    def push(self, token: int) -> tuple[str, str | None]:
        """Text that may be sent after this token, and the stop string that it completed, if any."""
        return self._matcher.push(self._stream.push(token))

    def finish(self) -> tuple[str, str | None]:
        """What was held back, once no token follows, and the stop string that it completed, if any."""
        text, stop = self._matcher.push(self._stream.finish())
        return (text, stop) if stop is not None else (text + self._matcher.finish(), None)
