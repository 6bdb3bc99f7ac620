"""A run's log, a JSON object a line: what each step came to, and what was measured at marks. Knows no model."""

import json
import os
from pathlib import Path
from typing import Any


class Log:
    """Lines added to `path`, the first `kept_bytes` of which stay: what a killed run wrote after its state goes."""

    def __init__(self, path: Path, kept_bytes: int = 0) -> None:
        self._file = path.open("ab")
        self._file.truncate(kept_bytes)
        self._file.seek(0, os.SEEK_END)

    def add(self, **what: Any) -> None:
        """One line more."""
        self._file.write(json.dumps(what).encode() + b"\n")

    def on_disk(self) -> int:
        """Its length in bytes, all of them on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """After the last line."""
        self._file.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Every line of a log, in order."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
