"""A batch job answers every record once and in order, says what became of each, and loses nothing on the way."""

import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from batches import BUCKET, Batch, body, record
from living import await_that, jsonl
from outcrop.domain.checkpoint_digest import told
from outcrop.domain.errors import Fault
from outcrop.domain.states import InvocationJobStatus
from outcrop.families.catalogue import PEBBLE
from outcrop.store import engines, invocation_jobs
from outcrop.worker.batch import asking

LONG = 4000  # records, of which a job that is stopped reaches a few hundred

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(120)]


def test_every_record_is_answered_in_order_with_counts_and_a_manifest(batch: Any) -> None:
    rows = [record(number) for number in range(20)]
    job = batch.work("all", rows)
    assert (job.status, job.message) == (InvocationJobStatus.COMPLETED, None)
    lines = batch.lines(job)
    assert [(line["recordId"], line["modelInput"]) for line in lines] == [
        (row["recordId"], row["modelInput"]) for row in rows
    ]
    answers = [line["modelOutput"] for line in lines]
    assert all(answer["output"]["message"]["role"] == "assistant" for answer in answers)
    assert batch.manifest(job) == {
        "totalRecordCount": 20,
        "processedRecordCount": 20,
        "successRecordCount": 20,
        "errorRecordCount": 0,
        "inputTokenCount": sum(answer["usage"]["inputTokens"] for answer in answers),
        "outputTokenCount": sum(answer["usage"]["outputTokens"] for answer in answers),
    }
    assert (job.total_records, job.success_records, job.error_records) == (20, 20, 0)
    assert not batch.scene.ground.work_folder(job.id).exists()


def test_an_answer_is_what_a_call_of_the_model_would_have_said(batch: Any) -> None:
    job = batch.work("same", [record(7)], modelInvocationType="Converse")
    alone = batch.work("alone", [record(7)])
    [conversed], [invoked] = batch.lines(job), batch.lines(alone)
    assert conversed["modelOutput"]["output"] == invoked["modelOutput"]["output"]
    assert conversed["modelOutput"]["metrics"]["latencyMs"] >= 0


def test_what_a_record_asks_wrongly_is_its_own_error_and_no_other_records(batch: Any) -> None:
    wrong = {"recordId": "wrong", "modelInput": {"messages": "hello"}}
    job = batch.work("partly", [record(0), wrong, record(2)])
    assert job.status is InvocationJobStatus.PARTIALLY_COMPLETED
    assert job.message == "1 of 3 records could not be answered; their lines in the output say why."
    first, second, third = batch.lines(job)
    assert "modelOutput" in first and "modelOutput" in third
    assert second["modelInput"] == wrong["modelInput"]
    assert second["error"]["errorCode"] == 400
    assert "messages" in second["error"]["errorMessage"]
    assert batch.manifest(job)["errorRecordCount"] == 1


def test_a_converse_record_is_held_to_the_services_own_model(batch: Any) -> None:
    wrong = {"modelInput": {"messages": [{"role": "nobody", "content": [{"text": "?"}]}]}}
    job = batch.work("held", [wrong], modelInvocationType="Converse")
    assert job.status is InvocationJobStatus.FAILED
    [line] = batch.lines(job)
    assert line["recordId"] == "RECORD0000001"
    assert line["error"]["errorCode"] == 400
    assert "role" in line["error"]["errorMessage"]


def test_lines_that_are_no_records_fail_the_job_by_file_and_line(batch: Any) -> None:
    good = json.dumps(record(0)).encode()
    text = b"\n".join([good, b"{broken", b"", b'["list"]', b'{"recordId": 5, "modelInput": {}}', b'{"recordId": "x"}'])
    batch.scene.put("in/input.jsonl", text)
    job = batch.work("bad")
    assert job.status is InvocationJobStatus.FAILED
    assert job.message == (
        "The input cannot be read: input.jsonl:2: the line is not JSON in UTF-8. "
        "input.jsonl:4: the line must be a JSON object with recordId and modelInput. "
        "input.jsonl:5: recordId must be a string. "
        "input.jsonl:6: modelInput must be there, a JSON object."
    )
    assert batch.scene.listed("answers/") == []


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("s3://rocks/nothing.jsonl", "s3://rocks/nothing.jsonl is no object, and no .jsonl file lies below it."),
        ("s3://no-such-bucket/in/", "there is no such bucket"),
        ("s3://rocks/empty.jsonl", "The input holds no record."),
    ],
)
def test_an_input_that_is_not_there_fails_the_job_with_the_true_cause(batch: Any, uri: str, sentence: str) -> None:
    batch.scene.put("empty.jsonl", b"\n\n")
    batch.let_list("Customizer")
    job = batch.work("missing", inputDataConfig={"s3InputDataConfig": {"s3Uri": uri}})
    assert job.status is InvocationJobStatus.FAILED
    assert job.message is not None and sentence in job.message


@pytest.mark.parametrize(
    ("actions", "fragment"),
    [
        (("s3:PutObject",), "Could not validate GetObject permissions"),
        (("s3:GetObject",), "Could not write to the output location, perms missing (PutObject)"),
    ],
)
def test_a_role_that_may_not_read_or_write_fails_the_job(batch: Any, actions: tuple[str, ...], fragment: str) -> None:
    role = batch.scene.role("Weak", actions)
    job = batch.work("weak", [record(0)], roleArn=role)
    assert job.status is InvocationJobStatus.FAILED
    assert job.message is not None and fragment in job.message


def test_every_file_below_a_folder_has_an_output_of_its_own(batch: Any) -> None:
    batch.let_list("Customizer")
    batch.scene.put("many/a.jsonl", jsonl([record(0), record(1)]))
    batch.scene.put("many/deep/b.jsonl", jsonl([record(2)]))
    batch.scene.put("many/notes.txt", b"not a record")
    job = batch.work("many", inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{BUCKET}/many"}})
    assert job.status is InvocationJobStatus.COMPLETED, job.message
    assert [line["recordId"] for line in batch.lines(job, "a.jsonl")] == ["R0", "R1"]
    assert [line["recordId"] for line in batch.lines(job, "deep/b.jsonl")] == ["R2"]
    assert batch.scene.listed(f"answers/{job.id}/") == [
        f"answers/{job.id}/{name}" for name in ("a.jsonl.out", "deep/b.jsonl.out", "manifest.json.out")
    ]


def test_a_job_that_is_taken_over_goes_on_behind_the_answers_that_were_kept(
    batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "KEEP_EVERY_S", 0.0)
    rows = [record(number) for number in range(40)]
    batch.scene.put("in/input.jsonl", jsonl(rows))
    queued = batch.queue("taken")
    first = batch.claim()
    dead = threading.Thread(target=batch.run, args=(first,))
    dead.start()
    await_that(lambda: batch.job(queued.id).processed_records >= 5, 30, "some answers", every_s=0.01)
    invocation_jobs.release_owner(batch.scene.ground.database, batch.scene.ground.owner)
    dead.join()
    kept = batch.job(queued.id)
    assert 5 <= kept.processed_records < 40
    assert kept.status is InvocationJobStatus.IN_PROGRESS
    job = batch.run(batch.claim())
    assert (job.status, job.attempts) == (InvocationJobStatus.COMPLETED, 2)
    assert [line["recordId"] for line in batch.lines(job)] == [row["recordId"] for row in rows]
    assert batch.manifest(job)["processedRecordCount"] == 40


def test_a_stopped_job_puts_what_it_has_in_its_place_within_seconds(batch: Any) -> None:
    long = [record(number, modelInput=body(f"Number {number}?", tokens=400)) for number in range(LONG)]
    batch.scene.put("in/input.jsonl", jsonl(long))
    queued = batch.queue("stopped")
    slow = replace(batch.scene.ground.settings, lease_s=0.8)
    thread = threading.Thread(target=batch.run, args=(batch.claim(), replace(batch.scene.ground, settings=slow)))
    thread.start()
    await_that(lambda: batch.job(queued.id).processed_records, 60, "some answers")
    batch.scene.ask("bedrock", "StopModelInvocationJob", jobIdentifier=queued.id)
    thread.join(10)
    assert not thread.is_alive()
    job = batch.job(queued.id)
    assert job.status is InvocationJobStatus.STOPPED
    lines = batch.lines(job)
    assert len(lines) == job.processed_records == batch.manifest(job)["processedRecordCount"] < LONG
    assert [line["recordId"] for line in lines] == [row["recordId"] for row in long[: len(lines)]]


@pytest.mark.parametrize("there", [True, False])
def test_a_role_that_may_not_read_is_not_told_whether_the_input_is_there(batch: Any, there: bool) -> None:
    """Nor of what is wrong with its name: an input that is called `manifest.json` cannot be one."""
    if there:
        batch.scene.put("in/manifest.json", jsonl([record(0)]))
    role = batch.scene.role("Weak", ("s3:PutObject",))
    uri = f"s3://{BUCKET}/in/manifest.json"
    job = batch.work("weak", roleArn=role, inputDataConfig={"s3InputDataConfig": {"s3Uri": uri}})
    assert job.status is InvocationJobStatus.FAILED
    assert job.message is not None and "Could not validate GetObject permissions" in job.message


def test_a_folder_is_read_by_a_role_that_may_read_only_what_lies_in_it(batch: Any) -> None:
    role = batch.scene.role("Narrow", ("s3:PutObject",))
    reading = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/many/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [reading]})
    batch.scene.ask("iam", "PutRolePolicy", RoleName="Narrow", PolicyName="read", PolicyDocument=document)
    batch.let_list("Narrow")
    batch.scene.put("many/a.jsonl", jsonl([record(0)]))
    source = {"s3InputDataConfig": {"s3Uri": f"s3://{BUCKET}/many"}}
    job = batch.work("narrow", roleArn=role, inputDataConfig=source)
    assert job.status is InvocationJobStatus.COMPLETED, job.message


def test_a_job_whose_time_runs_out_before_it_has_begun_is_expired(batch: Any) -> None:
    batch.scene.put("in/input.jsonl", jsonl([record(0)]))
    waiting = batch.queue("late")
    later = batch.scene.ground.clock() + timedelta(hours=24, seconds=1)
    assert invocation_jobs.expire_waiting(batch.scene.ground.database, later) == 1
    assert batch.job(waiting.id).status is InvocationJobStatus.EXPIRED
    begun = batch.queue("begun", timeoutDurationInHours=48)
    claimed = batch.claim()
    job = batch.run(claimed, replace(batch.scene.ground, clock=lambda: begun.expires_at))
    assert job.status is InvocationJobStatus.EXPIRED
    assert job.message is not None and "time ran out" in job.message


def test_a_file_that_is_replaced_while_it_is_asked_fails_the_job(batch: Any) -> None:
    batch.scene.put("in/input.jsonl", jsonl([record(0)]))
    queued = batch.queue("replaced")
    claimed = batch.claim()
    files = [{"key": "in/input.jsonl", "name": "input.jsonl", "etag": "of-another", "records": 1}]
    invocation_jobs.set_inputs(batch.scene.ground.database, claimed, files, 1)
    invocation_jobs.release(batch.scene.ground.database, claimed)
    job = batch.run(batch.claim())
    assert job.id == queued.id
    assert job.status is InvocationJobStatus.FAILED
    assert job.message == "s3://rocks/in/input.jsonl was replaced after it had been checked: start the job again."


def test_what_was_answered_is_put_in_its_place_where_a_disk_refuses_the_rest(batch: Any) -> None:
    batch.let_list("Customizer")
    for name, number in (("a", 0), ("b", 1)):
        batch.scene.put(f"many/{name}.jsonl", jsonl([record(number)]))
    ground, objects = batch.scene.ground, batch.scene.ground.objects
    queued = batch.queue("torn", inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{BUCKET}/many/"}})
    claimed = batch.claim()
    found = [objects.get(BUCKET, f"many/{name}.jsonl") for name in ("a", "b")]
    files = [{"key": one.key, "name": one.key.removeprefix("many/"), "etag": one.etag, "records": 1} for one in found]
    invocation_jobs.set_inputs(ground.database, claimed, files, 2)
    invocation_jobs.release(ground.database, claimed)
    torn = found[1].blobs[0].id
    (ground.settings.objects_folder / torn[:2] / torn).unlink()
    job = batch.run(batch.claim())
    assert (job.id, job.status) == (queued.id, InvocationJobStatus.FAILED)
    assert job.message == "The job could not use its files: No such file or directory."
    assert [line["recordId"] for line in batch.lines(job, "a.jsonl")] == ["R0"]
    assert batch.manifest(job)["processedRecordCount"] == job.processed_records == 1


def test_answers_lie_under_the_key_that_the_job_names(batch: Any) -> None:
    key = batch.scene.ask("kms", "CreateKey")["KeyMetadata"]
    output = {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/answers/", "s3EncryptionKeyId": key["KeyId"]}}
    job = batch.work("keyed", [record(0)], outputDataConfig=output)
    assert job.status is InvocationJobStatus.COMPLETED, job.message
    for name in ("input.jsonl.out", "manifest.json.out"):
        about = batch.scene.ask("s3", "HeadObject", Bucket=BUCKET, Key=f"answers/{job.id}/{name}")
        assert (about["ServerSideEncryption"], about["SSEKMSKeyId"]) == ("aws:kms", key["Arn"])
    assert batch.lines(job)[0]["recordId"] == "R0"
    batch.scene.ask("kms", "DisableKey", KeyId=key["KeyId"])
    with pytest.raises(Fault, match="is disabled"):
        batch.lines(job)


def test_a_key_that_was_disabled_meanwhile_fails_the_job_by_its_name(batch: Any) -> None:
    key = batch.scene.ask("kms", "CreateKey")["KeyMetadata"]
    output = {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/answers/", "s3EncryptionKeyId": key["KeyId"]}}
    batch.scene.put("in/input.jsonl", jsonl([record(0)]))
    batch.queue("locked", outputDataConfig=output)
    batch.scene.ask("kms", "DisableKey", KeyId=key["KeyId"])
    job = batch.run(batch.claim())
    assert job.status is InvocationJobStatus.FAILED
    assert job.message is not None and key["Arn"] in job.message


def test_a_model_is_not_asked_over_other_weights_than_its_own(trained: Any) -> None:
    batch, ground = Batch(trained), trained.ground
    engines.want(ground.database, ground.settings, PEBBLE, ground.clock())
    engines.starting(ground.database, str(PEBBLE), 1, "b2" * 32)
    arn = trained.ask("bedrock", "GetCustomModel", modelIdentifier="plain")["modelArn"]
    job = batch.work("changed", [record(0)], modelId=arn)
    assert job.status is InvocationJobStatus.FAILED and job.message is not None
    assert "was trained on other weights" in job.message and told("b2" * 32) in job.message


def test_an_input_whose_answers_would_be_the_manifest_is_refused(batch: Any) -> None:
    batch.scene.put("in/manifest.json", jsonl([record(0)]))
    job = batch.work("clash", inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{BUCKET}/in/manifest.json"}})
    assert job.status is InvocationJobStatus.FAILED
    assert (
        job.message
        == f"s3://{BUCKET}/in/manifest.json cannot be an input: its answers would have the manifest's place."
    )
