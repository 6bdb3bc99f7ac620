"""Provisioned throughput as a caller sees it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from outcrop.domain.model_units import UNITS_FOR_SALE
from outcrop.services.bedrock.provisioning import months_later
from outcrop.store import throughput

NOVA = "amazon.nova-micro-v1:0:128k"
LLAMA = "meta.llama3-2-1b-instruct-v1:0:128k"


def refusal(call: Any, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def provision(bedrock: Any, name: str, model: str, **given: Any) -> str:
    members = {"modelUnits": 1, "provisionedModelName": name, "modelId": model, **given}
    arn: str = bedrock.create_provisioned_model_throughput(**members)["provisionedModelArn"]
    return arn


def serve(scene: Any) -> None:
    """What the worker does: everything that waits is in service."""
    for waiting in throughput.pending(scene.ground.database):
        assert throughput.mark_in_service(scene.ground.database, waiting, scene.at)


def names(answer: dict[str, Any]) -> list[str]:
    return [summary["provisionedModelName"] for summary in answer["provisionedModelSummaries"]]


def test_a_custom_model_is_provisioned(scene: Any, bedrock: Any) -> None:
    model = scene.model("slate")
    arn = provision(bedrock, "pt", "slate", modelUnits=2, commitmentDuration="OneMonth")
    assert re.fullmatch(rf"arn:aws:bedrock:us-east-1:{scene.ground.account}:provisioned-model/[a-z0-9]{{12}}", arn)
    answer = bedrock.get_provisioned_model_throughput(provisionedModelId="pt")
    del answer["ResponseMetadata"]
    assert answer == {
        "provisionedModelName": "pt",
        "provisionedModelArn": arn,
        "modelArn": model,
        "desiredModelArn": model,
        "foundationModelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}",
        "modelUnits": 2,
        "desiredModelUnits": 2,
        "status": "Creating",
        "commitmentDuration": "OneMonth",
        "commitmentExpirationTime": datetime(2026, 4, 1, 12, tzinfo=UTC),
        "creationTime": scene.at,
        "lastModifiedTime": scene.at,
    }
    serve(scene)
    assert bedrock.get_provisioned_model_throughput(provisionedModelId=arn)["status"] == "InService"


def test_a_base_model_is_provisioned_where_it_can_be(bedrock: Any) -> None:
    arn = provision(bedrock, "pt", NOVA)
    answer = bedrock.get_provisioned_model_throughput(provisionedModelId=arn)
    assert answer["modelArn"] == answer["foundationModelArn"]
    assert "commitmentDuration" not in answer
    code, message = refusal(
        bedrock.create_provisioned_model_throughput,
        modelUnits=1,
        provisionedModelName="other",
        modelId="amazon.nova-micro-v1:0",
    )
    assert code == "ValidationException"
    assert NOVA in message


def test_what_is_unknown_or_taken_is_refused(scene: Any, bedrock: Any) -> None:
    scene.model("slate")
    provision(bedrock, "pt", "slate")
    create = bedrock.create_provisioned_model_throughput
    given = {"modelUnits": 1, "provisionedModelName": "pt", "modelId": "slate"}
    assert refusal(create, **given) == (
        "ValidationException",
        "The provided provisioned model name is currently in use.",
    )
    code, _ = refusal(create, **{**given, "provisionedModelName": "new", "modelId": "nobody"})
    assert code == "ResourceNotFoundException"
    for call in (bedrock.get_provisioned_model_throughput, bedrock.delete_provisioned_model_throughput):
        assert refusal(call, provisionedModelId="nobody")[0] == "ResourceNotFoundException"
    unknown = refusal(bedrock.update_provisioned_model_throughput, provisionedModelId="nobody")
    assert unknown[0] == "ResourceNotFoundException"
    assert refusal(scene.client("us-west-2").get_provisioned_model_throughput, provisionedModelId="pt")[0] == (
        "ResourceNotFoundException"
    )


def test_units_that_cannot_be_kept_are_refused_with_the_numbers_whatever_the_base_and_region(
    scene: Any, bedrock: Any
) -> None:
    provision(bedrock, "pt", NOVA, modelUnits=UNITS_FOR_SALE - 2)
    for client, model in ((bedrock, NOVA), (scene.client("us-west-2"), LLAMA)):
        create = client.create_provisioned_model_throughput
        code, message = refusal(create, modelUnits=3, provisionedModelName="more", modelId=model)
        assert code == "ServiceQuotaExceededException"
        assert "3 model units were asked for" in message and "14 are sold and 2 are free" in message
    provision(scene.client("us-west-2"), "rest", LLAMA, modelUnits=2)
    bedrock.delete_provisioned_model_throughput(provisionedModelId="pt")
    provision(bedrock, "pt", NOVA, modelUnits=UNITS_FOR_SALE - 2)


def test_units_of_what_failed_are_free_and_an_update_must_find_them_again(scene: Any, bedrock: Any) -> None:
    scene.model("slate")
    provision(bedrock, "pt", "slate", modelUnits=2)
    (waiting,) = throughput.pending(scene.ground.database)
    throughput.mark_failed(scene.ground.database, waiting, "no memory", scene.at)
    provision(bedrock, "other", NOVA, modelUnits=UNITS_FOR_SALE - 1)
    update = bedrock.update_provisioned_model_throughput
    code, message = refusal(update, provisionedModelId="pt", desiredModelId="slate")
    assert code == "ServiceQuotaExceededException" and "15 are sold and 1 are free" in message
    serve(scene)
    bedrock.delete_provisioned_model_throughput(provisionedModelId="other")
    update(provisionedModelId="pt", desiredModelId="slate")
    assert bedrock.get_provisioned_model_throughput(provisionedModelId="pt")["status"] == "Updating"


def test_a_commitment_holds_deletion_until_it_expires(bedrock: Any, scene: Any) -> None:
    provision(bedrock, "pt", NOVA, commitmentDuration="SixMonths")
    code, message = refusal(bedrock.delete_provisioned_model_throughput, provisionedModelId="pt")
    assert code == "ConflictException" and "2026-09-01" in message
    scene.at = datetime(2026, 9, 1, 12, tzinfo=UTC)
    bedrock.delete_provisioned_model_throughput(provisionedModelId="pt")
    assert names(bedrock.list_provisioned_model_throughputs()) == []


@pytest.mark.parametrize(
    ("begun", "months", "ends"),
    [("2026-01-31", 1, "2026-02-28"), ("2027-08-31", 6, "2028-02-29"), ("2026-12-05", 1, "2027-01-05")],
)
def test_a_commitments_months_are_the_calendars(begun: str, months: int, ends: str) -> None:
    assert months_later(datetime.fromisoformat(begun), months) == datetime.fromisoformat(ends)


def test_an_update_moves_it_to_a_model_of_the_same_base(scene: Any, bedrock: Any) -> None:
    first = scene.model("first")
    again = scene.model("again", baseModelIdentifier="first")
    provision(bedrock, "pt", "first")
    serve(scene)
    scene.pass_time(minutes=1)
    bedrock.update_provisioned_model_throughput(provisionedModelId="pt", desiredModelId="again")
    answer = bedrock.get_provisioned_model_throughput(provisionedModelId="pt")
    assert (answer["status"], answer["modelArn"], answer["desiredModelArn"]) == ("Updating", first, again)
    assert answer["lastModifiedTime"] == scene.at
    serve(scene)
    answer = bedrock.get_provisioned_model_throughput(provisionedModelId="pt")
    assert (answer["status"], answer["modelArn"]) == ("InService", again)
    bedrock.delete_custom_model(modelIdentifier="first")


def test_an_update_may_go_back_to_the_base_and_then_no_further(scene: Any, bedrock: Any) -> None:
    scene.model("slate")
    provision(bedrock, "pt", "slate")
    serve(scene)
    bedrock.update_provisioned_model_throughput(provisionedModelId="pt", desiredModelId=NOVA)
    serve(scene)
    answer = bedrock.get_provisioned_model_throughput(provisionedModelId="pt")
    assert answer["modelArn"] == f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"
    update = bedrock.update_provisioned_model_throughput
    code, message = refusal(update, provisionedModelId="pt", desiredModelId="slate")
    assert code == "ValidationException" and "base model" in message


def test_an_update_to_another_base_is_refused(scene: Any, bedrock: Any) -> None:
    scene.model("slate")
    scene.model("llama", baseModelIdentifier=LLAMA)
    provision(bedrock, "pt", "slate")
    serve(scene)
    for other in ("llama", LLAMA):
        code, message = refusal(
            bedrock.update_provisioned_model_throughput, provisionedModelId="pt", desiredModelId=other
        )
        assert code == "ValidationException" and LLAMA in message


def test_an_update_renames_it(scene: Any, bedrock: Any) -> None:
    provision(bedrock, "pt", NOVA)
    provision(bedrock, "taken", NOVA)
    serve(scene)
    update = bedrock.update_provisioned_model_throughput
    assert refusal(update, provisionedModelId="pt", desiredProvisionedModelName="taken")[0] == "ValidationException"
    update(provisionedModelId="pt", desiredProvisionedModelName="new")
    assert bedrock.get_provisioned_model_throughput(provisionedModelId="new")["status"] == "InService"
    assert refusal(bedrock.get_provisioned_model_throughput, provisionedModelId="pt")[0] == "ResourceNotFoundException"
    update(provisionedModelId="new", desiredProvisionedModelName="new")


def test_an_update_to_the_model_that_it_serves_changes_nothing(scene: Any, bedrock: Any) -> None:
    scene.model("slate")
    provision(bedrock, "pt", "slate")
    serve(scene)
    bedrock.update_provisioned_model_throughput(provisionedModelId="pt", desiredModelId="slate")
    assert bedrock.get_provisioned_model_throughput(provisionedModelId="pt")["status"] == "InService"


def test_while_it_is_on_its_way_it_is_neither_updated_nor_deleted(scene: Any, bedrock: Any) -> None:
    scene.model("slate")
    scene.model("other")
    provision(bedrock, "pt", "slate")
    update = bedrock.update_provisioned_model_throughput
    code, message = refusal(update, provisionedModelId="pt", desiredModelId="other")
    assert code == "ValidationException" and "Creating" in message
    serve(scene)
    update(provisionedModelId="pt", desiredModelId="other")
    assert refusal(update, provisionedModelId="pt", desiredModelId="slate")[0] == "ValidationException"
    code, message = refusal(bedrock.delete_provisioned_model_throughput, provisionedModelId="pt")
    assert code == "ConflictException" and "Updating" in message
    for name in ("slate", "other"):
        assert refusal(bedrock.delete_custom_model, modelIdentifier=name)[0] == "ConflictException"


def test_what_failed_says_why_and_may_be_updated_or_deleted(scene: Any, bedrock: Any) -> None:
    scene.model("slate")
    provision(bedrock, "pt", "slate")
    (waiting,) = throughput.pending(scene.ground.database)
    throughput.mark_failed(scene.ground.database, waiting, "no memory", scene.at)
    answer = bedrock.get_provisioned_model_throughput(provisionedModelId="pt")
    assert (answer["status"], answer["failureMessage"]) == ("Failed", "no memory")
    bedrock.update_provisioned_model_throughput(provisionedModelId="pt", desiredModelId="slate")
    answer = bedrock.get_provisioned_model_throughput(provisionedModelId="pt")
    assert answer["status"] == "Updating" and "failureMessage" not in answer
    serve(scene)
    bedrock.delete_provisioned_model_throughput(provisionedModelId="pt")


def test_lists_filter_sort_and_page(scene: Any, bedrock: Any) -> None:
    began = scene.at
    model = scene.model("slate")
    for name, given in (("alpha", NOVA), ("beta", "slate"), ("alphabet", "slate")):
        provision(bedrock, name, given)
        if name == "alpha":
            serve(scene)
        scene.pass_time(hours=1)
    listed = bedrock.list_provisioned_model_throughputs
    assert names(listed()) == ["alphabet", "beta", "alpha"]
    assert names(listed(sortBy="CreationTime", sortOrder="Ascending")) == ["alpha", "beta", "alphabet"]
    assert names(listed(nameContains="alpha")) == ["alphabet", "alpha"]
    assert names(listed(statusEquals="InService")) == ["alpha"]
    assert names(listed(modelArnEquals=model)) == ["alphabet", "beta"]
    assert names(listed(creationTimeAfter=began)) == ["alphabet", "beta"]
    assert names(listed(creationTimeBefore=began + timedelta(hours=1))) == ["alpha"]
    pages = bedrock.get_paginator("list_provisioned_model_throughputs").paginate(PaginationConfig={"PageSize": 1})
    assert [name for page in pages for name in names(page)] == ["alphabet", "beta", "alpha"]


def test_a_token_makes_one_and_is_free_again_when_it_is_deleted(bedrock: Any) -> None:
    first = provision(bedrock, "pt", NOVA, clientRequestToken="token-1")
    assert provision(bedrock, "pt", NOVA, clientRequestToken="token-1") == first
    code, message = refusal(
        bedrock.create_provisioned_model_throughput,
        modelUnits=2,
        provisionedModelName="pt",
        modelId=NOVA,
        clientRequestToken="token-1",
    )
    assert code == "ValidationException" and "modelUnits" in message
    bedrock.delete_provisioned_model_throughput(provisionedModelId="pt")
    assert provision(bedrock, "pt", NOVA, clientRequestToken="token-1") != first
