"""The checkpoint that ships with the package, served: tied weights, stored in bfloat16, its own chat template."""

from importlib.resources import files
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from outcrop.inference.asking import Sampling
from outcrop.inference.cache import Cache
from outcrop.inference.models import Models
from outcrop.inference.runner import Runner
from outcrop.inference.scheduler import Answer, Limits, Scheduler
from outcrop.inference.writer import TextWriter
from outcrop.modeling.config import LlamaConfig
from outcrop.text import Tokenizer

PEBBLE = Path(str(files("outcrop"))) / "pebbles" / "text"
CPU = torch.device("cpu")
COUNT = 24


def test_the_pebble_says_what_transformers_says() -> None:
    config, tokenizer = LlamaConfig.load(PEBBLE), Tokenizer.load(PEBBLE)
    limits = Limits(rows=4, cache_tokens=4096, context_tokens=config.context_tokens)
    scheduler, runner = Scheduler(limits, tokenizer.stop_ids), Runner(Cache(config, 4096, CPU))
    base = Models(PEBBLE, config, CPU).shelf.find("base")
    asked = [tokenizer.render_chat([{"role": "user", "content": text}]) for text in ("Parse a URL.", "Hi", "def f(x):")]
    answers, said = [], {}
    for prompt in asked:
        writer, sampling = TextWriter(tokenizer.stream(), ()), Sampling(max_tokens=COUNT, seed=0, temperature=0.0)
        answers.append(Answer(prompt=prompt, sampling=sampling, model=base, writer=writer))
        scheduler.submit(answers[-1])
    while (step := scheduler.decide()) is not None:
        for answer, progress in scheduler.absorb(step, runner.do(step)):
            said[answer] = said.get(answer, "") + progress.text
    oracle = LlamaForCausalLM.from_pretrained(PEBBLE, dtype=torch.float32).eval()
    for answer in answers:
        ids = torch.tensor([answer.prompt])
        made = oracle.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=COUNT,
            do_sample=False,
            eos_token_id=sorted(tokenizer.stop_ids),
            pad_token_id=0,
        )[0, len(answer.prompt) :].tolist()
        assert answer.known[len(answer.prompt) :] == made
        assert said[answer] == tokenizer.decode(made)
