"""A thousand custom models over one base, 64 of them hot: what they take, and how soon a cold one says its first token.

A real `outcrop serve`. One job makes an adapter; it is registered a thousand times, each time sealed under a data key
of its own, as a job would have left it: the weights are the same, and nothing here profits from that. 64 are deployed
and asked, all at once; then others are deployed one by one: the time from the request for the deployment to the first
token of its first answer is what a cold model takes. No two prompts begin alike, so that none finds another's keys.

    python benchmarks/many_models.py [--quick] [--models N] [--hot N] [--cold N] [--results FILE]

The last line is JSON: `cold_first_token_s` is the median of cold models; `engine_bytes_a_model` is what the engine's
process grew by for a hot one, `adapter_bytes` what the engine says that an adapter takes.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from running import Running, await_that, machine, prepare, taught

from outcrop.config import Settings
from outcrop.domain import arn as arns
from outcrop.domain.names import new_id
from outcrop.families.catalogue import PEBBLE
from outcrop.services.runtime import engine as face
from outcrop.store import engines, models
from outcrop.training.vault import ModelFolder
from outcrop.worker.ground import WorkerGround, key_context, open_ground

MODELS, HOT, COLD = 1000, 64, 20
QUICK_MODELS, QUICK_HOT, QUICK_COLD = 50, 8, 3
POLL_S = 0.01
ENGINE = "outcrop.inference"


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
    quick = f"{QUICK_MODELS} models, {QUICK_HOT} hot, {QUICK_COLD} cold, unless said otherwise"
    asked.add_argument("--quick", action="store_true", help=quick)
    for name in ("models", "hot", "cold"):
        asked.add_argument(f"--{name}", type=int)
    asked.add_argument("--results", type=Path, help="write a dated result here as well")
    options = asked.parse_args()
    usual = (QUICK_MODELS, QUICK_HOT, QUICK_COLD) if options.quick else (MODELS, HOT, COLD)
    options.models, options.hot, options.cold = (
        given or default for given, default in zip((options.models, options.hot, options.cold), usual, strict=True)
    )
    if options.models < options.hot + options.cold:
        asked.error(f"{options.hot} hot and {options.cold} cold ones are more than {options.models} models")
    return options


def measure(running: Running, options: argparse.Namespace) -> dict[str, Any]:
    first = taught(running, prepare(running), "first")
    began = time.monotonic()
    registered = register(running, first, options.models)
    say(f"{len(registered)} custom models are registered after {time.monotonic() - began:.1f} s")
    runtime = running.client("bedrock-runtime")
    deployed = [deploy(running, registered[0])]
    await_active(running, deployed[0])
    first_token_s(runtime, deployed[0])
    one_hot = running.memory()
    deployed += [deploy(running, arn) for arn in registered[1 : options.hot]]
    began = time.monotonic()
    for arn in deployed:
        await_active(running, arn)
    all_hot_s = time.monotonic() - began
    with ThreadPoolExecutor(options.hot) as pool:
        warm = list(pool.map(lambda arn: first_token_s(runtime, arn), deployed))
    hot = running.memory()
    say(f"{len(deployed)} are hot after {all_hot_s:.1f} s")
    cold = [cold_s(running, runtime, arn) for arn in registered[options.hot : options.hot + options.cold]]
    told = engine_memory(running)["models"]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "benchmarks/many_models.py", *sys.argv[1:]]),
        "machine": machine(),
        "registered": len(registered),
        "hot": len(deployed),
        "memory_bytes_one_hot": one_hot,
        "memory_bytes_all_hot": hot,
        "engine_bytes_a_model": (hot[ENGINE] - one_hot[ENGINE]) // max(1, len(deployed) - 1),
        "adapter_bytes": told["bytes"] // told["count"],
        "deployed_all_within_s": round(all_hot_s, 2),
        "hot_first_token_s_side_by_side": round(statistics.median(warm), 4),
        "cold_first_token_s_each": [round(seconds, 3) for seconds in cold],
        "cold_first_token_s_worst": round(max(cold), 3),
        "cold_first_token_s": round(statistics.median(cold), 3),
    }


def register(running: Running, arn: str, count: int) -> list[str]:
    """The ARNs of so many models: the one that was trained, and its copies, each with keys and files of its own."""
    ground = open_ground(Settings(home=running.home))
    try:
        with ground.database.read() as connection:
            first = models.by_id(connection, arn.rsplit("/", 1)[1])
        assert first is not None
        files = opened(ground, first)
        return [arn, *(copy(ground, first, files, number) for number in range(1, count))]
    finally:
        ground.database.close()


def opened(ground: WorkerGround, model: models.CustomModel) -> dict[str, bytes]:
    """A model's files in the clear."""
    assert model.data_key is not None
    key = ground.keys.unwrap(model.data_key, key_context(model.job_id))
    folder = ModelFolder(ground.model_folder(model.job_id), model.job_id, key)
    return {file.name: folder.read(file.name) for file in folder.path.iterdir()}


def copy(ground: WorkerGround, first: models.CustomModel, files: dict[str, bytes], number: int) -> str:
    """Register one more, with these files. Its ARN."""
    model_id, job_id = new_id(), new_id()
    key, wrapped = ground.keys.generate_data_key(None, key_context(job_id))
    target = ModelFolder(ground.model_folder(job_id), job_id, key)
    for name, content in files.items():
        target.write(name, content)
    made = replace(
        first,
        id=model_id,
        arn=arns.custom_model(first.region, first.account, first.base_model_id, model_id),
        name=f"copy-{number}",
        job_id=job_id,
        data_key=wrapped,
    )
    with ground.database.write() as connection:
        models.add(connection, made)
    return made.arn


def deploy(running: Running, model: str) -> str:
    name = f"on-demand-{model[-12:]}"
    asked = {"modelDeploymentName": name, "modelArn": model}
    arn: str = running.client("bedrock").create_custom_model_deployment(**asked)["customModelDeploymentArn"]
    return arn


def await_active(running: Running, arn: str) -> None:
    get = running.client("bedrock").get_custom_model_deployment

    def active() -> bool:
        found = get(customModelDeploymentIdentifier=arn)
        if found["status"] == "Failed":
            raise SystemExit(f"{arn}: {found.get('failureMessage')}")
        return bool(found["status"] == "Active")

    await_that(active, f"{arn} to be active", every_s=POLL_S)


def engine_memory(running: Running) -> dict[str, Any]:
    """What the pebble's engine says of its memory."""
    return face.memory(engines.socket_of(Settings(home=running.home), PEBBLE))


def first_token_s(runtime: Any, model: str) -> float:
    began = time.perf_counter()
    question = [{"role": "user", "content": [{"text": f"{model[-12:]}: what is the colour of this thing?"}]}]
    limits = {"temperature": 0, "maxTokens": 8}
    stream = runtime.converse_stream(modelId=model, messages=question, inferenceConfig=limits)["stream"]
    seconds = next(time.perf_counter() - began for event in stream if "contentBlockDelta" in event)
    for _ in stream:  # to its end, so that the connection serves the next
        continue
    return seconds


def cold_s(running: Running, runtime: Any, model: str) -> float:
    """From asking for a deployment to the first token."""
    began = time.perf_counter()
    arn = deploy(running, model)
    await_active(running, arn)
    active = time.perf_counter()
    return active - began + first_token_s(runtime, arn)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
