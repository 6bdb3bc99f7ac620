"""A family's rules, row by row: the fast path, with everything that can be prepared prepared once.

An examination appends what is wrong, and says which texts the row holds and how many JSON strings it should have been
written with: a row with more has members that were skipped, or one member twice. Knows nothing of files or bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from outcrop.corpus.findings import Finding, Path
from outcrop.corpus.report import Kind
from outcrop.corpus.shapes import BlockMessage, ClaudeRow, CompletionRow, ConverseRow, PassageRow, TextMessage
from outcrop.domain.conversation import Completion, Conversation, Message, Passage, Record
from outcrop.families.record_format import RecordFormat, RecordKind
from outcrop.families.turns import joined_texts

ROLES = ("user", "assistant")


class Words:
    """A search for any of some words that first looks for the rare character that each of them holds."""

    def __init__(self, words: Sequence[str]) -> None:
        groups: dict[str, list[str]] = {}
        for word in words:
            rare = next((letter for letter in word if not letter.isalnum()), word[0])
            groups.setdefault(rare, []).append(word)
        self._groups = [(rare, tuple(group)) for rare, group in groups.items()]

    def first_in(self, text: str) -> str | None:
        """Some word that the text holds, or None."""
        for rare, words in self._groups:
            if rare in text:
                for word in words:
                    if word in text:
                        return word
        return None


@dataclass(slots=True)
class Examination:
    """What one row's rules say. Reused for every row."""

    findings: list[Finding] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    strings: int = 0
    empty_answers: int = 0


class _Turns:
    """What converse and Claude records have in common."""

    def __init__(self, rules: RecordFormat) -> None:
        self.rules = rules
        self._reserved = Words(rules.reserved_in_prompts)
        self._banned = Words(rules.banned)

    def roles(self, messages: Sequence[BlockMessage | TextMessage], into: Examination) -> None:
        """Every role known; strictly: user, assistant, user, ... and the last an assistant."""
        if len(messages) < 2:
            into.findings.append(_few_messages())
        strict = self.rules.strict_turns
        for at, message in enumerate(messages):
            role = message.role
            if strict:
                if role != ROLES[at & 1]:
                    into.findings.append(_wrong_turn(at, role))
                    return
            elif role not in ROLES:
                into.findings.append(_unknown_role(at))
        if strict and len(messages) & 1 and len(messages) > 1:
            into.findings.append(_ends_with_user(len(messages) - 1))
        if not strict and messages and not any(message.role == "assistant" for message in messages):
            into.findings.append(_no_answer())

    def prompt(self, text: str, path: Path, into: Examination) -> None:
        """Text of a user or of the system."""
        if (word := self._reserved.first_in(text)) is not None:
            into.findings.append(_reserved_word(path, word, self.rules.whose))
        self.any_text(text, path, into)

    def any_text(self, text: str, path: Path, into: Examination) -> None:
        """Any text."""
        into.texts.append(text)
        if (word := self._banned.first_in(text)) is not None:
            into.findings.append(_reserved_word(path, word, self.rules.whose))


class ConverseRules:
    """Records with blocks."""

    row_type = ConverseRow

    def __init__(self, rules: RecordFormat) -> None:
        self._rules = rules
        self._turns = _Turns(rules)

    def examine(self, row: ConverseRow, into: Examination) -> None:
        """Roles, texts, system, version."""
        turns = self._turns
        strings = 1
        if row.schemaVersion is not None:
            strings += 2
            self._version(row.schemaVersion, into)
        if row.system is not None:
            strings += 1 + 2 * len(row.system)
            self._system(row, into)
        turns.roles(row.messages, into)
        for at, message in enumerate(row.messages):
            blocks = message.content
            strings += 3 + 2 * len(blocks)
            take = turns.prompt if message.role == "user" else turns.any_text
            for place, block in enumerate(blocks):
                take(block.text, ("messages", at, "content", place, "text"), into)
            if not any(block.text for block in blocks):
                self._empty(at, message, into)
        into.strings = strings

    def record(self, row: ConverseRow) -> Record:
        """The row as a record."""
        messages = tuple(
            Message(
                role="user" if message.role == "user" else "assistant",
                text=joined_texts([block.text for block in message.content]),
            )
            for message in row.messages
        )
        system = joined_texts([block.text for block in row.system]) if row.system else None
        return Conversation(messages=messages, system=system)

    def _version(self, version: str, into: Examination) -> None:
        if self._rules.schema_version not in (None, version):
            mend = f"write {self._rules.schema_version}, or leave it out"
            into.findings.append(Finding(("schemaVersion",), "schemaVersion is not the known one", mend))

    def _system(self, row: ConverseRow, into: Examination) -> None:
        blocks = row.system or []
        if self._rules.one_system_text and len(blocks) != 1:
            mend = f"{self._rules.whose} takes exactly one text there, or no system member"
            into.findings.append(Finding(("system",), f"system holds {len(blocks)} texts", mend))
        for place, block in enumerate(blocks):
            self._turns.prompt(block.text, ("system", place, "text"), into)

    def _empty(self, at: int, message: BlockMessage, into: Examination) -> None:
        if self._rules.empty_text_is_refused or not message.content:
            mend = "write what is said, or take the record out"
            into.findings.append(Finding(("messages", at, "content"), "the message has no text", mend))
        elif message.role == "assistant":
            into.empty_answers += 1


class ClaudeRules:
    """Records with plain strings."""

    row_type = ClaudeRow

    def __init__(self, rules: RecordFormat) -> None:
        self._turns = _Turns(rules)

    def examine(self, row: ClaudeRow, into: Examination) -> None:
        """Roles, texts, system."""
        turns = self._turns
        into.strings = 1 + 4 * len(row.messages)
        if row.system is not None:
            into.strings += 2
            turns.prompt(row.system, ("system",), into)
        turns.roles(row.messages, into)
        for at, message in enumerate(row.messages):
            turns.any_text(message.content, ("messages", at, "content"), into)
            if not message.content and message.role == "assistant":
                into.empty_answers += 1

    def record(self, row: ClaudeRow) -> Record:
        """The row as a record."""
        messages = tuple(
            Message(role="user" if message.role == "user" else "assistant", text=message.content)
            for message in row.messages
        )
        return Conversation(messages=messages, system=row.system)


class CompletionRules:
    """Prompt and completion."""

    row_type = CompletionRow

    def __init__(self, rules: RecordFormat) -> None:
        self._rules = rules

    def examine(self, row: CompletionRow, into: Examination) -> None:
        """Two texts."""
        into.strings = 4
        into.texts += (row.prompt, row.completion)
        into.empty_answers += not row.completion

    def record(self, row: CompletionRow) -> Record:
        """The row as a record."""
        return Completion(prompt=row.prompt, completion=row.completion)


class PassageRules:
    """Unlabeled text."""

    row_type = PassageRow

    def __init__(self, rules: RecordFormat) -> None:
        self._rules = rules

    def examine(self, row: PassageRow, into: Examination) -> None:
        """One text."""
        into.strings = 2
        into.texts.append(row.input)
        into.empty_answers += not row.input

    def record(self, row: PassageRow) -> Record:
        """The row as a record."""
        return Passage(text=row.input)


RULES: dict[RecordKind, type[Any]] = {
    "converse": ConverseRules,
    "claude": ClaudeRules,
    "completion": CompletionRules,
    "passage": PassageRules,
}


def size_finding(characters: int, rules: RecordFormat) -> Finding | None:
    """The rule on a whole record's characters."""
    if rules.characters_per_token is None:
        return None
    most = rules.tokens_per_record * rules.characters_per_token
    if characters <= most:
        return None
    what = f"the record has {characters:,} characters"
    return Finding((), what, f"{rules.whose} takes at most {most:,}: shorten it or split it", Kind.SIZE)


def _few_messages() -> Finding:
    return Finding(("messages",), "a conversation needs at least two messages", "add the user's turn and the answer")


def _wrong_turn(at: int, role: str) -> Finding:
    if role not in ROLES:
        return _unknown_role(at)
    wanted = ROLES[at & 1]
    what = f"message {at + 1} must be the {wanted}'s"
    return Finding(("messages", at, "role"), what, "turns go user, assistant, user, ... and begin with the user")


def _unknown_role(at: int) -> Finding:
    mend = "write user or assistant; a system prompt goes into the member system"
    return Finding(("messages", at, "role"), f"the role of message {at + 1} is not known", mend)


def _ends_with_user(at: int) -> Finding:
    what = "the last message must be the assistant's"
    return Finding(("messages", at, "role"), what, "add the answer, or take the last turn out")


def _no_answer() -> Finding:
    return Finding(("messages",), "no message is the assistant's, so there is nothing to learn", "add an answer")


def _reserved_word(path: Path, word: str, whose: str) -> Finding:
    shown = word.replace("\n", "\\n")
    return Finding(path, f"the text holds {shown}, which {whose} reserves", "write it differently")
