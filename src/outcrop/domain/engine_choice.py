"""Which engine answers for which base: the embedded one, a vLLM that is started, or one that runs already, by its URL.

Plain words, as they are written after `outcrop serve --engine`. Knows no process and no checkpoint.
"""

import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from outcrop.domain.errors import SettingsError

EMBEDDED, VLLM = "embedded", "vllm"
VLLM_KEY = "OUTCROP_VLLM_KEY"
"""Of a server that wants one: in the environment, where no list of processes shows it."""
MEND = (
    f"say {EMBEDDED}, {VLLM} or the URL of a vLLM server (http://HOST:PORT), for one base as MODEL_ID=WORD: "
    f"--engine meta.llama3-2-1b-instruct-v1:0={VLLM}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """The engine of every base, and those of single ones by a model id that means it."""

    usual: str = EMBEDDED
    by_model: Mapping[str, str] = field(default_factory=dict)

    @property
    def starts_vllm(self) -> bool:
        """Whether vLLM is to be started for some base."""
        return VLLM in (self.usual, *self.by_model.values())

    @property
    def urls(self) -> list[str]:
        """Every server that is another's."""
        return [word for word in (self.usual, *self.by_model.values()) if word not in (EMBEDDED, VLLM)]


def engine_choice(said: Sequence[str]) -> EngineChoice:
    """What the words after `--engine` mean together; of two for the same, the later. Raises SettingsError."""
    choice = EngineChoice()
    for words in said:
        model_id, word = _parted(words)
        _require_engine(words, word)
        if model_id is None:
            choice = EngineChoice(usual=word, by_model=choice.by_model)
        else:
            choice = EngineChoice(usual=choice.usual, by_model={**choice.by_model, model_id: word})
    return choice


def _parted(words: str) -> tuple[str | None, str]:
    """A model id has no slash before an equals sign, and a URL has."""
    before, equals, after = words.partition("=")
    return (before, after) if equals and "/" not in before else (None, words)


def _require_engine(words: str, word: str) -> None:
    if word in (EMBEDDED, VLLM):
        return
    if any(mark in words for mark in "@?#"):  # first of all: what else is wrong is said with the words themselves
        raise SettingsError(
            "--engine: the URL of a vLLM server has no user, no query and no fragment; the key that it wants stands in "
            f"the environment, as {VLLM_KEY}."
        )
    if not _is_address(word):
        raise SettingsError(f"--engine {words} is no engine: {MEND}.")


def _is_address(word: str) -> bool:
    try:
        url = urllib.parse.urlsplit(word)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # a bracket without its other one, a port that is none
        return False
