"""The whole way through Bedrock's API: a real `outcrop serve` on a home of its own, asked with boto3, streaming.

The base is bought as provisioned throughput, so that its engine stays. Every client is a boto3 client of its own, which
signs its requests. Knows no ratio and no other server.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from outcrop.cli.options import environment
from serving_peers.material import ANSWER_TOKENS, CLIENTS
from serving_peers.servers import ASKS_WITHIN_S, POLL_S, Prompt, started

MODEL_ID = "meta.llama3-2-1b-instruct-v1:0"
BOUGHT_ID = f"{MODEL_ID}:128k"
STARTS_WITHIN_S = 120.0
STOPS_WITHIN_S = 30.0


class Bedrock:
    """A server that speaks Bedrock's API: one client a prompt, each streaming."""

    def __init__(self, model: Path, scratch: Path) -> None:
        home = scratch / "home"
        outcrop = [sys.executable, "-m", "outcrop.cli"]
        mapping = [*outcrop, "models", "map", "--home", str(home), MODEL_ID, str(model)]
        subprocess.run(mapping, check=True, stdout=sys.stderr)
        words = [*outcrop, "serve", "--home", str(home), "--port", "0"]
        self._process = started(words, scratch / "serve.log", os.cpu_count() or 1, piped=True)
        self._require_ready()
        variables = environment(home)
        self._clients = [client_of(variables, "bedrock-runtime") for _ in range(CLIENTS)]
        self._threads = ThreadPoolExecutor(CLIENTS)
        self._bought = self._buy(client_of(variables, "bedrock"))

    def answer(self, prompts: Sequence[Prompt], models: Sequence[str]) -> tuple[float, list[str]]:
        """The seconds that all took side by side, and what was said. All models are the base that was bought."""
        began = time.monotonic()
        said = list(self._threads.map(self._ask, self._clients, prompts))
        return time.monotonic() - began, said

    def end(self) -> None:
        """Stop the process tree."""
        self._threads.shutdown()
        self._process.terminate()
        self._process.wait(STOPS_WITHIN_S)

    def _require_ready(self) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith(b"ready "):
            raise SystemExit("outcrop serve did not start; see serve.log")

    def _buy(self, bedrock: Any) -> str:
        """Throughput in service: its ARN."""
        asked = {"modelUnits": 1, "provisionedModelName": "bench", "modelId": BOUGHT_ID}
        arn: str = bedrock.create_provisioned_model_throughput(**asked)["provisionedModelArn"]
        give_up = time.monotonic() + STARTS_WITHIN_S
        while (found := bedrock.get_provisioned_model_throughput(provisionedModelId=arn))["status"] != "InService":
            if found["status"] == "Failed" or time.monotonic() > give_up:
                raise SystemExit(f"the throughput is {found['status']}: {found.get('failureMessage')}")
            time.sleep(POLL_S)
        return arn

    def _ask(self, client: Any, prompt: str) -> str:
        body = json.dumps({"prompt": prompt, "max_gen_len": ANSWER_TOKENS, "temperature": 0})
        said = client.invoke_model_with_response_stream(modelId=self._bought, body=body)
        texts, tokens = [], 0
        for event in said["body"]:
            piece = json.loads(event["chunk"]["bytes"])
            texts.append(piece["generation"])
            tokens = piece["generation_token_count"] or tokens
        if tokens != ANSWER_TOKENS:
            raise SystemExit(f"Bedrock's way said {tokens} tokens, not {ANSWER_TOKENS}")
        return "".join(texts)


def client_of(variables: dict[str, str], service: str) -> Any:
    """A boto3 client with a connection of its own, which asks once: a request that is refused ends the comparison."""
    session = boto3.Session(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    return session.client(
        service,
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_DEFAULT_REGION"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=ASKS_WITHIN_S),
    )
