"""Client request tokens and names, when many ask at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from outcrop.domain.errors import ValidationException
from outcrop.services.bedrock import OPERATIONS

NOVA = "amazon.nova-micro-v1:0:128k"


def provision(scene: Any, **given: Any) -> str:
    request = {"provisionedModelName": "pt", "modelId": NOVA, "modelUnits": 1, **given}
    return str(OPERATIONS["CreateProvisionedModelThroughput"](scene.call(), request)["provisionedModelArn"])


def at_once(ask: Callable[[], str]) -> tuple[set[str], int]:
    """What eight callers were answered, and how many were refused."""

    def one(_: int) -> str | None:
        try:
            return ask()
        except ValidationException:
            return None

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    return {answer for answer in answers if answer is not None}, answers.count(None)


def test_one_token_makes_one_resource_however_many_send_it_at_once(scene: Any) -> None:
    arns, refused = at_once(lambda: provision(scene, clientRequestToken="token-1"))
    assert (len(arns), refused) == (1, 0)


def test_one_name_makes_one_resource_however_many_send_it_at_once(scene: Any) -> None:
    arns, refused = at_once(lambda: provision(scene))
    assert (len(arns), refused) == (1, 7)


def test_a_refused_request_leaves_its_token_unused(scene: Any) -> None:
    try:
        provision(scene, modelId="amazon.nothing-v1:0", clientRequestToken="token-1")
    except ValidationException:
        assert provision(scene, clientRequestToken="token-1").startswith("arn:")
