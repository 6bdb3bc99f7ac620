"""A family's rules, row by row: a quick look that good rows pass, and a long one that says what is wrong where.

An examination says which text the row holds and how many JSON strings it should have been written with: a row with
more has members that were skipped, or one member twice. Knows nothing of files or bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from outcrop.corpus.findings import Finding, Path
from outcrop.corpus.report import Kind
from outcrop.corpus.shapes import BlockMessage, ClaudeRow, CompletionRow, ConverseRow, PassageRow
from outcrop.corpus.words import Words
from outcrop.domain.conversation import Completion, Conversation, Message, Passage, Record
from outcrop.families.record_format import RecordFormat, RecordKind
from outcrop.families.turns import joined_texts

ROLES = ("user", "assistant")
# Between the texts of a row where they are looked at as one: in no reserved word, and hardly in a text.
SEAM = "\x00"
# User, assistant, ..., assistant: right for every family. Longer conversations take the long look.
_PLAIN_ROLES = {length: [ROLES[at & 1] for at in range(length)] for length in range(2, 65, 2)}


@dataclass(slots=True)
class Examination:
    """What one row's rules say. `text` is all of its texts, `texts` how many, `strings` all JSON strings."""

    findings: list[Finding] = field(default_factory=list)
    text: str = ""
    texts: int = 0
    strings: int = 0
    has_empty_answer: bool = False

    @property
    def characters(self) -> int:
        """Characters of all texts."""
        return len(self.text) - max(0, self.texts - 1)


class ConverseRules:
    """Records with blocks."""

    row_type = ConverseRow

    def __init__(self, rules: RecordFormat) -> None:
        self._rules = rules
        self._version = rules.schema_version
        self._words = Words(rules.reserved_in_prompts + rules.banned)

    def examine(self, row: ConverseRow, into: Examination) -> None:
        """The quick look: roles as they should be, no text empty, no reserved word, no version, one system text."""
        messages, system, version = row.messages, row.system, row.schemaVersion
        roles = [message.role for message in messages]
        texts = [block.text for message in messages for block in message.content]
        strings = 1 + 3 * len(roles) + 2 * len(texts)
        if roles != _PLAIN_ROLES.get(len(roles)):
            into.findings += _role_findings(roles, self._rules)
        if "" in texts or len(texts) != len(roles):
            self._find_empty(messages, into)
        if version is not None:
            strings += 2
            if self._version not in (None, version):
                into.findings.append(_other_version(self._version))
        if system is not None:
            strings += 1 + 2 * len(system)
            if len(system) != 1:
                into.findings += _system_findings(len(system), self._rules)
            texts += [block.text for block in system]
        into.strings, into.texts, into.text = strings, len(texts), SEAM.join(texts)
        if self._words.are_in(into.text):
            into.findings += _word_findings(_converse_texts(row), self._rules)

    def record(self, row: ConverseRow) -> Record:
        """The row as a record."""
        messages = (_message(message.role, [block.text for block in message.content]) for message in row.messages)
        system = joined_texts([block.text for block in row.system]) if row.system else None
        return Conversation(messages=tuple(messages), system=system)

    def _find_empty(self, messages: Sequence[BlockMessage], into: Examination) -> None:
        for at, message in enumerate(messages):
            if any(block.text for block in message.content):
                continue
            if self._rules.empty_text_is_refused or not message.content:
                mend = "write what is said, or take the record out"
                into.findings.append(Finding(("messages", at, "content"), "the message has no text", mend))
            elif message.role == "assistant":
                into.has_empty_answer = True


class ClaudeRules:
    """Records with plain strings."""

    row_type = ClaudeRow

    def __init__(self, rules: RecordFormat) -> None:
        self._rules = rules
        self._words = Words(rules.reserved_in_prompts + rules.banned)

    def examine(self, row: ClaudeRow, into: Examination) -> None:
        """The quick look: roles as they should be, no text empty, no reserved word."""
        messages, system = row.messages, row.system
        texts = [message.content for message in messages]
        roles = [message.role for message in messages]
        into.strings = 1 + 4 * len(roles)
        if roles != _PLAIN_ROLES.get(len(roles)):
            into.findings += _role_findings(roles, self._rules)
        if "" in texts:
            into.has_empty_answer = any(not each.content and each.role == "assistant" for each in messages)
        if system is not None:
            into.strings += 2
            texts.append(system)
        into.texts, into.text = len(texts), SEAM.join(texts)
        if self._words.are_in(into.text):
            into.findings += _word_findings(_claude_texts(row), self._rules)

    def record(self, row: ClaudeRow) -> Record:
        """The row as a record."""
        messages = (_message(message.role, [message.content]) for message in row.messages)
        return Conversation(messages=tuple(messages), system=row.system)


class CompletionRules:
    """Prompt and completion."""

    row_type = CompletionRow

    def __init__(self, rules: RecordFormat) -> None:
        self._rules = rules

    def examine(self, row: CompletionRow, into: Examination) -> None:
        """Two texts."""
        into.strings, into.texts = 4, 2
        into.text = row.prompt + SEAM + row.completion
        into.has_empty_answer = not row.completion

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
        into.strings, into.texts = 2, 1
        into.text = row.input
        into.has_empty_answer = not row.input

    def record(self, row: PassageRow) -> Record:
        """The row as a record."""
        return Passage(text=row.input)


RULES: dict[RecordKind, type[Any]] = {
    "converse": ConverseRules,
    "claude": ClaudeRules,
    "completion": CompletionRules,
    "passage": PassageRules,
}


def size_finding(characters: int, rules: RecordFormat, most: int) -> Finding:
    """A record with more characters than it may have."""
    what = f"the record has {characters:,} characters"
    return Finding((), what, f"{rules.whose} takes at most {most:,}: shorten it or split it", Kind.SIZE)


def _role_findings(roles: Sequence[str], rules: RecordFormat) -> Iterator[Finding]:
    """What a family says of roles that are not plain."""
    if len(roles) < 2:
        mend = "add the user's turn and the answer"
        yield Finding(("messages",), "a conversation needs at least two messages", mend)
    unknown = [at for at, role in enumerate(roles) if role not in ROLES]
    for at in unknown:
        mend = "write user or assistant; a system prompt goes into the member system"
        yield Finding(("messages", at, "role"), f"the role of message {at + 1} is not known", mend)
    if rules.strict_turns and not unknown:
        yield from _turn_findings(roles)
    if not rules.strict_turns and "assistant" not in roles:
        what = "no message is the assistant's, so there is nothing to learn"
        yield Finding(("messages",), what, "add an answer")


def _turn_findings(roles: Sequence[str]) -> Iterator[Finding]:
    for at, role in enumerate(roles):
        wanted = ROLES[at & 1]
        if role != wanted:
            mend = "turns go user, assistant, user, ... and begin with the user"
            yield Finding(("messages", at, "role"), f"message {at + 1} must be the {wanted}'s", mend)
            return
    if len(roles) > 1 and len(roles) & 1:
        what, mend = "the last message must be the assistant's", "add the answer, or take the last turn out"
        yield Finding(("messages", len(roles) - 1, "role"), what, mend)


def _other_version(wanted: str | None) -> Finding:
    return Finding(("schemaVersion",), "schemaVersion is not the known one", f"write {wanted}, or leave it out")


def _system_findings(texts: int, rules: RecordFormat) -> Iterator[Finding]:
    if rules.one_system_text:
        mend = f"{rules.whose} takes exactly one text there, or no system member"
        yield Finding(("system",), f"system holds {texts} texts", mend)


def _word_findings(texts: Iterator[tuple[str, Path, bool]], rules: RecordFormat) -> Iterator[Finding]:
    """Every text that holds a word it may not hold."""
    in_prompts, anywhere = Words(rules.reserved_in_prompts + rules.banned), Words(rules.banned)
    for text, path, is_prompt in texts:
        word = (in_prompts if is_prompt else anywhere).first_in(text)
        if word is not None:
            shown = word.replace("\n", "\\n")
            yield Finding(path, f"the text holds {shown}, which {rules.whose} reserves", "write it differently")


def _converse_texts(row: ConverseRow) -> Iterator[tuple[str, Path, bool]]:
    for place, block in enumerate(row.system or []):
        yield block.text, ("system", place, "text"), True
    for at, message in enumerate(row.messages):
        for place, block in enumerate(message.content):
            yield block.text, ("messages", at, "content", place, "text"), message.role != "assistant"


def _claude_texts(row: ClaudeRow) -> Iterator[tuple[str, Path, bool]]:
    if row.system is not None:
        yield row.system, ("system",), True
    for at, message in enumerate(row.messages):
        yield message.content, ("messages", at, "content"), message.role != "assistant"


def _message(role: str, texts: list[str]) -> Message:
    return Message(role="user" if role == "user" else "assistant", text=joined_texts(texts))
