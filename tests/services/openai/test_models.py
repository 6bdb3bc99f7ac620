"""The list of models: what answers, under its own ARN, in every Region, as far as the caller's policies reach."""

import asyncio
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outcrop.domain import arn as arns
from outcrop.domain.errors import (
    AccessDeniedException,
    ModelNotReadyException,
    ResourceNotFoundException,
    ValidationException,
)
from outcrop.domain.states import ThroughputStatus
from outcrop.families.catalogue import PEBBLE
from outcrop.services.call import Call, Principal
from outcrop.services.openai.models import OWN, list_models, retrieve_model
from outcrop.store import throughput

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOVA = "amazon.nova-micro-v1:0"


def ada(service: Any, *statements: dict[str, Any]) -> Call:
    user = service("CreateUser", UserName="ada")["User"]
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    service("PutUserPolicy", UserName="ada", PolicyName="p", PolicyDocument=document)
    account = service.call.principal.account
    principal = Principal(account=account, arn=user["Arn"], user_id=user["UserId"], bearer=True)
    return replace(service.call, principal=principal)


def allow(*actions: str, on: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def buy(call: Call, name: str, region: str, status: ThroughputStatus, account: str | None = None) -> str:
    owner = account or call.principal.account
    foundation = arns.foundation_model(region, f"{NOVA}:128k")
    made = throughput.Throughput(
        id=name,
        arn=arns.provisioned_model(region, owner, name),
        account=owner,
        region=region,
        name=f"bought-{name}",
        model_units=1,
        foundation_model_id=f"{NOVA}:128k",
        model_arn=foundation,
        model_id=None,
        desired_model_arn=foundation,
        desired_model_id=None,
        status=status,
        created_at=NOON,
        modified_at=NOON,
    )
    with call.ground.database.write() as connection:
        throughput.add(connection, made)
    return made.arn


def listed(call: Call) -> dict[str, dict[str, Any]]:
    body = asyncio.run(list_models(call, {}))["body"]
    assert body["object"] == "list"
    return {model["id"]: model for model in body["data"]}


def retrieved(call: Call, model: str) -> dict[str, Any]:
    body: dict[str, Any] = asyncio.run(retrieve_model(call, {"model": model}))["body"]
    return body


def test_what_answers_is_listed_from_every_region(service: Any) -> None:
    call = ada(service, allow("bedrock:*"))
    near = buy(call, "near", "us-east-1", ThroughputStatus.IN_SERVICE)
    far = buy(call, "far", "eu-west-1", ThroughputStatus.UPDATING)
    buy(call, "early", "us-east-1", ThroughputStatus.CREATING)
    buy(call, "broken", "us-east-1", ThroughputStatus.FAILED)
    buy(call, "foreign", "us-east-1", ThroughputStatus.IN_SERVICE, account="000000000000")
    found = listed(call)
    assert {name for name in found if "provisioned-model" in name} == {near, far}
    assert found[near] == {"id": near, "object": "model", "created": int(NOON.timestamp()), "owned_by": OWN}
    assert found[NOVA]["owned_by"] == "Amazon" and found[NOVA]["created"] > 0
    assert f"{NOVA}:128k" not in found  # answers on provisioned throughput alone


def test_a_policy_for_one_region_lists_that_region(service: Any) -> None:
    here = {"Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    call = ada(service, allow("bedrock:CallWithBearerToken"), allow("bedrock:InvokeModel", **here))
    buy(call, "near", "us-east-1", ThroughputStatus.IN_SERVICE)
    far = buy(call, "far", "eu-west-1", ThroughputStatus.IN_SERVICE)
    assert list(listed(call)) == [far]


def test_one_model_is_found_by_every_name_it_can_be_asked_with(service: Any) -> None:
    call = ada(service, allow("bedrock:*"))
    arn = buy(call, "near", "us-east-1", ThroughputStatus.IN_SERVICE)
    for name in (arn, "bought-near"):
        assert retrieved(call, name) == {
            "id": name,
            "object": "model",
            "created": int(NOON.timestamp()),
            "owned_by": OWN,
        }
    assert retrieved(call, f"us.{NOVA}")["owned_by"] == "Amazon"
    early = buy(call, "early", "us-east-1", ThroughputStatus.CREATING)
    with pytest.raises(ModelNotReadyException):
        retrieved(call, early)


def test_a_checkpoint_that_is_gone_is_left_out_and_the_others_are_listed(
    service: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    call = ada(service, allow("bedrock:*"))
    gone, damaged = tmp_path / "gone", tmp_path / "damaged"
    shutil.copytree(PEBBLE, damaged)
    (damaged / "config.json").write_text("{")
    file = call.ground.settings.catalogue_file
    file.write_text(f'[models]\n"{NOVA}" = "{gone}"\n"own.model" = "{gone}"\n"own.damaged" = "{damaged}"\n')
    found = listed(call)
    assert "amazon.nova-lite-v1:0" in found and not {NOVA, "own.model"} & found.keys()
    assert f"{gone} is not listed" in caplog.text and "config.json and tokenizer.json missing" in caplog.text
    with pytest.raises(ResourceNotFoundException, match="checkpoint gone, which amazon"):
        retrieved(call, NOVA)


@pytest.mark.parametrize("region", ["", "banana", "*", "us-east-1a"])
def test_an_arn_whose_region_is_none_is_invalid_whatever_policies_say(service: Any, region: str) -> None:
    call = ada(service, allow("bedrock:*"))
    with pytest.raises(ValidationException, match="The provided model identifier is invalid"):
        retrieved(call, f"arn:aws:bedrock:{region}::foundation-model/{NOVA}")


def test_one_under_a_clients_own_name_for_a_region_is_left_out_and_the_others_are_listed(
    service: Any, caplog: pytest.LogCaptureFixture
) -> None:
    call = ada(service, allow("bedrock:*"))
    near, odd = (buy(call, region, region, ThroughputStatus.IN_SERVICE) for region in ("us-east-1", "local"))
    found = listed(call)
    assert near in found and odd not in found
    assert f"{odd} is not listed" in caplog.text


def test_what_policies_hide_does_not_exist(service: Any) -> None:
    call = ada(service, allow("bedrock:CallWithBearerToken"))
    assert listed(call) == {}
    with pytest.raises(ResourceNotFoundException):
        retrieved(call, NOVA)


def test_nobody_lists_without_leave_to_use_keys(service: Any) -> None:
    call = ada(service, allow("bedrock:InvokeModel"))
    with pytest.raises(AccessDeniedException, match="CallWithBearerToken"):
        listed(call)
