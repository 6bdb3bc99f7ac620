"""Makes the text pebble: `python recipes/pebble_text.py --out DIR` (at most 55 CPU-minutes and half an hour).

Reads nothing but the running Python's standard library. A usable checkpoint is written every few minutes.
"""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

# Before torch loads: returning large blocks to the system and fetching them again costs a third of a step.
# One thread a product: the shares of a batch run side by side instead.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 33), "OMP_NUM_THREADS": "1"}
SAVES = 10


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    import torch
    from tokenizers import Tokenizer

    from outcrop.modeling.llama import Llama
    from pebble.material import Material, read_corpus
    from pebble.pretraining import SHAPE, Schedule, new_model, pretrain
    from pebble.tokenizer import train_tokenizer

    torch.set_num_threads(1)
    corpus = read_corpus(options.every)
    if options.go_on_from:
        tokenizer = Tokenizer.from_file(str(options.go_on_from / "tokenizer.json"))
        model = Llama.load(options.go_on_from)
    else:
        tokenizer = train_tokenizer(corpus.passages)
        model = new_model(SHAPE, options.seed)
    schedule = Schedule(cpu_s=60 * options.cpu_minutes, wall_s=60 * options.minutes, batch_tokens=options.batch_tokens)
    keeper = Keeper(model, tokenizer, corpus.pool, options)
    material = Material(corpus, tokenizer, options.seed)
    pretrain(model, material.batches(schedule.batch_tokens), schedule, options.threads, keeper.hear)


class Keeper:
    """Says how it goes, and keeps a checkpoint at every tenth of the way."""

    def __init__(self, model, tokenizer, words: list[str], options: argparse.Namespace) -> None:
        self.model, self.tokenizer, self.words, self.options = model, tokenizer, words, options
        self.saved, self.losses = 0, []

    def hear(self, progress) -> None:
        """Called after every step."""
        self.losses.append(progress.loss)
        if progress.step % 20 == 0:
            mean, self.losses = sum(self.losses) / len(self.losses), []
            rate = progress.tokens / progress.cpu_s
            print(f"step {progress.step}  {progress.done:.1%}  loss {mean:.3f}  {rate:.0f} tokens/CPU-s", flush=True)
        if progress.done * SAVES >= self.saved + 1 or progress.done >= 1:
            self.saved = int(progress.done * SAVES)
            self.keep(progress)

    def keep(self, progress) -> None:
        """Writes the checkpoint and its card."""
        from pebble.checkpoint import Making, earlier_effort, save_card, save_checkpoint
        from pebble.gauge import gauge

        measured = gauge(self.model, self.tokenizer, self.words, self.options.gauge_each)
        making = Making(
            earlier=earlier_effort(self.options.go_on_from) if self.options.go_on_from else "",
            python=platform.python_version(),
            cpu_minutes=progress.cpu_s / 60,
            tokens=progress.tokens,
            steps=progress.step,
        )
        save_checkpoint(self.model, self.tokenizer, self.options.out)
        save_card(self.options.out, measured, making)
        shares = ", ".join(f"{name} {share:.0%}" for name, share in measured.exact.items())
        print(
            f"kept: held-out loss {measured.held_out_loss:.3f}, exact {measured.mean_exact:.1%} ({shares})", flush=True
        )


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--go-on-from", type=Path, help="a pebble of an earlier run, to be trained further")
    parser.add_argument("--every", type=int, default=1, help="read only every nth module, to try the recipe out")
    parser.add_argument("--cpu-minutes", type=float, default=55.0)
    parser.add_argument("--minutes", type=float, default=30.0, help="wall clock")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-tokens", type=int, default=3072)
    parser.add_argument("--gauge-each", type=int, default=10, help="exercises of each kind at every measurement")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})
    main(sys.argv[1:])
