"""Bedrock's runtime: what it means to invoke a model. Async, for its streams. Knows no tensor: engines answer."""

from collections.abc import Awaitable, Callable
from typing import Any

from outcrop.services.call import Call
from outcrop.services.runtime.client import close_clients
from outcrop.services.runtime.converse import converse, converse_stream
from outcrop.services.runtime.counting import count_tokens
from outcrop.services.runtime.invoke import invoke_model, invoke_model_with_response_stream

AsyncOperation = Callable[[Call, dict[str, Any]], Awaitable[dict[str, Any]]]


OPERATIONS: dict[str, AsyncOperation] = {
    "InvokeModel": invoke_model,
    "InvokeModelWithResponseStream": invoke_model_with_response_stream,
    "Converse": converse,
    "ConverseStream": converse_stream,
    "CountTokens": count_tokens,
}

__all__ = ["OPERATIONS", "AsyncOperation", "close_clients"]
