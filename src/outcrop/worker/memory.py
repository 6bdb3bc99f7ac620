"""Memory of this machine: what is free now, and the most that a job could ever have. Knows no job and no card.

A container's limit counts, as its own root control group states it (version 2, or version 1's memory controller);
limits of groups between a process and that root, as systemd sets them, are not read.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
# What Outcrop's own server and worker take beside a job: 64 MB and 90 MB loaded, and room to work in.
RESERVED_BYTES = 300_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """One version's names: the limit, what is used, and what of that are pages of files."""

    limit: str
    used: str
    statistics: str
    of_files: tuple[str, str]


_VERSIONS = (
    _Files(
        limit="memory.max",
        used="memory.current",
        statistics="memory.stat",
        of_files=("inactive_file", "active_file"),
    ),
    _Files(
        limit="memory/memory.limit_in_bytes",
        used="memory/memory.usage_in_bytes",
        statistics="memory/memory.stat",
        of_files=("total_inactive_file", "total_active_file"),
    ),
)


def free_memory(groups: Path = GROUPS) -> int:
    """Bytes that a new process may take now; pages of files give way to it and count as free."""
    free = int(psutil.virtual_memory().available)
    return min([free, *(limit - used for limit, used in _limits(groups))])


def most_memory(groups: Path = GROUPS) -> int:
    """Bytes that a process could have if nothing else ran here but Outcrop's server and worker."""
    whole = int(psutil.virtual_memory().total)
    return max(0, min([whole, *(limit for limit, _ in _limits(groups))]) - RESERVED_BYTES)


def _limits(groups: Path) -> list[tuple[int, int]]:
    """Of each control group with a limit: it, and what is used of it beyond pages of files."""
    found = []
    for files in _VERSIONS:
        with contextlib.suppress(OSError, ValueError):  # no such version, or `max`: no limit
            limit, used = int((groups / files.limit).read_text()), int((groups / files.used).read_text())
            found.append((limit, max(0, used - _of_files(groups, files))))
    return found


def _of_files(groups: Path, files: _Files) -> int:
    lines = [line.split() for line in (groups / files.statistics).read_text().splitlines()]
    return sum(int(words[1]) for words in lines if words[0] in files.of_files)
