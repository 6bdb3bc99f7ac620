"""CountTokens: how many tokens a request would put into its model. No token is generated."""

from typing import Any

from outcrop.domain.errors import ValidationException
from outcrop.families import Ask
from outcrop.services.call import Call
from outcrop.services.runtime.converse_request import parse_converse
from outcrop.services.runtime.invoke import model_header, parse_body
from outcrop.services.runtime.questions import counted
from outcrop.services.runtime.reach import reach
from outcrop.services.runtime.refusals import refuse_what_is_not_served
from outcrop.services.runtime.served import Served, find_soon


async def count_tokens(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The count that the same request's usage would say."""
    served = await find_soon(call, request["modelId"])
    body = counted(_ask(request["input"], served))
    tokens = await reach(call, served, lambda client: client.count(body))
    return {"inputTokens": tokens, "ResponseHeaders": model_header(served)}


def _ask(asked: dict[str, Any], served: Served) -> Ask:
    match asked:
        case {"invokeModel": {"body": bytes(body)}}:
            return parse_body(body, served)
        case {"converse": dict(request)}:
            refuse_what_is_not_served(request)
            return parse_converse(request, served.family.name, served.model.context_tokens)
        case _:
            raise ValidationException("input: say either invokeModel or converse.")
