"""A child that steps aside lets others go first, all its threads do, and its parent keeps its place."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from outcrop.domain.priority import AUTOGROUP, LOWEST

PROGRAM = """
import json, os, threading
from outcrop.domain.priority import AUTOGROUP, step_aside
step_aside()
nices = []
thread = threading.Thread(target=lambda: nices.append(os.getpriority(os.PRIO_PROCESS, 0)))
thread.start()
thread.join()
session = AUTOGROUP.read_text().split()[-1] if AUTOGROUP.exists() else None
print(json.dumps([os.getpriority(os.PRIO_PROCESS, 0), nices[0], session]))
"""


def stepped_aside(leads: bool) -> list[Any]:
    command = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, start_new_session=leads)
    told: list[Any] = json.loads(ended.stdout)
    return told


def test_the_whole_child_goes_behind_and_its_parent_does_not() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    process, thread, _ = stepped_aside(leads=True)
    assert (process, thread) == (LOWEST, LOWEST)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel shares processors without sessions")
def test_a_session_goes_behind_where_sessions_are_what_counts_and_only_ones_own() -> None:
    mine = Path("/proc/self/autogroup").read_text().split()[-1]
    assert stepped_aside(leads=True)[2] == str(LOWEST)
    assert stepped_aside(leads=False)[2] == mine
