"""A program that speaks as vLLM's server does, where vLLM is not installed: its documented endpoints and refusals.

    python vllm_stand_in.py serve CHECKPOINT --uds PATH | --port N ...

It computes no model: after a token comes the next one of the vocabulary, and with an adapter of rank r the one r places
further on. It starts a process of its own besides, as vLLM does. Knows nothing of Outcrop.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tokenizers import Tokenizer

CONTEXT = 1_000_000
CONTROL_TOKENS = 16  # at the beginning of the vocabularies that tests have
CUT_SHORT = [11, 12, 13]  # a prompt whose answer's connection breaks after its first token
PACE_S = 0.001  # a token: an answer may take as long as a test needs


def following(token: int, rank: int, vocabulary: int) -> int:
    """After the last one it begins anew, beyond the control tokens: an answer does not end by itself."""
    next_one = token + 1 + rank
    return next_one if next_one < vocabulary else next_one - vocabulary + CONTROL_TOKENS


def refusal(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": {"message": sentence, "type": "Error", "param": None, "code": status}}, status)


class StandIn:
    def __init__(self, words: argparse.Namespace) -> None:
        self.words = words
        self.ranks = {words.served_model_name: 0}
        self.vocabulary = json.loads((words.model / "config.json").read_text())["vocab_size"]
        self.tokenizer = Tokenizer.from_file(str(words.model / "tokenizer.json"))

    def routes(self) -> Iterator[Route]:
        yield Route("/health", self.health)
        yield Route("/v1/models", self.models)
        yield Route("/tokenize", self.tokenize, methods=["POST"])
        yield Route("/v1/completions", self.completions, methods=["POST"])
        if os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "").lower() in ("1", "true"):
            yield Route("/v1/load_lora_adapter", self.load, methods=["POST"])
            yield Route("/v1/unload_lora_adapter", self.unload, methods=["POST"])

    async def health(self, request: Request) -> Response:
        return Response() if self._may(request) else refusal(401, "Unauthorized")

    async def models(self, _: Request) -> Response:
        base = self.words.served_model_name
        cards = [
            {"id": name, "parent": None if name == base else base, "max_model_len": CONTEXT if name == base else None}
            for name in self.ranks
        ]
        return JSONResponse({"object": "list", "data": cards})

    async def tokenize(self, request: Request) -> Response:
        text = (await request.json())["prompt"]
        return JSONResponse({"tokens": self.tokenizer.encode(text, add_special_tokens=False).ids})

    async def load(self, request: Request) -> Response:
        asked = await request.json()
        name, folder = asked["lora_name"], Path(asked["lora_path"])
        if not name or not asked["lora_path"]:
            return refusal(400, "Both 'lora_name' and 'lora_path' must be provided.")
        if name in self.ranks:
            return refusal(400, f"The lora adapter '{name}' has already been loaded.")
        if not (folder / "adapter_model.safetensors").exists():
            return refusal(404, f"Loading lora {name} failed: No adapter found for {folder}")
        rank = json.loads((folder / "adapter_config.json").read_text())["r"]
        if rank > self.words.max_lora_rank:
            return refusal(500, f"LoRA rank {rank} is greater than max_lora_rank {self.words.max_lora_rank}.")
        self.ranks[name] = rank
        return Response(f"Success: LoRA adapter '{name}' added successfully.")

    async def unload(self, request: Request) -> Response:
        name = (await request.json())["lora_name"]
        if self.ranks.pop(name, None) is None:
            return refusal(404, f"The lora adapter '{name}' cannot be found.")
        return Response(f"Success: LoRA adapter '{name}' removed successfully.")

    async def completions(self, request: Request) -> Response:
        asked = await request.json()
        if asked["model"] not in self.ranks:
            return refusal(404, f"The model `{asked['model']}` does not exist.")
        if asked.get("priority") and self.words.scheduling_policy != "priority":
            return refusal(400, "Got priority but Priority scheduling is not enabled.")
        if asked.get("stream"):
            return StreamingResponse(self._events(asked), media_type="text/event-stream")
        tokens = [token async for token in self._tokens(asked)]
        return JSONResponse({"choices": [self._choice(asked, tokens, ended=True)]})

    async def _events(self, asked: dict[str, Any]) -> AsyncIterator[str]:
        ends = set(asked.get("stop_token_ids") or ())
        said = 0
        async for token in self._tokens(asked):
            if said and asked["prompt"] == CUT_SHORT:
                raise ConnectionResetError
            said += 1
            choice = self._choice(asked, [token], ended=said == asked["max_tokens"] or token in ends)
            yield f"data: {json.dumps({'choices': [choice]})}\n\n"
        yield "data: [DONE]\n\n"

    async def _tokens(self, asked: dict[str, Any]) -> AsyncIterator[int]:
        ends = set(asked.get("stop_token_ids") or ())
        token = asked["prompt"][-1]
        for _ in range(asked["max_tokens"]):
            await asyncio.sleep(PACE_S)
            token = following(token, self.ranks.get(asked["model"], 0), self.vocabulary)
            yield token
            if token in ends:
                return

    def _choice(self, asked: dict[str, Any], tokens: list[int], ended: bool) -> dict[str, Any]:
        ids = {"token_ids": tokens} if asked.get("return_token_ids") else {}
        choice = {"index": 0, "text": "", "finish_reason": "length" if ended else None, "stop_reason": None, **ids}
        if asked.get("logprobs") is not None:
            choice["logprobs"] = self._scored(asked)
        return choice

    def _scored(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Of the one token that is allowed: the likeliest is the one that would have been said."""
        (token,) = asked["allowed_token_ids"]
        likeliest = following(asked["prompt"][-1], self.ranks[asked["model"]], self.vocabulary)
        own = -0.25 if token == likeliest else -1.5
        top = {f"token_id:{token}": own} | ({f"token_id:{likeliest}": -0.25} if asked["logprobs"] else {})
        return {"tokens": [f"token_id:{token}"], "token_logprobs": [own], "top_logprobs": [top]}

    def _may(self, request: Request) -> bool:
        return self.words.api_key is None or request.headers.get("authorization") == f"Bearer {self.words.api_key}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("model", type=Path)
    parser.add_argument("--uds")
    parser.add_argument("--port", type=int)
    parser.add_argument("--served-model-name", default="its-own-name")
    parser.add_argument("--max-lora-rank", type=int, default=16)
    parser.add_argument("--scheduling-policy", default="fcfs")
    parser.add_argument("--api-key")
    words, _ = parser.parse_known_args()
    subprocess.Popen(["sleep", "600"])  # its engine's process, as it were
    app = Starlette(routes=list(StandIn(words).routes()))
    uvicorn.run(app, uds=words.uds, port=words.port or 0, log_level="warning", timeout_graceful_shutdown=1)


def command_in(folder: Path) -> Path:
    """An executable of vLLM's name that is this program."""
    command = folder / "vllm"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} "$@"\n')
    command.chmod(0o700)
    return command


if __name__ == "__main__":
    main()
