"""What every server is given: one random Llama, adapters on it, prompts, and sizes. Knows no server."""

import json
import random
import string
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers
from training_peers.checkpoint import Shape, write_checkpoint

SHAPE = Shape(hidden=640, intermediate=1728, layers=11, vocabulary=8192)  # 56 M parameters
PROMPT_TOKENS, ANSWER_TOKENS, CLIENTS, ADAPTERS = 64, 128, 16, 8
RANK, ALPHA = 16, 32
UPDATE_STD = 0.02  # as large as the weights' own: an adapter changes what is said
END = "<|end|>"  # a chat model has one; its row in the head is zero, so that a greedy answer never ends early
END_TOKEN = SHAPE.vocabulary - 1


def write_material(folder: Path) -> Path:
    """The checkpoint's folder; adapters lie beside it as a0, a1, ..."""
    model = folder / "model"
    model.mkdir()
    write_checkpoint(model, SHAPE)
    _answer_to_the_end(model)
    _write_tokenizer(model)
    for number in range(ADAPTERS):
        _write_adapter(folder / f"a{number}", number)
    return model


def prompt(number: int) -> list[int]:
    """The tokens that a client asks with."""
    dice = random.Random(number)
    return [dice.randrange(END_TOKEN) for _ in range(PROMPT_TOKENS)]


def prompt_text(number: int) -> str:
    """The text that a client asks with: as many letters as `prompt` has tokens, each of them a token."""
    dice = random.Random(number)
    return "".join(dice.choice(string.ascii_letters) for _ in range(PROMPT_TOKENS))


def _answer_to_the_end(model: Path) -> None:
    """Every answer has its full length: the end token is never the likeliest, and no server but ours is told of it."""
    config = json.loads((model / "config.json").read_text())
    del config["eos_token_id"], config["pad_token_id"]
    (model / "config.json").write_text(json.dumps(config))
    index = json.loads((model / "model.safetensors.index.json").read_text())
    ends = model / index["weight_map"]["model.embed_tokens.weight"]
    tensors = load_file(ends)
    tensors["model.embed_tokens.weight"][END_TOKEN] = 0.0
    save_file(tensors, ends, metadata={"format": "pt"})


def _write_tokenizer(model: Path) -> None:
    """Every token has a text of its own, so that equal texts are equal tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"\u0120w{number}" for number in range(len(letters), END_TOKEN)), END]
    library = Library(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[]))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens([END])
    library.save(str(model / "tokenizer.json"))
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END}
    (model / "tokenizer_config.json").write_text(json.dumps(about))


def _write_adapter(folder: Path, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for sizes in SHAPE.files():
        for name, size in sizes.items():
            if not name.endswith("_proj.weight"):
                continue
            prefix = f"base_model.model.{name.removesuffix('.weight')}"
            a, b = torch.empty(RANK, size[1]), torch.empty(size[0], RANK)
            tensors[f"{prefix}.lora_A.weight"] = a.normal_(std=UPDATE_STD, generator=generator)
            tensors[f"{prefix}.lora_B.weight"] = b.normal_(std=UPDATE_STD, generator=generator)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    about = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": targets, "task_type": "CAUSAL_LM"}
    (folder / "adapter_config.json").write_text(json.dumps(about))
