"""The pebble's recipe runs, its checkpoint loads, and what the lab holds out it never opens."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from outcrop.domain.model_shape import ModelShape
from pebble.gates.verdict import size_line
from pebble.shipping import FILES

ROOT = Path(__file__).parents[2]
PEBBLE = ROOT / "src/outcrop/pebbles/text"
CARD = "README.md"


def shape_of(folder: Path) -> ModelShape:
    return ModelShape.from_config(json.loads((folder / "config.json").read_text()))


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))


@pytest.mark.usefixtures("recipes")
def test_held_out_modules_are_not_among_the_sources() -> None:
    from pebble import sources

    held_out = (ROOT / "src/outcrop/cli/lab/held_out.txt").read_text().split()
    assert len(held_out) >= 8
    assert sources.held_out_modules() == frozenset(held_out)
    read = {name.split(".")[0] for name, _ in sources.module_files(sources.held_out_modules())}
    everything = {name.split(".")[0] for name, _ in sources.module_files(frozenset())}
    assert {"json", "os", "tkinter"} & read
    assert not read.intersection(held_out)
    assert everything - read == everything.intersection(held_out)


def test_the_recipe_reads_sources_in_one_place_and_leaves_the_held_out_ones_there() -> None:
    text = (ROOT / "recipes/pebble/corpus.py").read_text()
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    reads = {
        function.name: ast.unparse(call)
        for function in functions
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "sources.sources"
    }
    assert reads == {
        "_library": "sources.sources(held_out)",
        "held_out_texts": "sources.sources(frozenset(), sources.held_out_modules())",
    }


@pytest.mark.usefixtures("recipes")
def test_exercises_have_the_answers_that_their_questions_ask_for() -> None:
    import random

    from pebble.exercises import KINDS, Words, count_up, date, parameters

    words = Words(random.Random(3), ["path", "mode", "size", "value", "name", "index", "table", "line"])
    for kind, _ in KINDS:
        made = [kind(words) for _ in range(30)]
        assert all(one.question and one.answer for one in made)
        assert len({one.question for one in made}) > 5
    for _ in range(30):
        one = parameters(words)
        assert isinstance(json.loads(one.answer), list)
        assert all(name in one.question for name in json.loads(one.answer))
        assert len(count_up(words).answer.split(", ")) > 1
        assert any(character.isdigit() for character in date(words).answer)


@pytest.mark.usefixtures("recipes")
def test_words_are_cut_the_same_wherever_they_stand() -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(PEBBLE / "tokenizer.json"))
    alone = tokenizer.encode("quobrith").tokens
    for around in ("def f(quobrith, x)", '["quobrith"]', "a quobrith is", "\nquobrith="):
        tokens = tokenizer.encode(around).tokens
        assert any(tokens[start : start + len(alone)] == alone for start in range(len(tokens)))


def test_the_recipe_makes_a_checkpoint_that_transformers_loads(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _make(tmp_path / "pebble")
    made = {path.name for path in (tmp_path / "pebble").iterdir()}
    assert made == {*FILES, CARD}
    assert not (tmp_path / "pebble.run/state.safetensors").exists(), "the run is over"
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "pebble")
    assert model.num_parameters() == shape_of(tmp_path / "pebble").weights
    assert size_line((tmp_path / "pebble/model.safetensors").stat().st_size).passed
    assert len(AutoTokenizer.from_pretrained(tmp_path / "pebble")) == model.config.vocab_size
    card = (tmp_path / "pebble/README.md").read_text()
    lines = [json.loads(line) for line in (tmp_path / "pebble.run/log.jsonl").read_text().splitlines()]
    assert f"**{lines[-1]['held_out_bits_per_byte']:.3f} bits per byte**" in card
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]
    assert str(tmp_path) not in card


def _make(out: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, str(ROOT / "recipes/pebble_text.py"), "--out", str(out), "--tokens", "1200"),
            *("--every", "15", "--batch-tokens", "256", "--gauge-each", "1", "--marks", "2", "--save-minutes", "0"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        timeout=250,
    )


def test_the_pebble_that_ships_is_whole() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(PEBBLE)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Say: so"},
        {"role": "assistant", "content": "so"},
    ]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False)
    assert rendered == "<|bos|><|system|>Be brief.<|end|><|user|>Say: so<|end|><|assistant|>so<|end|>"
    prompt = tokenizer.apply_chat_template(messages[:2], add_generation_prompt=True, tokenize=False)
    assert prompt.endswith("<|end|><|assistant|>")
    translated = json.loads((PEBBLE / "outcrop.json").read_text())
    assert translated == json.loads((ROOT / "recipes/pebble/outcrop.json").read_text())
    assert translated["learning_rate"].keys() == {"nova", "claude", "llama", "titan"}
    assert size_line((PEBBLE / "model.safetensors").stat().st_size).passed


def test_the_card_that_ships_shows_what_lies_beside_it_and_counts_right() -> None:
    card = (PEBBLE / CARD).read_text()
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", card)
    shipped = {path.name for path in PEBBLE.iterdir()}
    assert {*FILES, CARD} - {"curve.svg"} | {*shown} <= shipped
    shape = shape_of(PEBBLE)
    assert f"of {shape.weights / 1e6:.1f} million parameters" in " ".join(card.split())
    assert f"vocabulary {shape.vocabulary_size:,}, tied" in " ".join(card.split())


def test_the_readme_says_of_the_pebble_what_its_card_says() -> None:
    shape = shape_of(PEBBLE)
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"a text model of {shape.weights / 1e6:.1f} million parameters" in readme
