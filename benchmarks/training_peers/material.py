"""What every trainer under measure is given: one model, one adapter, and the same rows as tokens and as text.

Tokenizers are trained here, on the standard library of the running Python; a row asks for the docstring of one of its
functions, or is a stretch of its source. Knows nothing of the trainers.
"""

import ast
import json
import random
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers, trainers

from outcrop.domain.conversation import Completion, Passage
from outcrop.text import Rendered, Tokenizer
from outcrop.training.order import epoch_order
from training_peers.checkpoint import END, PAD, SEED, Shape, write_adapter, write_checkpoint

# TRL's default `max_length`: a longer row would be cut by one trainer and not by another, so none is taken.
LONGEST_ROW = 1024
SHORTEST_DOCSTRING = 12  # characters; below it there is nothing to learn
NO_SOURCES = {"site-packages", "test", "tests", "__pycache__", "idlelib", "turtledemo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One example. `input_ids[i]` is learnt where `labels[i]` is not -100."""

    prompt: str
    completion: str
    input_ids: list[int]
    labels: list[int]

    @property
    def learnt(self) -> int:
        """How many tokens count in the loss: nothing predicts a first one."""
        return sum(label >= 0 for label in self.labels[1:])

    def rendered(self) -> Rendered:
        """As Outcrop's training reads it."""
        return Rendered(self.input_ids, [label >= 0 for label in self.labels])


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The files of one model: `model`, `adapter` and `rows` lie under `folder`."""

    folder: Path
    shape: Shape
    rows: tuple[Row, ...]

    @property
    def model(self) -> Path:
        """The checkpoint's folder."""
        return self.folder / "model"

    @property
    def adapter(self) -> Path:
        """The fresh adapter that every trainer starts from, in PEFT's format."""
        return self.folder / "adapter"

    @property
    def rows_file(self) -> Path:
        """The rows as JSON, in the order in which Outcrop's first epoch takes them."""
        return self.folder / "rows.json"

    @property
    def tokens(self) -> int:
        """Real tokens of all rows."""
        return sum(len(row.input_ids) for row in self.rows)

    @property
    def learnt(self) -> int:
        """Trained tokens of all rows."""
        return sum(row.learnt for row in self.rows)


def make(folder: Path, shape: Shape, count: int) -> Material:
    """Writes a model, an adapter and `count` rows of functions and their docstrings under `folder`."""
    pairs = docstring_pairs()
    tokenizer = _prepared(folder, shape, (prompt + completion for prompt, completion in pairs))
    return _finished(folder, shape, _spaced(_short_rows(tokenizer, pairs), count))


def make_from_sources(folder: Path, shape: Shape, count: int, longest: int) -> Material:
    """Writes a model, an adapter and `count` rows of unlabeled source text, each of at most `longest` tokens."""
    texts = _sources(count)
    tokenizer = _prepared(folder, shape, texts)
    return _finished(folder, shape, tuple(_stretches(tokenizer, texts, count, longest)))


def _prepared(folder: Path, shape: Shape, texts: Iterable[str]) -> Tokenizer:
    """The checkpoint's folder, with the tokenizer that lies in it."""
    model = folder / "model"
    model.mkdir(parents=True)
    _write_tokenizer(model, shape.vocabulary, texts)
    write_checkpoint(model, shape)
    return Tokenizer.load(model)


def _finished(folder: Path, shape: Shape, rows: tuple[Row, ...]) -> Material:
    material = Material(folder=folder, shape=shape, rows=rows)
    write_adapter(material.adapter, material.model)
    first_epoch = [rows[at] for at in epoch_order(len(rows), SEED, 0).tolist()]
    material.rows_file.write_text(json.dumps([asdict(row) for row in first_epoch]))
    return material


def docstring_pairs() -> list[tuple[str, str]]:
    """A function without its docstring, and the docstring: shuffled, each docstring once."""
    pairs: dict[str, str] = {}
    for function in _functions():
        docstring = ast.get_docstring(function)
        if docstring and len(docstring) >= SHORTEST_DOCSTRING and docstring not in pairs:
            function.body = function.body[1:] or [ast.Pass()]
            pairs[docstring] = f"Write the docstring.\n{ast.unparse(function)}\nDocstring:\n"
    found = [(prompt, f" {docstring}") for docstring, prompt in pairs.items()]
    random.Random(SEED).shuffle(found)
    return found


def _functions() -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for path in _files():
        for node in ast.walk(_parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def _files() -> list[Path]:
    root = Path(sysconfig.get_paths()["stdlib"])
    return [path for path in sorted(root.rglob("*.py")) if NO_SOURCES.isdisjoint(path.relative_to(root).parts)]


def _parsed(path: Path) -> ast.Module:
    """The library carries a few files that are broken on purpose."""
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _write_tokenizer(folder: Path, vocabulary: int, texts: Iterable[str]) -> None:
    """As many merges as the texts give, up to `vocabulary`."""
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator(texts, trainer)
    library.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": PAD}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _spaced(rows: Iterable[Row], count: int) -> tuple[Row, ...]:
    """`count` rows whose lengths are spread as all rows' are: a few drawn by chance may pad far more or far less."""
    every = sorted(rows, key=lambda row: len(row.input_ids))
    spaced = [every[(2 * at + 1) * len(every) // (2 * count)] for at in range(count)]
    random.Random(SEED).shuffle(spaced)
    return tuple(spaced)


def _short_rows(tokenizer: Tokenizer, pairs: list[tuple[str, str]]) -> Iterator[Row]:
    for prompt, completion in pairs:
        row = _row(tokenizer.render(Completion(prompt=prompt, completion=completion)), prompt, completion)
        if len(row.input_ids) <= LONGEST_ROW:
            yield row


def _sources(count: int) -> list[str]:
    """`count` of the library's files, or all that there are, in a shuffled order."""
    files = _files()
    random.Random(SEED).shuffle(files)
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in files)
    return list(islice((text for text in texts if text.strip()), count))


def _stretches(tokenizer: Tokenizer, texts: list[str], count: int, longest: int) -> Iterator[Row]:
    """Each text, cut where it exceeds `longest`; again from the first where there are too few."""
    for text in islice(cycle(texts), count):
        yield _row(tokenizer.render(Passage(text=text)).cut(longest), "", text)


def _row(rendered: Rendered, prompt: str, completion: str) -> Row:
    labels = [token if learnt else -100 for token, learnt in zip(rendered.ids, rendered.trained, strict=True)]
    return Row(prompt=prompt, completion=completion, input_ids=rendered.ids, labels=labels)
