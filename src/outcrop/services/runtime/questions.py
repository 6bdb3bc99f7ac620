"""From what is asked of a model to the engine's body, and back to an answer. Knows no family and no HTTP."""

from typing import Any

from outcrop.families import Answer, Ask
from outcrop.services.runtime.client import Piece, Question

# An engine's `top_p` is above 0; Bedrock's may be 0, which means the likeliest token alone.
SMALLEST_TOP_P = 1e-6


def question(ask: Ask, engine_model: str, buyer: str | None = None) -> Question:
    """A conversation goes through the checkpoint's chat template, a raw prompt as it is.

    `buyer`: the provisioned throughput whose units it is of; None: it is answered on demand.
    """
    body = {"model": engine_model, **_sampling(ask)}
    if buyer is not None:
        body["user"] = buyer
    if ask.raw_prompt is not None:
        return Question(path="/v1/completions", body={**body, "prompt": ask.raw_prompt})
    return Question(path="/v1/chat/completions", body={**body, **_turns(ask)})


def counted(ask: Ask) -> dict[str, Any]:
    """The body that counts the tokens of what is asked."""
    return {"prompt": ask.raw_prompt} if ask.raw_prompt is not None else _turns(ask)


def answer_of(ask: Ask, text: str, last: Piece) -> Answer:
    """The whole answer, in the words that families use."""
    stopped = "stop_sequence" if last.stop_string is not None else "end_turn"
    return Answer(
        text=text,
        stop="max_tokens" if last.finish == "length" else stopped,  # type: ignore[arg-type]  # one of the literals
        stop_sequence=last.stop_string,
        input_tokens=last.input_tokens,
        output_tokens=last.output_tokens,
        raw=ask.raw_prompt is not None,
        logprobs=last.logprobs,
    )


def _turns(ask: Ask) -> dict[str, Any]:
    assert ask.conversation is not None, "an ask has a conversation or a raw prompt"
    conversation = ask.conversation
    messages = [{"role": message.role, "content": message.text} for message in conversation.messages]
    if conversation.system is not None:
        messages = [{"role": "system", "content": conversation.system}, *messages]
    if not ask.prefill:
        return {"messages": messages, "add_generation_prompt": True, "continue_final_message": False}
    messages = [*messages, {"role": "assistant", "content": ask.prefill}]
    return {"messages": messages, "add_generation_prompt": False, "continue_final_message": True}


def _sampling(ask: Ask) -> dict[str, Any]:
    sampling = ask.sampling
    body: dict[str, Any] = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": max(sampling.top_p, SMALLEST_TOP_P),
    }
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.logprobs is not None:
        body.update(_logprobs(sampling.logprobs, ask.raw_prompt is not None))
    return body


def _logprobs(likeliest: int, raw: bool) -> dict[str, Any]:
    """Completions and chats ask in two ways."""
    return {"logprobs": likeliest} if raw else {"logprobs": True, "top_logprobs": likeliest}
