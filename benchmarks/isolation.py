"""Whether a neighbour notices a flood: p95 of its latency while another model floods and a job trains, over quiet.

A real `outcrop serve`, two provisioned custom models of one base. The neighbour asks one question after the other over
boto3 at half of what it bought; the flooder, a process of its own behind all others (`flooding.py`), sends ten times
what it bought, whatever is refused. No two questions begin alike: a prompt whose keys are kept would cost nothing. Each
round there are four companies: quiet, beside the flood (once it has spent what its bucket had saved: that was bought,
too), beside the flood and a training job, beside the training job. Answers are greedy: some of each company's are asked
for again in the end, and must be the same. What each process took of the processors is told, and how many times what
it bought the flood offered, sent, and had no connection left for.

    python benchmarks/isolation.py [--quick] [--results FILE]

The last line is JSON: `neighbour_p95_ratio` is the p95 of whole answers beside flood and training over the quiet one.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from flooding import SERIAL, UNSENT
from running import Running, await_that, job_of, machine, prepare, start_job, taught

FLOOD_UNITS, NEIGHBOUR_UNITS = 2, 4
FLOOD_TIMES = 10
NEIGHBOUR_PART = 0.5  # of what it bought
SPENT_PART = 0.05  # of the flood's saved minute, when it counts as spent
PROMPT_WORDS, ANSWER_TOKENS = 40, 64
QUESTIONS = 8
SERIALS = count()  # of the neighbour's questions
FLOODS_SERIALS = 100_000  # more than one flood sends
TRAINING_ROWS, TRAINING_EPOCHS = 20_000, 5  # longer than any round
QUIET, FLOOD, BOTH, TRAINING = "quiet", "flood", "flood and training", "training"
COMPANIES = (QUIET, FLOOD, BOTH, TRAINING)
OWN = "this program: the neighbour"


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
    asked.add_argument("--quick", action="store_true", help="one round of four times 20 seconds")
    asked.add_argument("--results", type=Path, help="write a dated result here as well")
    options = asked.parse_args()
    options.rounds, options.seconds = (1, 20.0) if options.quick else (3, 60.0)
    return options


def measure(running: Running, options: argparse.Namespace) -> dict[str, Any]:
    role = prepare(running)
    flooded = provision(running, taught(running, role, "flooded"), FLOOD_UNITS)
    neighbour = provision(running, taught(running, role, "neighbour"), NEIGHBOUR_UNITS)
    gap_s = pace(running, neighbour)
    heard: dict[str, list[Answered]] = {company: [] for company in COMPANIES}
    took: dict[str, Counter[str]] = {company: Counter() for company in COMPANIES}
    floods = []

    def listen(company: str) -> None:
        before = processor_s()
        heard[company] += ask(running, neighbour, gap_s["neighbour"], options.seconds)
        took[company].update(processor_s() - before)
        say(f"{company}: p95 {p95(heard[company]):.3f} s")

    for number in range(options.rounds):
        job = f"training-{number}"
        listen(QUIET)
        flood = Flood(running, flooded, gap_s["flood"], number * FLOODS_SERIALS)
        await_that(lambda: standing(running, flooded)["partLeft"] < SPENT_PART, "a flood that has spent its bucket")
        listen(FLOOD)
        start_job(running, role, job, TRAINING_ROWS, TRAINING_EPOCHS)
        await_that(lambda name=job: trains(running, name), "a job that trains")
        listen(BOTH)
        floods.append(flood.end())
        listen(TRAINING)
        still_trains = trains(running, job)
        running.client("bedrock").stop_model_customization_job(jobIdentifier=job)
        if not still_trains:
            raise SystemExit("the training job ended before the round did: give it more rows")
        say(f"round {number}: {floods[-1]}")
    require_same_answers(running, neighbour, heard)
    found = result(running, heard, floods)
    return {**found, "processor_s": {company: rounded(took[company]) for company in COMPANIES}, **ratios(heard)}


def result(running: Running, heard: Mapping[str, list[Answered]], floods: list[dict[str, Any]]) -> dict[str, Any]:
    engine = running.throughput()["engines"][0]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "benchmarks/isolation.py", *sys.argv[1:]]),
        "machine": machine(),
        "measured": {name: engine[name] for name in ("inputTokensPerSecond", "outputTokensPerSecond")},
        "neighbour": {
            company: told(heard[company]) for company in COMPANIES
        },  # a refusal would have ended this program
        "floods": floods,
    }


def told(answered: Sequence[Answered]) -> dict[str, Any]:
    seconds = [one.seconds for one in answered]
    return {
        "asked": len(answered),
        "p50_s": statistics.median(seconds),
        "p95_s": p95(answered),
        "first_token_p95_s": p95(answered, "first_s"),
    }


def ratios(heard: Mapping[str, list[Answered]]) -> dict[str, float]:
    quiet = p95(heard[QUIET])
    return {
        "flood_p95_ratio": round(p95(heard[FLOOD]) / quiet, 3),
        "training_p95_ratio": round(p95(heard[TRAINING]) / quiet, 3),
        "neighbour_p95_ratio": round(p95(heard[BOTH]) / quiet, 3),
    }


def processor_s() -> Counter[str]:
    """Processor time that each process has taken so far: of the server's tree, of the flood, of this program."""
    found: Counter[str] = Counter({OWN: sum(os.times()[:2])})
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            times = process.cpu_times()
            found[module_of(process)] += times.user + times.system
    return found


def module_of(process: psutil.Process) -> str:
    words = process.cmdline()
    return words[words.index("-m") + 1] if "-m" in words else Path(words[1]).name


def rounded(took: Mapping[str, float]) -> dict[str, float]:
    return {name: round(seconds, 2) for name, seconds in took.items() if seconds > 0}


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
    usage = converse(running.client("bedrock-runtime"), model, next(SERIALS))["usage"]
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
    ends = time.monotonic() + seconds
    while (began := time.monotonic()) < ends:
        answered.append(streamed(runtime, model, next(SERIALS)))
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
    return {"modelId": model, **question_of(question % QUESTIONS, f"{question:06d}")}


def question_of(number: int, serial: str) -> dict[str, Any]:
    words = " ".join(f"thing {number}" for number in range(number, number + PROMPT_WORDS // 2))
    return {
        "messages": [{"role": "user", "content": [{"text": f"{serial}: tell of {words}."}]}],
        "inferenceConfig": {"temperature": 0, "maxTokens": ANSWER_TOKENS},
    }


class Flood:
    """Questions without mercy, from a process of its own."""

    def __init__(self, running: Running, model: str, gap_s: float, first: int) -> None:
        bodies = json.dumps([question_of(number, SERIAL) for number in range(QUESTIONS)])
        program = str(Path(__file__).with_name("flooding.py"))
        words = [program, str(running.home), model, bodies, str(gap_s), str(first)]
        self._gap_s = gap_s
        self._process = subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def end(self) -> dict[str, Any]:
        """Stop it; what became of its questions."""
        told, _ = self._process.communicate(b"")
        found: dict[str, Any] = json.loads(told)
        return {**found, "times_bought": self._times_bought(found["seconds"], found["outcomes"])}

    def _times_bought(self, seconds: float, outcomes: Mapping[str, int]) -> dict[str, float]:
        offered, unsent = sum(outcomes.values()), outcomes.get(UNSENT, 0)
        counts = {"offered": offered, "sent": offered - unsent, "unsent": unsent}
        return {name: round(FLOOD_TIMES * number * self._gap_s / seconds, 2) for name, number in counts.items()}


def trains(running: Running, name: str) -> bool:
    details = job_of(running, name).get("statusDetails", {})
    return bool(details.get("trainingDetails", {}).get("status") == "InProgress")


def standing(running: Running, arn: str) -> dict[str, Any]:
    models = running.throughput()["provisionedModels"]
    found: dict[str, Any] = next(one["standing"] for one in models if one["provisionedModelArn"] == arn)
    return found


def require_same_answers(running: Running, neighbour: str, heard: Mapping[str, list[Answered]]) -> None:
    """Ends this program where company changed an answer, as far as the last of each company tell."""
    runtime = running.client("bedrock-runtime")
    last = [one for answered in heard.values() for one in answered[-QUESTIONS:]]
    if any(streamed(runtime, neighbour, one.question).text != one.text for one in last):
        raise SystemExit("an answer was another one in company")


def p95(answered: Sequence[Answered], what: str = "seconds") -> float:
    return statistics.quantiles((getattr(one, what) for one in answered), n=20, method="inclusive")[-1]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
