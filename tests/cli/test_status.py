"""`outcrop status` says where the server is and what it is busy with."""

from pathlib import Path
from typing import Any

import pytest

from living import Outcrop
from outcrop.cli.options import RunningServer, leave_address
from outcrop.config import Settings
from outcrop.store.home import open_home

pytestmark = pytest.mark.xdist_group("cli")


def test_an_idle_server_is_shown_with_its_address_and_process(outcrop: Outcrop, run: Any) -> None:
    ended = run("status", "--home", outcrop.home, "--region", "eu-west-1")
    url = outcrop.variables["AWS_ENDPOINT_URL"]
    assert ended.status == 0
    assert ended.out.startswith(f"running at {url} (process {outcrop.pid})\n")
    assert ended.out.count("none") == 3


def test_what_is_provisioned_is_shown(outcrop: Outcrop, run: Any) -> None:
    bedrock = outcrop.client("bedrock", "eu-west-2")
    bedrock.create_provisioned_model_throughput(
        modelUnits=3, provisionedModelName="shown", modelId="amazon.nova-micro-v1:0:128k"
    )
    ended = run("status", "--home", outcrop.home, "--region", "eu-west-2")
    assert "shown" in ended.out and "3 units" in ended.out and "none" in ended.out
    bedrock.delete_provisioned_model_throughput(provisionedModelId="shown")


def test_a_server_that_does_not_answer_is_one_sentence(tmp_path: Path, run: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    settings = Settings(home=tmp_path / "home")
    open_home(settings).close()
    settings.run_folder.mkdir()
    leave_address(settings, RunningServer.here("http://127.0.0.1:1", None))
    ended = run("status", "--home", tmp_path / "home")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("outcrop: Could not connect to the endpoint URL") and ended.err.count("\n") == 1
