"""Data that no model can be trained on: the job fails with the words that clients look for, and never with the data."""

import json
from typing import Any

import pytest

from living import jsonl, make_role, nova_row
from world import BUCKET, SYSTEM, World, facts

pytestmark = pytest.mark.xdist_group("conformance")
GOOD = jsonl([{**nova_row(*fact), "system": SYSTEM} for fact in facts(12)])
SECRET = "the-secret-of-the-row"
RESERVED = jsonl([nova_row(f"{SECRET} User: hello", "x")])
CUT = GOOD + b'{"messages": "' + SECRET.encode() + b'"\n'
NO_UTF_8 = GOOD + b'{"messages": "' + SECRET.encode() + b'\xff"}\n'
FILES = {
    "blank": (GOOD + b"\n" + GOOD, ["Unable to parse blank.jsonl", "blank.jsonl:13:1"]),
    "cut": (CUT, ["Unable to parse cut.jsonl", "cut.jsonl:13:"]),
    "bytes": (NO_UTF_8, ["Unable to parse bytes.jsonl", "bytes.jsonl:13:", "UTF-8"]),
    "empty": (b"", ["Unable to parse empty.jsonl", "empty"]),
    "few": (jsonl([nova_row("a", "b")] * 7), ["few.jsonl", "7 records", "at least 8"]),
    "reserved": (GOOD + RESERVED, ["reserved.jsonl:13:", "User:"]),
    "pairs": (jsonl([{"prompt": SECRET, "completion": "x"}] * 9), ["Unable to parse pairs.jsonl", "prompt/completion"]),
}


@pytest.fixture(scope="module")
def failed(world: World) -> dict[str, dict[str, Any]]:
    """Every bad file's job, all queued at once."""
    for name, (content, _) in FILES.items():
        world.queue(f"bad-{name}", trainingDataConfig={"s3Uri": world.put(f"{name}.jsonl", content)})
    return {name: world.ended(f"bad-{name}") for name in FILES}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_fails_the_job_and_says_where(failed: dict[str, dict[str, Any]], name: str) -> None:
    job = failed[name]
    assert job["status"] == "Failed"
    assert job["statusDetails"]["validationDetails"]["status"] == "Failed"
    assert job["statusDetails"]["trainingDetails"]["status"] == "NotStarted"
    for fragment in FILES[name][1]:
        assert fragment in job["failureMessage"]


@pytest.mark.parametrize("name", FILES)
def test_no_message_quotes_a_row(failed: dict[str, dict[str, Any]], name: str) -> None:
    assert SECRET not in failed[name]["failureMessage"]


def test_the_whole_report_lies_beside_the_output(world: World, failed: dict[str, dict[str, Any]]) -> None:
    s3 = world.client("s3")
    for job in failed.values():
        folder = f"out/model-customization-job-{job['jobArn'].rsplit('/', 1)[1]}/"
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET, Prefix=folder)["Contents"]]
        assert keys == [f"{folder}data_report.json"], "a report, and no artifact of a training that never was"
        report = json.loads(s3.get_object(Bucket=BUCKET, Key=keys[0])["Body"].read())
        assert report["files"][0]["ok"] is False


def test_what_cannot_be_read_or_written_fails_in_the_words_of_bedrock(world: World) -> None:
    iam = world.client("iam")
    reader = make_role(world.outcrop, BUCKET, "Reader")
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    writes = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    writer = make_role(world.outcrop, BUCKET, "Writer")
    for role, statement in (("Reader", reads), ("Writer", writes)):
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName=role, PolicyName="data", PolicyDocument=document)
    world.queue("missing", trainingDataConfig={"s3Uri": f"s3://{BUCKET}/nowhere.jsonl"})
    world.queue("unread", roleArn=writer)
    world.queue("unwritten", roleArn=reader)
    for name, key in (("missing", "nowhere.jsonl"), ("unread", "nova.jsonl")):
        message = world.ended(name)["failureMessage"]
        assert all(part in message for part in ("Could not validate GetObject permissions", BUCKET, key))
    message = world.ended("unwritten")["failureMessage"]
    assert all(part in message for part in ("perms missing (PutObject)", BUCKET, ".write_access_check_file.tmp"))
