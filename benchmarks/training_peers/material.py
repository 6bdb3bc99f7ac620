"""What every trainer under measure is given: one model, one adapter, and the same rows as tokens and as text.

Models have random weights from a fixed seed. Tokenizers are trained here, on the standard library of the running
Python; a row asks for the docstring of one of its functions. Knows nothing of the trainers.
"""

import ast
import json
import random
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers, trainers

from outcrop.domain.conversation import Completion
from outcrop.domain.plan import LoraPlan
from outcrop.modeling import lora
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.llama import Llama
from outcrop.text import Rendered, Tokenizer
from outcrop.training.adapter import CONFIG_FILE, WEIGHTS_FILE, AdapterData
from outcrop.training.batches import epoch_order

PAD, END = "<|pad|>", "<|end|>"
SEED = 0
INIT_STD = 0.02  # transformers' own for a Llama
# TRL's default `max_length`: a longer row would be cut by one trainer and not by another, so none is taken.
LONGEST_ROW = 1024
SHORTEST_DOCSTRING = 12  # characters; below it there is nothing to learn
NO_SOURCES = {"site-packages", "test", "tests", "__pycache__", "idlelib", "turtledemo"}
LORA = LoraPlan(rank=16, alpha=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A Llama's sizes."""

    hidden: int
    intermediate: int
    layers: int
    vocabulary: int
    head: int = 64

    def config(self) -> dict[str, Any]:
        """Hugging Face's config.json."""
        heads = self.hidden // self.head
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "head_dim": self.head,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "max_position_embeddings": 2048,
            "rope_theta": 10000.0,
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One example. `input_ids[i]` is learnt where `labels[i]` is not -100."""

    prompt: str
    completion: str
    input_ids: list[int]
    labels: list[int]

    @property
    def learnt(self) -> int:
        """How many tokens count in the loss."""
        return sum(label >= 0 for label in self.labels)

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
    """Writes a model, an adapter and `count` rows under `folder`."""
    pairs = docstring_pairs()
    model = folder / "model"
    model.mkdir(parents=True)
    _write_tokenizer(model, shape.vocabulary, pairs)
    _write_weights(model, shape)
    material = Material(folder=folder, shape=shape, rows=_rows(Tokenizer.load(model), pairs, count))
    _write_adapter(material)
    first_epoch = [material.rows[at] for at in epoch_order(count, SEED, 0).tolist()]
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
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if NO_SOURCES.isdisjoint(path.relative_to(root).parts):
            for node in ast.walk(_parsed(path)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield node


def _parsed(path: Path) -> ast.Module:
    """The library carries a few files that are broken on purpose."""
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _write_tokenizer(folder: Path, vocabulary: int, pairs: list[tuple[str, str]]) -> None:
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator((prompt + completion for prompt, completion in pairs), trainer)
    library.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": PAD}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _write_weights(folder: Path, shape: Shape) -> None:
    (folder / "config.json").write_text(json.dumps(shape.config(), indent=1))
    generator = torch.Generator().manual_seed(SEED)
    model = Llama(LlamaConfig.from_huggingface(shape.config()))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=INIT_STD, generator=generator)
    tensors = {name: tensor.contiguous() for name, tensor in model.give().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _rows(tokenizer: Tokenizer, pairs: list[tuple[str, str]], count: int) -> tuple[Row, ...]:
    """`count` rows whose lengths are spread as all rows' are: a few drawn by chance may pad far more or far less."""
    every = sorted(_short_rows(tokenizer, pairs), key=lambda row: len(row.input_ids))
    spaced = [every[(2 * at + 1) * len(every) // (2 * count)] for at in range(count)]
    random.Random(SEED).shuffle(spaced)
    return tuple(spaced)


def _short_rows(tokenizer: Tokenizer, pairs: list[tuple[str, str]]) -> Iterator[Row]:
    for prompt, completion in pairs:
        rendered = tokenizer.render(Completion(prompt=prompt, completion=completion))
        if len(rendered.ids) <= LONGEST_ROW:
            labels = [token if learnt else -100 for token, learnt in zip(rendered.ids, rendered.trained, strict=True)]
            yield Row(prompt=prompt, completion=completion, input_ids=rendered.ids, labels=labels)


def _write_adapter(material: Material) -> None:
    """The adapter that a job with this seed starts from: peers load it instead of drawing their own."""
    model = Llama.load(material.model)
    adapters = lora.attach(model, LORA, SEED)
    data = AdapterData(plan=LORA, tensors=lora.give(adapters, LORA.targets))
    material.adapter.mkdir()
    (material.adapter / CONFIG_FILE).write_bytes(data.config())
    (material.adapter / WEIGHTS_FILE).write_bytes(data.weights())
