"""On any architecture the engine says token for token what transformers' generate says, whatever runs beside."""

import random
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from architectures import VOCABULARY, network, write_network
from outcrop.domain.errors import SettingsError
from outcrop.domain.plan import LoraPlan
from outcrop.inference.asking import Sampling
from outcrop.inference.general_models import GeneralModels
from outcrop.inference.general_runner import GeneralRunner, Habits, look_at
from outcrop.inference.scheduler import Answer, Limits, Scheduler
from outcrop.modeling.adapters import GeneralAdapter
from outcrop.modeling.general import General
from outcrop.modeling.linear_layers import spelled_out
from outcrop.training.adapter import AdapterData

CPU = torch.device("cpu")
COUNT = 12
# Windows of 8 tokens, capped logits, positions that are learnt, experts, a state instead of keys and values.
KINDS = ("qwen3", "mistral", "gemma2", "gpt2", "mixtral", "opt")


class Silent:
    def push(self, token: int) -> tuple[str, str | None]:
        return "", None

    def finish(self) -> tuple[str, str | None]:
        return "", None


def prompt_of(number: int, length: int) -> list[int]:
    return [random.Random(number).randrange(VOCABULARY) for _ in range(length)]


def asked(models: GeneralModels, name: str, prompt: list[int], sampling: Sampling) -> Answer:
    return Answer(prompt=prompt, sampling=sampling, model=models.shelf.find(name), writer=Silent())


def greedy(count: int = COUNT) -> Sampling:
    return Sampling(max_tokens=count, seed=0, temperature=0.0)


def run(models: GeneralModels, answers: list[Answer], habits: Habits | None = None) -> None:
    """A newcomer every third step; prompts in pieces of 7 tokens."""
    limits = Limits(rows=3, cache_tokens=3 * 128, context_tokens=128, prefill_tokens=7)
    scheduler = Scheduler(limits, frozenset())
    runner = GeneralRunner(habits or look_at(models.base), CPU)
    coming, steps = list(answers), 0
    while coming or scheduler.busy:
        if coming and steps % 3 == 0:
            scheduler.submit(coming.pop(0))
        step = scheduler.decide()
        if step is not None:
            scheduler.absorb(step, runner.do(step))
        steps += 1


def said(answer: Answer) -> list[int]:
    return answer.known[len(answer.prompt) :]


@torch.no_grad()
def generated(model: torch.nn.Module, prompt: list[int], count: int = COUNT) -> list[int]:
    """Greedy, a whole pass for each token: the plainest oracle that there is."""
    known = list(prompt)
    for _ in range(count):
        known.append(int(model(input_ids=torch.tensor([known]), use_cache=False).logits[0, -1].argmax()))
    return known[len(prompt) :]


def write_adapter(checkpoint: Path, folder: Path, seed: int) -> GeneralAdapter:
    """A trained-looking adapter, on disk as training writes it; answers it on its model."""
    model = General.load(checkpoint)
    spelled = spelled_out(model.network, LoraPlan(rank=3, alpha=6))
    adapter = GeneralAdapter(model, spelled, seed)
    torch.manual_seed(seed)
    for part in adapter.values():
        torch.nn.init.normal_(part.up, std=0.2)
    data = AdapterData(plan=spelled, tensors=adapter.give())
    folder.mkdir()
    (folder / "adapter_config.json").write_bytes(data.config())
    (folder / "adapter_model.safetensors").write_bytes(data.weights())
    return adapter


@pytest.mark.parametrize("kind", KINDS)
def test_mixed_models_side_by_side_equal_transformers(kind: str, tmp_path: Path) -> None:
    write_network(kind, tmp_path / "base")
    write_network(kind, tmp_path / "full", seed=7)
    oracles = {"base": network(tmp_path / "base"), "full": network(tmp_path / "full")}
    models = GeneralModels(tmp_path / "base", CPU)
    for seed, name in enumerate(("a", "b")):
        adapter = write_adapter(tmp_path / "base", tmp_path / name, seed)
        adapter.merge()
        adapter.detach()
        oracles[name] = adapter._model.network
        models.load(name, tmp_path / name)
    models.load("full", tmp_path / "full")
    names = ["base", "a", "b", "full", "a", "base"]
    answers = [asked(models, name, prompt_of(at, 3 + 6 * at), greedy()) for at, name in enumerate(names)]
    run(models, answers)
    for name, answer in zip(names, answers, strict=True):
        assert said(answer) == generated(oracles[name], list(answer.prompt)), f"{kind}, {name}"
    assert len({tuple(generated(oracle, prompt_of(1, 9))) for oracle in oracles.values()}) > 2


@pytest.mark.parametrize("kind", ["gemma2", "gpt2"])
def test_a_prompts_log_probabilities_are_transformers(kind: str, tmp_path: Path) -> None:
    write_network(kind, tmp_path / "base")
    adapter = write_adapter(tmp_path / "base", tmp_path / "a", 3)
    adapter.merge()
    adapter.detach()
    models = GeneralModels(tmp_path / "base", CPU)
    models.load("a", tmp_path / "a")
    oracles = {"base": network(tmp_path / "base"), "a": adapter._model.network}
    scoring = Sampling(max_tokens=2, seed=0, temperature=0.0, prompt_logprobs=2)
    answers = [asked(models, name, prompt_of(at, 17), scoring) for at, name in enumerate(oracles)]
    run(models, answers)
    for answer, oracle in zip(answers, oracles.values(), strict=True):
        with torch.no_grad():
            chances = oracle(input_ids=torch.tensor([answer.prompt[:-1]])).logits[0].float().log_softmax(-1)
        assert len(answer.prompt_scores) == len(answer.prompt) - 1
        for token, row, place in zip(answer.prompt[1:], chances, answer.prompt_scores, strict=True):
            assert place[0].token == token
            for scored in place:
                assert scored.logprob == pytest.approx(float(row[scored.token]), abs=1e-4)


def test_without_a_cache_the_same_is_said(tmp_path: Path) -> None:
    write_network("qwen3", tmp_path / "base")
    models = GeneralModels(tmp_path / "base", CPU)
    habits = look_at(models.base)
    assert habits.caches and habits.bytes_a_token == 2 * 2 * 2 * 8 * 4
    without = Habits(caches=False, bytes_a_token=0)
    one, two = (asked(models, "base", prompt_of(3, 20), greedy()) for _ in range(2))
    run(models, [one], habits)
    run(models, [two], without)
    assert said(one) == said(two)


def test_an_architecture_whose_state_is_no_cache_of_ours_is_served(tmp_path: Path) -> None:
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(0)
    config = MambaConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4)
    MambaForCausalLM(config).save_pretrained(tmp_path / "base")
    models = GeneralModels(tmp_path / "base", CPU)
    answer = asked(models, "base", prompt_of(3, 20), greedy())
    run(models, [answer])
    assert said(answer) == generated(network(tmp_path / "base"), list(answer.prompt))


def test_a_seed_gives_the_same_text_alone_and_in_company(tmp_path: Path) -> None:
    write_network("qwen2", tmp_path / "base")
    models = GeneralModels(tmp_path / "base", CPU)

    def seeded(seed: int) -> Answer:
        sampling = Sampling(max_tokens=20, seed=seed, temperature=0.9, top_p=0.95, top_k=50)
        return asked(models, "base", prompt_of(3, 20), sampling)

    alone, beside, other = seeded(7), seeded(7), seeded(8)
    run(models, [alone])
    run(models, [asked(models, "base", prompt_of(1, 30), greedy()), beside, other])
    assert alone.known == beside.known != other.known


def test_caches_of_ended_answers_are_forgotten(tmp_path: Path) -> None:
    write_network("qwen2", tmp_path / "base")
    models = GeneralModels(tmp_path / "base", CPU)
    runner = GeneralRunner(look_at(models.base), CPU)
    scheduler = Scheduler(Limits(rows=2, cache_tokens=256, context_tokens=128), frozenset())
    for at in range(6):
        scheduler.submit(asked(models, "base", prompt_of(at, 9), greedy(3)))
    most = 0
    while (step := scheduler.decide()) is not None:
        scheduler.absorb(step, runner.do(step))
        most = max(most, len(runner._caches))
    assert most == 2


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qwen")
    write_network("qwen2", folder / "base")
    return folder


def test_what_does_not_fit_is_refused(qwen: Path, tmp_path: Path) -> None:
    models = GeneralModels(qwen / "base", CPU)
    write_network("gpt2", tmp_path / "other")
    with pytest.raises(SettingsError, match="another shape"):
        models.load("other", tmp_path / "other")
    write_adapter(tmp_path / "other", tmp_path / "gpt2-adapter", 0)
    with pytest.raises(SettingsError, match="not served"):
        models.load("foreign", tmp_path / "gpt2-adapter")
    (tmp_path / "empty").mkdir()
    shutil.copy(tmp_path / "gpt2-adapter" / "adapter_config.json", tmp_path / "empty")
    save_file({}, tmp_path / "empty" / "adapter_model.safetensors")
    with pytest.raises(SettingsError, match="names no layer"):
        models.load("empty", tmp_path / "empty")
    with pytest.raises(SettingsError, match="neither"):
        models.load("nothing", tmp_path)
    with pytest.raises(SettingsError, match="'base'"):
        models.load("base", tmp_path)
    assert models.shelf.names() == ["base"] and not models.shelf.remove("other")
