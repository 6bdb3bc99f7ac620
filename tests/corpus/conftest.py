"""Rows and rules that the tests of the corpus share, and a small tokenizer."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers, trainers

from outcrop import corpus
from outcrop.families import MODELS, Counts, record_format
from outcrop.text import Tokenizer

BEYOND = "<tool>"  # added to the tokenizer with an id that the weights have no row for
KINDS = {
    "nova": ("amazon.nova-micro-v1:0", "FINE_TUNING"),
    "claude": ("anthropic.claude-haiku-4-5-20251001", "FINE_TUNING"),
    "llama": ("meta.llama3-2-1b-instruct-v1:0", "FINE_TUNING"),
    "completion": ("meta.llama3-1-8b-instruct-v1:0", "FINE_TUNING"),
    "passage": ("amazon.titan-text-lite-v1", "CONTINUED_PRE_TRAINING"),
}


def rules_of(name: str):
    """A family's rules without its fewest records, so that a test needs one row."""
    model_id, customization_type = KINDS[name]
    rules = record_format(MODELS[model_id], customization_type)
    return replace(rules, training=Counts(maximum=20_000), validation=Counts(maximum=20_000))


class Checker:
    """Checks rows given as bytes, text or objects."""

    def __call__(self, name: str, *rows: object, **options: object) -> corpus.Report:
        return self.rules(rules_of(name), *rows, **options)

    def rules(self, rules, *rows: object, file: str = "train.jsonl", **options: object) -> corpus.Report:
        return corpus.check(io.BytesIO(self.file(*rows)), file, rules, corpus.CheckOptions(**options))

    @staticmethod
    def rules_of(name: str):
        return rules_of(name)

    def problem(self, name: str, row: object) -> str:
        """The one problem of a row, without its file."""
        report = self(name, row)
        assert report.problem_count == 1, report.to_text()
        return str(report.problems[0]).removeprefix("train.jsonl:")

    @staticmethod
    def file(*rows: object) -> bytes:
        return b"".join(_line(row) + b"\n" for row in rows)


def _line(row: object) -> bytes:
    if isinstance(row, bytes):
        return row
    return (row if isinstance(row, str) else json.dumps(row)).encode()


@pytest.fixture(scope="session")
def check() -> Checker:
    return Checker()


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer.load(_checkpoint(tmp_path_factory.mktemp("checkpoint")))


@pytest.fixture(scope="session")
def tokenizer_without_system(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """One whose template takes no system prompt."""
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    return Tokenizer.load(_checkpoint(tmp_path_factory.mktemp("refusing"), refusing))


def _checkpoint(folder: Path, before: str = "") -> Path:
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    special = ["<|bos|>", "<|eos|>", "<|end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    library.train_from_iterator(["user assistant system"], trainer)
    library.add_tokens([BEYOND])
    library.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"vocab_size": library.get_vocab_size() - 1}))
    template = before + (
        "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    config = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
