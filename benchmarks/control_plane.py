"""How fast the control plane answers, against moto_server: the same calls, the same client, one run.

Two measures, each in rounds that alternate between the servers, so that a busy moment of the machine meets both:
requests per second of a signed ListCustomModels over raw keep-alive HTTP, and calls per second through boto3 over a mix
of reads. Both servers hold the same ten custom models, and every raw answer is checked to list ten. Outcrop is
the real `outcrop serve`, which checks each signature; moto_server, in an environment of its own that this script makes,
checks none. The request is signed once a round: what signing costs the client is not measured.

    python benchmarks/control_plane.py [--quick] [--results FILE]
"""

import argparse
import asyncio
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import boto3
import uvloop
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

MOTO = "moto[server]==5.2.5"
REGION = "us-east-1"
MODELS = 10
CONNECTIONS = 16
STARTS_WITHIN_S = 60
STOPS_WITHIN_S = 15
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
BASE_MODEL = "amazon.titan-text-lite-v1:0:4k"


@dataclass(frozen=True)
class Length:
    """How long to measure."""

    rounds: int
    seconds: float


QUICK, FULL = Length(rounds=5, seconds=3.0), Length(rounds=15, seconds=8.0)


@dataclass(frozen=True)
class Server:
    """A server under measure and the key to call it with."""

    name: str
    url: str
    key: Credentials

    def client(self) -> Any:
        """boto3's client for bedrock."""
        return boto3.client(
            "bedrock",
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=self.key.access_key,
            aws_secret_access_key=self.key.secret_key,
            config=Config(retries={"total_max_attempts": 1}),
        )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument(
        "--quick", action="store_true", help="about two minutes, most of it for building moto's environment"
    )
    asked.add_argument("--results", type=Path, help="write a dated result here as well")
    options = asked.parse_args()
    python = moto_python()
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as scratch, both(python, Path(scratch)) as (ours, theirs):
        measured = measure(ours, theirs, QUICK if options.quick else FULL)
    result = summary(measured, quick=options.quick)
    if options.results:
        options.results.write_text(
            json.dumps({**about_this_run(options.quick), **result, "rounds": measured}, indent=1) + "\n"
        )
    say(f"Outcrop {result['outcrop']}, moto_server {result['moto']}")
    print(json.dumps({name: result[name] for name in ("list_custom_models_vs_moto", "through_boto3_vs_moto")}))


# --- the measures -----------------------------------------------------------------------------------------------------


def measure(ours: Server, theirs: Server, length: Length) -> dict[str, list[float]]:
    """Rates by server and measure, one of each a round."""
    rates: dict[str, list[float]] = {}
    measures: dict[str, Callable[[Server, float], float]] = {"raw": raw_rate, "boto3": boto3_rate}
    for warming in (ours, theirs):
        for rate in measures.values():
            rate(warming, 0.5)
    for number in range(length.rounds):
        for name, rate in measures.items():
            for server in (ours, theirs):
                rates.setdefault(f"{server.name} {name}", []).append(rate(server, length.seconds))
        say(
            f"round {number + 1} of {length.rounds}: "
            + ", ".join(f"{key} {all_[-1]:.0f}/s" for key, all_ in rates.items())
        )
    return rates


def summary(measured: dict[str, list[float]], *, quick: bool) -> dict[str, Any]:
    """Medians, and the ratios of the medians."""
    medians = {name: statistics.median(rates) for name, rates in measured.items()}
    return {
        "outcrop": {
            "raw_requests_per_s": round(medians["outcrop raw"]),
            "boto3_calls_per_s": round(medians["outcrop boto3"]),
        },
        "moto": {"raw_requests_per_s": round(medians["moto raw"]), "boto3_calls_per_s": round(medians["moto boto3"])},
        "list_custom_models_vs_moto": round(medians["outcrop raw"] / medians["moto raw"], 2),
        "through_boto3_vs_moto": round(medians["outcrop boto3"] / medians["moto boto3"], 2),
    }


def raw_rate(server: Server, seconds: float) -> float:
    """Answered ListCustomModels requests per second over keep-alive connections."""
    return uvloop.run(_raw_rate(server, seconds))


async def _raw_rate(server: Server, seconds: float) -> float:
    askers = [Asker(signed_request(server), urlsplit(server.url)) for _ in range(CONNECTIONS)]
    started = time.perf_counter()
    for asker in askers:
        asker.connect()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - started
    for asker in askers:
        asker.stop()
    await asyncio.wait_for(asyncio.gather(*(asker.ended for asker in askers)), STOPS_WITHIN_S)
    return sum(asker.answered for asker in askers) / elapsed


class Asker(asyncio.Protocol):
    """One connection that asks again as soon as it is answered. Opened again where the server closes it."""

    def __init__(self, request: bytes, address: SplitResult) -> None:
        self._request, self._address = request, address
        self._received, self._wanted = b"", 0
        self._transport: asyncio.Transport | None = None
        self._stopped = False
        self.answered = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connect(self) -> None:
        """Open the connection; what fails there ends the run."""
        loop = asyncio.get_running_loop()
        opening = loop.create_task(loop.create_connection(lambda: self, self._address.hostname, self._address.port))
        opening.add_done_callback(lambda task: task.exception() and self._fail(task.exception()))

    def stop(self) -> None:
        """Ask no more."""
        self._stopped = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        """Ask first."""
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Ask again when the answer is whole."""
        self._received = self._received + data if self._received else data
        try:
            if not self._wanted:
                self._wanted = whole_length(self._received)
            if self._wanted and len(self._received) >= self._wanted:
                self._answered()
        except ValueError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server may close after an answer, not within one."""
        if self._stopped:
            if not self.ended.done():
                self.ended.set_result(None)
        elif self._received:
            self._fail(exc or ConnectionError("the server closed in the middle of an answer"))
        else:
            self.connect()

    def _answered(self) -> None:
        check(self._received)
        closes = CLOSES.search(self._received) is not None
        self._received, self._wanted = b"", 0
        self.answered += 1
        assert self._transport is not None
        if closes:
            self._transport.close()
        else:
            self._transport.write(self._request)

    def _fail(self, error: BaseException | None) -> None:
        if error is not None and not self.ended.done():
            self.ended.set_exception(error)
            self.stop()


def whole_length(received: bytes) -> int:
    """How long the answer is by what its head says, or 0 while the head is not whole."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return 0
    found = re.search(rb"\r\ncontent-length: *(\d+)", received[: end + 2], re.IGNORECASE)
    if found is None:
        raise ValueError(f"an answer without content-length: {received[:300]!r}")
    return end + 4 + int(found[1])


def check(answer: bytes) -> None:
    """The answer must be whole and list every model: a fast refusal is not an answer."""
    if not answer.startswith(b"HTTP/1.1 200 ") or answer.count(b'"modelArn"') != MODELS:
        raise ValueError(f"not a list of {MODELS} models: {answer[:500]!r}")


def signed_request(server: Server) -> bytes:
    """A ListCustomModels as bytes, signed now."""
    request = AWSRequest("GET", f"{server.url}/custom-models")
    SigV4Auth(server.key, "bedrock", REGION).add_auth(request)
    host = urlsplit(server.url).netloc
    lines = [
        f"{name}: {value}" for name, value in {"Host": host, "User-Agent": "Boto3/1.44", **request.headers}.items()
    ]
    return "\r\n".join(["GET /custom-models HTTP/1.1", *lines, "", ""]).encode()


def boto3_rate(server: Server, seconds: float) -> float:
    """Calls per second of one boto3 client over a mix of reads."""
    calls = mix(server.client())
    made, started = 0, time.perf_counter()
    while time.perf_counter() < started + seconds:
        for call in calls:
            call()
        made += len(calls)
    return made / (time.perf_counter() - started)


def mix(client: Any) -> list[Callable[[], Any]]:
    """What a script that watches its jobs and models calls."""
    model = client.list_custom_models()["modelSummaries"][0]
    job = client.list_model_customization_jobs()["modelCustomizationJobSummaries"][0]
    return [
        client.list_custom_models,
        lambda: client.get_custom_model(modelIdentifier=model["modelArn"]),
        lambda: client.list_tags_for_resource(resourceARN=model["modelArn"]),
        lambda: client.get_model_customization_job(jobIdentifier=job["jobName"]),
    ]


# --- the servers ------------------------------------------------------------------------------------------------------


@contextmanager
def both(moto_python: Path, scratch: Path) -> Iterator[tuple[Server, Server]]:
    """Outcrop and moto_server, side by side."""
    with outcrop(scratch / "home", scratch) as ours, moto(moto_python, scratch) as theirs:
        yield ours, theirs


def moto_python() -> Path:
    """The interpreter of an environment that has moto, made at the first run and kept."""
    cache = Path(os.environ.get("OUTCROP_BENCH_CACHE") or Path.home() / ".cache" / "outcrop-bench")
    folder = cache / MOTO.replace("[", "-").replace("]", "").replace("==", "-")
    python, finished = folder / "bin" / "python", folder / "finished"
    if not finished.exists():
        say(f"making an environment with {MOTO} (once)")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", MOTO], check=True, stdout=sys.stderr)
        finished.touch()
    return python


@contextmanager
def moto(python: Path, logs: Path) -> Iterator[Server]:
    """A moto_server with its models, which its jobs make at once."""
    port = free_port()
    command = [str(python.parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with process(command, logs / "moto.log"):
        server = Server("moto", f"http://127.0.0.1:{port}", Credentials("AKIAIOSFODNN7EXAMPLE", "x" * 40))
        until_it_answers(server)
        seed_moto(server.client())
        yield server


def seed_moto(client: Any) -> None:
    for number in range(MODELS):
        client.create_model_customization_job(
            jobName=f"job-{number}",
            customModelName=f"model-{number}",
            roleArn="arn:aws:iam::123456789012:role/bench",
            baseModelIdentifier=BASE_MODEL,
            trainingDataConfig={"s3Uri": "s3://bench-bucket/train.jsonl"},
            outputDataConfig={"s3Uri": "s3://bench-bucket/out/"},
            hyperParameters={"epochCount": "1"},
            customModelTags=[{"key": "team", "value": "bench"}],
        )


@contextmanager
def outcrop(home: Path, logs: Path) -> Iterator[Server]:
    """An `outcrop serve` on a home that holds the models already."""
    key = seed_outcrop(home)
    port = free_port()
    command = [str(Path(sys.executable).parent / "outcrop"), "serve", "--home", str(home), "--port", str(port)]
    with process(command, logs / "outcrop.log"):
        server = Server("outcrop", f"http://127.0.0.1:{port}", key)
        until_it_answers(server)
        yield server


def seed_outcrop(home: Path) -> Credentials:
    """Models as jobs leave them, by the way that the worker takes, without the training."""
    from outcrop.config import Settings
    from outcrop.domain.states import JobStatus
    from outcrop.services import table
    from outcrop.store import jobs
    from outcrop.store.home import open_home

    assert table.OPERATIONS, "imported first, so that every table is known"
    opened = open_home(Settings(home=home))
    for number in range(MODELS):
        with opened.database.write() as connection:
            jobs.add(connection, finished_job(number, opened.account))
        claimed = jobs.claim(opened.database, "bench", datetime.now(UTC), 60, 1)
        assert claimed is not None
        outcome = jobs.Outcome(status=JobStatus.COMPLETED, training_loss=1.0, checkpoint="pebble")
        jobs.settle(opened.database, claimed, outcome, datetime.now(UTC))
    key = opened.administrator()
    opened.close()
    return Credentials(key.access_key_id, key.secret)


def finished_job(number: int, account: str) -> Any:
    from outcrop.domain import arn
    from outcrop.domain.names import new_id
    from outcrop.domain.states import Phase
    from outcrop.store import jobs

    job_id, now = new_id(), datetime.now(UTC)
    return jobs.Job(
        id=job_id,
        arn=arn.customization_job(REGION, account, BASE_MODEL, job_id),
        account=account,
        region=REGION,
        name=f"job-{number}",
        model_id=new_id(),
        model_name=f"model-{number}",
        model_tags={"team": "bench"},
        base_model_id=BASE_MODEL,
        customization_type="FINE_TUNING",
        role_arn=arn.iam(account, "role/bench"),
        hyperparameters={"epochCount": "1"},
        training_data={"s3Uri": "s3://bench-bucket/train.jsonl"},
        validation_data={},
        output_data={"s3Uri": "s3://bench-bucket/out/"},
        phases={phase.value: {"status": "Completed", "creationTime": 0.0, "lastModifiedTime": 0.0} for phase in Phase},
        validation_losses=[],
        created_at=now,
        modified_at=now,
    )


@contextmanager
def process(command: list[str], log: Path) -> Iterator[None]:
    """A process group that ends with the block."""
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            yield
        except BaseException:
            say(log.read_text()[-2000:])
            raise
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()


def until_it_answers(server: Server) -> None:
    """Wait for the first answer."""
    client, deadline = server.client(), time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            client.list_custom_models()
            return
        except OSError as refused:
            reason = refused
        except Exception as refused:
            if "Could not connect" not in str(refused):
                raise
            reason = refused
        if time.monotonic() > deadline:
            raise SystemExit(f"{server.name} does not answer: {reason}")
        time.sleep(0.1)


def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def about_this_run(quick: bool) -> dict[str, Any]:
    """What a reader needs to judge the numbers."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/control_plane.py" + (" --quick" if quick else ""),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "load_average_after": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "peer": MOTO,
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
