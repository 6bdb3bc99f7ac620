"""How fast a training file is checked, against the published validators' approach and against decoding alone.

One file of 20 000 Nova records of about 1 kB, cut from the documentation that Python carries; every rule on, tokens not
counted. Three programs in processes of their own take turns on it, so that a busy moment of the machine meets all:
Outcrop's check; `json.loads` and a pydantic model a row (dataset_check_peer.py, in an environment of its own that this
script makes); and msgspec decoding every line into typed rows, which is the least that any check must do. What is
compared is processor time: each program runs in one thread.

    python benchmarks/dataset_check.py [--quick] [--memory] [--results FILE]

`--memory` checks a file of 1 GB instead, as the family with the most records, and prints the process's peak memory.
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
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PYDANTIC = "pydantic==2.14.3"
ROWS = 20_000
PROMPT_CHARACTERS, ANSWER_CHARACTERS = 560, 200
RESERVED = ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")
QUICK_ROUNDS, FULL_ROUNDS = 7, 31
MEMORY_BYTES = 1_000_000_000
MEGABYTE = 1_000_000


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--quick", action="store_true", help="well under a minute, once the peer's environment is made")
    asked.add_argument("--memory", action="store_true", help="peak memory on 1 GB instead of speed")
    asked.add_argument("--results", type=Path, help="write a dated result here as well")
    asked.add_argument("--child", choices=list(CHILDREN), help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.child:
        answer_paths(CHILDREN[options.child])
        return
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as scratch:
        result = memory(Path(scratch)) if options.memory else speed(Path(scratch), quick=options.quick)
    if options.results:
        options.results.write_text(json.dumps({**about_this_run(), **result}, indent=1) + "\n")
    print(json.dumps({name: value for name, value in result.items() if not isinstance(value, dict)}))


# --- the measures -----------------------------------------------------------------------------------------------------


def speed(scratch: Path, quick: bool) -> dict[str, Any]:
    """Rounds in turns; medians of the rounds' ratios."""
    path = scratch / "train.jsonl"
    write_rows(path, ROWS)
    say(f"{ROWS} rows of {path.stat().st_size / ROWS:.0f} bytes")
    mine = [sys.executable, __file__, "--child"]
    peer = [str(peer_python()), str(Path(__file__).with_name("dataset_check_peer.py"))]
    commands = {"outcrop": [*mine, "outcrop"], "pydantic": peer, "decode": [*mine, "decode"]}
    with ExitStack() as stack:
        ask = {name: stack.enter_context(answering(command)) for name, command in commands.items()}
        for each in ask.values():
            each(path)
        rounds = [
            {name: each(path) for name, each in ask.items()} for _ in range(QUICK_ROUNDS if quick else FULL_ROUNDS)
        ]
    rate = {name: round(ROWS / statistics.median(each[name] for each in rounds)) for name in commands}
    say("rows/s: " + ", ".join(f"{name} {value:,}" for name, value in rate.items()))
    return {
        "vs_pydantic": round(statistics.median(each["pydantic"] / each["outcrop"] for each in rounds), 2),
        "of_decode_ceiling": round(statistics.median(each["decode"] / each["outcrop"] for each in rounds), 2),
        "rows_per_s": rate,
    }


def memory(scratch: Path) -> dict[str, Any]:
    """Peak memory after each quarter of 1 GB."""
    path = scratch / "train.jsonl"
    rows = write_rows(path, MEMORY_BYTES // 1000, MEMORY_BYTES)
    with answering([sys.executable, __file__, "--child", "memory"]) as ask:
        peaks = ask(path)
    say(f"{rows:,} rows, {path.stat().st_size:,} bytes; peak MB after each quarter: {peaks}")
    say("what grows is one number a distinct row, up to a million rows; 10 GB of longer rows peak where 1 GB does")
    return {"peak_mb": peaks[-1], "peak_mb_by_quarter": {f"{25 * (at + 1)}%": mb for at, mb in enumerate(peaks[1:])}}


# --- the programs under measure, each answering paths on standard input -----------------------------------------------


def check_with_outcrop(path: Path) -> float:
    from outcrop import corpus, families

    rules = families.record_format(families.MODELS["amazon.nova-micro-v1:0"], families.FINE_TUNING)
    began = time.process_time()
    with path.open("rb") as file:
        report = corpus.check(file, path.name, rules)
    took = time.process_time() - began
    if not report.ok or report.rows != ROWS:
        raise SystemExit(report.to_text())
    return took


def decode_only(path: Path) -> float:
    import msgspec

    from outcrop.corpus.shapes import ConverseRow

    decode = msgspec.json.Decoder(ConverseRow).decode
    began = time.process_time()
    with path.open("rb") as file:
        for line in file:
            decode(line)
    return time.process_time() - began


def check_for_memory(path: Path) -> list[float]:
    from outcrop import corpus
    from outcrop.families.open import Open, registered

    rules = Open().record_format(registered("own.model-v1", 4096), "FINE_TUNING", 1)
    size, done, peaks = path.stat().st_size, 0, [peak_mb()]

    def note(read: int) -> None:
        nonlocal done
        done += read
        if done >= size * len(peaks) / 4 or done == size:
            peaks.append(peak_mb())

    with path.open("rb") as file:
        report = corpus.check(file, path.name, rules, corpus.CheckOptions(on_chunk=note))
    if not report.ok:
        raise SystemExit(report.to_text())
    return [*peaks[:4], peak_mb()]


CHILDREN: dict[str, Callable[[Path], Any]] = {
    "outcrop": check_with_outcrop,
    "decode": decode_only,
    "memory": check_for_memory,
}


def answer_paths(measure: Callable[[Path], Any]) -> None:
    for line in sys.stdin:
        print(json.dumps({"seconds": measure(Path(line.strip()))}), flush=True)


@contextmanager
def answering(command: list[str]) -> Iterator[Callable[[Path], Any]]:
    """A running program: a path in, its measure out."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        talk, answers = process.stdin, process.stdout

        def ask(path: Path) -> Any:
            talk.write(f"{path}\n")
            talk.flush()
            line = answers.readline()
            if not line:
                raise SystemExit(f"{command[-1]} ended without an answer")
            answer = json.loads(line)
            if answer.get("bad"):
                raise SystemExit(f"{command[-1]} found {answer['bad']} bad rows in a file without any")
            return answer["seconds"]

        yield ask
        talk.close()


# --- the file ---------------------------------------------------------------------------------------------------------


def write_rows(path: Path, rows: int, size: int | None = None) -> int:
    """Distinct Nova records cut from the language reference, until there are enough rows or bytes."""
    from pydoc_data.topics import topics

    text = "\n".join(topics.values())
    for word in RESERVED:
        text = text.replace(word, word[1:])
    span = len(text) - PROMPT_CHARACTERS - ANSWER_CHARACTERS
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows * 2):
            if number >= rows and (size is None or written >= size):
                return number
            written += file.write(record(text, number, number * 7919 % span) + "\n")
            if size is not None and written >= size:
                return number + 1
    return rows * 2


def record(text: str, number: int, start: int) -> str:
    middle, end = start + PROMPT_CHARACTERS, start + PROMPT_CHARACTERS + ANSWER_CHARACTERS
    return json.dumps(
        {
            "schemaVersion": "bedrock-conversation-2024",
            "system": [{"text": f"You go on where a text ends. This is text {number}."}],
            "messages": [
                {"role": "user", "content": [{"text": "Go on: " + text[start:middle]}]},
                {"role": "assistant", "content": [{"text": text[middle:end]}]},
            ],
        }
    )


# --- this machine -----------------------------------------------------------------------------------------------------


def peer_python() -> Path:
    """The interpreter of an environment that has pydantic, made at the first run and kept."""
    cache = Path(os.environ.get("OUTCROP_BENCH_CACHE") or Path.home() / ".cache" / "outcrop-bench")
    folder = cache / PYDANTIC.replace("==", "-")
    python, finished = folder / "bin" / "python", folder / "finished"
    if not finished.exists():
        say(f"making an environment with {PYDANTIC} (once)")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PYDANTIC], check=True, stdout=sys.stderr)
        finished.touch()
    return python


def peak_mb() -> float:
    """This process's peak resident memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE, 1)


def about_this_run() -> dict[str, Any]:
    """What a reader needs to judge the numbers."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python benchmarks/dataset_check.py {' '.join(sys.argv[1:]).split('--results')[0]}".strip(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "peer": PYDANTIC,
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
