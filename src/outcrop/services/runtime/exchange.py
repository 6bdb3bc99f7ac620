"""One question, one answer, whole or as a stream, and how long it took. Knows no dialect but the engine's."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from outcrop.domain.errors import ModelErrorException, ModelStreamErrorException
from outcrop.families import Answer, Ask
from outcrop.services.call import Call
from outcrop.services.runtime.client import EngineClient, Piece
from outcrop.services.runtime.questions import answer_of, question
from outcrop.services.runtime.reach import reach
from outcrop.services.runtime.served import Served


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds since it was made."""

    began: float = field(default_factory=time.perf_counter)

    def elapsed_ms(self) -> int:
        """Rounded to whole milliseconds, as Bedrock says them."""
        return round((time.perf_counter() - self.began) * 1000)


async def ask_whole(call: Call, served: Served, ask: Ask) -> Answer:
    """The whole answer."""
    asked = question(ask, served.engine_model, served.buyer)
    piece = await reach(call, served, lambda client: client.answer(asked))
    return answer_of(ask, piece.text, piece)


@dataclass(slots=True)
class Streamed:
    """An answer under way: its first piece is there. Iterate `texts` to its end, then `answer` is set."""

    ask: Ask
    first: Piece
    first_byte_ms: int
    _rest: AsyncGenerator[Piece, None]
    answer: Answer | None = None

    @property
    def input_tokens(self) -> int:
        """Tokens of the prompt."""
        return self.first.input_tokens

    async def texts(self) -> AsyncGenerator[tuple[str, int], None]:
        """Text as it comes, with the count of tokens said so far. Whoever stops early hangs up on the engine."""
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                if piece.text:
                    yield piece.text, piece.output_tokens

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """The same as it comes from the engine, with log-probabilities where they were asked for."""
        async with aclosing(self._rest) as rest:
            whole, last = self.first.text, self.first
            yield last
            async for last in rest:
                whole += last.text
                yield last
        if last.finish is None:
            raise ModelStreamErrorException("The model's answer broke off.", originalStatusCode=500)
        self.answer = answer_of(self.ask, whole, last)


async def ask_streamed(call: Call, served: Served, ask: Ask, watch: Stopwatch) -> Streamed:
    """An answer that has begun: what can be refused was refused before."""
    asked = question(ask, served.engine_model, served.buyer)

    async def begin(client: EngineClient) -> tuple[Piece, AsyncGenerator[Piece, None]]:
        pieces = client.stream(asked)
        try:
            return await anext(pieces), pieces
        except StopAsyncIteration:
            raise ModelErrorException("The engine answered nothing.", originalStatusCode=500) from None

    first, rest = await reach(call, served, begin)
    return Streamed(ask, first, watch.elapsed_ms(), rest)
