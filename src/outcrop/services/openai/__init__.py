"""OpenAI's dialect for users, over the same engines and policies as Bedrock's runtime. Knows no HTTP.

A result has a `body`, or a `stream` of bodies, and `headers`. Operations are named as in OpenAI's own description.
"""

from typing import cast

from outcrop.services.call import Operation
from outcrop.services.openai.completing import create_chat_completion, create_completion
from outcrop.services.openai.models import list_models, retrieve_model

OPERATIONS = cast(  # async, to be awaited
    dict[str, Operation],
    {
        "createChatCompletion": create_chat_completion,
        "createCompletion": create_completion,
        "listModels": list_models,
        "retrieveModel": retrieve_model,
    },
)

__all__ = ["OPERATIONS"]
