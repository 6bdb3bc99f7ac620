"""The rendering child: `python -m outcrop.worker.renderer`. A recipe, then stretches on stdin; their pieces on stdout.

Several of these render one file: the tokenizer holds Python's lock while it encodes, so that threads gain nothing, and
the worker itself stays free to beat. Ends when its input ends. Row texts go through pipes only, never into a message.
"""

import os
import struct
import sys
import traceback
from typing import IO

from outcrop.domain.errors import JobFailure, OutcropError
from outcrop.domain.lifeline import die_with_parent
from outcrop.prepared.piece import Span
from outcrop.worker.rendering import Recipe, Stretch, render

_FRAME = struct.Struct("<?I")  # whether what follows is an answer (and no failure's sentence), and its bytes
_SPAN = struct.Struct("<QQQQ")
NICENESS = 10  # it takes every core that nothing else wants: a training beside it goes first


def main(source: IO[bytes], answers: IO[bytes]) -> None:
    """Answer every stretch, until there are no more."""
    first = receive(source)
    if first is None:  # the parent ended before it had said anything
        return
    recipe, tokenizer = Recipe.from_json(first), None
    while (asked := receive(source)) is not None:
        try:
            tokenizer = tokenizer or recipe.tokenizer()
            send(answers, render(stretch_of(asked), recipe, tokenizer).to_bytes())
        except OutcropError as error:
            send(answers, str(error).encode(), good=False)
        except Exception as error:  # its words may hold a row's text: the log gets the place, the job gets the kind
            traceback.print_tb(error.__traceback__)
            sentence = f"The rendering of the data failed for a reason of its own ({type(error).__name__})."
            send(answers, sentence.encode(), good=False)


def send(pipe: IO[bytes], content: bytes, good: bool = True) -> None:
    """One frame."""
    pipe.write(_FRAME.pack(good, len(content)) + content)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next frame's content, None at the end. Raises JobFailure where it is a failure's sentence."""
    head = pipe.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    good, size = _FRAME.unpack(head)
    content = pipe.read(size)
    if len(content) < size:
        return None
    if not good:
        raise JobFailure(content.decode())
    return content


def asked_of(stretch: Stretch) -> bytes:
    """A stretch as one frame's content."""
    span = stretch.span
    return _SPAN.pack(span.first_line, span.lines, span.start, span.end) + stretch.content


def stretch_of(asked: bytes) -> Stretch:
    """The stretch that `asked_of` made a frame of."""
    first_line, lines, start, end = _SPAN.unpack_from(asked)
    span = Span(first_line=first_line, lines=lines, start=start, end=end)
    return Stretch(span=span, content=asked[_SPAN.size :])


if __name__ == "__main__":
    die_with_parent()
    os.nice(NICENESS)
    main(sys.stdin.buffer, sys.stdout.buffer)
