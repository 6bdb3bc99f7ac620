"""What cannot be trained or served is refused when it is mapped, with the reason and the mend."""

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers, trainers

from architectures import about, write_network
from outcrop.domain.errors import CheckpointError
from outcrop.families.catalogue import PEBBLE
from outcrop.modeling.examining import EXPERTS, NO_TEMPLATE, examine

CHAT_ML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_tokenizer(folder: Path, **changes: object) -> None:
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=290, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    library.train_from_iterator(["user assistant the quick brown fox"], trainer)
    library.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": "<|im_end|>", "chat_template": CHAT_ML} | changes)
    )


@pytest.fixture
def qwen(tmp_path: Path) -> Path:
    write_network("qwen2", tmp_path)
    write_tokenizer(tmp_path)
    return tmp_path


def test_a_plain_llama_and_another_architecture_are_good(qwen: Path) -> None:
    assert examine(qwen) == []
    assert examine(PEBBLE) == []


def test_a_checkpoint_without_template_is_good_for_prompts(qwen: Path) -> None:
    write_tokenizer(qwen, chat_template=None)
    assert examine(qwen) == [NO_TEMPLATE]


def test_what_adapters_leave_frozen_is_said(tmp_path: Path) -> None:
    write_network("mixtral", tmp_path)
    write_tokenizer(tmp_path)
    assert examine(tmp_path) == [EXPERTS]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "never stop"),
        ("{{ messages | length }}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}", "continuation"),
        ("{{ raise_exception('no') }}", "refuses this conversation"),
        ("{% for %}", "does not parse"),
    ],
)
def test_a_template_that_cannot_be_trained_with_is_refused(qwen: Path, template: str, said: str) -> None:
    write_tokenizer(qwen, chat_template=template)
    with pytest.raises(CheckpointError, match=said):
        examine(qwen)


def test_a_tokenizer_of_another_checkpoint_is_refused(qwen: Path) -> None:
    about(qwen, lambda config: config | {"vocab_size": 200})
    with pytest.raises(CheckpointError, match="belongs to another checkpoint"):
        examine(qwen)


def test_a_tokenizer_that_names_no_end_is_refused(qwen: Path) -> None:
    write_tokenizer(qwen, chat_template=None, eos_token=None)
    with pytest.raises(CheckpointError, match="names no eos_token"):
        examine(qwen)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "t5"}, "no causal language model"),
        (
            {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "own.Model"}},
            r"own code \(auto_map\) is never run",
        ),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised already"),
        ({"vocab_size": None}, "vocab_size"),
        ({"model_type": "bert"}, "what comes after a token as well"),
        ({"model_type": "bart", "is_encoder_decoder": True}, "through an encoder"),
    ],
)
def test_an_architecture_that_is_not_supported_is_refused(qwen: Path, change: dict[str, object], said: str) -> None:
    about(qwen, lambda config: config | change)
    with pytest.raises(CheckpointError, match=said):
        examine(qwen)


def test_a_llama_with_biases_goes_through_transformers(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "biased"))
    about(folder, lambda config: config | {"attention_bias": True})
    assert examine(folder) == []


def test_a_template_with_a_token_that_the_weights_do_not_know_is_refused(qwen: Path) -> None:
    library = Library.from_file(str(qwen / "tokenizer.json"))
    library.add_tokens(["<turn>"])
    rows = library.get_vocab_size() - 1
    library.save(str(qwen / "tokenizer.json"))
    about(qwen, lambda config: config | {"vocab_size": rows})
    assert examine(qwen) == []
    (qwen / "chat_template.jinja").write_text("<turn>" + CHAT_ML)
    with pytest.raises(CheckpointError, match="the token <turn>"):
        examine(qwen)
