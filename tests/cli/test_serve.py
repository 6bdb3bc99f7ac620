"""`outcrop serve` is one process tree: ready soon, small, alone on its home, and gone within ten seconds."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from counts import Counts
from living import SERVICE_S, STOP_S, Outcrop, await_that, jsonl, make_role, nova_row, wait_for_job
from outcrop.cli.options import find_server
from outcrop.cli.serve import _place_to_listen
from outcrop.config import Settings
from outcrop.store import engines

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("serve"), pytest.mark.timeout(400)]

# The promises are 3 and 10 s, for a machine that does nothing else.
READY_CPU_S = Counts().few_or_full(9, 3)
GONE_S = Counts().few_or_full(60, 10)
IDLE_BYTES = 150 * 2**20
LONG_ROWS = 9000  # five epochs of them outlast every test here, on any machine
NOVA = "amazon.nova-micro-v1:0:128k"


def _serve(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "outcrop.cli", "serve", "--home", str(home), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Outcrop]:
    running = Outcrop(tmp_path / "home")
    yield running
    running.stop()


# --- alone, and nothing in service ------------------------------------------------------------------------------------


def test_a_fresh_server_is_ready_soon_small_and_private(fresh: Outcrop) -> None:
    server = psutil.Process(fresh.pid)
    spent = server.cpu_times()
    assert spent.user + spent.system < READY_CPU_S
    fresh.client("bedrock").list_custom_models()
    assert server.memory_info().rss < IDLE_BYTES
    assert not [found.path for found in server.memory_maps() if "torch" in found.path]
    assert fresh.home.stat().st_mode & 0o777 == 0o700
    assert (fresh.home / "master.key").stat().st_mode & 0o777 == 0o600
    for log in (fresh.home / "logs").iterdir():
        assert log.stat().st_mode & 0o077 == 0


def test_a_second_server_on_the_same_home_is_told_where_the_first_is(fresh: Outcrop) -> None:
    ended = _serve(fresh.home, "--port", "0")
    url = fresh.variables["AWS_ENDPOINT_URL"]
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"outcrop: another server already runs on {fresh.home}, at {url}\n"
    fresh.client("sts").get_caller_identity()


def test_a_taken_port_is_said_and_leaves_no_process(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        ended = _serve(tmp_path / "home", "--port", str(port))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1 port {port}" in ended.stderr and "Traceback" not in ended.stderr
    assert not list((tmp_path / "home" / "run" / "processes").glob("*.json"))


def test_a_home_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    ended = _serve(tmp_path / "home")
    assert ended.returncode != 0 and "Traceback" not in ended.stderr and "home" in ended.stderr


def test_a_server_does_not_begin_where_another_has_the_folder_of_its_engines(tmp_path: Path, monkeypatch: Any) -> None:
    """The home's path is too long for a socket, and a link of somebody else's stands where prompts would be sent."""
    settings = Settings(home=tmp_path / ("x" * 120))
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        monkeypatch.setenv("TMPDIR", short)
        folder = engines.sockets_folder(settings)
        folder.symlink_to(tmp_path)
        ended = _serve(settings.home, "--port", "0")
        assert (
            ended.returncode == 1 and f"{folder}, where engines are to listen, is not this user's alone" in ended.stderr
        )
        folder.unlink()
        with _place_to_listen(settings):
            assert folder.is_dir()
        assert not folder.exists()


def test_boto3_talks_tls_with_nothing_but_the_environment(tmp_path: Path) -> None:
    running = Outcrop(tmp_path / "home", "--tls")
    try:
        assert running.variables["AWS_ENDPOINT_URL"].startswith("https://127.0.0.1:")
        assert Path(running.variables["AWS_CA_BUNDLE"]).is_relative_to(running.home)
        script = (
            "import boto3; s3 = boto3.client('s3'); s3.create_bucket(Bucket='tls');"
            "s3.put_object(Bucket='tls', Key='k', Body=b'x' * 100_000);"
            "assert s3.get_object(Bucket='tls', Key='k')['Body'].read() == b'x' * 100_000;"
            "print(boto3.client('sts').get_caller_identity()['Account'])"
        )
        command = [sys.executable, "-c", script]
        said = subprocess.run(command, env={**os.environ, **running.variables}, capture_output=True, text=True)
        assert said.stdout.strip().isdigit(), said.stderr
    finally:
        running.stop()


def test_the_next_start_kills_what_a_crash_left(tmp_path: Path) -> None:
    """On Linux the kernel does it; the records are for where it does not."""
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    records = tmp_path / "home" / "run" / "processes"
    records.mkdir(parents=True, mode=0o700)
    (tmp_path / "home").chmod(0o700)
    started = psutil.Process(orphan.pid).create_time()
    (records / f"{orphan.pid}.json").write_text(json.dumps({"pid": orphan.pid, "started": started}))
    running = Outcrop(tmp_path / "home")
    try:
        assert orphan.wait(STOP_S) == -signal.SIGKILL
    finally:
        running.stop()


def test_a_server_that_was_killed_leaves_no_child_and_no_address(tmp_path: Path) -> None:
    running = Outcrop(tmp_path / "home")
    tree = running.tree()
    running.kill_tree()
    _, alive = psutil.wait_procs(tree, timeout=GONE_S)
    assert not alive
    assert (running.home / "run" / "server.json").exists() and find_server(running.home) is None


# --- with a job running, a model in service and a stream open ---------------------------------------------------------


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcrop]:
    running = Outcrop(tmp_path_factory.mktemp("busy") / "home")
    s3, bedrock = running.client("s3"), running.client("bedrock")
    s3.create_bucket(Bucket="busy")
    for name, count in (("short", 8), ("long", LONG_ROWS)):
        rows = [nova_row(f"What is number {number}?", f"It is {number}.") for number in range(count)]
        s3.put_object(Bucket="busy", Key=f"{name}.jsonl", Body=jsonl(rows))
    role = make_role(running, "busy", "BusyRole")
    _start_job(running, role, "short", epochs=1)
    assert wait_for_job(bedrock, "short")["status"] == "Completed"
    _start_job(running, role, "long", epochs=5)
    bedrock.create_provisioned_model_throughput(modelUnits=1, provisionedModelName="pt", modelId="short")
    await_that(lambda: _in_service(running), SERVICE_S, "throughput in service")
    yield running
    running.stop()


def _start_job(outcrop: Outcrop, role: str, name: str, epochs: int) -> None:
    outcrop.client("bedrock").create_model_customization_job(
        jobName=name,
        customModelName=name,
        roleArn=role,
        baseModelIdentifier=NOVA,
        trainingDataConfig={"s3Uri": f"s3://busy/{name}.jsonl"},
        outputDataConfig={"s3Uri": "s3://busy/out"},
        hyperParameters={"epochCount": str(epochs)},
    )


def _in_service(outcrop: Outcrop) -> bool:
    found = outcrop.client("bedrock").get_provisioned_model_throughput(provisionedModelId="pt")
    return bool(found["status"] == "InService")


def _converse(outcrop: Outcrop) -> dict[str, Any]:
    answer: dict[str, Any] = outcrop.client("bedrock-runtime").converse(
        modelId=outcrop.client("bedrock").get_provisioned_model_throughput(provisionedModelId="pt")[
            "provisionedModelArn"
        ],
        messages=[{"role": "user", "content": [{"text": "What is number 3?"}]}],
        inferenceConfig={"maxTokens": 8, "temperature": 0.0},
    )
    return answer


def test_what_is_in_service_answers_boto3_right_through_the_death_of_the_worker(busy: Outcrop) -> None:
    said = _converse(busy)["output"]
    (worker,) = busy.find("outcrop.worker")
    below = worker.children(recursive=True)
    worker.kill()
    _, alive = psutil.wait_procs([worker, *below], timeout=GONE_S)
    assert not alive
    assert _converse(busy)["output"] == said
    assert _in_service(busy)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything_within_ten_seconds(busy: Outcrop, number: signal.Signals) -> None:
    await_that(lambda: busy.find("outcrop.training"), 60, "a training child")
    await_that(lambda: busy.find("outcrop.inference"), 60, "an engine")
    _converse(busy)
    began = threading.Event()
    stream = threading.Thread(target=_stream, args=(busy, began))
    stream.start()
    assert began.wait(60)
    tree, at = busy.tree(), time.monotonic()
    os.kill(busy.pid, number)
    assert busy.process is not None and busy.process.stdout is not None
    assert busy.process.wait(STOP_S) == 0
    busy.process.stdout.close()
    _, alive = psutil.wait_procs(tree, timeout=1)
    took = time.monotonic() - at
    stream.join()
    assert not alive and took < GONE_S
    assert not list((busy.home / "run").glob("*.json")) and not list((busy.home / "run" / "processes").iterdir())
    busy.start()
    found = busy.client("bedrock").get_model_customization_job(jobIdentifier="long")
    assert found["status"] == "InProgress"


def _stream(outcrop: Outcrop, began: threading.Event) -> None:
    """Ask for a long answer and read it until it ends or is cut off."""
    runtime = outcrop.client("bedrock-runtime")
    arn = outcrop.client("bedrock").get_provisioned_model_throughput(provisionedModelId="pt")["provisionedModelArn"]
    messages = [{"role": "user", "content": [{"text": "Say all numbers."}]}]
    try:
        answer = runtime.converse_stream(modelId=arn, messages=messages, inferenceConfig={"maxTokens": 1500})
        with contextlib.closing(answer["stream"]) as events:
            for _ in events:
                began.set()
    except (BotoCoreError, ClientError, HTTPError):
        return
