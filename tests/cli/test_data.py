"""`outcrop data check` says what a job would say, before anything is uploaded."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from living import claude_row, jsonl, nova_row
from outcrop.families.catalogue import PEBBLE

pytestmark = pytest.mark.xdist_group("cli")

NOVA, TITAN = "amazon.nova-micro-v1:0:128k", "amazon.titan-text-lite-v1:0:4k"
GOOD = [nova_row(f"What is {number}?", f"It is {number}.") for number in range(8)]


@pytest.fixture(scope="module")
def measured_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that keeps how fast this machine is."""
    return tmp_path_factory.mktemp("measured")


@pytest.fixture
def check(tmp_path: Path, run: Any, measured_home: Path) -> Any:
    """Check these rows, as a terminal would."""

    def checked(rows: list[dict[str, Any]], *words: str, model: str = NOVA, fresh: bool = False) -> Any:
        file = tmp_path / "train.jsonl"
        file.write_bytes(jsonl(rows))
        home = tmp_path / "home" if fresh else measured_home
        return run("data", "check", "--home", home, file, "--model", model, *words)

    return checked


def test_a_good_file_is_counted_and_shown_with_what_is_learnt(check: Any, tmp_path: Path) -> None:
    ended = check(GOOD, fresh=True)
    assert ended.status == 0
    assert "train.jsonl: 8 rows, 8 good" in ended.out and "tokens:" in ended.out and "longest rows:" in ended.out
    assert "[[It is 0." in ended.out and "[[What" not in ended.out
    assert not (tmp_path / "home").exists()


def test_what_training_would_take_is_said_with_what_the_job_will_send(check: Any) -> None:
    ended = check(GOOD, "--hyperparameter", "epochCount=3", "--hyperparameter", "batchSize=1")
    assert ended.status == 0
    assert (
        "estimate: 24 steps, " in ended.out and "epochs: 3; about " in ended.out and "this machine: fits" in ended.out
    )
    report = json.loads(check(GOOD, "--json", "--hyperparameter", "epochCount=3").out)
    assert (report["estimate"]["steps"], report["estimate"]["tokens"]) == (24, 3 * report["tokens"]["total"])


@pytest.mark.parametrize(
    ("pair", "status", "said"), [("epochCount", 2, "NAME=VALUE"), ("epochCount=0", 1, "from 1 to")]
)
def test_a_wrong_hyperparameter_is_said(check: Any, pair: str, status: int, said: str) -> None:
    ended = check(GOOD, "--hyperparameter", pair)
    assert ended.status == status and said in ended.err


def test_what_cannot_fit_is_told_with_a_hint_and_exits_1(tmp_path: Path, run: Any) -> None:
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "vast"))
    claimed = json.loads((PEBBLE / "config.json").read_text()) | {"hidden_size": 65536, "num_hidden_layers": 400}
    (folder / "config.json").write_text(json.dumps(claimed))
    home, file = tmp_path / "home", tmp_path / "train.jsonl"
    assert run("models", "map", "--home", home, "amazon.nova-micro-v1:0", folder).status == 0
    file.write_bytes(jsonl(GOOD))
    ended = run("data", "check", "--home", home, file, "--model", NOVA)
    assert ended.status == 1
    assert "this machine: does not fit" in ended.out and "hint: " in ended.err and "would fit" in ended.err


def test_a_bad_file_is_told_place_by_place_and_exits_1(check: Any) -> None:
    rows = [*GOOD, {"messages": "nothing"}, claude_row("a", "b")]
    ended = check(rows)
    assert ended.status == 1
    assert "train.jsonl:9" in ended.out and "train.jsonl:10" in ended.out and ended.out.count("problem:") >= 2


def test_unlabeled_text_is_checked_as_such(check: Any) -> None:
    ended = check(
        [{"input": f"Passage number {number}."} for number in range(8)], "--continued-pre-training", model=TITAN
    )
    assert ended.status == 0 and "8 good" in ended.out


def test_unlabeled_text_for_a_model_that_takes_none_is_refused(check: Any) -> None:
    ended = check(GOOD, "--continued-pre-training")
    assert ended.status == 1 and "does not support CONTINUED_PRE_TRAINING" in ended.err


def test_a_validation_file_has_its_own_limits(check: Any) -> None:
    rows = [claude_row(f"{number}?", "Yes.") for number in range(1100)]
    model = "anthropic.claude-3-haiku-20240307-v1:0:200k"
    assert check(rows, "--sample", "0", model=model).status == 0
    ended = check(rows, "--validation", model=model)
    assert ended.status == 1 and "the validation file has 1,100 records" in ended.out


def test_json_is_the_report_and_nothing_else(check: Any) -> None:
    ended = check([*GOOD, {}], "--json")
    report = json.loads(ended.out)
    assert (ended.status, report["rows"], report["ok"], report["badRows"]) == (1, 9, False, 1)


def test_no_sample_is_shown_where_none_is_asked_for(check: Any) -> None:
    assert "[[" not in check(GOOD, "--sample", "0").out


def test_an_unknown_model_is_said(check: Any) -> None:
    ended = check(GOOD, model="no.such-model")
    assert ended.status == 1 and ended.err.startswith("outcrop: no.such-model is no model id that Outcrop serves.")


def test_a_missing_file_is_a_usage_error(run: Any, tmp_path: Path) -> None:
    ended = run("data", "check", tmp_path / "no.jsonl", "--model", NOVA)
    assert ended.status == 2 and "does not exist" in ended.err
