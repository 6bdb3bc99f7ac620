"""The loop computes what a plain padded trainer would, the same way each time, and knows when to stop."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from architectures import write_network
from outcrop.domain.errors import JobFailure
from outcrop.domain.events import Started, Step
from outcrop.domain.plan import EarlyStopping, LoraPlan, TrainingPlan
from outcrop.modeling import kernels, lora
from outcrop.text import Rendered
from outcrop.training import loop
from outcrop.training.batches import Batch, Piece, Rows
from outcrop.training.history import stops_early
from outcrop.training.loop import Material, train
from outcrop.training.objectives.fine_tuning import OBJECTIVE as FINE_TUNING
from outcrop.training.pupil import Pupil, prepare

Make = Callable[[Sequence[Rendered]], Rows]
MakePlan = Callable[..., TrainingPlan]


def reference_loss(model: torch.nn.Module, rows: Sequence[Rendered]) -> torch.Tensor:
    """What a padding trainer computes: padded ids, an attention mask, -100 where nothing is learnt."""
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in rows])
    seen = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows])
    learnt = torch.tensor([row.trained + [False] * (width - len(row.ids)) for row in rows])
    logits = model(ids, attention_mask=seen).logits[:, :-1]
    labels = torch.where(learnt, ids, -100)[:, 1:]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)


def huggingface(folder: Path, pupil: Pupil, plan: LoraPlan) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """transformers' model whose weights are base + B A x scale, and the leaves A and B under PEFT's names."""
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert pupil.adapters is not None
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in lora.give(pupil.adapters, plan.targets).items()}
    for name in [name for name in leaves if "lora_A" in name]:
        path = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        module = model.get_submodule(path)
        weight = (
            module.weight.detach() + leaves[name.replace("lora_A", "lora_B")] @ leaves[name] * plan.alpha / plan.rank
        )
        del module.weight
        module.weight = weight
    return model, leaves


def test_loss_and_gradients_equal_a_padded_trainers(
    checkpoint: Path, rows: list[Rendered], make_rows: Make, make_plan: MakePlan
) -> None:
    plan = make_plan(batch_size=12)
    assert plan.lora is not None
    pupil = prepare(plan, None)
    assert pupil.adapters is not None
    for adapter in pupil.adapters.values():
        for up in adapter.ups:
            torch.nn.init.normal_(up, std=0.1)
    model, leaves = huggingface(checkpoint, pupil, plan.lora)
    expected = reference_loss(model, rows)
    expected.backward()
    held = make_rows(rows)
    (batch,) = held.batches(range(len(rows)), len(rows))
    assert loop._gradients(pupil.model, held, batch).item() == pytest.approx(expected.item(), abs=1e-5)
    for adapter in pupil.adapters.values():
        for parameter in adapter.parameters():
            assert parameter.grad is not None
            parameter.data = parameter.grad
    for name, gradient in lora.give(pupil.adapters, plan.lora.targets).items():
        torch.testing.assert_close(
            gradient, leaves[name].grad, atol=1e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


class Apart(Rows):
    """Rows that go through the model one by one: what packing must equal."""

    def pieces(self, batch: Batch, budget: int = 1) -> Iterator[Piece]:
        return super().pieces(batch, budget=1)


@pytest.mark.parametrize("lora_plan", [LoraPlan(rank=4, alpha=8), None], ids=["adapter", "whole"])
def test_packing_changes_no_loss(
    lora_plan: LoraPlan | None, rows: list[Rendered], make_plan: MakePlan, new_heard: Any, make_rows: Make
) -> None:
    plan, runs = make_plan(lora=lora_plan, learning_rate=1e-3), (new_heard(), new_heard())
    packed = make_rows(rows)
    for held, heard in zip((packed, Apart(packed.source)), runs, strict=True):
        train(prepare(plan, None).model, Material(training=held), plan, heard)
    assert runs[0].losses == pytest.approx(runs[1].losses, abs=1e-5)


@pytest.mark.parametrize("lora_plan", [LoraPlan(rank=4, alpha=8, dropout=0.1), None], ids=["adapter", "whole"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_plan_gives_bit_equal_losses(
    precision: str,
    lora_plan: LoraPlan | None,
    make_rows: Make,
    rows: list[Rendered],
    make_plan: MakePlan,
    new_heard: Any,
) -> None:
    plan, runs = make_plan(lora=lora_plan, precision=precision), (new_heard(), new_heard())
    for heard in runs:
        torch.manual_seed(plan.seed)
        train(prepare(plan, None).model, Material(training=make_rows(rows)), plan, heard)
    assert runs[0].losses == runs[1].losses


@pytest.mark.parametrize("lora_plan", [LoraPlan(rank=4, alpha=8), None], ids=["adapter", "whole"])
def test_bfloat16_follows_float32_and_trains_exact_weights(
    lora_plan: LoraPlan | None, make_rows: Make, rows: list[Rendered], make_plan: MakePlan, new_heard: Any
) -> None:
    runs = []
    for precision in ("float32", "bfloat16"):
        heard, plan = new_heard(), make_plan(lora=lora_plan, precision=precision, learning_rate=1e-3)
        pupil = prepare(plan, None)
        train(pupil.model, Material(training=make_rows(rows)), plan, heard)
        runs.append(heard.losses)
        trained = [parameter.dtype for parameter in pupil.model.parameters() if parameter.requires_grad]
        assert set(trained) == {torch.float32}
    assert runs[1] == pytest.approx(runs[0], rel=0.01)
    assert runs[1] != runs[0]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_compiled_steps_and_their_twins_train_alike(
    precision: str,
    make_rows: Make,
    rows: list[Rendered],
    make_plan: MakePlan,
    new_heard: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = []
    for switch in ("on", "off"):
        monkeypatch.setenv(kernels.SWITCH, switch)
        kernels.library.cache_clear()
        heard, plan = new_heard(), make_plan(lora=None, precision=precision, learning_rate=1e-3)
        train(prepare(plan, None).model, Material(training=make_rows(rows)), plan, heard)
        runs.append(heard.losses)
    kernels.library.cache_clear()
    assert runs[0] == pytest.approx(runs[1], rel=1e-5 if precision == "float32" else 0.01)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("lora_plan", [LoraPlan(rank=4, alpha=8, dropout=0.1), None], ids=["adapter", "whole"])
def test_layers_that_are_computed_again_change_no_bit(
    architecture: str, lora_plan: LoraPlan | None, make_rows: Make, rows: list[Rendered], make_plan: MakePlan,
    new_heard: Any, tmp_path: Path,
) -> None:  # fmt: skip
    plan, runs, left = make_plan(lora=lora_plan), [], []
    if architecture != "llama":
        write_network(architecture, tmp_path)
        plan = replace(plan, base_checkpoint=str(tmp_path))
    for recompute in (False, True):
        heard, pupil = new_heard(), prepare(replace(plan, recompute=recompute), None)
        torch.manual_seed(plan.seed)
        train(pupil.model, Material(training=make_rows(rows)), plan, heard)
        runs.append(heard.losses)
        left.append(torch.cat([held.detach().flatten() for held in pupil.model.parameters() if held.requires_grad]))
    assert runs[0] == runs[1]
    assert torch.equal(*left)


def test_another_seed_gives_other_losses(
    make_rows: Make, rows: list[Rendered], make_plan: MakePlan, new_heard: Any
) -> None:
    runs = []
    for seed in (0, 1):
        heard, plan = new_heard(), make_plan(seed=seed)
        train(prepare(plan, None).model, Material(training=make_rows(rows)), plan, heard)
        runs.append(heard.losses)
    assert runs[0] != runs[1]


@pytest.mark.parametrize("lora_plan", [LoraPlan(rank=8, alpha=16), None], ids=["adapter", "whole"])
def test_it_learns_what_it_is_taught(
    lora_plan: LoraPlan | None, make_rows: Make, rows: list[Rendered], make_plan: MakePlan, heard: Any
) -> None:
    plan = make_plan(epochs=40, lora=lora_plan)
    finished = train(prepare(plan, None).model, Material(training=make_rows(rows)), plan, heard)
    assert heard.losses[0] > 3
    assert finished.training_loss < 0.3


def test_events_tell_the_whole_run(make_rows: Make, rows: list[Rendered], make_plan: MakePlan, heard: Any) -> None:
    plan = make_plan(batch_size=5, epochs=2)
    material = Material(training=make_rows(rows), validation=(make_rows(rows[:3]), make_rows(rows[3:])))
    finished = train(prepare(plan, None).model, material, plan, heard)
    assert heard.events[0] == Started(
        steps=6,
        rows=12,
        trained_tokens_per_epoch=36,
        tokens_per_epoch=sum(len(row.ids) for row in rows),
        validation_rows=(3, 9),
    )
    steps = [event for event in heard.events if isinstance(event, Step)]
    assert [(event.step, event.epoch, event.tokens) for event in steps] == [
        (0, 0, 15), (1, 0, 15), (2, 0, 6), (3, 1, 15), (4, 1, 15), (5, 1, 6),
    ]  # fmt: skip
    told = [(event.step, event.epoch, event.validator) for event in heard.validations]
    assert told == [(-1, 0, 0), (-1, 0, 1), (2, 0, 0), (2, 0, 1), (5, 1, 0), (5, 1, 1)]
    assert finished.validation_losses == tuple(event.loss for event in heard.validations[-2:])
    last = sum(event.loss * event.tokens for event in steps[3:]) / 36
    assert finished.training_loss == pytest.approx(last)
    assert (finished.steps, finished.stopped_early, finished.saved_step) == (6, False, 5)


def test_validation_loss_is_the_mean_over_trained_tokens(
    checkpoint: Path, make_rows: Make, rows: list[Rendered], make_plan: MakePlan, heard: Any
) -> None:
    from transformers import LlamaForCausalLM

    plan = make_plan(epochs=1)
    train(prepare(plan, None).model, Material(training=make_rows(rows), validation=(make_rows(rows),)), plan, heard)
    with torch.no_grad():
        expected = reference_loss(LlamaForCausalLM.from_pretrained(checkpoint, dtype=torch.float32), rows)
    assert heard.validations[0].loss == pytest.approx(expected.item(), abs=1e-5)


def test_a_run_that_no_longer_improves_stops_early(
    make_rows: Make, rows: list[Rendered], make_plan: MakePlan, heard: Any
) -> None:
    plan = make_plan(epochs=9, early_stopping=EarlyStopping(threshold=50.0, patience=2))
    material = Material(training=make_rows(rows), validation=(make_rows(rows),))
    finished = train(prepare(plan, None).model, material, plan, heard)
    assert (finished.steps, finished.stopped_early) == (6, True)


def test_validation_comes_every_so_many_steps_and_once_at_an_epochs_end(
    make_rows: Make, rows: list[Rendered], make_plan: MakePlan, heard: Any
) -> None:
    plan = make_plan(epochs=2, batch_size=3, validate_every_steps=2)
    train(prepare(plan, None).model, Material(training=make_rows(rows), validation=(make_rows(rows),)), plan, heard)
    told = [(event.step, event.epoch) for event in heard.validations]
    assert told == [(-1, 0), (1, 0), (3, 0), (5, 1), (7, 1)]


@pytest.mark.parametrize("keep_best", [True, False])
def test_what_is_left_in_the_model_is_the_best_state_where_that_is_asked_for(
    keep_best: bool, make_rows: Make, rows: list[Rendered], make_plan: MakePlan, heard: Any
) -> None:
    """Other rows than those learnt get worse once the run learns these by heart: the best comes before the last."""
    plan = make_plan(epochs=8, learning_rate=3e-2, schedule="constant", keep_best=keep_best)
    training, validation = make_rows(rows[:8]), make_rows(rows[8:])
    pupil = prepare(plan, None)
    finished = train(pupil.model, Material(training=training, validation=(validation,)), plan, heard)
    after = {event.step: event.loss for event in heard.validations if event.step >= 0}
    best = min(after, key=lambda step: after[step])
    assert best < 15
    assert finished.saved_step == (best if keep_best else 15)
    assert finished.validation_losses == (after[finished.saved_step],)
    assert loop._mean_loss(pupil.model, FINE_TUNING, validation) == after[finished.saved_step]
    steps = [event for event in heard.events if isinstance(event, Step) and event.epoch == finished.saved_step // 2]
    assert finished.training_loss == pytest.approx(sum(s.loss * s.tokens for s in steps) / sum(s.tokens for s in steps))


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([3.0, 2.0, 1.0], False),
        ([3.0, 2.0, 2.0], False),
        ([3.0, 2.0, 2.0, 2.0], True),
        ([3.0, 2.0, 2.5, 1.0], False),
        ([3.0, 2.95, 2.92], True),
        ([1.0, 2.0, 3.0], True),
    ],
)
def test_patience_counts_epochs_without_a_new_best(losses: list[float], stops: bool) -> None:
    rule = EarlyStopping(threshold=0.1, patience=2)
    assert stops_early([(loss,) for loss in losses], rule) is stops


def test_without_validators_nothing_stops_early() -> None:
    assert not stops_early([(), (), ()], EarlyStopping(threshold=1.0, patience=1))


def test_a_loss_that_is_no_number_ends_the_run(
    make_rows: Make, rows: list[Rendered], make_plan: MakePlan, heard: Any
) -> None:
    plan = make_plan(learning_rate=1e30, lora=None)
    with pytest.raises(JobFailure, match=r"no number at step \d+; hint: a lower learning rate"):
        train(prepare(plan, None).model, Material(training=make_rows(rows)), plan, heard)
