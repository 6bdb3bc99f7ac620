"""What a pebble says to a few fixed prompts, for its card. Knows no files."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from outcrop.modeling.llama import Llama
from outcrop.modeling.packed import Packed
from pebble.tokenizer import BOS, EOS

WARM = 0.7
LONGEST = 60  # tokens
PROMPTS = (
    f"{BOS}The function returns",
    f"{BOS}This module provides",
    f"{BOS}If the file does not exist, ",
    f"{BOS}<|user|>What is a list?{EOS}<|assistant|>",
    f"{BOS}<|user|>Repeat: the blue quobrith sleeps{EOS}<|assistant|>",
    f"{BOS}Question: Parameters as JSON: def move(source, target, force)\nAnswer:",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A prompt as the model sees it, and how it went on at temperature 0 and at WARM."""

    prompt: str
    likeliest: str
    warm: str


def samples(model: Llama, tokenizer: Tokenizer, prompts: Sequence[str] = PROMPTS) -> list[Sample]:
    """Continuations of `prompts`; the warm ones from a fixed seed."""
    return [
        Sample(
            prompt=prompt,
            likeliest=continued(model, tokenizer, prompt, 0.0),
            warm=continued(model, tokenizer, prompt, WARM),
        )
        for prompt in prompts
    ]


@torch.inference_mode()
def continued(model: Llama, tokenizer: Tokenizer, prompt: str, temperature: float, seed: int = 0) -> str:
    """Up to LONGEST tokens after `prompt`, or as far as the end token."""
    ids = tokenizer.encode(prompt).ids
    begun, chance, end = len(ids), torch.Generator().manual_seed(seed), tokenizer.token_to_id(EOS)
    while len(ids) < begun + LONGEST:
        logits = model(Packed.of([torch.tensor(ids)]), torch.tensor([len(ids) - 1]))[0].float()  # [vocabulary]
        ids.append(_chosen(logits, temperature, chance))
        if ids[-1] == end:
            break
    return str(tokenizer.decode(ids[begun:], skip_special_tokens=True))


def _chosen(logits: torch.Tensor, temperature: float, chance: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=chance))
