"""Bedrock's runtime: what it means to invoke a model. Async, for its streams. Knows no tensor: engines answer."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from outcrop.services.call import Call
from outcrop.services.runtime.client import close_clients
from outcrop.services.runtime.converse import converse, converse_stream
from outcrop.services.runtime.counting import count_tokens
from outcrop.services.runtime.invoke import invoke_model, invoke_model_with_response_stream

AsyncOperation = Callable[[Call, dict[str, Any]], Awaitable[dict[str, Any]]]


def sparing_the_engine(operation: AsyncOperation) -> AsyncOperation:
    """The same, but a flood that the engine refuses is turned away before it."""

    @wraps(operation)
    async def asked(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        async with call.at_the_door_of(request["modelId"]):
            return await operation(call, request)

    return asked


OPERATIONS: dict[str, AsyncOperation] = {
    "InvokeModel": sparing_the_engine(invoke_model),
    "InvokeModelWithResponseStream": sparing_the_engine(invoke_model_with_response_stream),
    "Converse": sparing_the_engine(converse),
    "ConverseStream": sparing_the_engine(converse_stream),
    "CountTokens": count_tokens,
}

__all__ = ["OPERATIONS", "AsyncOperation", "close_clients", "sparing_the_engine"]
