"""`outcrop cleanup` shows what exists, takes away only what is asked for, and writes down what became of it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from botocore.exceptions import EndpointConnectionError
from rich.console import Console

from living import SERVICE_S, Outcrop, await_that, jsonl, make_role, nova_row, wait_for_job
from outcrop.cli.cleanup.inventory import Item, Kind
from outcrop.cli.cleanup.receipt import remove_all
from outcrop.cli.cleanup.selection import Selection, parse_age
from outcrop.cli.options import clients

pytestmark = [pytest.mark.xdist_group("cli"), pytest.mark.timeout(600)]

REGION = "us-west-2"  # of this file alone: other files share the server
LONG_ROWS = 9000  # nobody waits for the end of a job over them
NOVA = "amazon.nova-micro-v1:0:128k"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TAGS = {"bedrock": [{"key": "team", "value": "rocks"}], "aws": [{"Key": "team", "Value": "rocks"}]}


@dataclass
class Yard:
    """A Region with one thing of every kind."""

    outcrop: Outcrop
    run: Any

    def client(self, service: str) -> Any:
        return self.outcrop.client(service, REGION)

    def cleanup(self, *words: str, typed: str = "") -> Any:
        return self.run("cleanup", "--home", self.outcrop.home, "--region", REGION, *words, typed=typed)

    def names(self) -> set[str]:
        """What the inventory lists."""
        return {line for line in self.lines() if "yard" in line}

    def lines(self) -> list[str]:
        """The inventory's rows."""
        return [line.strip() for line in self.cleanup().out.splitlines()[1:]]


@pytest.fixture
def yard(outcrop: Outcrop, run: Any) -> Yard:
    return Yard(outcrop, run)


def _train(yard: Yard) -> None:
    s3, bedrock = yard.client("s3"), yard.client("bedrock")
    s3.create_bucket(Bucket="yard", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="yard", Key="train.jsonl", Body=jsonl([nova_row(f"{n}?", f"{n}.") for n in range(8)]))
    s3.create_multipart_upload(Bucket="yard", Key="never-completed")
    bedrock.create_model_customization_job(
        jobName="yard",
        customModelName="yard",
        roleArn=make_role(yard.outcrop, "yard", "YardRole"),
        baseModelIdentifier=NOVA,
        trainingDataConfig={"s3Uri": "s3://yard/train.jsonl"},
        outputDataConfig={"s3Uri": "s3://yard/out"},
        hyperParameters={"epochCount": "1"},
        jobTags=TAGS["bedrock"],
        customModelTags=TAGS["bedrock"],
    )
    job = wait_for_job(bedrock, "yard")
    assert job["status"] == "Completed", job.get("failureMessage")


def _furnish(yard: Yard) -> None:
    """A policy with two versions on the role, a key with an alias, throughput, a deployment, and an ended batch."""
    iam, kms, bedrock = yard.client("iam"), yard.client("kms"), yard.client("bedrock")
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    arn = iam.create_policy(PolicyName="YardPolicy-yard", PolicyDocument=document, Tags=TAGS["aws"])["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
    iam.attach_role_policy(RoleName="YardRole", PolicyArn=arn)
    iam.tag_role(RoleName="YardRole", Tags=TAGS["aws"])
    key = kms.create_key(Tags=[{"TagKey": "team", "TagValue": "rocks"}])["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/yard-key", TargetKeyId=key)
    model = bedrock.get_custom_model(modelIdentifier="yard")["modelArn"]
    bedrock.create_custom_model_deployment(modelDeploymentName="yard", modelArn=model, tags=TAGS["bedrock"])
    bedrock.create_provisioned_model_throughput(
        modelUnits=2, provisionedModelName="yard", modelId="yard", tags=TAGS["bedrock"]
    )
    _ask_in_a_batch(yard, "yard", "YardRole")
    await_that(
        lambda: "endTime" in bedrock.list_model_invocation_jobs()["invocationJobSummaries"][0], SERVICE_S, "its end"
    )
    await_that(
        lambda: bedrock.get_provisioned_model_throughput(provisionedModelId="yard")["status"] == "InService",
        SERVICE_S,
        "throughput in service",
    )


def _ask_in_a_batch(yard: Yard, bucket: str, role: str, rows: int = 1) -> None:
    """A job with the bucket's name."""
    body = {"messages": [{"role": "user", "content": [{"text": "?"}]}], "inferenceConfig": {"maxTokens": 200}}
    yard.client("s3").put_object(Bucket=bucket, Key="ask.jsonl", Body=jsonl([{"modelInput": body}] * rows))
    yard.client("bedrock").create_model_invocation_job(
        jobName=bucket,
        roleArn=yard.client("iam").get_role(RoleName=role)["Role"]["Arn"],
        modelId=NOVA.removesuffix(":128k"),
        inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{bucket}/ask.jsonl"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{bucket}/answers/"}},
        tags=TAGS["bedrock"],
    )


# The tests of this file tell one story on one server, in order: each begins with what the one before it left.


def test_the_inventory_names_everything_in_the_order_of_deletion_and_deletes_nothing(yard: Yard) -> None:
    _train(yard)
    _furnish(yard)
    ended = yard.cleanup()
    assert ended.status == 0 and "hint: choose with --name" in ended.err
    kinds = [kind.value for kind in Kind]
    listed = [line.strip() for line in ended.out.splitlines() if "yard" in line.lower()]
    told = [next(kind for kind in kinds if line.startswith(kind)) for line in listed]
    assert told == kinds
    assert "2 model units for 0.0 hours" in ended.out and "yard-key" in ended.out and "objects, " in ended.out
    assert len(yard.names()) >= len(kinds) - 1


def test_other_regions_are_left_out_of_it(yard: Yard, outcrop: Outcrop) -> None:
    outcrop.client("s3").create_bucket(Bucket="far-away-yard")
    assert "far-away-yard" not in yard.cleanup().out
    outcrop.client("s3").delete_bucket(Bucket="far-away-yard")


def test_nothing_goes_where_the_answer_is_no_or_nobody_is_there_to_answer(yard: Yard) -> None:
    before = yard.names()
    assert yard.cleanup("--name", "yard*", typed="n\n").status == 0
    assert yard.cleanup("--name", "yard*").status == 1
    assert yard.names() == before


def test_nothing_goes_where_nothing_is_meant(yard: Yard) -> None:
    for words in (["--name", "no-such-*"], ["--tag", "team=sand"], ["--older-than", "7d", "--name", "yard*"]):
        ended = yard.cleanup("--yes", *words)
        assert (ended.status, ended.out) == (0, "")
        assert "Nothing that can be deleted is meant." in ended.err


def test_a_receipt_that_cannot_be_written_stops_it_before_anything_is_gone(yard: Yard, tmp_path: Path) -> None:
    before = yard.names()
    ended = yard.cleanup("--all", "--yes", "--receipt", str(tmp_path / "no" / "folder" / "receipt.json"))
    assert ended.status == 1 and "No such file or directory" in ended.err
    assert yard.names() == before


def test_what_is_in_use_is_reported_and_the_rest_goes_on(yard: Yard) -> None:
    """A commitment holds its throughput, which holds its model; the deployment goes all the same."""
    yard.client("bedrock").create_provisioned_model_throughput(
        modelUnits=1, provisionedModelName="held", modelId="yard", commitmentDuration="OneMonth"
    )
    ended = yard.cleanup("--name", "held", "--name", "yard", "--yes")
    receipt = json.loads(ended.out)
    said = {(line["kind"], line["name"]): line for line in receipt["items"]}
    assert ended.status == 1 and (receipt["failed"], receipt["deleted"]) == (2, 3)
    assert "under a OneMonth commitment" in said["provisioned throughput", "held"]["error"]
    assert "in use by provisioned throughput held" in said["custom model", "yard"]["error"]
    assert said["deployment", "yard"]["done"] == "deleted"
    assert said["bucket", "yard"]["done"].startswith("deleted with")
    assert "not deleted" in ended.err


def test_by_tag_the_rest_goes_after_one_yes_and_the_receipt_is_kept(yard: Yard, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    ended = yard.cleanup("--tag", "team=rocks", "--receipt", str(file), typed="y\n")
    receipt = json.loads(file.read_text())
    said = {line["kind"]: line for line in receipt["items"]}
    assert said.keys() == {"custom model", "role", "policy", "kms key"}
    failed = [line["kind"] for line in receipt["items"] if "error" in line]
    assert ended.status == 1 and failed == ["custom model", "kms key"]
    assert said["role"]["done"] == said["policy"]["done"] == "deleted"
    assert said["kms key"]["error"] == "kept: custom models that may need it are still there"
    assert "YardRole" not in yard.cleanup().out


def test_a_key_that_is_asked_for_alone_goes(yard: Yard) -> None:
    ended = yard.cleanup("--name", "yard-key", "--yes")
    (said,) = json.loads(ended.out)["items"]
    assert ended.status == 0 and "deletion scheduled for" in said["done"]


def test_running_jobs_are_stopped(yard: Yard) -> None:
    s3, bedrock = yard.client("s3"), yard.client("bedrock")
    s3.create_bucket(Bucket="busy", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="busy", Key="train.jsonl", Body=jsonl([nova_row(f"{n}?", f"{n}.") for n in range(LONG_ROWS)]))
    bedrock.create_model_customization_job(
        jobName="busy",
        customModelName="busy",
        roleArn=make_role(yard.outcrop, "busy", "BusyRole"),
        baseModelIdentifier=NOVA,
        trainingDataConfig={"s3Uri": "s3://busy/train.jsonl"},
        outputDataConfig={"s3Uri": "s3://busy/out"},
        hyperParameters={"epochCount": "5"},
    )
    _ask_in_a_batch(yard, "busy", "BusyRole", LONG_ROWS)
    await_that(lambda: yard.outcrop.find("outcrop.training"), 60, "a training child")
    ended = yard.cleanup("--name", "[bB]usy*", "--yes")
    said = {line["kind"]: line for line in json.loads(ended.out)["items"]}
    assert ended.status == 0
    assert said["customization job"]["done"] == "Stopped (its record stays)"
    assert said["model invocation job"]["done"] == "Stopped (its record and its output stay)"
    assert said.keys() == {"customization job", "model invocation job", "bucket", "role"}
    assert not yard.outcrop.find("outcrop.training")


# --- what needs no server ---------------------------------------------------------------------------------------------


def _item(name: str, **given: Any) -> Item:
    return Item(kind=Kind.BUCKET, name=name, identifier=name, **given)


def _selection(**given: Any) -> Selection:
    values: dict[str, Any] = {"names": (), "tags": (), "older_than": None, "everything": False}
    return Selection.of(**{**values, **given})


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({"names": ["a*"]}, ["a1", "a2"]),
        ({"names": ["a1", "b*"]}, ["a1", "b1"]),
        ({"tags": ["team=x", "team=y"]}, ["a1", "a2"]),
        ({"tags": ["team=x"], "names": ["a*"]}, ["a1"]),
        ({"older_than": "2h"}, ["a1"]),
        ({"older_than": "1h", "names": ["b*"]}, []),
        ({"everything": True}, ["a1", "a2", "b1"]),
        ({"everything": True, "tags": ["team=x"]}, ["a1"]),
        ({}, []),
    ],
)
def test_criteria_narrow_and_repeated_ones_widen(asked: dict[str, Any], meant: list[str]) -> None:
    items = [
        _item("a1", tags={"team": "x"}, created=NOON - timedelta(hours=3)),
        _item("a2", tags={"team": "y"}, created=NOON - timedelta(hours=1)),
        _item("b1"),
        _item("a3", removable=False),
    ]
    assert [item.name for item in _selection(**asked).choose(items, NOON)] == meant


@pytest.mark.parametrize(
    ("text", "age"), [("90m", timedelta(minutes=90)), ("12h", timedelta(hours=12)), ("7d", timedelta(days=7))]
)
def test_ages_are_read(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("words", [["--older-than", "soon"], ["--older-than", "5"], ["--tag", "team"], ["--tag", "=x"]])
def test_what_cannot_be_read_is_a_usage_error(yard: Yard, words: list[str]) -> None:
    ended = yard.cleanup(*words)
    assert ended.status == 2 and "Invalid value" in ended.err


def test_an_age_that_is_none_raises_for_click() -> None:
    with pytest.raises(click.BadParameter):
        parse_age("12")


def test_a_server_that_goes_away_in_the_middle_still_leaves_a_receipt(outcrop: Outcrop, tmp_path: Path) -> None:
    gone = clients(outcrop.home, REGION)
    gone.s3.meta.events.register("before-send.s3", _hang_up)
    receipt = remove_all(gone, [_item("[/odd] name")], Console(quiet=True))
    assert [line["name"] for line in receipt.failed] == ["[/odd] name"]


def _hang_up(**_: Any) -> None:
    raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
