"""How likely vLLM finds the tokens of a prompt, a request for each place. Knows nothing of answers on their way.

vLLM's own `prompt_logprobs` are not asked for: with adapters, and other answers in the same step, 0.32 computes them
with the rows of those others, and its engine ends. Here each place is a prompt of its own, whose next token is the one
that stands there; log-probabilities are taken before that is forced. What prompts share stays in vLLM's cache.
"""

import asyncio
from typing import Any

from outcrop.inference.asking import Scored
from outcrop.inference.scheduler import Answer
from outcrop.inference.vllm.adapters import name_asked
from outcrop.inference.vllm.peer import Peer

AT_ONCE = 16
NAMED_BY_NUMBER = "token_id:"


async def scores(peer: Peer, answer: Answer, likeliest: int) -> list[tuple[Scored, ...]]:
    """At each place but the first: the token there, then the likeliest others in order. Raises PeerLost, PeerRefused.

    The rank of a token that is not among the likeliest is not known: it is the least that it can be.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def of_place(at: int) -> tuple[Scored, ...]:
        async with places:
            said = await peer.whole(_body(answer, at, likeliest))
        return scored(answer.prompt[at], said["choices"][0]["logprobs"], likeliest)

    return list(await asyncio.gather(*(of_place(at) for at in range(1, len(answer.prompt)))))


def scored(token: int, said: dict[str, Any], likeliest: int) -> tuple[Scored, ...]:
    """One place, from what vLLM says of the one token that it was made to choose there."""
    (own,) = said["token_logprobs"]
    (top,) = said["top_logprobs"] or [{}]
    numbers = {int(name.removeprefix(NAMED_BY_NUMBER)): logprob for name, logprob in (top or {}).items()}
    ranked = sorted({**numbers, token: own}.items(), key=lambda item: -item[1])
    ranks = {other: rank for rank, (other, _) in enumerate(ranked, start=1)}
    others = [other for other, _ in ranked if other != token and ranks[other] <= likeliest]
    return (Scored(token, own, ranks[token]), *(Scored(other, numbers[other], ranks[other]) for other in others))


def one_of(said: dict[str, Any], at: int) -> dict[str, Any]:
    """What vLLM says of one of several tokens."""
    return {name: [(said[name] or [None] * (at + 1))[at]] for name in ("token_logprobs", "top_logprobs")}


def _body(answer: Answer, at: int, likeliest: int) -> dict[str, Any]:
    return {
        "model": name_asked(answer),
        "prompt": list(answer.prompt[:at]),
        "max_tokens": 1,
        "temperature": 0,
        "ignore_eos": True,
        "allowed_token_ids": [answer.prompt[at]],
        "logprobs": likeliest,
        "return_tokens_as_token_ids": True,
    }
