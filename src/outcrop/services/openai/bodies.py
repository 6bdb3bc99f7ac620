"""Bodies of requests: what each may hold, checked by its type. Knows nothing of what is asked with them.

A member that is not carried out is refused by name; one that asks for nothing beyond the usual may be sent.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from outcrop.domain.errors import ValidationException

Text = Annotated[str, Meta(min_length=1)]
MOST_TOP_K, MOST_SEED = 2**31 - 1, 2**63 - 1
MOST_TOP_LOGPROBS, MOST_LOGPROBS = 20, 5  # OpenAI's own limits, of chats and of completions
MOST_STOPS = 2500  # Converse's own limit
LONGEST_SHOWN = 64  # characters of a caller's word in an error
Wanted = TypeVar("Wanted", bound="Asked")

# What clients send without asking for anything. Values are compared with their types: 0 is not False here.
_USUAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "echo": (False,),
    "best_of": (1,),
    "store": (False,),
    "frequency_penalty": (0.0, 0),
    "presence_penalty": (0.0, 0),
    "logit_bias": ({},),
    "metadata": ({},),
    "tools": ([],),
    "functions": ([],),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "service_tier": ("auto", "default"),
}


class StreamOptions(Struct, forbid_unknown_fields=True):
    """What a stream says besides text."""

    include_usage: bool = False


class Asked(Struct, kw_only=True, forbid_unknown_fields=True):
    """What completions and chat completions have in common; `user` is the caller's own note and asks nothing."""

    model: Text
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] = 1.0
    top_p: Annotated[float, Meta(ge=0.0, le=1.0)] = 1.0
    top_k: Annotated[int, Meta(ge=1, le=MOST_TOP_K)] | None = None
    seed: Annotated[int, Meta(ge=0, le=MOST_SEED)] | None = None
    stop: Text | Annotated[list[Text], Meta(max_length=MOST_STOPS)] = []
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop strings, however they were sent."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class TextPart(Struct, forbid_unknown_fields=True):
    """A piece of a turn."""

    type: Literal["text"]
    text: str


class Turn(Struct, forbid_unknown_fields=True):
    """One message. `developer` is a newer word for `system`."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[TextPart], Meta(min_length=1)]


class ChatAsked(Asked, kw_only=True):
    """`/v1/chat/completions`."""

    messages: Annotated[list[Turn], Meta(min_length=1)]
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Meta(ge=0, le=MOST_TOP_LOGPROBS)] | None = None

    @property
    def likeliest(self) -> int | None:
        """How many of the likeliest tokens are told at each place. Raises ValidationException."""
        if self.top_logprobs is not None and not self.logprobs:
            raise refused("top_logprobs", "is only allowed when logprobs is true")
        return (self.top_logprobs or 0) if self.logprobs else None


class CompletionAsked(Asked, kw_only=True):
    """`/v1/completions`. OpenAI's own default is 16 tokens."""

    prompt: str | Annotated[list[str], Meta(min_length=1, max_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)] | None = 16
    logprobs: Annotated[int, Meta(ge=0, le=MOST_LOGPROBS)] | None = None

    @property
    def likeliest(self) -> int | None:
        """How many of the likeliest tokens are told at each place."""
        return self.logprobs


def read(request: Mapping[str, Any], kind: type[Wanted]) -> Wanted:
    """A checked body. Raises ValidationException, whose `param` names the member."""
    try:
        asked = msgspec.convert(_asking(request, kind), kind)
    except msgspec.ValidationError as error:
        raise _refused(str(error)) from None
    if asked.stream_options is not None and not asked.stream:
        raise refused("stream_options", "is only allowed when stream is true")
    return asked


def refused(param: str, why: str) -> ValidationException:
    """The one form of a body's errors."""
    return ValidationException(f"{param}: {why}.", param=param)


def _asking(request: Mapping[str, Any], kind: type[Asked]) -> dict[str, Any]:
    """The members that ask for something. Raises ValidationException for one that is not carried out."""
    asking = {name: value for name, value in request.items() if value is not None and not _is_usual(name, value)}
    unserved = sorted(set(asking) - set(kind.__struct_fields__))
    if unserved:
        name = unserved[0][:LONGEST_SHOWN]
        raise refused(name, _why_unserved(name))
    if "messages" in asking:
        asking["messages"] = _turns(asking["messages"])
    return asking


def _why_unserved(name: str) -> str:
    if name not in _USUAL:
        return "no such member is served here"
    return f"Outcrop carries out {' or '.join(dict.fromkeys(map(_written, _USUAL[name])))} only"


def _written(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _is_usual(name: str, value: Any) -> bool:
    return any(type(value) is type(usual) and value == usual for usual in _USUAL.get(name, ()))


def _turns(messages: Any) -> Any:
    """Turns without the members that are null: clients send answers back as they came."""
    if not isinstance(messages, list):
        return messages
    for at, turn in enumerate(messages):
        _check_turn(at, turn)
    return [
        {name: value for name, value in turn.items() if value is not None and not (name == "annotations" and not value)}
        if isinstance(turn, dict)
        else turn
        for turn in messages
    ]


def _check_turn(at: int, turn: Any) -> None:
    """Say what would be right of what is most often sent in vain: tools' turns, pictures."""
    if not isinstance(turn, dict):
        return
    role, parts = turn.get("role"), turn.get("content")
    if role in ("tool", "function"):
        raise refused(f"messages.{at}.role", "Outcrop does not serve tools: say system, developer, user or assistant")
    for part in parts if isinstance(parts, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(kind, str) and kind != "text":
            raise refused(f"messages.{at}.content", f"Outcrop carries out text only, not {kind[:LONGEST_SHOWN]}")


def _refused(said: str) -> ValidationException:
    """msgspec's sentence, which ends with the place: "Expected `int`, got `str` - at `$.max_tokens`"."""
    what, _, place = said.partition(" - at `$")
    param = place.rstrip("`").lstrip(".").replace("[", ".").replace("]", "")
    return refused(param, what) if param else ValidationException(f"{what}.", param=_named(what))


def _named(what: str) -> str | None:
    """The member in "Object missing required field `model`"."""
    return what.split("`")[1] if what.count("`") == 2 else None
