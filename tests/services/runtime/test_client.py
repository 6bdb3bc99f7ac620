"""What an engine's refusals mean to a caller of Bedrock."""

import httpx
import pytest

from outcrop import wire
from outcrop.services.runtime.client import _refusal


@pytest.mark.parametrize(
    ("engines", "code", "status"),
    [
        (400, "ValidationException", 400),
        (404, "ModelNotReadyException", 429),
        (429, "ThrottlingException", 429),
        (500, "ModelErrorException", 424),
    ],
)
def test_a_refusal_becomes_the_runtimes_own_error(engines: int, code: str, status: int) -> None:
    fault = _refusal(httpx.Response(engines, json={"error": {"message": "Come back in 2 s."}}))
    service = wire.service("bedrock-runtime")
    answer = wire.fault(service, service.operation("Converse"), fault, "request")
    assert (fault.code, answer.status) == (code, status)
    assert code in ("ModelNotReadyException",) or "Come back in 2 s." in fault.message
