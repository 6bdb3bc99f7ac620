"""The engine says token for token what transformers' generate says, whatever else runs beside."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from outcrop.domain.errors import SettingsError
from outcrop.inference.asking import Sampling
from outcrop.inference.cache import Cache
from outcrop.inference.models import Models
from outcrop.inference.runner import Runner
from outcrop.inference.scheduler import Answer, Limits, Scheduler
from outcrop.modeling.config import LlamaConfig

CPU = torch.device("cpu")
Expected = Callable[[str, list[int], int], list[int]]


class Silent:
    def push(self, token: int) -> tuple[str, str | None]:
        return "", None

    def finish(self) -> tuple[str, str | None]:
        return "", None


@pytest.fixture(scope="module")
def models(checkpoint: Path, adapters: dict[str, Path], other_weights: Path) -> Models:
    loaded = Models(checkpoint, LlamaConfig.load(checkpoint), CPU)
    for name, folder in adapters.items():
        loaded.load(name, folder)
    loaded.load("full", other_weights)
    return loaded


def ragged_prompt(number: int, length: int) -> list[int]:
    return [0, *(random.Random(number).randrange(4, 320) for _ in range(length - 1))]


def asked(models: Models, name: str, prompt: list[int], sampling: Sampling) -> Answer:
    return Answer(prompt=prompt, sampling=sampling, model=models.shelf.find(name), writer=Silent())


def run_staggered(scheduler: Scheduler, runner: Runner, answers: list[Answer], gap: int) -> None:
    """A newcomer every `gap` steps."""
    coming, steps = list(answers), 0
    while coming or scheduler.busy:
        if coming and steps % gap == 0:
            scheduler.submit(coming.pop(0))
        step = scheduler.decide()
        if step is not None:
            scheduler.absorb(step, runner.do(step))
        steps += 1


def parts(checkpoint: Path, rows: int = 6, cache_tokens: int = 2048, prefill: int = 32) -> tuple[Scheduler, Runner]:
    config = LlamaConfig.load(checkpoint)
    limits = Limits(rows=rows, cache_tokens=cache_tokens, context_tokens=config.context_tokens, prefill_tokens=prefill)
    return Scheduler(limits, frozenset()), Runner(Cache(config, cache_tokens, CPU))


@pytest.mark.parametrize(("rows", "cache_tokens"), [(6, 2048), (3, 400), (1, 192)])
def test_ragged_staggered_mixed_models_equal_generate(
    checkpoint: Path, models: Models, expected: Expected, rows: int, cache_tokens: int
) -> None:
    scheduler, runner = parts(checkpoint, rows, cache_tokens)
    names = ["base", "a", "b", "a", "full", "c", "base", "b", "c", "full"]
    answers = [
        asked(models, name, ragged_prompt(at, 3 + 11 * at), Sampling(max_tokens=8 + 3 * at, seed=0, temperature=0.0))
        for at, name in enumerate(names)
    ]
    run_staggered(scheduler, runner, answers, gap=3)
    for name, answer in zip(names, answers, strict=True):
        wanted = expected(name, list(answer.prompt), answer.sampling.max_tokens)
        assert answer.known[len(answer.prompt) :] == wanted


def test_models_differ_so_that_equality_means_something(expected: Expected) -> None:
    said = {name: tuple(expected(name, ragged_prompt(1, 10), 12)) for name in ("base", "a", "b", "c", "full")}
    assert len(set(said.values())) == len(said)


def test_a_seed_gives_the_same_text_alone_and_in_company(checkpoint: Path, models: Models) -> None:
    def seeded(seed: int) -> Answer:
        sampling = Sampling(max_tokens=24, seed=seed, temperature=0.9, top_p=0.95, top_k=50)
        return asked(models, "a", ragged_prompt(3, 20), sampling)

    alone, beside, other = seeded(7), seeded(7), seeded(8)
    run_staggered(*parts(checkpoint), [alone], gap=1)
    company = [asked(models, name, ragged_prompt(at, 30), Sampling(max_tokens=30, seed=at)) for at, name in
               enumerate(["base", "b", "full", "c"])]  # fmt: skip
    run_staggered(*parts(checkpoint), [*company[:2], beside, other, *company[2:]], gap=2)
    assert alone.known == beside.known
    assert alone.known != other.known


def test_a_prompts_log_probabilities_are_transformers_in_pieces_and_in_company(
    checkpoint: Path, models: Models, adapters: dict[str, Path], merged: Callable[..., Any]
) -> None:
    names = {"base": None, "a": adapters["a"], "c": adapters["c"]}
    scored = [
        asked(models, name, ragged_prompt(at, 70), Sampling(max_tokens=2, seed=0, temperature=0.0, prompt_logprobs=3))
        for at, name in enumerate(names)
    ]
    unscored = asked(models, "b", ragged_prompt(9, 50), Sampling(max_tokens=4, seed=0))
    run_staggered(*parts(checkpoint, prefill=32), [*scored, unscored], gap=1)
    assert unscored.prompt_scores == []
    for answer, folder in zip(scored, names.values(), strict=True):
        prompt = torch.tensor(answer.prompt)
        with torch.no_grad():
            chances = merged(checkpoint, folder)(prompt[None, :-1]).logits[0].log_softmax(-1)
        assert len(answer.prompt_scores) == len(prompt) - 1
        for place, (token, row) in enumerate(zip(prompt[1:].tolist(), chances, strict=True)):
            own, *others = answer.prompt_scores[place]
            best = [best for best in row.topk(3).indices.tolist() if best != token]
            assert (own.token, [other.token for other in others]) == (token, best)
            assert own.rank == int((row > row[token]).sum()) + 1
            for one in (own, *others):
                assert one.logprob == pytest.approx(float(row[one.token]), abs=1e-4)


def test_what_is_said_of_chosen_tokens_is_transformers_in_company(
    checkpoint: Path, models: Models, adapters: dict[str, Path], merged: Callable[..., Any]
) -> None:
    """Each as many as it asked for, whatever the temperature; who asked for none gets none."""
    names = {"base": (None, 0), "a": (adapters["a"], 5), "c": (adapters["c"], 2)}
    answers = [
        asked(models, name, ragged_prompt(at, 20), Sampling(max_tokens=9, seed=at, temperature=0.8, logprobs=likeliest))
        for at, (name, (_, likeliest)) in enumerate(names.items())
    ]
    unscored = asked(models, "b", ragged_prompt(9, 15), Sampling(max_tokens=9, seed=0))
    run_staggered(*parts(checkpoint), [*answers, unscored], gap=1)
    assert unscored.scores == []
    for answer, (folder, likeliest) in zip(answers, names.values(), strict=True):
        with torch.no_grad():
            logits = merged(checkpoint, folder)(torch.tensor([answer.known[:-1]])).logits[0]
        rows = logits[len(answer.prompt) - 1 :].log_softmax(-1)
        for (own, *others), row, token in zip(answer.scores, rows, answer.known[len(answer.prompt) :], strict=True):
            assert own.token == token and own.rank == int((row > row[token]).sum()) + 1
            assert [one.token for one in others] == [
                best for best in row.topk(max(likeliest, 1)).indices.tolist() if best != token
            ][: likeliest or 0]
            for one in (own, *others):
                assert one.logprob == pytest.approx(float(row[one.token]), abs=1e-4)


def test_a_cancelled_answer_leaves_the_others_exact(checkpoint: Path, models: Models, expected: Expected) -> None:
    scheduler, runner = parts(checkpoint)
    greedy = Sampling(max_tokens=20, seed=0, temperature=0.0)
    answers = [asked(models, "base", ragged_prompt(at, 12 + at), greedy) for at in range(4)]
    for answer in answers:
        scheduler.submit(answer)
    for steps in range(40):
        answers[0].cancelled = steps >= 4
        step = scheduler.decide()
        if step is None:
            break
        scheduler.absorb(step, runner.do(step))
    assert answers[0].output_tokens < 20
    for answer in answers[1:]:
        assert answer.known[len(answer.prompt) :] == expected("base", list(answer.prompt), 20)


def test_the_cache_stays_within_its_budget(checkpoint: Path, models: Models) -> None:
    config = LlamaConfig.load(checkpoint)
    cache = Cache(config, 400, CPU)
    scheduler, _ = parts(checkpoint, rows=8, cache_tokens=400)
    runner, largest = Runner(cache), 0
    for at in range(8):
        scheduler.submit(asked(models, "base", ragged_prompt(at, 10 + 12 * at), Sampling(max_tokens=40, seed=at)))
    while (step := scheduler.decide()) is not None:
        scheduler.absorb(step, runner.do(step))
        rows, positions = cache.shape
        largest = max(largest, rows * positions)
    assert 0 < largest <= 400


def test_an_adapter_that_does_not_fit_is_refused(models: Models, adapters: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes((adapters["a"] / "adapter_model.safetensors").read_bytes())
    (tmp_path / "adapter_config.json").write_text('{"r": 4, "lora_alpha": 8, "use_dora": true}')
    with pytest.raises(SettingsError, match="use_dora"):
        models.load("dora", tmp_path)
    assert models.shelf.find("dora") is None


def test_a_folder_without_weights_and_the_base_name_are_refused(models: Models, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="neither"):
        models.load("nothing", tmp_path)
    with pytest.raises(SettingsError, match="'base'"):
        models.load("base", tmp_path)


def test_whole_weights_that_lack_a_tensor_or_have_another_shape_are_refused(
    models: Models, other_weights: Path, tmp_path: Path
) -> None:
    tensors = load_file(other_weights / "model.safetensors")
    save_file({name: tensor for name, tensor in tensors.items() if "norm" not in name}, tmp_path / "model.safetensors")
    about = json.loads((other_weights / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(about))
    with pytest.raises(SettingsError, match="no tensor"):
        models.load("lacking", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**about, "num_hidden_layers": 3}))
    with pytest.raises(SettingsError, match="another shape"):
        models.load("lacking", tmp_path)
