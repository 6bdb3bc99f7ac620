"""The model card: how a pebble was made, from what, what it can do and what it cannot. Measures nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pebble.corpus import Corpus
from pebble.gates.verdict import FIRST_PEBBLE_BITS_PER_BYTE
from pebble.gauge import Gauge
from pebble.samples import WARM, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How this pebble was made."""

    command: str
    seed: int
    machine: str
    python: str
    corpus: Corpus
    parameters: int
    vocabulary: int
    steps: int
    tokens: int
    cpu_minutes: float
    minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What it came to."""

    bits_per_byte: float
    gauge: Gauge
    samples: Sequence[Sample]


def save_card(folder: Path, making: Making, measured: Measured) -> None:
    """Writes README.md, which shows curve.svg beside it."""
    text = CARD.format(
        making=making,
        millions=making.parameters / 1e6,
        megatokens=making.tokens / 1e6,
        bits=measured.bits_per_byte,
        less=measured.bits_per_byte / FIRST_PEBBLE_BITS_PER_BYTE - 1,
        first=FIRST_PEBBLE_BITS_PER_BYTE,
        mean=measured.gauge.mean_exact,
        warm=WARM,
        sources=_table(_sources(making.corpus)),
        packages=", ".join(f"{one.name} {one.version} ({one.licence})" for one in making.corpus.packages),
        exercises=_table((name.replace("_", " "), f"{share:.0%}") for name, share in measured.gauge.exact.items()),
        samples=_table((_code(one.prompt), _code(one.likeliest), _code(one.warm)) for one in measured.samples),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _sources(corpus: Corpus) -> Iterator[tuple[str, ...]]:
    """A line for each source that had anything to read, and one for what is made up."""
    for text in corpus.texts:
        if text.passages:
            one = text.source
            yield one.what, one.licence, f"{text.size_bytes / 1e6:.2f}", f"{one.passes:g}, late {one.late_passes:g}"
    yield "exercises that the recipe generates", "Apache-2.0", "endless", ""


def _table(rows: Iterable[Iterable[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _code(text: str) -> str:
    """The text as code in a cell of a table: one line, and no sign that would end either."""
    plain = text.replace("`", "'").replace("|", "\\|").replace("\n", "⏎")
    return f"`{plain}`" if plain.strip() else "(nothing)"


CARD = """\
---
license: apache-2.0
library_name: transformers
---
# Pebble (text)

A language model of {millions:.1f} million parameters (Llama architecture, vocabulary {making.vocabulary:,}, tied) that
stands in for foundation models whose weights cannot be had, so that customization can be learnt and tested with nothing
to download. It is made to be taught.

- Made by `{making.command}` (seed {making.seed}, Python {making.python}), without the modules
  named in `outcrop/cli/lab/held_out.txt`.
- {megatokens:.1f} million tokens in {making.steps:,} steps: {making.cpu_minutes:.0f} CPU-minutes,
  {making.minutes:.0f} minutes, on {making.machine}.
- Held-out docstrings: **{bits:.3f} bits per byte**; the first pebble's are {first:.3f} ({less:+.0%}).
- Chat template: `<|bos|>`, then for each turn `<|system|>`, `<|user|>` or `<|assistant|>`, the text and `<|end|>`.

![Losses over the tokens seen](curve.svg)

## What it read

| source | licence | megabytes kept | passes a round |
|---|---|---|---|
{sources}

The packages, with the licences that their metadata name: {packages}.

None of the texts is in this folder.

## What it says

Prompts as the model sees them, at temperature 0 and at {warm} (a line's end is shown as ⏎).

| prompt | temperature 0 | temperature {warm} |
|---|---|---|
{samples}

## What it answers

Fresh exercises answered exactly ({mean:.0%} on average; each token the likeliest after the right ones):

| exercise | exact |
|---|---|
{exercises}

## Limits

It knows next to nothing of the world, reasons about nothing, and states what is false as readily as what is true. It
reads English and Python of the kinds named above, and no other language. Past about 500 tokens it has seen little. Do
not answer people with it.
"""
