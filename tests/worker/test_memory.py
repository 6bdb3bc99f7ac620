"""What is free counts a container's limit, and not the pages of files that give way."""

from pathlib import Path

import psutil
import pytest

from outcrop.worker.memory import RESERVED_BYTES, free_memory, most_memory

LIMIT, USED, FILES = 50_000_000, 40_000_000, 30_000_000  # less than any machine that runs this has free
VERSION_2 = {
    "memory.max": f"{LIMIT}\n",
    "memory.current": f"{USED}\n",
    "memory.stat": f"anon 1000\nfile 31000000\ninactive_file {FILES - 1}\nactive_file 1\nunevictable 0\n",
}
VERSION_1 = {
    "memory/memory.limit_in_bytes": f"{LIMIT}\n",
    "memory/memory.usage_in_bytes": f"{USED}\n",
    "memory/memory.stat": f"cache 1\ninactive_file 5\ntotal_inactive_file 1\ntotal_active_file {FILES - 1}\n",
}


def groups(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize("files", [VERSION_2, VERSION_1], ids=["version 2", "version 1"])
def test_pages_of_files_count_as_free(tmp_path: Path, files: dict[str, str]) -> None:
    assert free_memory(groups(tmp_path, files)) == LIMIT - (USED - FILES)


@pytest.mark.parametrize(
    "files",
    [{}, VERSION_2 | {"memory.max": "max\n"}, VERSION_1 | {"memory/memory.limit_in_bytes": f"{2**63 - 4096}\n"}],
    ids=["no group", "version 2", "version 1"],
)
def test_without_a_limit_the_machines_memory_counts(tmp_path: Path, files: dict[str, str]) -> None:
    free = free_memory(groups(tmp_path, files))
    assert psutil.virtual_memory().available / 2 < free < 2 * psutil.virtual_memory().available


def test_the_most_is_the_limit_or_all_there_is_less_what_outcrop_itself_takes(tmp_path: Path) -> None:
    assert most_memory(tmp_path) == psutil.virtual_memory().total - RESERVED_BYTES
    limit = RESERVED_BYTES + 7
    assert most_memory(groups(tmp_path, VERSION_2 | {"memory.max": str(limit)})) == 7
