"""What is asked, as tokens. Joins the dialect and the tokenizer; knows no model and no HTTP."""

from collections.abc import Sequence

from outcrop.inference.dialect import ChatAsked, ChatMessage, TokenizeAsked
from outcrop.text import Tokenizer, TokenStream


class Prompts:
    """Prompts of one checkpoint."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def raw(self, prompt: str | list[int]) -> list[int]:
        """A raw prompt. Special tokens that it spells count: whoever writes raw prompts writes the template too.

        It begins with bos exactly once, spelled or not. Tokens are taken as they are. Raises ValueError, and
        CheckpointError for a token that the weights do not know.
        """
        if isinstance(prompt, list):
            return self._checked(prompt)
        return self._tokenizer.render_raw_prompt(prompt)

    def chat(self, asked: ChatAsked | TokenizeAsked) -> list[int]:
        """A conversation in the checkpoint's template. Special tokens that it spells are plain text.

        Raises CheckpointError for a token that the weights do not know.
        """
        assert isinstance(asked.messages, list)
        return self._tokenizer.render_chat(
            [_as_dict(message) for message in asked.messages],
            add_generation_prompt=asked.add_generation_prompt and not asked.continue_final_message,
            continue_final_message=asked.continue_final_message,
        )

    def tokenized(self, asked: TokenizeAsked) -> list[int]:
        """Either of the two. Raises ValueError where it is not exactly one."""
        if isinstance(asked.prompt, str) == isinstance(asked.messages, list):
            raise ValueError("Say either `prompt` or `messages`.")
        return self.raw(asked.prompt) if isinstance(asked.prompt, str) else self.chat(asked)

    def stream(self) -> TokenStream:
        """A decoder for one answer's tokens."""
        return self._tokenizer.stream()

    def spelled(self, token: int) -> str:
        """One token's text, a special one's too."""
        return self.spelled_all([token])

    def spelled_all(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones too."""
        return self._tokenizer.decode_all(tokens)

    def bytes_of(self, token: int) -> bytes:
        """One token's own bytes; a special one's are its spelling."""
        return self._tokenizer.bytes_of(token)

    def _checked(self, tokens: list[int]) -> list[int]:
        size = self._tokenizer.known_size
        if any(not 0 <= token < size for token in tokens):
            raise ValueError(f"Tokens go from 0 to {size - 1}.")
        return tokens


def _as_dict(message: ChatMessage) -> dict[str, str]:
    return {"role": message.role, "content": message.content}
