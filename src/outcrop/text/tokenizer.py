"""A checkpoint's tokenizer: text to tokens and back, chats to prompts, records to rows with the trained mask.

What is said in a chat, an answer or a passage never becomes a control token, whatever it spells. Knows nothing of
families or files of rows.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tokenizers import Encoding
from tokenizers import Tokenizer as Library

from outcrop.domain.conversation import Completion, Conversation, Passage, Record
from outcrop.domain.errors import CheckpointError
from outcrop.text.checkpoint_files import TokenizerFiles, read_files
from outcrop.text.guard import Guard
from outcrop.text.rendered import Rendered
from outcrop.text.stream import ByteStream, TokenStream, WindowStream
from outcrop.text.template import ChatTemplate
from outcrop.text.vocabulary import Vocabulary

ChatMessages = Sequence[Mapping[str, Any]]


class Tokenizer:
    """One checkpoint's tokenizer and chat template. Immutable, safe to share between threads."""

    def __init__(self, files: TokenizerFiles, clock: Callable[[], datetime] = datetime.now) -> None:
        self._control = Library.from_str(files.tokenizer)
        self._plain = Library.from_str(files.tokenizer)
        # With this, the library reads the text of a special token as ordinary text.
        self._plain.encode_special_tokens = True
        self._vocabulary = Vocabulary(self._control, files.tokenizer)
        self._guard = Guard(self._vocabulary.special)
        self._marks_beginnings = self._control.encode("a", add_special_tokens=False).tokens[:1] != ["a"]
        self._template = ChatTemplate(files.template, files.named_tokens, clock) if files.template else None
        self.bos_id = self._named(files, "bos_token")
        self.eos_id = self._named(files, "eos_token")
        self.vocabulary_size: int = self._control.get_vocab_size(with_added_tokens=True)
        # The weights have no row for these. A padding token is met in no text; where another is, the text is refused.
        self._unknown = {} if files.rows is None else self._vocabulary.added_from(files.rows)
        self.known_size = self.vocabulary_size if files.rows is None else min(self.vocabulary_size, files.rows)
        # Without what was added to it.
        self.plain_vocabulary_size: int = self._control.get_vocab_size(with_added_tokens=False)
        self.stop_ids = self._stop_ids(files)
        self.has_template = self._template is not None

    @staticmethod
    def load(folder: Path, clock: Callable[[], datetime] = datetime.now) -> "Tokenizer":
        """The tokenizer of a checkpoint's folder. Raises CheckpointError where its files are missing or damaged."""
        return Tokenizer(read_files(folder), clock)

    # Text and tokens

    def encode(self, text: str, special: bool = False) -> list[int]:
        """Tokens of a text. Special tokens spelled in it count as such only where `special` is asked for."""
        return list(self._encoded(text, special).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        return str(self._control.decode(list(ids), skip_special_tokens=True))

    def decode_all(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones spelled."""
        return str(self._control.decode(list(ids), skip_special_tokens=False))

    def bytes_of(self, token: int) -> bytes:
        """One token's own bytes, which may be a part of a character; a special one's are its spelling."""
        known = self._vocabulary.token_bytes
        if known is None or token >= len(known) or token in self._vocabulary.special_ids:
            return self.decode_all([token]).encode()
        return known[token]

    def stream(self) -> TokenStream:
        """A decoder for tokens that come one at a time: its pieces join to what `decode` says."""
        if self._vocabulary.token_bytes is not None:
            return ByteStream(self._vocabulary.token_bytes)
        return WindowStream(self._control, self._vocabulary.special_ids)

    # Prompts

    def render_raw_prompt(self, prompt: str) -> list[int]:
        """A prompt as a prompt/completion model is asked and taught: bos exactly once, then the text.

        Special tokens spelled in it count: whoever writes raw prompts writes the template. Raises CheckpointError for
        one that the weights do not know.
        """
        tokens, bos = self.encode(prompt, special=True), self._bos()
        return self._known(tokens if tokens[:1] == bos else [*bos, *tokens])

    def render_prompt(self, conversation: Conversation) -> list[int]:
        """A conversation up to where its next answer begins; a last turn of the assistant is continued."""
        messages = _messages(conversation)
        continued = messages[-1]["role"] == "assistant"
        return self.render_chat(messages, add_generation_prompt=not continued, continue_final_message=continued)

    def render_chat(
        self, messages: ChatMessages, add_generation_prompt: bool = True, continue_final_message: bool = False
    ) -> list[int]:
        """Messages as Hugging Face's `apply_chat_template` renders them, but for control tokens that a user spelled.

        With `continue_final_message` the last message is the beginning of the answer. Raises CheckpointError for a
        token that the weights do not know.
        """
        guarded = self._guard.messages(messages)
        if not continue_final_message:
            return self._known(self._encode_guarded(self._chat(guarded, add_generation_prompt)))
        *before, last = guarded
        prompt = self._encode_guarded(self._chat(before, True))
        return self._known(prompt + self._encode_guarded(str(last["content"])))

    # Records

    def render(self, record: Record) -> Rendered:
        """A training record as tokens, with the mask of what is learnt. The one mask of the whole program.

        Raises CheckpointError for a token that the weights do not know.
        """
        rendered = self._render(record)
        self._known(rendered.ids)
        return rendered

    def _render(self, record: Record) -> Rendered:
        match record:
            case Conversation():
                return self._render_conversation(record)
            case Completion():
                prompt = self.render_raw_prompt(record.prompt)
                answer = [*self._encode_after(record.prompt, record.completion), *self._eos()]
                return Rendered(prompt + answer, [False] * len(prompt) + [True] * len(answer))
            case Passage():
                text = [*self.encode(record.text), *self._eos()]
                return Rendered([*self._bos(), *text], [False] * len(self._bos()) + [True] * len(text))

    def _render_conversation(self, record: Conversation) -> Rendered:
        """Between where each answer's prompt ends and its end-of-turn token lies what is learnt.

        Prompts and answers are encoded apart, so that a first answer's prompt has the very tokens it has when served.
        """
        messages = self._guard.messages(_messages(record))
        whole = self._chat(messages, False)
        ids: list[int] = []
        trained: list[bool] = []
        done = 0
        for start, end in self._answers(messages, whole):
            for begin, stop, learnt in ((done, start, False), (start, end, True)):
                tokens = self._encode_part(whole, begin, stop)
                ids += tokens
                trained += [learnt] * len(tokens)
            done = end
        tail = self._encode_part(whole, done, len(whole))
        return Rendered(ids + tail, trained + [False] * len(tail))

    def _answers(self, messages: list[dict[str, Any]], whole: str) -> list[tuple[int, int]]:
        """Where each assistant turn lies in the rendered text, its end-of-turn token included.

        The prompt of an answer must be the beginning of the whole, and the answer must stand right behind it. What
        follows an answer may be written otherwise than at the end of a conversation (Phi 3, Qwen 3).
        """
        found = []
        for index, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            prompt = self._chat(messages[:index], True)
            start = len(prompt)
            if not whole.startswith(prompt):
                raise _no_continuation(index)
            end = self._end_of_turn(whole, start)
            if str(message["content"]).strip() not in whole[start:end]:
                turn = self._chat(messages[: index + 1], False)
                if turn[:end] != whole[:end]:
                    raise _no_continuation(index)
            found.append((start, end))
        return found

    def _end_of_turn(self, turn: str, start: int) -> int:
        """Where the first stop token after an answer ends. What a user spelled is guarded, so it is the template's."""
        spans = [end for token, end in self._guard.special_spans(turn, start) if token in self.stop_ids]
        if not spans:
            raise CheckpointError(
                "the checkpoint's chat template puts no end-of-turn token after an assistant's turn: "
                "a model trained with it would never stop"
            )
        return spans[0]

    # Below: the small parts

    def _known(self, ids: list[int]) -> list[int]:
        """The same tokens. Raises CheckpointError for one that the weights have no row for."""
        if self._unknown and not self._unknown.keys().isdisjoint(ids):
            spelled = next(self._unknown[token] for token in ids if token in self._unknown)
            raise CheckpointError(
                f"the text has the token {spelled}, which the checkpoint's tokenizer knows and its weights do not: "
                f"they know {self.known_size} tokens"
            )
        return ids

    def _chat(self, messages: ChatMessages, add_generation_prompt: bool) -> str:
        if self._template is None:
            raise CheckpointError("the checkpoint has no chat template: it takes prompts, not conversations")
        return self._template.render(messages, add_generation_prompt)

    def _encode_guarded(self, text: str) -> list[int]:
        """Tokens of rendered text: the template's special tokens as such, the user's as plain text."""
        if not self._guard.stands_in(text):
            return self.encode(text, special=True)
        ids: list[int] = []
        for token, piece in self._guard.split(text):
            ids += [token] if token is not None else self.encode(piece)
        return ids

    def _encode_part(self, whole: str, start: int, end: int) -> list[int]:
        """Tokens of a stretch of guarded text."""
        piece = whole[start:end]
        if not piece or self._guard.stands_in(piece):
            return self._encode_guarded(piece)
        return self._encode_after(whole[:start], piece, special=True)

    def _encode_after(self, before: str, piece: str, special: bool = False) -> list[int]:
        """Tokens of `piece` where it goes on after `before`.

        Vocabularies of SentencePiece's kind mark where a text begins; what goes on has no such mark.
        """
        if not (before and self._marks_beginnings):
            return self.encode(piece, special)
        anchor = self._guard.special_at_end(before) or "\n"
        found = self._encoded(anchor + piece, special)
        own = [token for token, (_, end) in zip(found.ids, found.offsets, strict=True) if end > len(anchor)]
        begins = min((begin for begin, end in found.offsets if end > len(anchor)), default=len(anchor))
        return own if begins == len(anchor) else self.encode(piece, special)

    def _encoded(self, text: str, special: bool) -> Encoding:
        library = self._control if special else self._plain
        try:
            return library.encode(text, add_special_tokens=False)
        except (UnicodeEncodeError, TypeError) as error:
            raise ValueError("the text holds half of a surrogate pair: it is not Unicode") from error

    def _bos(self) -> list[int]:
        return [] if self.bos_id is None else [self.bos_id]

    def _eos(self) -> list[int]:
        if self.eos_id is None:
            raise CheckpointError("the checkpoint's tokenizer names no eos_token: a model could not learn to stop")
        return [self.eos_id]

    def _named(self, files: TokenizerFiles, name: str) -> int | None:
        token = files.named_tokens.get(name)
        if token is None:
            return None
        found: int | None = self._control.token_to_id(token)
        if found is None:
            raise CheckpointError(f"the checkpoint's {name} is not in its vocabulary")
        return found

    def _stop_ids(self, files: TokenizerFiles) -> frozenset[int]:
        """The eos token, what the checkpoint's generation settings add, and what its template ends a turn with."""
        stops = {token for token in (self.eos_id, *files.eos_ids) if token is not None}
        return frozenset(stops | self._turn_end())

    def _turn_end(self) -> set[int]:
        """The special token that follows an answer, found by rendering one. Empty where there is none."""
        if self._template is None:
            return set()
        messages: list[dict[str, Any]] = [{"role": "user", "content": _PROBE}]
        try:
            turn = self._chat([*messages, {"role": "assistant", "content": _PROBE}], False)
        except CheckpointError:
            # A template that refuses this probe refuses when it is used, with its own words.
            return set()
        answer = turn.rfind(_PROBE)
        return {token for token, _ in self._guard.special_spans(turn, answer)[:1]} if answer >= 0 else set()


# A text that no template has of itself.
_PROBE = "0q0"


def _no_continuation(index: int) -> CheckpointError:
    return CheckpointError(
        "the checkpoint's chat template does not render a conversation as a continuation of its "
        f"beginning (at message {index + 1}): which tokens are the answer cannot be told"
    )


def _messages(conversation: Conversation) -> list[dict[str, Any]]:
    system = [] if conversation.system is None else [{"role": "system", "content": conversation.system}]
    return system + [{"role": message.role, "content": message.text} for message in conversation.messages]
