"""kill -9 at any point, inside a save too: the run goes on with the same losses to the bit, to the same model."""

import base64
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from architectures import write_network
from counts import Counts
from outcrop.domain.events import CheckpointDamaged, Event, Finished, Resumed, Started, Step, Validation, from_line
from outcrop.domain.plan import EarlyStopping, LoraPlan
from outcrop.domain.probes import PROBES_FILE
from outcrop.sealed import SealedReader, new_key
from outcrop.training.child import plan_digest, run
from outcrop.training.saver import Saver
from outcrop.training.shelf import Shelf
from outcrop.training.snapshot import Snapshot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

FEW_POINTS, FULL_POINTS, POINTS_A_RUN = 5, 50, 5
EPOCHS, ROWS, BATCH = 10, 24, 4
STEPS = EPOCHS * ROWS // BATCH
LATEST_AFTER_S = 0.004  # a save of this model takes about as long: a kill comes anywhere in it
CUT_AT = 13
OF_AN_ATTEMPT: dict[str, Any] = {"peak_bytes": 0, "card_peak_bytes": 0, "seconds": 0.0}
GPT2_LINEAR = ("c_attn", "c_fc", "c_proj")
WEIGHTS = "adapter_model.safetensors"


class Moment(Enum):
    """What the process is at when it is killed."""

    BEGINNING = "before its first new step"
    STEPS = "between steps, or wherever it is"
    SAVE = "inside a save"
    MODEL = "after the last step, before the model is whole"


# Every other one inside a save; the one after the last step is its run's last, so that the others find steps to do.
MOMENTS = (
    *(Moment.SAVE, Moment.STEPS, Moment.SAVE, Moment.BEGINNING, Moment.MODEL),
    *(Moment.SAVE, Moment.BEGINNING, Moment.SAVE, Moment.STEPS, Moment.SAVE),
)


@dataclass(frozen=True)
class Point:
    """Where to kill: `after_s` after the moment, where it has steps once `steps` more were told."""

    moment: Moment
    steps: int
    after_s: float


@dataclass
class Runs:
    """The attempts of one job, each a real process; `events` are what each said."""

    job: Any
    folder: Path
    attempt: int = 0
    newest: int = 0  # the step of the newest whole checkpoint when the last attempt began

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def half_saved(self) -> bool:
        """Whether the last attempt has a checkpoint that is not whole."""
        return bool(list(self.checkpoints.glob(f"{self.attempt}/.step-*")))

    @property
    def half_written(self) -> bool:
        """Whether the last attempt has begun to write its model and has not ended."""
        return self.out.exists() and not (self.out / PROBES_FILE).exists()

    @property
    def out(self) -> Path:
        return self.folder / str(self.attempt) / "out"

    def whole(self) -> list[Path]:
        """The checkpoints that have their final name, the newest last."""
        return sorted(self.checkpoints.glob("*/step-*"), key=lambda path: path.name)

    def finish(self) -> list[Event]:
        """An attempt that nobody disturbs."""
        with self._begun() as child:
            assert child.stdout is not None
            events = [from_line(line.decode()) for line in child.stdout]
            assert child.wait() == 0
        return events

    def kill(self, point: Point) -> list[Event]:
        """An attempt that is killed at the point, for certain."""
        with self._begun() as child:
            events = list(self._until(child, point))
            if point.moment is Moment.SAVE:
                _stop_while(child, lambda: self.half_saved, point.after_s)
            elif point.moment is Moment.MODEL:
                _stop_while(child, lambda: self.half_written, point.after_s)
            else:
                time.sleep(point.after_s)
            child.kill()
            assert child.stdout is not None
            rest = child.stdout.read().splitlines(keepends=True)
            assert child.wait() == -signal.SIGKILL
        assert self.half_saved or point.moment is not Moment.SAVE
        assert self.half_written or point.moment is not Moment.MODEL
        return events + [from_line(line.decode()) for line in rest if line.endswith(b"\n")]

    @contextmanager
    def _begun(self) -> Iterator[subprocess.Popen[bytes]]:
        self.attempt += 1
        self.newest = max((int(path.name[-8:]) for path in self.whole()), default=0)
        plan = self.folder / f"plan-{self.attempt}.json"
        plan.write_text(self.job.plan.to_json())
        own = self.checkpoints / str(self.attempt)
        child = subprocess.Popen(
            [sys.executable, "-m", "outcrop.training", str(plan), str(self.out), str(own)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with child:
            assert child.stdin is not None
            child.stdin.write(base64.b64encode(self.job.key))
            child.stdin.close()
            yield child

    def _until(self, child: subprocess.Popen[bytes], point: Point) -> Iterator[Event]:
        """Events until the point's steps were told (those told again do not count); at the beginning, the first."""
        assert child.stdout is not None
        awaited = self.newest + point.steps - 1
        if point.moment is Moment.MODEL:
            awaited = STEPS - 1
        for line in child.stdout:
            event = from_line(line.decode())
            yield event
            if point.moment is Moment.BEGINNING or (isinstance(event, Step) and event.step >= awaited):
                return


def _stop_while(child: subprocess.Popen[bytes], condition: Callable[[], bool], after_s: float) -> None:
    """Stops the process so long after the condition has come true, and while it is: a stopped one ends nothing.

    Where it was too late, it goes on to the next time, and is then stopped sooner.
    """
    while True:
        while not condition():  # a save lasts milliseconds: looked for without a pause
            assert child.poll() is None, "the process ended before the moment came"
        time.sleep(after_s)
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if condition():
            return
        child.send_signal(signal.SIGCONT)
        after_s /= 2


def measured(events: list[Event]) -> list[Event]:
    """What belongs to the run itself, and not to an attempt: not its seconds, nor its memory."""
    said = (replace(event, **OF_AN_ATTEMPT) if isinstance(event, Finished) else event for event in events)
    return [event for event in said if isinstance(event, Step | Validation | Finished)]


def alone(job: Any, runs: Runs) -> tuple[list[Event], bytes]:
    """What a run says that nobody disturbs, in this process, and its model."""
    events: list[Event] = []
    events.append(run(job.plan, runs.out, [job.key], events.append))
    return measured(events), weights(runs)


def weights(runs: Runs) -> bytes:
    context = f"model/{runs.job.plan.job_id}/{WEIGHTS}".encode()
    with SealedReader(runs.out / WEIGHTS, runs.job.key, context) as sealed:
        return b"".join(sealed.pieces())


@pytest.fixture
def job(make_job: Callable[..., Any], make_some_rows: Callable[..., Any]) -> Any:
    """One that uses all that a checkpoint must hold: dropout, validation between epochs, a best state, a rule."""
    return make_job(
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=3e-3,
        lora=LoraPlan(rank=4, alpha=8, dropout=0.1),
        validate_every_steps=4,
        early_stopping=EarlyStopping(threshold=1e-6, patience=EPOCHS),
        keep_best=True,
        checkpoint_every_steps=2,
        **{"train.rows": make_some_rows(ROWS)},
    )


@pytest.fixture
def new_runs(job: Any, tmp_path: Path) -> Callable[[str], Runs]:
    def make(name: str) -> Runs:
        (tmp_path / name).mkdir()
        return Runs(job, tmp_path / name)

    return make


def points(count: int) -> list[Point]:
    """Moments over a whole run; a fixed seed."""
    draw = random.Random(11)
    most = STEPS // (POINTS_A_RUN + 1)  # so that a run lives through all of its kills
    return [
        Point(moment, draw.randint(1, most), draw.uniform(0, LATEST_AFTER_S))
        for moment in islice(cycle(MOMENTS), count)
    ]


def test_a_run_killed_anywhere_goes_on_to_the_bit(job: Any, new_runs: Callable[[str], Runs], counts: Counts) -> None:
    told, model = alone(job, new_runs("alone"))
    assert len(told) > STEPS
    killed = points(counts.few_or_full(FEW_POINTS, FULL_POINTS))
    for first in range(0, len(killed), POINTS_A_RUN):
        runs = new_runs(f"killed-{first}")
        for point in killed[first : first + POINTS_A_RUN]:
            expect_to_go_on(runs, runs.kill(point), told)
        events = runs.finish()
        expect_to_go_on(runs, events, told)
        assert measured(events) == told
        assert weights(runs) == model
    counts.record(
        "resume",
        {
            "kill -9 of a training process": len(killed),
            "of them": {moment.value: sum(point.moment is moment for point in killed) for moment in Moment},
            "steps of a run": STEPS,
            "outcome": "every resumed sequence of losses and validation losses bit-equal to the uninterrupted run's, "
            "every model byte-equal",
        },
    )


def expect_to_go_on(runs: Runs, events: list[Event], told: list[Event]) -> None:
    """What the attempt said is the uninterrupted run's, from its first step on; it began at the newest checkpoint."""
    said = measured(events)
    assert said == told[: len(said)]
    assert isinstance(events[0], Started)
    assert not [event for event in events if isinstance(event, CheckpointDamaged)]
    resumed = [event for event in events if isinstance(event, Resumed)]
    assert len(resumed) == (runs.attempt > 1 and len(events) > 1)  # one may be killed before it says so
    assert all(event.step == runs.newest and event.lost_steps >= 0 for event in resumed)


@pytest.fixture
def new_cut_short(tmp_path: Path) -> Callable[[Any], Runs]:
    """A job's first attempt, ended in the middle, with two whole checkpoints and a step or two after them."""

    def make(job: Any) -> Runs:
        runs = Runs(job, tmp_path / "cut-short", attempt=1)

        def tell(event: Event) -> None:
            if isinstance(event, Step) and event.step == CUT_AT:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            run(job.plan, runs.out, [job.key], tell, runs.checkpoints / "1")
        assert len(runs.whole()) == 2
        return runs

    return make


@pytest.fixture
def cut_short(job: Any, new_cut_short: Callable[[Any], Runs]) -> Runs:
    return new_cut_short(job)


def flip(path: Path) -> None:
    """One bit in the middle of the file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def confess(path: Path) -> None:
    """The hash of a flipped file, put right in the manifest as well: only the seal tells."""
    manifest = path.parent / "manifest.json"
    flip(path)
    said = json.loads(manifest.read_text())
    said["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(said))


def lend(path: Path) -> None:
    """The manifest of the checkpoint before it."""
    before = min(path.parent.parent.glob("step-*"), key=lambda folder: folder.name)
    shutil.copyfile(before / path.name, path)


DAMAGES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "a flipped bit": (flip, "state", "state is not as it was written"),
    "a truncated file": (truncate, "best", "best is not as it was written"),
    "a file that is gone": (Path.unlink, "state", "cannot be read: No such file"),
    "a flipped bit, and its hash as well": (confess, "state", "does not open"),
    "a truncated manifest": (truncate, "manifest.json", "manifest is missing or cannot be read"),
    "the manifest of another": (lend, "manifest.json", "manifest is another checkpoint's"),
    "no manifest": (Path.unlink, "manifest.json", "manifest is missing or cannot be read"),
}


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_used(cut_short: Runs) -> None:
    for damage, (harm, name, said) in DAMAGES.items():
        runs = replace(cut_short, folder=cut_short.folder.with_name(damage))
        shutil.copytree(cut_short.folder, runs.folder)
        before, newest = runs.whole()
        harm(newest / name)
        events, snapshot = resumed_from(runs)
        damaged, resumed = events
        assert isinstance(damaged, CheckpointDamaged) and said in damaged.cause, damage
        assert damaged.step == int(newest.name[-8:])
        step = int(before.name[-8:])
        assert resumed == Resumed(step=step, lost_steps=CUT_AT - step)
        assert snapshot is not None and len(snapshot.history["losses"]) == step
        assert runs.whole() == [before]


def test_a_checkpoint_of_another_plan_is_not_gone_on_from(cut_short: Runs) -> None:
    events, snapshot = resumed_from(cut_short, learning_rate=1e-3)
    assert snapshot is None and isinstance(events[-1], Resumed) and events[-1].step == 0
    damaged = [event for event in events if isinstance(event, CheckpointDamaged)]
    assert damaged and all("another plan" in event.cause for event in damaged)
    assert len(cut_short.whole()) == 2, "the plan that they belong to may come back"


def test_a_base_that_was_copied_is_the_same_and_one_of_another_config_or_other_weights_is_not(
    job: Any, tmp_path: Path
) -> None:
    base = tmp_path / "copied"
    shutil.copytree(job.plan.base_checkpoint, base)
    plan = replace(job.plan, base_checkpoint=str(base))
    before = plan_digest(plan)
    os.utime(base / "model.safetensors", ns=(1, 1))
    assert plan_digest(plan) == before
    config = base / "config.json"
    told = config.read_text()
    config.write_text(told + " ")
    assert plan_digest(plan) != before
    config.write_text(told)
    content = (base / "model.safetensors").read_bytes()
    data = 8 + int.from_bytes(content[:8], "little")
    (base / "model.safetensors").write_bytes(content[:data] + content[data:][::-1])
    assert plan_digest(plan) != before, "weights of the same size are other weights"


def test_a_checkpoint_under_another_key_is_not_gone_on_from(cut_short: Runs) -> None:
    cut_short.job = replace(cut_short.job, key=new_key())
    events, snapshot = resumed_from(cut_short)
    assert snapshot is None and "does not open" in events[0].cause


def test_threads_and_the_checkpoints_pace_may_change_on_the_way(cut_short: Runs) -> None:
    events, _ = resumed_from(cut_short, threads=7, checkpoint_every_s=1.0, checkpoint_every_steps=None)
    assert [type(event) for event in events] == [Resumed]


@pytest.mark.parametrize("kind", ["every weight", "another architecture"])
def test_what_is_trained_may_be_anything(
    kind: str, make_job: Callable[..., Any], tmp_path: Path, new_cut_short: Callable[[Any], Runs]
) -> None:
    """The same with whole weights, and with an architecture that draws dropout of its own."""
    changes: dict[str, Any] = {"lora": None}
    if kind == "another architecture":
        (tmp_path / "gpt2").mkdir()
        write_network("gpt2", tmp_path / "gpt2", attn_pdrop=0.1, resid_pdrop=0.1)
        changes = {"base_checkpoint": str(tmp_path / "gpt2"), "lora": LoraPlan(rank=4, alpha=8, targets=GPT2_LINEAR)}
    job = make_job("anything", epochs=6, batch_size=3, checkpoint_every_steps=2, **changes)
    runs = new_cut_short(job)
    events: list[Event] = []
    runs.attempt += 1
    run(job.plan, runs.out, [job.key], events.append, runs.checkpoints / "2")
    told: list[Event] = []
    run(job.plan, tmp_path / "alone", [job.key], told.append)
    assert next(event for event in events if isinstance(event, Resumed)).step == CUT_AT - 1
    assert measured(events) == measured(told)


def test_with_every_checkpoint_damaged_it_starts_over_and_ends_the_same(
    job: Any, cut_short: Runs, new_runs: Callable[[str], Runs]
) -> None:
    for path in cut_short.whole():
        flip(path / "state")
    events: list[Event] = []
    cut_short.attempt += 1
    own = cut_short.checkpoints / str(cut_short.attempt)
    events.append(run(job.plan, cut_short.out, [job.key], events.append, own))
    assert len([event for event in events if isinstance(event, CheckpointDamaged)]) == 2
    (resumed,) = [event for event in events if isinstance(event, Resumed)]
    assert resumed.step == 0 and resumed.lost_steps == CUT_AT
    assert (measured(events), weights(cut_short)) == alone(job, new_runs("alone"))


def resumed_from(runs: Runs, **changes: Any) -> tuple[list[Any], Snapshot | None]:
    """What the next attempt would go on from, and what it says of it."""
    plan = replace(runs.job.plan, **changes)
    own = runs.checkpoints / str(runs.attempt + 1)
    shelf = Shelf(folder=own, job_id=plan.job_id, plan_digest=plan_digest(plan), key=runs.job.key)
    events: list[Any] = []
    with Saver(shelf, plan, events.append) as saver:
        return events, saver.resume()
