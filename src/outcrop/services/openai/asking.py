"""From a checked body to what is asked of a model. Knows no engine. OpenAI's own defaults, whatever the family."""

from outcrop.domain.conversation import Message
from outcrop.families import Ask, Sampling
from outcrop.families.turns import ask_of, joined_texts
from outcrop.services.openai.bodies import ChatAsked, CompletionAsked, Turn, refused

_SYSTEM = ("system", "developer")


def chat_ask(asked: ChatAsked, context_tokens: int) -> Ask:
    """A conversation, answered. Raises ValidationException where its turns are out of order."""
    before = [turn for turn in asked.messages if turn.role in _SYSTEM]
    turns = asked.messages[len(before) :]
    for at, turn in enumerate(turns, len(before)):
        if turn.role in _SYSTEM:
            raise refused(f"messages.{at}", f"a {turn.role} message must come before all others")
    if turns and turns[-1].role != "user":
        raise refused(f"messages.{len(asked.messages) - 1}", "the last message must be the user's")
    system = joined_texts([_text(turn) for turn in before]) if before else None
    sampling = _sampling(asked, _chat_tokens(asked), context_tokens)
    return ask_of([_message(turn) for turn in turns], system, sampling)


def raw_ask(asked: CompletionAsked, context_tokens: int) -> Ask:
    """A raw prompt, which goes on."""
    prompt = asked.prompt if isinstance(asked.prompt, str) else asked.prompt[0]
    return Ask(raw_prompt=prompt, sampling=_sampling(asked, asked.max_tokens, context_tokens))


def _chat_tokens(asked: ChatAsked) -> int | None:
    """`max_tokens` is the older name of `max_completion_tokens`."""
    if asked.max_tokens is not None and asked.max_completion_tokens is not None:
        raise refused("max_tokens", "say either max_tokens or max_completion_tokens")
    return asked.max_completion_tokens or asked.max_tokens


def _sampling(asked: ChatAsked | CompletionAsked, most: int | None, context_tokens: int) -> Sampling:
    """Where no limit is said, or more than the model can take in, the model's context is the limit."""
    return Sampling(
        max_tokens=min(most or context_tokens, context_tokens),
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        stop=asked.stops,
        seed=asked.seed,
        logprobs=asked.likeliest,
    )


def _message(turn: Turn) -> Message:
    return Message(role="assistant" if turn.role == "assistant" else "user", text=_text(turn))


def _text(turn: Turn) -> str:
    return turn.content if isinstance(turn.content, str) else joined_texts([part.text for part in turn.content])
