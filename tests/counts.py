"""How often a long test repeats: few by default, all with OUTCROP_COUNTS=full (`make soak`)."""

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


@dataclass(frozen=True)
class Counts:
    """The one setting that repetition counts come from."""

    full: bool = os.environ.get("OUTCROP_COUNTS") == "full"

    def few_or_full(self, few: int, full: int) -> int:
        return full if self.full else few

    def record(self, name: str, results: dict[str, Any]) -> None:
        """Keeps a soak's result, dated, to be committed; nothing where the counts are few."""
        if self.full:
            at = datetime.now(UTC).date().isoformat()
            machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
            file = os.environ["PYTEST_CURRENT_TEST"].split("::")[0]
            command = f"OUTCROP_COUNTS=full python -m pytest {file}"
            text = json.dumps({"at": at, "command": command, "machine": machine, "results": results}, indent=1)
            (RESULTS / f"soak_{name}_{at}.json").write_text(text + "\n")
