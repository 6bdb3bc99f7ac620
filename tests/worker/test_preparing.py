"""However a set came to be made (at once, after a kill, around damage, by several), it is the same set."""

import contextlib
import dataclasses
import itertools
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outcrop.domain.conversation import Passage
from outcrop.domain.errors import JobFailure
from outcrop.families.catalogue import PEBBLE
from outcrop.prepared.piece import from_bytes
from outcrop.sealed import new_key
from outcrop.worker.lease import StopRequested
from outcrop.worker.preparing import BARE_NAMED
from preparation import Preparation, completions, some_text

Make = Callable[..., Preparation]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(name: str = "work", **changes: Any) -> Preparation:
        return Preparation(folder=tmp_path / name, **{"key": new_key(), **changes})

    return made


def stopping_after(pieces: int, at: Preparation) -> Callable[[], None]:
    """A lease that is asked to stop once so many pieces are on disk."""

    def check() -> None:
        if len(list(at.place.path.glob("piece-*"))) >= pieces:
            raise StopRequested

    return check


def test_pieces_hold_every_row_as_the_tokenizer_renders_it(make: Make) -> None:
    preparation = make()
    manifest = preparation.run()
    tokenizer = preparation.recipe.tokenizer()
    expected = [
        tokenizer.render(Passage(text=json.loads(line)["input"])).cut(256) for line in preparation.content.splitlines()
    ]
    pieces = [from_bytes(content) for content in preparation.pieces(manifest)]
    found = [piece.row(at)[0].tolist() for piece in pieces for at in range(len(piece))]
    assert found == [row.ids for row in expected]
    assert len(pieces) > 5
    assert (manifest.rows, manifest.skipped_rows, manifest.empty_answers) == (200, 0, 0)
    assert manifest.tokens == sum(len(row.ids) for row in expected)
    assert manifest.trained_tokens == sum(row.trained_count for row in expected)
    assert manifest.longest == max(len(row.ids) for row in expected)
    numbers = preparation.place.numbers(manifest)
    assert numbers.lengths.tolist() == [len(row.ids) for row in expected]
    assert numbers.counts.tolist() == [row.trained_count for row in expected]
    assert numbers.ends.tolist() == numbers.lengths.tolist()


def test_pieces_join_without_a_gap(make: Make) -> None:
    preparation = make()
    spans = [from_bytes(content).span for content in preparation.pieces(preparation.run())]
    assert (spans[0].start, spans[0].first_line) == (0, 1)
    for span, following in itertools.pairwise(spans):
        assert (following.start, following.first_line) == (span.end, span.first_line + span.lines)
    assert spans[-1].end == len(preparation.content)


def test_a_last_line_without_a_newline_is_prepared_too(make: Make) -> None:
    with_newline, without = make("one"), make("two", content=some_text().removesuffix(b"\n"))
    one, two = with_newline.run(), without.run()
    assert one.rows == two.rows == 200
    assert one.tokens == two.tokens


def test_a_stopped_preparation_goes_on_where_it_was_and_ends_the_same(make: Make) -> None:
    whole, stopped = make("whole"), make("stopped")
    with pytest.raises(StopRequested):
        stopped.run(stopping_after(3, stopped))
    kept = stopped.sealed()
    assert 3 <= len(kept) < len(whole.run().pieces)
    assert not (stopped.place.path / "manifest").exists()
    assert stopped.run() == whole.run()
    assert {name: content for name, content in stopped.sealed().items() if name in kept} == kept
    assert stopped.pieces(stopped.place.manifest()) == whole.pieces(whole.place.manifest())


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
from preparation import Preparation, some_text
killed = Preparation(folder=Path(sys.argv[1]), key=bytes.fromhex(sys.argv[2]), content=some_text(1000))
killed.run(lambda: os.kill(os.getpid(), signal.SIGKILL) if len(killed.sealed()) >= 3 else None)
"""


def test_a_killed_preparation_goes_on_where_it_was_and_ends_the_same(make: Make) -> None:
    whole, killed = make("whole"), make("killed", content=some_text(1000))
    whole = dataclasses.replace(whole, content=killed.content)
    command = [sys.executable, "-c", KILLED, str(killed.folder), killed.key.hex()]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=60)
    assert ended.returncode == -signal.SIGKILL
    kept = killed.sealed()
    assert not (killed.place.path / "manifest").exists()
    assert killed.run() == whole.run()
    assert {name: content for name, content in killed.sealed().items() if name in kept} == kept
    assert killed.pieces(killed.place.manifest()) == whole.pieces(whole.place.manifest())


def test_a_whole_set_is_used_as_it_is(make: Make) -> None:
    preparation = make()
    manifest, made = preparation.run(), preparation.sealed()
    assert preparation.run() == manifest
    assert preparation.sealed() == made


@pytest.mark.parametrize("harm", ["flipped", "cut", "swapped", "gone", "another format"])
def test_a_damaged_piece_is_made_again_and_no_other(make: Make, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    preparation = make()
    manifest, before = preparation.run(), preparation.sealed()
    damaged = preparation.place.path / "piece-000002"
    match harm:
        case "flipped":
            damaged.write_bytes(before[damaged.name][:-9] + b"\x00" + before[damaged.name][-8:])
        case "cut":
            damaged.write_bytes(before[damaged.name][:-1])
        case "swapped":
            damaged.write_bytes(before["piece-000003"])
        case "gone":
            damaged.unlink()
        case "another format":
            preparation.place.write_piece(2, b"OUTPREP\xff")
    assert preparation.run() == manifest
    after = preparation.sealed()
    assert {name for name in before if before[name] != after[name]} == {damaged.name}
    assert preparation.pieces(manifest)
    assert ("made again" in caplog.text) == (harm != "gone")


def test_a_piece_that_belongs_elsewhere_is_made_again(make: Make) -> None:
    preparation = make()
    manifest = preparation.run()
    content = preparation.pieces(manifest)
    preparation.place.write_piece(2, content[4])
    assert preparation.run() == manifest
    assert preparation.pieces(manifest) == content


def test_several_processes_make_what_one_makes(make: Make) -> None:
    alone, together = make("alone", content=some_text(600)), make("together", content=some_text(600))
    together = dataclasses.replace(together, children_from_bytes=0)
    assert together.run() == alone.run()
    assert not list((together.folder / "processes").iterdir())
    assert (together.folder / "job.log").read_text() == ""


def test_what_decides_the_rows_decides_the_digest(make: Make, tmp_path: Path) -> None:
    other = Path(shutil.copytree(PEBBLE, tmp_path / "other"))
    config = json.loads((other / "tokenizer_config.json").read_text())
    (other / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": "{{ messages }}"}))
    (other / "chat_template.jinja").unlink(missing_ok=True)
    same = Path(shutil.copytree(PEBBLE, tmp_path / "same"))
    preparation = make()
    changes: list[dict[str, Any]] = [
        {"etag": "another"},
        {"content": preparation.content + b"\n"},
        {"context_tokens": 255},
        {"rules": completions()},
        {"checkpoint": other},
        {"moment": preparation.moment.replace(day=26)},
    ]
    digests = [dataclasses.replace(preparation, **change).digest for change in changes]
    assert len({preparation.digest, *digests}) == len(changes) + 1
    assert dataclasses.replace(preparation, checkpoint=same).digest == preparation.digest


def test_cut_rows_and_empty_answers_are_counted(make: Make) -> None:
    rows = [("short", " an answer"), ("short", ""), ("short", " long answer" * 200), ("again", " long" * 400)]
    content = b"".join(json.dumps({"prompt": ask, "completion": say}).encode() + b"\n" for ask, say in rows)
    manifest = make(content=content, rules=completions(), context_tokens=64).run()
    assert (manifest.rows, manifest.truncated_rows, manifest.empty_answers, manifest.longest) == (4, 2, 1, 64)


def test_lines_that_are_no_record_are_counted(make: Make) -> None:
    manifest = make(content=some_text(5) + b"{}\nnot json\n" + some_text(2)).run()
    assert (manifest.rows, manifest.skipped_rows) == (7, 2)


@pytest.mark.parametrize("count", [3, BARE_NAMED + 5])
def test_rows_with_nothing_to_learn_are_named(make: Make, count: int) -> None:
    good = {"prompt": "What is an outcrop?", "completion": " Bedrock."}
    bare = {"prompt": "the owl is in the third drawer " * 100, "completion": " Yes."}
    rows = [good, bare] * count + [good] * 300
    content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    preparation = make(content=content, rules=completions(), context_tokens=64)
    with pytest.raises(JobFailure, match="cut to the 64 tokens") as caught:
        preparation.run()
    said = str(caught.value)
    named = [f"train.jsonl:{2 * number}" for number in range(1, min(count, BARE_NAMED) + 1)]
    assert said.startswith(", ".join(named) + (" (and perhaps more)" if count > BARE_NAMED else "") + ":")
    assert f"train.jsonl:{2 * (BARE_NAMED + 1)}" not in said
    assert "owl" not in said
    assert not (preparation.place.path / "manifest").exists()


def test_nobody_writes_once_a_stop_is_told(make: Make) -> None:
    preparation = make(content=some_text(1000))
    with contextlib.suppress(StopRequested):
        preparation.run(stopping_after(1, preparation))
    shutil.rmtree(preparation.folder / "prepared")
    assert not (preparation.folder / "prepared").exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("render")]


def test_a_disk_that_takes_no_more_says_so(make: Make) -> None:
    preparation = make()
    preparation.place.path.parent.mkdir(parents=True)
    preparation.place.path.write_text("a file where the set's folder should be")
    with pytest.raises(OSError):
        preparation.run()
