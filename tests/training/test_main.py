"""The child process: keys in, events out, and a last word whatever happens."""

import base64
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from outcrop.domain.events import Failed, Finished, Started, from_line
from outcrop.training.__main__ import _is_out_of_memory, main


def plan_file(job: Any, tmp_path: Path) -> str:
    path = tmp_path / "plan.json"
    path.write_text(job.plan.to_json())
    return str(path)


def said(arguments: list[str], source: str) -> tuple[int, list[Any]]:
    out = io.StringIO()
    status = main(arguments, io.StringIO(source), out)
    return status, [from_line(line) for line in out.getvalue().splitlines()]


def test_a_child_trains_and_says_so(make_job: Callable[..., Any], tmp_path: Path) -> None:
    job = make_job()
    child = subprocess.run(
        [sys.executable, "-m", "outcrop.training", plan_file(job, tmp_path), str(job.out)],
        input=base64.b64encode(job.key) + b"\n",
        capture_output=True,
        check=True,
        timeout=120,
    )
    events = [from_line(line) for line in child.stdout.decode().splitlines()]
    assert isinstance(events[0], Started) and isinstance(events[-1], Finished)
    assert (job.out / "adapter_model.safetensors").exists()
    assert child.stderr == b""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's lifeline is Linux's")
def test_sigterm_ends_a_child_at_once(make_job: Callable[..., Any], tmp_path: Path) -> None:
    job = make_job(epochs=100_000)
    child = subprocess.Popen(
        [sys.executable, "-m", "outcrop.training", plan_file(job, tmp_path), str(job.out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(base64.b64encode(job.key))
        child.stdin.close()
        assert json.loads(child.stdout.readline())["event"] == "Started"
        child.terminate()
        assert child.wait(10) == -signal.SIGTERM
    assert not job.out.exists()


def test_a_failure_is_the_last_word_and_the_exit_status(make_job: Callable[..., Any], tmp_path: Path) -> None:
    job = make_job()
    wrong = base64.b64encode(bytes(32)).decode()
    status, events = said([plan_file(job, tmp_path), str(job.out)], wrong)
    assert status == 1
    assert isinstance(events[-1], Failed) and "train.rows" in events[-1].cause


@pytest.mark.parametrize("source", ["", "\n", "not base64!"])
def test_without_a_key_nothing_begins(source: str, make_job: Callable[..., Any], tmp_path: Path) -> None:
    status, events = said([plan_file(make_job(), tmp_path), str(tmp_path / "out")], source)
    assert (status, events) == (1, [Failed(cause="No data key was given on standard input.")])


def test_too_little_memory_is_said_as_such_whoever_says_it() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 50)
    assert _is_out_of_memory(raised.value)
    assert _is_out_of_memory(MemoryError()) and _is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert not _is_out_of_memory(RuntimeError("shape '[3]' is invalid"))


def test_the_unexpected_is_said_without_its_details(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"secret": 1}')
    status, events = said([str(plan), str(tmp_path / "out")], base64.b64encode(bytes(32)).decode())
    assert status == 1
    assert isinstance(events[-1], Failed) and "reason of its own" in events[-1].cause
    assert "secret" not in events[-1].cause
    assert "Traceback" in capsys.readouterr().err


def test_a_checkpoint_that_is_missing_is_named(make_job: Callable[..., Any], tmp_path: Path) -> None:
    job = make_job(base_checkpoint=str(tmp_path / "nowhere"))
    status, events = said([plan_file(job, tmp_path), str(job.out)], base64.b64encode(job.key).decode())
    assert status == 1
    assert isinstance(events[-1], Failed) and "nowhere" in events[-1].cause
