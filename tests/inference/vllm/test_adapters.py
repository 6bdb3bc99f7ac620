"""Adapters have names here and others in vLLM; what vLLM cannot hold is refused with what would be right."""

import json
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from outcrop.domain.errors import OutcropError, SettingsError
from outcrop.inference.vllm.adapters import HELD, KEPT, Adapters
from outcrop.inference.vllm.peer import Card, PeerLost, PeerRefused
from outcrop.services.runtime.engine import EngineSilent, load_adapter


def load(engine: Any, name: str, folder: Path) -> Any:
    return engine.post("/v1/load_lora_adapter", lora_name=name, lora_path=str(folder))


def answer(engine: Any, name: str) -> str:
    """What a model says after token 5."""
    said = engine.said("/v1/completions", model=name, prompt=[5], max_tokens=1, temperature=0)
    text: str = said["choices"][0]["text"]
    return text


def test_an_adapter_answers_is_replaced_and_forgotten(
    vllm_engine: Any, adapters: dict[str, Path], tokenizer: Any
) -> None:
    assert load(vllm_engine, "colours", adapters["a"]).status_code == 200
    names = [model["id"] for model in vllm_engine.client.get("/v1/models").json()["data"]]
    assert names == ["base", "colours"]
    assert answer(vllm_engine, "colours") == tokenizer.decode([5 + 1 + 4])  # its rank is 4
    assert load(vllm_engine, "colours", adapters["b"]).status_code == 200
    assert answer(vllm_engine, "colours") == tokenizer.decode([5 + 1 + 8])
    assert vllm_engine.post("/v1/unload_lora_adapter", lora_name="colours").status_code == 200
    assert vllm_engine.post("/v1/completions", model="colours", prompt=[5], max_tokens=1).status_code == 404
    assert vllm_engine.post("/v1/unload_lora_adapter", lora_name="colours").status_code == 404


def test_whole_weights_are_refused_with_which_engine_serves_them(vllm_engine: Any, other_weights: Path) -> None:
    refused = load(vllm_engine, "whole", other_weights)
    assert refused.status_code == 400
    assert "Serve its base with the embedded engine" in refused.json()["error"]["message"]


def test_vllms_own_refusal_is_passed_on(vllm_engine: Any, adapters: dict[str, Path], tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.mkdir()
    (large / "adapter_model.safetensors").write_bytes((adapters["a"] / "adapter_model.safetensors").read_bytes())
    (large / "adapter_config.json").write_text(json.dumps({"r": 128}))
    sentence = load(vllm_engine, "large", large).json()["error"]["message"]
    assert sentence == "vLLM does not take the adapter: LoRA rank 128 is greater than max_lora_rank 64."


def test_the_bases_name_is_not_given_away(vllm_engine: Any, adapters: dict[str, Path]) -> None:
    assert load(vllm_engine, "base", adapters["a"]).status_code == 400


class Places:
    """A server as far as adapters go: it keeps so many, and reads none again. What was used last goes last."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.kept: list[str] = []
        self.at_touch: OutcropError | None = None

    def load(self, name: str, _: Path) -> None:
        self.known.add(name)
        self._use(name)

    def unload(self, name: str) -> None:
        self.known.remove(name)  # and stays in memory, as in vLLM

    def touch(self, name: str) -> None:
        if self.at_touch is not None:
            raise self.at_touch
        assert name in self.kept, "its folder is gone: vLLM would fail here"
        self._use(name)

    def cards(self) -> list[Card]:
        return [Card(name=name, parent="base", context_tokens=None) for name in self.known]

    def _use(self, name: str) -> None:
        self.kept = [*[other for other in self.kept if other != name][-(KEPT - 1) :], name]


def test_what_is_held_stays_in_vllms_memory_whatever_comes_and_goes(tmp_path: Path) -> None:
    places = Places()
    held = Adapters(places, "base", "ours-", pytest.fail)  # type: ignore[arg-type]  # as far as adapters go
    for number in range(HELD - 1):
        held.load(f"quiet-{number}", tmp_path)
    for _ in range(3 * KEPT):
        held.load("busy", tmp_path)
        quiet = [held.shelf.find(f"quiet-{number}") for number in range(HELD - 1)]
        assert {one.name for one in quiet if one} <= set(places.kept) and all(quiet)
    with pytest.raises(SettingsError, match=f"holds {HELD} custom models, and no more than {HELD}"):
        held.load("one-more", tmp_path)
    assert held.shelf.remove("busy")
    held.load("one-more", tmp_path)


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (PeerLost("busy"), []),
        (PeerRefused(500, "busy"), []),
        (PeerRefused(404, "no such model"), ["vLLM does not have a model that it was given"]),
    ],
)
def test_a_touch_that_fails_is_no_refusal_of_what_was_loaded(
    tmp_path: Path, error: OutcropError, lost: list[str]
) -> None:
    places = Places()
    places.at_touch = error
    told: list[str] = []
    held = Adapters(places, "base", "ours-", told.append)  # type: ignore[arg-type]
    for _ in range(KEPT - HELD):
        held.load("busy", tmp_path)
    assert held.shelf.find("busy") and told == lost


def test_a_model_is_not_forgotten_in_the_middle_of_a_load(tmp_path: Path) -> None:
    places = Places()
    held = Adapters(places, "base", "ours-", pytest.fail)  # type: ignore[arg-type]
    held.load("one", tmp_path)
    with ThreadPoolExecutor() as pool:
        removed = []

        def load(name: str, _: Path) -> None:
            removed.append(pool.submit(held.shelf.remove, "one"))
            assert wait(removed, timeout=0.1).not_done
            places.known.add(name)

        places.load = load  # type: ignore[method-assign]
        held.load("one", tmp_path)
        assert removed[0].result()
    assert not places.known and held.shelf.names() == ["base"]


def test_what_an_engine_before_this_one_left_is_unloaded_and_nothing_elses(tmp_path: Path) -> None:
    places = Places()
    places.known = {"ours-old-1", "theirs-2"}
    Adapters(places, "base", "ours-", pytest.fail).sweep()  # type: ignore[arg-type]
    assert places.known == {"theirs-2"}


def test_a_load_that_finds_vllm_gone_is_no_refusal_of_the_model(
    start_engine: Any, command: Path, adapters: dict[str, Path], until: Any
) -> None:
    """The worker would tell its buyer that the model cannot be served."""
    engine = start_engine("--command", str(command))
    until(engine.ready)
    engine.server.kill()
    with pytest.raises(EngineSilent):
        load_adapter(engine.socket, "colours", adapters["a"])
