"""`outcrop throughput` says what was bought, used and left, from the running server."""

import json
from typing import Any

import pytest

from living import SERVICE_S, Outcrop, await_that
from outcrop.domain.model_units import UNITS_FOR_SALE
from outcrop.families.catalogue import PEBBLE

pytestmark = pytest.mark.xdist_group("cli")

NOVA = "amazon.nova-micro-v1:0:128k"


def told(run: Any, outcrop: Outcrop) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("throughput", "--home", outcrop.home, "--json").out)
    return found


def test_what_is_bought_used_and_left_is_shown(outcrop: Outcrop, run: Any) -> None:
    bedrock, runtime = outcrop.client("bedrock", "eu-west-3"), outcrop.client("bedrock-runtime", "eu-west-3")
    sold = told(run, outcrop)["machine"]["unitsSold"]
    asked = {"modelUnits": 2, "provisionedModelName": "measured", "modelId": NOVA}
    arn = bedrock.create_provisioned_model_throughput(**asked)["provisionedModelArn"]

    def in_service() -> bool:
        return bool(bedrock.get_provisioned_model_throughput(provisionedModelId=arn)["status"] == "InService")

    await_that(in_service, SERVICE_S, "throughput in service")
    usage = runtime.converse(modelId=arn, messages=[{"role": "user", "content": [{"text": "Hello"}]}])["usage"]

    def counted() -> dict[str, Any] | None:  # the engine hears of the answer's end a moment after its reader
        (mine,) = (one for one in told(run, outcrop)["provisionedModels"] if one["provisionedModelArn"] == arn)
        return mine if mine.get("standing", {}).get("answers") else None

    mine = await_that(counted, 20, "the answer in the report")
    standing = mine["standing"]
    assert (mine["provisionedModelName"], mine["modelUnits"], standing["units"]) == ("measured", 2, 2)
    assert (standing["inputTokensUsed"], standing["outputTokensUsed"]) == (usage["inputTokens"], usage["outputTokens"])
    assert 0 < standing["partLeft"] <= 1 and standing["refused"] == 0
    machine = told(run, outcrop)["machine"]
    assert (machine["unitsSold"], machine["unitsFree"]) == (sold + 2, UNITS_FOR_SALE - sold - 2)
    (engine,) = (one for one in told(run, outcrop)["engines"] if one["checkpoint"] == str(PEBBLE))
    assert standing["outputTokensPerMinute"] == pytest.approx(engine["outputTokensPerSecond"] * 60 * 2 / 20)
    table = run("throughput", "--home", outcrop.home).out
    assert "measured" in table and f"{usage['outputTokens']:,} out" in table and "on demand" in table
    bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)
