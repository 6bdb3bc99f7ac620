"""The benchmark that needs a card takes its whole road on a CPU, with both trainers and a tiny model.

So does every part that it shares with the benchmark of one core: the material, the programs, the counting of work.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "training_cuda.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads a process's time from /proc")
def test_a_dry_run_trains_with_both_and_compares_them(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    options = ["--dry-run", "--rounds", "1", "--peer-python", sys.executable, "--results", str(results)]
    ran = subprocess.run(
        [sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    said = json.loads(ran.stdout)
    assert set(said["medians"]) == {"outcrop", "trl"}
    assert said["vs_trl_best"] > 0 and said["memory_vs_trl_best"] > 0 and said["of_ceiling_4n"] > 0
    assert "dry run" in json.loads(results.read_text())["machine"]
