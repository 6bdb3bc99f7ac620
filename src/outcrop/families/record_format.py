"""What a family's training file must look like: kind of record, limits. Knows nothing of reading files."""

from dataclasses import dataclass
from typing import Literal

RecordKind = Literal["converse", "claude", "completion", "passage"]

MEGABYTE = 1024 * 1024
GIGABYTE = 1024 * MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many records a file, or all files together, may hold."""

    minimum: int = 1
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFormat:
    """Rules of one family for one kind of job. None: the family states no such limit."""

    kind: RecordKind
    whose: str
    training: Counts
    validation: Counts
    total: Counts
    tokens_per_record: int
    max_training_bytes: int | None = None
    max_validation_bytes: int | None = None
    # Characters of a record may be at most tokens_per_record times this.
    characters_per_token: int | None = None
    # True: the character rule is the family's guess at tokens, so it yields to a tokenizer's count.
    characters_are_an_estimate: bool = False
    # Strings that make a job fail where a user turn or the system prompt holds them.
    reserved_in_prompts: tuple[str, ...] = ()
    # Strings that no part of a record may hold.
    banned: tuple[str, ...] = ()
    # A conversation goes user, assistant, user, ... and ends with the assistant.
    strict_turns: bool = True
    one_system_text: bool = False
    schema_version: str | None = None
    empty_text_is_refused: bool = False
    other_members_are_refused: bool = False
