"""How fast a training file becomes sealed token rows, what reading them back costs, and how much memory both take.

Text cut from the documentation that Python carries, as continued pre-training rows (`{"input": ...}`) of about 1 kB,
and as conversations. Three measures:
- preparing: one process against as many as there are cores, in turns; tokens a second, and a CPU-second of them all;
- reading: an epoch's packed pieces out of the sealed set, the first time and from the buffer, against arrays in memory;
- order: how often a piece is opened in an epoch of a set that does not fit the buffer, shuffled in windows as training
  does it, against a plain shuffle (negative: that is what the windows are for).

    python benchmarks/data_preparation.py [--quick] [--memory] [--results FILE]

`--memory` prepares and reads 1 GB of text in a million rows, the most that any family takes, and prints the peaks.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MEGABYTE = 1_000_000
QUICK_BYTES, FULL_BYTES = 12 * MEGABYTE, 32 * MEGABYTE
QUICK_ROUNDS, FULL_ROUNDS = 3, 5
MEMORY_BYTES = 1_000_000_000
PASSAGE_CHARACTERS, PROMPT_CHARACTERS = 940, 560
CONTEXT_TOKENS = 2048
KEY = bytes(range(32))  # a test's own
JOB = "benchmark"
BATCH_ROWS = 32


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--quick", action="store_true", help="a smaller file and fewer rounds: a minute")
    asked.add_argument("--memory", action="store_true", help="peak memory on 1 GB instead of speed")
    asked.add_argument("--results", type=Path, help="write a dated result here as well")
    asked.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.child:
        measure, path, given = options.child
        print(json.dumps(CHILDREN[measure](Path(path), json.loads(given))))
        return
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as scratch:
        result = memory(Path(scratch)) if options.memory else speed(Path(scratch), quick=options.quick)
    if options.results:
        options.results.write_text(json.dumps({**about_this_run(), **result}, indent=1) + "\n")
    print(json.dumps(result))


# --- the measures -----------------------------------------------------------------------------------------------------


def speed(scratch: Path, quick: bool) -> dict[str, Any]:
    """Rounds in turns, medians."""
    size, rounds = (QUICK_BYTES, QUICK_ROUNDS) if quick else (FULL_BYTES, FULL_ROUNDS)
    result: dict[str, Any] = {"cores": cores()}
    for kind in ("passages", "conversations"):
        path = scratch / f"{kind}.jsonl"
        rows = write_rows(path, kind, size)
        say(f"{kind}: {rows:,} rows, {path.stat().st_size:,} bytes")
        result[kind] = prepared_in_turns(path, kind, rounds)
    path = scratch / "passages.jsonl"
    child("prepare", path, kind="passages", hands=1)
    result["reader"] = read_in_turns(path, rounds)
    result["peak_mb"] = max(result[kind][how]["peak_mb"] for kind in ("passages", "conversations") for how in HOW)
    return result


HOW = ("sequential", "parallel")


def prepared_in_turns(path: Path, kind: str, rounds: int) -> dict[str, Any]:
    hands = {"sequential": 1, "parallel": cores()}
    found = {how: [] for how in HOW}
    for _ in range(rounds):
        for how in HOW:
            found[how].append(child("prepare", path, kind=kind, hands=hands[how], anew=True))
    result = {
        how: {
            "tokens_per_s": round(statistics.median(each["tokens"] / each["wall_s"] for each in found[how])),
            "tokens_per_cpu_s": round(statistics.median(each["tokens"] / each["cpu_s"] for each in found[how])),
            "megabytes_per_s": round(statistics.median(each["megabytes"] / each["wall_s"] for each in found[how]), 2),
            "peak_mb": max(each["peak_mb"] for each in found[how]),
            "peak_of_a_renderer_mb": max(each["renderer_peak_mb"] for each in found[how]),
        }
        for how in HOW
    }
    if len({each["digest_of_pieces"] for how in HOW for each in found[how]}) != 1:
        raise SystemExit("sequential and parallel preparations differ")
    result["speedup"] = round(
        statistics.median(
            one["wall_s"] / other["wall_s"] for one, other in zip(found["sequential"], found["parallel"], strict=True)
        ),
        2,
    )
    say(f"{kind}: {result}")
    return result


def read_in_turns(path: Path, rounds: int) -> dict[str, Any]:
    """Nanoseconds a token; medians."""
    found = [child("read", path) for _ in range(rounds)]
    names = ("memory_ns", "first_epoch_ns", "second_epoch_ns")
    result: dict[str, Any] = {name: round(statistics.median(each[name] for each in found), 1) for name in names}
    result |= {name: found[0][name] for name in ("pieces", "windowed_opens", "plain_shuffle_opens")}
    say(f"reading: {result}")
    return result


def memory(scratch: Path) -> dict[str, Any]:
    """Peak memory of preparing and of reading 1 GB."""
    path = scratch / "train.jsonl"
    rows = write_rows(path, "passages", MEMORY_BYTES)
    say(f"{rows:,} rows, {path.stat().st_size:,} bytes")
    prepared = child("prepare", path, kind="passages", hands=2, anew=True)
    say(f"prepared: {prepared}")
    read = child("epoch", path)
    say(f"read: {read}")
    return {"rows": rows, "bytes": path.stat().st_size, "prepare": prepared, "read": read}


# --- the programs under measure, each in a process of its own ---------------------------------------------------------


def prepare_file(path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Prepare the file beside itself with so many hands."""
    from outcrop.worker.preparing import Source, prepare

    crew, record = crew_of(path, asked["kind"], asked["hands"]), record_of(path)
    folder = folder_of(path)
    if asked.get("anew"):
        for left in folder.path.glob("*"):
            left.unlink()
    peaks = [peak_mb()]
    with path.open("rb") as file:

        def check() -> None:
            if file.tell() >= record.size * len(peaks) / 4:
                peaks.append(peak_mb())

        began, cpu = time.perf_counter(), cpu_s()
        manifest = prepare(Source(file=file, name=path.name, record=record), folder, crew, check)
        wall = time.perf_counter() - began
    return {
        "tokens": manifest.tokens,
        "megabytes": record.size / MEGABYTE,
        "pieces": len(manifest.pieces),
        "wall_s": round(wall, 3),
        "cpu_s": round(cpu_s() - cpu, 3),
        "peak_mb": peak_mb(),
        "peak_mb_by_quarter": peaks,
        "renderer_peak_mb": peak_mb(resource.RUSAGE_CHILDREN),
        "digest_of_pieces": hash_of([note.sha256 for note in manifest.pieces]),
    }


def read_file(path: Path, _: dict[str, Any]) -> dict[str, Any]:
    """Epochs of the prepared file, from memory and from the cache."""
    from outcrop.training.batches import Rows
    from outcrop.training.sources import BUFFER_BYTES, PieceBuffer, PreparedRows

    folder = folder_of(path)
    cached = Rows(PreparedRows(folder, PieceBuffer(BUFFER_BYTES)))
    held = Rows(all_in_memory(cached))
    tokens = int(cached.lengths.sum())
    seconds = {
        "memory_ns": seconds_of(held),
        "first_epoch_ns": seconds_of(Rows(PreparedRows(folder, PieceBuffer(BUFFER_BYTES)))),
        "second_epoch_ns": seconds_of(cached, warm=True),
    }
    small = sum(note.size for note in folder.manifest().pieces) // 6
    return {
        **{name: 1e9 * value / tokens for name, value in seconds.items()},
        "pieces": len(folder.manifest().pieces),
        "windowed_opens": opens(path, small, windowed=True),
        "plain_shuffle_opens": opens(path, small, windowed=False),
    }


def read_for_memory(path: Path, _: dict[str, Any]) -> dict[str, Any]:
    """One whole epoch of batches and pieces, as the loop asks for them."""
    import psutil

    from outcrop.training.batches import Rows
    from outcrop.training.sources import BUFFER_BYTES, PieceBuffer, PreparedRows

    before = psutil.Process().memory_info().rss / MEGABYTE
    began, cpu = time.perf_counter(), cpu_s()
    buffer = PieceBuffer(BUFFER_BYTES)
    rows = Rows(PreparedRows(folder_of(path), buffer)).require_trained("training")
    opened = peak_mb()
    tokens = consume(rows, rows.order(0, 0))
    return {
        "tokens": tokens,
        "before_mb": round(before, 1),
        "opened_mb": opened,
        "peak_mb": peak_mb(),
        "beyond_mb": round(peak_mb() - before, 1),
        "held_mb": round(buffer.held_bytes / MEGABYTE, 1),
        "wall_s": round(time.perf_counter() - began, 2),
        "cpu_ns_per_token": round(1e9 * (cpu_s() - cpu) / tokens, 1),
    }


CHILDREN: dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {
    "prepare": prepare_file,
    "read": read_file,
    "epoch": read_for_memory,
}


def child(measure: str, path: Path, **given: Any) -> Any:
    """The answer of a process of its own."""
    command = [sys.executable, __file__, "--child", measure, str(path), json.dumps(given)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def seconds_of(rows: Any, warm: bool = False) -> float:
    order = rows.order(0, 0)
    if warm:
        consume(rows, order)
    began = time.perf_counter()
    consume(rows, order)
    return time.perf_counter() - began


def consume(rows: Any, order: Any) -> int:
    """Every piece of every batch; answers the tokens that would go through a model."""
    return sum(sum(piece.packed.lengths) for batch in rows.batches(order, BATCH_ROWS) for piece in rows.pieces(batch))


def opens(path: Path, limit: int, windowed: bool) -> int:
    """How often a piece is opened in an epoch, where the buffer holds a sixth of the set."""
    from outcrop.training.order import epoch_order
    from outcrop.training.sources import PieceBuffer, PreparedRows

    class Counting(PieceBuffer):
        opened = 0

        def get(self, place: Any, size: int, load: Callable[[], Any]) -> Any:
            def counted() -> Any:
                self.opened += 1
                return load()

            return super().get(place, size, counted)

    buffer = Counting(limit)
    source = PreparedRows(folder_of(path), buffer)
    # A plain shuffle of all rows opens a piece nearly every time: a part of it tells.
    order = source.order(0, 0) if windowed else epoch_order(len(source.counts), 0, 0)[:2000]
    for row in order.tolist():
        source.row(row)
    return buffer.opened if windowed else round(buffer.opened * len(source.counts) / len(order))


def all_in_memory(rows: Any) -> Any:
    """The same rows as plain arrays."""
    import numpy as np

    from outcrop.text.rows import TokenRows

    found = [rows.source.row(at) for at in range(len(rows))]
    return TokenRows(
        tokens=np.concatenate([ids for ids, _ in found]),
        trained=np.concatenate([trained for _, trained in found]).astype(np.uint8),
        offsets=np.cumsum([0, *(len(ids) for ids, _ in found)], dtype=np.int64),
    )


def folder_of(path: Path) -> Any:
    from outcrop.prepared.folder import PreparedFolder

    return PreparedFolder(path.with_suffix(".prepared"), JOB, KEY)


def crew_of(path: Path, kind: str, hands: int) -> Any:
    from outcrop import families
    from outcrop.families.catalogue import PEBBLE
    from outcrop.families.open import Open, registered
    from outcrop.worker.renderers import Crew
    from outcrop.worker.rendering import Recipe

    customization = families.CONTINUED_PRE_TRAINING if kind == "passages" else families.FINE_TUNING
    recipe = Recipe(
        checkpoint=str(PEBBLE),
        rules=Open().record_format(registered("own.rock-v1", CONTEXT_TOKENS), customization, 1),
        context_tokens=CONTEXT_TOKENS,
        moment=datetime.now(UTC),
    )
    return Crew(
        recipe=recipe,
        tokenizer=recipe.tokenizer(),
        count=hands,
        records=path.with_suffix(".processes"),
        log=path.with_suffix(".log"),
    )


def record_of(path: Path) -> Any:
    from outcrop.store.objects import Description, ObjectRecord

    return ObjectRecord(
        bucket="benchmark",
        key=path.name,
        size=path.stat().st_size,
        etag="",
        modified_at=datetime.now(UTC),
        blobs=(),
        description=Description(),
        checksums={},
        checksum_type="FULL_OBJECT",
    )


# --- the file ---------------------------------------------------------------------------------------------------------


def write_rows(path: Path, kind: str, size: int) -> int:
    """Distinct rows cut from the language reference, until there are enough bytes."""
    written = rows = 0
    with path.open("w", encoding="utf-8") as file:
        for text in texts():
            if written >= size:
                break
            written += file.write(json.dumps(row(kind, text)) + "\n")
            rows += 1
    return rows


def texts() -> Iterator[str]:
    from pydoc_data.topics import topics

    text = "\n".join(topics.values())
    span = len(text) - PASSAGE_CHARACTERS
    number = 0
    while True:
        start = number * 7919 % span
        yield f"Passage {number}. " + text[start : start + PASSAGE_CHARACTERS]
        number += 1


def row(kind: str, text: str) -> dict[str, Any]:
    if kind == "passages":
        return {"input": text}
    turns = {"user": text[:PROMPT_CHARACTERS], "assistant": text[PROMPT_CHARACTERS:]}
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "messages": [{"role": role, "content": [{"text": said}]} for role, said in turns.items()],
    }


# --- this machine -----------------------------------------------------------------------------------------------------


def cores() -> int:
    from outcrop.worker.renderers import cores

    return cores()


def cpu_s() -> float:
    """Processor time of this process and of its children that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def peak_mb(who: int = resource.RUSAGE_SELF) -> float:
    """Peak resident memory of this process (of its children: of the largest)."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(who).ru_maxrss * unit / MEGABYTE, 1)


def hash_of(parts: list[str]) -> str:
    import hashlib

    return hashlib.sha256("".join(parts).encode()).hexdigest()[:12]


def about_this_run() -> dict[str, Any]:
    """What a reader needs to judge the numbers."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python benchmarks/data_preparation.py {' '.join(sys.argv[1:]).split('--results')[0]}".strip(),
        "machine": f"{os.cpu_count()} cores ({cores()} used), {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
