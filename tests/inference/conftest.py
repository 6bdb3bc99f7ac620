"""A tiny random Llama with a tokenizer, adapters on it, and the engine as a process of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|bos|>", "<|eos|>", "<|im_start|>", "<|im_end|>"]
VOCABULARY = 320
BEYOND_SPECIAL, BEYOND = "<|extra|>", "<tool>"  # added to the tokenizer with ids that the weights have no rows for
CONTEXT = 192
PREFIX_MIB = 4  # soon full, so that memory is soon as flat as it stays
RANKS = {"a": 4, "b": 8, "c": 16}
ALPHA = 8
PROJECTIONS = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
)  # fmt: skip


def write_tokenizer(folder: Path) -> None:
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    library.train_from_iterator(["the quick brown fox jumps over the lazy dog user assistant system"] * 9, trainer)
    library.add_special_tokens([f"<|{number}|>" for number in range(library.get_vocab_size(), VOCABULARY)])
    library.add_special_tokens([BEYOND_SPECIAL])
    library.add_tokens([BEYOND])
    library.save(str(folder / "tokenizer.json"))
    about = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))


def write_model(folder: Path, seed: int) -> None:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=CONTEXT, initializer_range=0.2, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


def write_adapter(folder: Path, base: Path, seed: int, rank: int, leave_out: tuple[str, ...] = ()) -> Path:
    """A PEFT adapter folder whose update is large enough to change what is said."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, weight in load_file(base / "model.safetensors").items():
        projection = name.removesuffix(".weight")
        if not projection.endswith(PROJECTIONS) or projection.endswith(leave_out or ("-",)):
            continue
        prefix = f"base_model.model.{projection}"
        tensors[f"{prefix}.lora_A.weight"] = torch.randn(rank, weight.shape[1], generator=generator) * 0.1
        tensors[f"{prefix}.lora_B.weight"] = torch.randn(weight.shape[0], rank, generator=generator) * 0.1
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": ALPHA}))
    return folder


def merged(base: Path, adapter: Path | None) -> LlamaForCausalLM:
    """Transformers' model with the adapter folded into its weights."""
    model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    if adapter is None:
        return model
    tensors = load_file(adapter / "adapter_model.safetensors")
    about = json.loads((adapter / "adapter_config.json").read_text())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            prefix = f"base_model.model.{name.removesuffix('.weight')}"
            if f"{prefix}.lora_A.weight" in tensors:
                update = tensors[f"{prefix}.lora_B.weight"] @ tensors[f"{prefix}.lora_A.weight"]
                weight += update * (about["lora_alpha"] / about["r"])
    return model


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_model(folder, seed=0)
    write_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def adapters(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three adapters of three ranks; the last leaves some projections alone."""
    folder = tmp_path_factory.mktemp("adapters")
    left_out = {"c": ("q_proj", "gate_proj", "down_proj")}
    return {
        name: write_adapter(folder / name, checkpoint, seed, rank, left_out.get(name, ()))
        for seed, (name, rank) in enumerate(RANKS.items())
    }


@pytest.fixture(scope="session")
def other_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whole weights of the same shape."""
    folder = tmp_path_factory.mktemp("full")
    write_model(folder, seed=99)
    return folder


@pytest.fixture(scope="session")
def expected(
    checkpoint: Path, adapters: dict[str, Path], other_weights: Path
) -> Callable[[str, list[int], int], list[int]]:
    """What transformers' generate says: (model, prompt, tokens) -> tokens."""
    models = {name: merged(checkpoint, folder) for name, folder in adapters.items()}
    models |= {"base": merged(checkpoint, None), "full": merged(other_weights, None)}

    def generate(model: str, prompt: list[int], count: int) -> list[int]:
        ids = torch.tensor([prompt])
        made = models[model].generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, eos_token_id=None,
            pad_token_id=0,
        )  # fmt: skip
        return made[0, len(prompt) :].tolist()

    return generate


@pytest.fixture(scope="session")
def engine(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["EngineProcess"]:
    process = EngineProcess(checkpoint, tmp_path_factory.mktemp("run") / "engine.sock")
    yield process
    process.end()


class EngineProcess:
    """`python -m outcrop.inference` and a client on its socket."""

    def __init__(self, checkpoint: Path, socket: Path) -> None:
        self.socket = socket
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "outcrop.inference", "--checkpoint", str(checkpoint), "--socket", str(socket),
             "--prefix-mib", str(PREFIX_MIB)]
        )  # fmt: skip
        self.client = httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://engine", timeout=60)
        until(socket.exists)
        self.start_s = time.monotonic() - began

    def end(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(name="merged", scope="session")
def _merged() -> Callable[[Path, Path | None], LlamaForCausalLM]:
    return merged


@pytest.fixture(name="until", scope="session")
def _until() -> Callable[..., None]:
    return until


def until(condition: Callable[[], bool], deadline_s: float = 60.0) -> None:
    """Wait for a condition, not for a time."""
    give_up = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up, "the condition never came true"
        time.sleep(0.01)
