"""Scripts written for Bedrock run unchanged, with nothing but environment variables set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from living import Outcrop, no_credentials

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("walkthroughs"), pytest.mark.timeout(300)]


def _run(outcrop: Outcrop, command: list[str]) -> str:
    environment = {
        **no_credentials(),
        **outcrop.variables,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("family", ["nova", "claude", "llama", "titan"])
def test_a_plain_boto3_script_goes_through_the_whole_life_cycle(outcrop: Outcrop, examples: Path, family: str) -> None:
    printed = _run(outcrop, [sys.executable, str(examples / "walkthrough.py"), family])
    assert printed.endswith("done\n")


def test_the_aws_cli_goes_through_the_whole_life_cycle(outcrop: Outcrop, examples: Path) -> None:
    printed = _run(outcrop, ["bash", str(examples / "walkthrough.sh")])
    assert printed.endswith("done\n")
    assert "In the reeds." in printed
