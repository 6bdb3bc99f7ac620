"""`outcrop export` writes a model of this home out of its seal, server or not, and only where nothing lies."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from living import Outcrop, await_that, jsonl, make_role, nova_row, wait_for_job
from outcrop.domain.checkpoint_digest import digest_of, told
from outcrop.families.catalogue import PEBBLE

pytestmark = [pytest.mark.xdist_group("cli"), pytest.mark.timeout(180)]
REGION = "us-east-1"
ROWS = [nova_row(f"What is number {number}?", f"It is {number * 7}.") for number in range(8)]


@pytest.fixture(scope="module")
def model(outcrop: Outcrop) -> dict[str, Any]:
    """A custom model in the running Outcrop, as GetCustomModel says it."""
    s3, bedrock = outcrop.client("s3"), outcrop.client("bedrock")
    s3.create_bucket(Bucket="exports")
    s3.put_object(Bucket="exports", Key="train.jsonl", Body=jsonl(ROWS))
    bedrock.create_model_customization_job(
        jobName="exported",
        customModelName="exported",
        roleArn=make_role(outcrop, "exports", "ExportRole"),
        baseModelIdentifier="amazon.nova-micro-v1:0:128k",
        trainingDataConfig={"s3Uri": "s3://exports/train.jsonl"},
        outputDataConfig={"s3Uri": "s3://exports/out"},
        hyperParameters={"epochCount": "1"},
    )
    assert wait_for_job(bedrock, "exported")["status"] == "Completed"
    found: dict[str, Any] = bedrock.get_custom_model(modelIdentifier="exported")
    return found


def test_an_adapter_is_exported_by_name_with_a_warning(
    outcrop: Outcrop, model: dict[str, Any], run: Any, tmp_path: Path
) -> None:
    to = tmp_path / "adapter"
    ended = run("export", "exported", "--home", outcrop.home, "--to", to)
    assert (ended.status, ended.out) == (0, f"{to}\n")
    assert "warning: the weights" in ended.err and "in the clear" in ended.err
    assert "it answers as it was trained" in ended.err
    config = json.loads((to / "adapter_config.json").read_text())
    assert Path(config["base_model_name_or_path"], "config.json").is_file()
    assert to.stat().st_mode & 0o777 == 0o700

    before = {file: file.read_bytes() for file in to.iterdir()}
    again = run("export", "exported", "--home", outcrop.home, "--to", to, "--format", "merged")
    assert again.status == 1 and "is not empty: nothing is overwritten" in again.err
    assert {file: file.read_bytes() for file in to.iterdir()} == before


def test_a_whole_checkpoint_is_exported_by_arn_whatever_the_region_asked_for(
    outcrop: Outcrop, model: dict[str, Any], run: Any, tmp_path: Path
) -> None:
    to = tmp_path / "merged"
    asked = ("export", model["modelArn"], "--home", outcrop.home, "--region", "eu-west-1")
    ended = run(*asked, "--format", "merged", "--to", to)
    assert ended.status == 0, ended.err
    names = {file.name for file in to.iterdir()}
    assert names >= {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "README.md"}
    # Whoever has the folder has a checkpoint: it can be put behind a model id as any other.
    mapped = run("models", "map", "--home", tmp_path / "other", "open.exported-v1:0", to)
    assert mapped.status == 0 and "open.exported-v1:0" in mapped.out


def test_what_is_not_there_is_said_with_a_hint(
    outcrop: Outcrop, model: dict[str, Any], run: Any, tmp_path: Path
) -> None:
    for asked, said in (
        (
            ("exported", "--home", outcrop.home, "--region", "eu-west-1"),
            "no custom model exported in eu-west-1",
        ),
        (("nobody", "--home", outcrop.home), "no custom model nobody in us-east-1"),
        (("exported", "--home", tmp_path / "none"), "there is no Outcrop home"),
    ):
        ended = run("export", *asked, "--to", tmp_path / "out")
        assert ended.status == 1 and said in ended.err and "hint:" in ended.err
    assert not (tmp_path / "none").exists() and not (tmp_path / "out").exists()


def test_the_key_stands_in_no_command_line(
    outcrop: Outcrop, model: dict[str, Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = subprocess.run

    def noting(command: list[str], **given: Any) -> Any:
        seen.append((command, given))
        return real(command, **given)

    monkeypatch.setattr(subprocess, "run", noting)
    assert run("export", "exported", "--home", outcrop.home, "--to", tmp_path / "adapter").status == 0
    ((command, given),) = seen
    key = given["input"].decode()
    assert given["env"]["HF_HUB_OFFLINE"] == "1" and not any(name.startswith("AWS_") for name in given["env"])
    assert len(key) == 44 and not any(key in word for word in (*command, *given["env"].values()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_export_that_is_cut_off_leaves_nothing_in_the_clear(
    outcrop: Outcrop, model: dict[str, Any], tmp_path: Path, number: signal.Signals
) -> None:
    to = tmp_path / "out"
    asked = ["export", "exported", "--home", str(outcrop.home), "--format", "merged", "--to", str(to)]
    for _ in range(5):  # one that had ended before it heard is asked for again
        with subprocess.Popen([sys.executable, "-m", "outcrop.cli", *asked], start_new_session=True) as process:
            await_that(lambda: list(tmp_path.glob(".out.*/model*.safetensors")), 60, "weights in the clear", 0.005)
            process.send_signal(number)
        if not to.exists():
            break
        shutil.rmtree(to)
    assert process.returncode != 0
    assert not list(tmp_path.iterdir())


def test_a_model_from_before_there_were_probes_is_exported_with_a_warning(
    outcrop: Outcrop, model: dict[str, Any], run: Any, tmp_path: Path
) -> None:
    (probes,) = (outcrop.home / "models").glob(f"{model['jobArn'][-12:]}/probes.json")
    away = probes.rename(tmp_path / "probes.json")
    try:
        ended = run("export", "exported", "--home", outcrop.home, "--to", tmp_path / "adapter")
    finally:
        away.rename(probes)
    assert ended.status == 0 and "warning: not examined" in ended.err
    assert (tmp_path / "adapter" / "adapter_model.safetensors").exists()


def test_a_model_whose_base_has_gone_is_not_exported(
    outcrop: Outcrop, model: dict[str, Any], run: Any, tmp_path: Path
) -> None:
    """A copy of the home, whose model was trained on a folder that is no more, and then another's."""
    copy = tmp_path / "home"
    copy.mkdir(mode=0o700)
    with closing(sqlite3.connect(outcrop.home / "outcrop.db")) as database:
        database.execute("vacuum into ?", (str(copy / "outcrop.db"),))
    shutil.copy2(outcrop.home / "master.key", copy)
    with closing(sqlite3.connect(copy / "outcrop.db")) as database, database:
        database.execute("update custom_models set checkpoint = ?", (str(tmp_path / "gone"),))
    ended = run("export", "exported", "--home", copy, "--to", tmp_path / "out")
    assert ended.status == 1 and not (tmp_path / "out").exists()
    assert f"was trained on the checkpoint {tmp_path / 'gone'}, which is not there any more" in ended.err
    shutil.copytree(PEBBLE, tmp_path / "gone")
    vocabulary = tmp_path / "gone" / "tokenizer.json"
    vocabulary.write_text(vocabulary.read_text() + "\n")
    ended = run("export", "exported", "--home", copy, "--to", tmp_path / "out")
    assert ended.status == 1 and not (tmp_path / "out").exists()
    assert "was trained on other weights" in ended.err and "hint: put the former files back" in ended.err
    for digest in (digest_of(PEBBLE), digest_of(tmp_path / "gone")):
        assert told(digest) in ended.err


def test_an_export_that_dies_is_said_with_its_status(
    outcrop: Outcrop, model: dict[str, Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = tmp_path / "dying"
    dying.write_text("#!/bin/sh\nkill -9 $$\n")
    dying.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(dying))
    ended = run("export", "exported", "--home", outcrop.home, "--to", tmp_path / "out")
    assert ended.status == 1 and "the export ended with status -9 and wrote nothing" in ended.err
