"""A record as a person can look at it: its text with the learnt parts marked. For the user's own terminal only."""

from dataclasses import dataclass

from outcrop.domain.conversation import Record
from outcrop.text import Tokenizer


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a record's text, special tokens spelled; all of it learnt, or none."""

    text: str
    trained: bool


def marked(record: Record, tokenizer: Tokenizer) -> list[Segment]:
    """The record's rendering, cut where learning begins and ends."""
    rendered = tokenizer.render(record)
    stretches: list[tuple[list[int], bool]] = []
    for token, trained in zip(rendered.ids, rendered.trained, strict=True):
        if not stretches or stretches[-1][1] != trained:
            stretches.append(([], trained))
        stretches[-1][0].append(token)
    return [Segment(tokenizer.decode_all(ids), trained) for ids, trained in stretches]
