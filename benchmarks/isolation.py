"""Whether a neighbour notices a flood: p95 of its latency while another model floods and a job trains, over quiet.

A real `outcrop serve`, two provisioned custom models of one base, asked over boto3. The neighbour asks one question
after the other at half of what it bought; the flooder, a process of its own, sends ten times what it bought,
whatever is refused. Each round is quiet, then a training job begins, the flood spends what its bucket had saved (not
measured: that was bought, too), and the same questions are asked again. Answers are greedy and must be the same in
both.

    python benchmarks/isolation.py [--quick] [--results FILE]

The last line is JSON: `neighbour_p95_ratio` is the busy p95 of whole answers over the quiet one.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from running import Callers, Running, await_that, job_of, machine, prepare, start_job, taught

FLOOD_UNITS, NEIGHBOUR_UNITS = 2, 4
FLOOD_TIMES = 10
NEIGHBOUR_PART = 0.5  # of what it bought
WARM_UP_S = 20.0  # the flood's saved minute: two twentieths of it are six seconds of the machine
PROMPT_WORDS, ANSWER_TOKENS = 40, 64
QUESTIONS = 8
FLOOD_THREADS = 64
UNSENT = "unsent"
FLOODER = "--flooder"  # this program as the flood's own process: home, model, seconds between questions
TRAINING_ROWS, TRAINING_EPOCHS = 20_000, 5  # longer than any round


@dataclass(frozen=True)
class Answered:
    """One question of the neighbour's."""

    question: int
    seconds: float
    first_s: float
    text: str


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        running = Running(Path(folder, "home"))
        try:
            found = measure(running, options)
        finally:
            running.stop()
    if options.results:
        options.results.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


def arguments() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--quick", action="store_true", help="one round of 30 + 30 seconds")
    asked.add_argument("--results", type=Path, help="write a dated result here as well")
    options = asked.parse_args()
    options.rounds, options.seconds = (1, 30.0) if options.quick else (3, 60.0)
    return options


def measure(running: Running, options: argparse.Namespace) -> dict[str, Any]:
    role = prepare(running)
    flooded = provision(running, taught(running, role, "flooded"), FLOOD_UNITS)
    neighbour = provision(running, taught(running, role, "neighbour"), NEIGHBOUR_UNITS)
    gap_s = pace(running, neighbour)
    quiet: list[Answered] = []
    busy: list[Answered] = []
    floods = []
    for number in range(options.rounds):
        quiet += ask(running, neighbour, gap_s["neighbour"], options.seconds)
        start_job(running, role, f"training-{number}", TRAINING_ROWS, TRAINING_EPOCHS)
        await_that(lambda name=f"training-{number}": trains(running, name), "a job that trains")
        flood = Flood(running, flooded, gap_s["flood"])
        time.sleep(WARM_UP_S)
        before = standing(running, flooded)
        busy += ask(running, neighbour, gap_s["neighbour"], options.seconds)
        floods.append({**flood.end(), "refused_by_engine": standing(running, flooded)["refused"] - before["refused"]})
        still_trains = trains(running, f"training-{number}")
        running.client("bedrock").stop_model_customization_job(jobIdentifier=f"training-{number}")
        if not still_trains:
            raise SystemExit("the training job ended before the round did: give it more rows")
        say(f"round {number}: quiet p95 {p95(quiet):.3f} s, busy p95 {p95(busy):.3f} s; {floods[-1]}")
    require_same_answers(quiet, busy)
    return result(running, quiet, busy, floods)


def result(
    running: Running, quiet: Sequence[Answered], busy: Sequence[Answered], floods: list[dict[str, Any]]
) -> dict[str, Any]:
    engine = running.throughput()["engines"][0]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "benchmarks/isolation.py", *sys.argv[1:]]),
        "machine": machine(),
        "measured": {name: engine[name] for name in ("inputTokensPerSecond", "outputTokensPerSecond")},
        "neighbour": {
            "asked": [len(quiet), len(busy)],
            "refused": 0,  # the first refusal would have ended this program
            "quiet_p50_s": statistics.median(one.seconds for one in quiet),
            "busy_p50_s": statistics.median(one.seconds for one in busy),
            "quiet_p95_s": p95(quiet),
            "busy_p95_s": p95(busy),
            "first_token_p95_ratio": p95(busy, "first_s") / p95(quiet, "first_s"),
        },
        "floods": floods,
        "neighbour_p95_ratio": round(p95(busy) / p95(quiet), 3),
    }


def provision(running: Running, model: str, units: int) -> str:
    """The ARN of throughput in service."""
    bedrock = running.client("bedrock")
    asked = {"modelUnits": units, "provisionedModelName": f"units-{units}", "modelId": model}
    arn: str = bedrock.create_provisioned_model_throughput(**asked)["provisionedModelArn"]
    await_that(
        lambda: bedrock.get_provisioned_model_throughput(provisionedModelId=arn)["status"] == "InService", "in service"
    )
    return arn


def pace(running: Running, model: str) -> dict[str, float]:
    """Seconds between questions: the flooder's for ten times its units, the neighbour's for half of its own."""
    usage = converse(running.client("bedrock-runtime"), model, 0)["usage"]
    engine = running.throughput()["engines"][0]
    inputs, outputs = engine["inputTokensPerSecond"], engine["outputTokensPerSecond"]
    work_s = usage["inputTokens"] / inputs + usage["outputTokens"] / outputs
    shares = running.throughput()["machine"]["shares"]
    return {
        "flood": work_s / (FLOOD_TIMES * FLOOD_UNITS / shares),
        "neighbour": work_s / (NEIGHBOUR_PART * NEIGHBOUR_UNITS / shares),
    }


def ask(running: Running, model: str, gap_s: float, seconds: float) -> list[Answered]:
    """One question after the other, none sooner than a gap after the one before."""
    runtime, answered = running.client("bedrock-runtime"), []
    ends, number = time.monotonic() + seconds, 0
    while (began := time.monotonic()) < ends:
        answered.append(streamed(runtime, model, number % QUESTIONS))
        number += 1
        time.sleep(max(0.0, began + gap_s - time.monotonic()))
    return answered


def streamed(runtime: Any, model: str, question: int) -> Answered:
    began, first_s, text = time.perf_counter(), None, []
    for event in runtime.converse_stream(**request(model, question))["stream"]:
        if "contentBlockDelta" in event:
            first_s = first_s or time.perf_counter() - began
            text.append(event["contentBlockDelta"]["delta"]["text"])
    seconds = time.perf_counter() - began
    return Answered(question, seconds, first_s or seconds, "".join(text))


def converse(runtime: Any, model: str, question: int) -> Any:
    return runtime.converse(**request(model, question))


def request(model: str, question: int) -> dict[str, Any]:
    words = " ".join(f"thing {number}" for number in range(question, question + PROMPT_WORDS // 2))
    return {
        "modelId": model,
        "messages": [{"role": "user", "content": [{"text": f"Tell of {words}."}]}],
        "inferenceConfig": {"temperature": 0, "maxTokens": ANSWER_TOKENS},
    }


class Flood:
    """Questions without mercy, from a process of its own."""

    def __init__(self, running: Running, model: str, gap_s: float) -> None:
        words = [sys.executable, __file__, FLOODER, str(running.home), model, str(gap_s)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def end(self) -> dict[str, Any]:
        """Stop it; what became of its questions."""
        told, _ = self._process.communicate(b"")
        found: dict[str, Any] = json.loads(told)
        return found


def flood(home: Path, model: str, gap_s: float) -> None:
    """Send at a fixed pace until standard input ends, whatever is refused; prints what became of each."""
    runtime = Callers(home).client("bedrock-runtime")
    with ThreadPoolExecutor(FLOOD_THREADS + 1) as pool:
        ended = pool.submit(sys.stdin.buffer.read)
        asked, next_at = [], time.monotonic()
        while not ended.done():
            asked.append(pool.submit(outcome, runtime, model, len(asked) % QUESTIONS))
            next_at += gap_s
            time.sleep(max(0.0, next_at - time.monotonic()))
        pool.shutdown(cancel_futures=True)  # what a slow machine had no thread for was never sent
    outcomes = [UNSENT if each.cancelled() else each.result() for each in asked]
    print(json.dumps({name: outcomes.count(name) for name in sorted(set(outcomes))}))


def outcome(runtime: Any, model: str, question: int) -> str:
    try:
        converse(runtime, model, question)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "answered"


def trains(running: Running, name: str) -> bool:
    details = job_of(running, name).get("statusDetails", {})
    return bool(details.get("trainingDetails", {}).get("status") == "InProgress")


def standing(running: Running, arn: str) -> dict[str, Any]:
    models = running.throughput()["provisionedModels"]
    found: dict[str, Any] = next(one["standing"] for one in models if one["provisionedModelArn"] == arn)
    return found


def require_same_answers(quiet: Sequence[Answered], busy: Sequence[Answered]) -> None:
    """Ends this program where company changed an answer."""
    texts = {one.question: one.text for one in quiet}
    if any(texts.get(one.question, one.text) != one.text for one in [*quiet, *busy]):
        raise SystemExit("an answer was another one in company")


def p95(answered: Sequence[Answered], what: str = "seconds") -> float:
    return statistics.quantiles((getattr(one, what) for one in answered), n=20, method="inclusive")[-1]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    if FLOODER in sys.argv:
        own_home, own_model, own_gap = sys.argv[-3:]
        flood(Path(own_home), own_model, float(own_gap))
    else:
        main()
