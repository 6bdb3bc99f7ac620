"""Between the face and vLLM: an answer asked for here is asked of vLLM in tokens, and becomes text here.

The text, its stop strings, its end and its count are made as in the embedded engine, by the same writer: only tokens
come from vLLM. Whoever stops listening hangs up on it, and it drops the answer.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from typing import Any

from outcrop.inference.asking import Broken, Finish, FinishReason, Progress
from outcrop.inference.scheduler import Answer
from outcrop.inference.shares import Shares
from outcrop.inference.vllm.adapters import NOT_THERE, name_asked
from outcrop.inference.vllm.peer import MISSING, Peer, PeerLost, PeerRefused
from outcrop.inference.vllm.scoring import one_of, scored, scores

PAID, UNPAID = 0, 1  # vLLM's priorities: the lower goes first
WATCH_S = 1.0
LOST_AFTER = 3  # looks in a row at which it does not answer: one may be too busy to
Gone = Callable[[], str | None]


class VllmDesk:
    """Asks one vLLM server. `lost` is called once it is known that it is gone, with what is known of it."""

    def __init__(
        self, peer: Peer, end_tokens: frozenset[int], shares: Shares, lost: Callable[[str], None], gone: Gone
    ) -> None:
        """`gone`: how its process ended, where it is ours and has."""
        self._peer = peer
        self._end_tokens = end_tokens
        self._shares = shares
        self._lost = lost
        self._gone = gone
        self._answers: dict[Answer, None] = {}
        self._watching: asyncio.Task[None] | None = None
        self.by_priority = False

    def open(self) -> None:
        """Begin to watch it; called on the event loop."""
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop watching, and give every connection back."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        await self._peer.close()

    @property
    def open_answers(self) -> int:
        """How many answers somebody listens to."""
        return len(self._answers)

    async def ask(self, answer: Answer) -> AsyncGenerator[Progress | Broken, None]:
        """Pieces of the answer as they come; the last one has `finish`, or is Broken."""
        self._answers[answer] = None
        self._shares.open(answer)
        try:
            async with contextlib.aclosing(self._heard(answer)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            del self._answers[answer]
            self._shares.close(answer)

    async def _heard(self, answer: Answer) -> AsyncGenerator[Progress | Broken, None]:
        try:
            if answer.sampling.prompt_logprobs is not None:
                answer.prompt_scores += await scores(self._peer, answer, answer.sampling.prompt_logprobs)
            async with contextlib.aclosing(self._streamed(answer)) as pieces:
                async for piece in pieces:
                    yield piece
                    if piece.finish is not None:
                        return
            yield Broken(cause="vLLM ended its answer before the end")
        except PeerLost as lost:  # of this one answer: whether it is gone, the watch says
            yield Broken(cause=str(lost))
        except PeerRefused as refused:
            if refused.status == MISSING:
                self._lost(NOT_THERE)
            yield Broken(cause=f"vLLM refuses the request: {refused}")

    async def _streamed(self, answer: Answer) -> AsyncGenerator[Progress, None]:
        async with self._peer.stream(self._body(answer)) as events:
            async for event in events:
                for choice in event["choices"]:
                    for piece in self._absorb(answer, choice):
                        yield piece

    def _body(self, answer: Answer) -> dict[str, Any]:
        sampling = answer.sampling
        self._shares.look(self._answers)
        turn = {"priority": UNPAID if self._shares.holds_back(answer) else PAID} if self.by_priority else {}
        likeliest = answer.sampling.logprobs
        logprobs = {} if likeliest is None else {"logprobs": likeliest, "return_tokens_as_token_ids": True}
        dice = {} if sampling.greedy else {"seed": sampling.seed}
        return {
            "model": name_asked(answer),
            **logprobs,
            "prompt": list(answer.prompt),
            "max_tokens": sampling.max_tokens,
            "temperature": 0.0 if sampling.greedy else sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "ignore_eos": True,  # what ends an answer is what this side knows to be an end
            "stop_token_ids": sorted(self._end_tokens),
            "return_token_ids": True,
            **dice,
            **turn,
        }

    def _absorb(self, answer: Answer, choice: dict[str, Any]) -> Iterator[Progress]:
        """What the tokens of one event mean."""
        answer.cached = len(answer.prompt)
        piece = None
        for at, token in enumerate(choice["token_ids"] or ()):
            piece = self._take(answer, token)
            if answer.sampling.logprobs is not None and token not in self._end_tokens:
                piece = replace(piece, scored=scored(token, one_of(choice["logprobs"], at), answer.sampling.logprobs))
            yield piece
            if piece.finish is not None:
                return
        if choice["finish_reason"] is not None:  # at vLLM's own limit
            yield _last(answer, "", "length")

    def _take(self, answer: Answer, token: int) -> Progress:
        answer.known.append(token)
        if token in self._end_tokens:
            return _last(answer, "", "stop")
        text, stop = answer.writer.push(token)
        if stop is not None:
            finish = Finish(reason="stop", stop_string=stop)
            return Progress(text=text, output_tokens=answer.output_tokens, finish=finish)
        if answer.output_tokens >= answer.sampling.max_tokens:
            return _last(answer, text, "length")
        return Progress(text=text, output_tokens=answer.output_tokens)

    async def _watch(self) -> None:
        """Until it is gone: its process ended, or nobody answers there for a while."""
        silent = 0
        while silent < LOST_AFTER:
            ended = self._gone()
            if ended is not None:
                self._lost(ended)
                return
            silent = 0 if await asyncio.to_thread(self._peer.healthy) else silent + 1
            await asyncio.sleep(WATCH_S)
        self._lost("vLLM does not answer")


def _last(answer: Answer, text: str, reason: FinishReason) -> Progress:
    tail, stop = answer.writer.finish()
    finish = Finish(reason="stop" if stop is not None else reason, stop_string=stop)
    return Progress(text=text + tail, output_tokens=answer.output_tokens, finish=finish)
