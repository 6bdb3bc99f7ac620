"""Makes the text pebble: `python recipes/pebble_text.py --out DIR --minutes 60` (or --tokens, or --cpu-minutes).

Reads nothing that is not named in the card it writes. Killed at any moment, the same command goes on from the last
state, which DIR.run holds with the log; DIR is a usable checkpoint from the first mark on.
"""

import argparse
import math
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pebble.allocator import require_allocator

# The last part of the budget, while the rate falls, reads most of what is like the text that is measured and taught.
LATE = 0.55
# At every mark but the last, the held-out loss is taken over each nth text: it is there to be drawn, and costs time.
MARK_EVERY, MARK_EXERCISES, LAST_EXERCISES = 5, 5, 40


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    import torch

    torch.set_num_threads(1)
    run = Run(options)
    run.go()


class Run:
    """The run: what it reads, what it trains, and the folder that remembers it."""

    def __init__(self, options: argparse.Namespace) -> None:
        from pebble.material import Material, read_corpus
        from pebble.pretraining import SHAPE, Pretraining, Schedule, new_model

        self.options, self.folder = options, options.out.with_name(options.out.name + ".run")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.schedule = Schedule(peak=options.peak, warm_up_steps=options.warm_up_steps, decay=options.decay)
        self.corpus = read_corpus(options.every, options.python_docs)
        if not self.corpus.has_documentation:
            print("The Python documentation is not on this machine: the pebble will not read it.", flush=True)
        self.tokenizer = self._tokenizer()
        self.training = Pretraining(new_model(SHAPE, options.seed), self.schedule, options.workers)
        self.material = Material(self.corpus, self.tokenizer, options.seed)
        self.marks, self.saved_s = 0, time.monotonic()
        self.log = self._resumed()

    def go(self) -> None:
        """Trains until the budget is used up; the checkpoint and its card are then in the folder that was asked for."""
        from pebble.unfinished import forget_state

        budget, options = self._budget(), self.options
        batches = self.material.batches(options.batch_tokens, lambda: budget.done(self.training.spent) >= LATE)
        for losses in self.training.run(batches, budget):
            done = budget.done(self.training.spent)
            self._tell(losses, done)
            if done * options.marks >= self.marks + 1 and done < 1:
                self.marks = int(done * options.marks)
                self._keep(last=False)
            if time.monotonic() - self.saved_s >= 60 * options.save_minutes:
                self._save_state()
        self._save_state()
        self._keep(last=True)
        self.log.close()
        forget_state(self.folder)

    def _tell(self, losses, done: float) -> None:
        spent = self.training.spent
        self.log.add(
            step=spent.steps,
            tokens=spent.tokens,
            loss=losses.mean,
            loss_text=losses.text / max(1, losses.text_tokens),
            loss_lessons=losses.lessons / max(1, losses.lesson_tokens),
            learning_rate=self.schedule.learning_rate(spent.steps, done),
            cpu_s=round(spent.cpu_s, 2),
            wall_s=round(spent.wall_s, 2),
        )
        if spent.steps % 20 == 0:
            rate = spent.tokens / spent.cpu_s
            print(f"step {spent.steps}  {done:.1%}  loss {losses.mean:.3f}  {rate:.0f} tokens/CPU-s", flush=True)

    def _keep(self, last: bool) -> None:
        """Measures, logs, and writes the checkpoint with its card and curve."""
        from pebble.card import Measured, save_card
        from pebble.checkpoint import save_checkpoint
        from pebble.curve import save_curve
        from pebble.gauge import bits_per_byte, gauge, held_out_texts
        from pebble.log import read_log
        from pebble.samples import samples

        model, options = self.training.model, self.options
        texts = held_out_texts()[:: (1 if last else MARK_EVERY) * options.every]
        each = options.gauge_each or (LAST_EXERCISES if last else MARK_EXERCISES)
        measured = Measured(
            bits_per_byte=bits_per_byte(model, self.tokenizer, texts),
            gauge=gauge(model, self.tokenizer, self.corpus.pool, each),
            samples=samples(model, self.tokenizer),
        )
        self.log.add(
            step=self.training.spent.steps,
            tokens=self.training.spent.tokens,
            held_out_bits_per_byte=measured.bits_per_byte,
            held_out_texts=len(texts),
            exact=measured.gauge.exact,
        )
        self.log.on_disk()
        save_checkpoint(model, self.tokenizer, options.out)
        save_curve(read_log(self.folder / "log.jsonl"), options.out / "curve.svg")
        save_card(options.out, self._making(), measured)
        bits, exact = measured.bits_per_byte, measured.gauge.mean_exact
        print(f"kept: {bits:.3f} held-out bits per byte, exercises exact {exact:.1%}", flush=True)

    def _making(self):
        from pebble.card import Making
        from pebble.machine import machine

        spent, model = self.training.spent, self.training.model
        return Making(
            command=self._command(),
            seed=self.options.seed,
            machine=machine(),
            python=platform.python_version(),
            corpus=self.corpus,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            vocabulary=model.config.vocabulary_size,
            steps=spent.steps,
            tokens=spent.tokens,
            cpu_minutes=spent.cpu_s / 60,
            minutes=spent.wall_s / 60,
        )

    def _command(self) -> str:
        """The command line, without the folder's place on this machine."""
        given = {str(self.options.out): self.options.out.name}
        return shlex.join(["python", "recipes/pebble_text.py", *(given.get(word, word) for word in sys.argv[1:])])

    def _budget(self):
        from pebble.pretraining import Budget

        options = self.options
        return Budget(tokens=options.tokens, cpu_s=60 * options.cpu_minutes, wall_s=60 * options.minutes)

    def _tokenizer(self):
        """The one that the unfinished run began with, or a new one, which is kept for it."""
        from tokenizers import Tokenizer

        from pebble.tokenizer import train_tokenizer
        from pebble.unfinished import replace_durably

        kept = self.folder / "tokenizer.json"
        if kept.exists() and not self.options.anew:
            return Tokenizer.from_file(str(kept))
        tokenizer = train_tokenizer(self.corpus.sample())
        part = self.folder / "tokenizer.json.part"
        tokenizer.save(str(part))
        replace_durably(part, kept)
        return tokenizer

    def _recipe(self) -> dict[str, object]:
        """What must stay the same for a run to go on to the bit; the budget may change."""
        from pebble.pretraining import SHAPE

        options = self.options
        return {
            "seed": options.seed,
            "every": options.every,
            "characters": sum(map(len, self.corpus.passages)),
            "workers": options.workers,
            "batch_tokens": options.batch_tokens,
            "schedule": asdict(self.schedule),
            "shape": asdict(SHAPE),
        }

    def _save_state(self) -> None:
        from pebble.unfinished import State, save_state

        state = State(
            tensors=self.training.tensors(),
            recipe=self._recipe(),
            spent=asdict(self.training.spent),
            material=self.material.state(),
            marks=self.marks,
            log_bytes=self.log.on_disk(),
        )
        save_state(state, self.folder)
        self.saved_s = time.monotonic()

    def _resumed(self):
        """The log to go on with; everything else is put back where the state has it."""
        from pebble.log import Log
        from pebble.pretraining import Spent
        from pebble.unfinished import forget_state, load_state

        if self.options.anew:
            forget_state(self.folder)
        state = load_state(self.folder, self._recipe())
        if state is None:
            return Log(self.folder / "log.jsonl")
        self.training.restore(state.tensors, Spent(**state.spent))
        self.material.restore(state.material)
        self.marks = state.marks
        print(f"goes on after step {state.spent['steps']}", flush=True)
        return Log(self.folder / "log.jsonl", state.log_bytes)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    budget = parser.add_argument_group("budget (whichever is given and ends first; only steps count)")
    budget.add_argument("--tokens", type=float, default=math.inf)
    budget.add_argument("--minutes", type=float, default=math.inf, help="wall clock")
    budget.add_argument("--cpu-minutes", type=float, default=math.inf)
    parser.add_argument("--anew", action="store_true", help="do not go on with an unfinished run: begin again")
    parser.add_argument("--save-minutes", type=float, default=3.0, help="between two states of an unfinished run")
    parser.add_argument("--marks", type=int, default=10, help="measurements and checkpoints on the way")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="threads, one a core")
    parser.add_argument("--batch-tokens", type=int, default=4096, help="tokens a step")
    parser.add_argument("--peak", type=float, default=4e-3, help="the highest learning rate")
    parser.add_argument("--warm-up-steps", type=int, default=60)
    parser.add_argument("--decay", type=float, default=0.7, help="the part of the run in which the rate falls")
    parser.add_argument("--every", type=int, default=1, help="read only every nth file, to try the recipe out")
    parser.add_argument("--python-docs", type=Path, help="folder of the Python documentation's *.rst.txt files")
    parser.add_argument("--gauge-each", type=int, help="exercises of each kind at every measurement")
    options = parser.parse_args(arguments)
    if math.inf == options.tokens == options.minutes == options.cpu_minutes:
        parser.error("a budget is needed: --tokens, --minutes or --cpu-minutes")
    return options


if __name__ == "__main__":
    require_allocator()
    main(sys.argv[1:])
