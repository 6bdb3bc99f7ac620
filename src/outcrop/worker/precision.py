"""The type that a job's layers are computed in, where the job leaves the choice. Knows no torch."""

from dataclasses import dataclass
from pathlib import Path

from outcrop.domain.machine import Precision
from outcrop.families import Checkpoint

# Weights on disk from which bfloat16 is chosen on a CPU. It doubles the speed of a checkpoint of 60 M parameters
# (120 MB). A pebble trains in minutes either way and keeps float32, in which its expected results were measured.
LARGE_CHECKPOINT_BYTES = 100_000_000
PROCESSORS = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What of a machine decides: a card that torch computes on, and a processor that multiplies bfloat16 itself."""

    card: bool
    bfloat16_cpu: bool

    @staticmethod
    def of(card: str | None) -> "Hardware":
        """With the card that torch sees, which a driver alone does not tell; the processor as its kernel tells it."""
        try:
            flags = PROCESSORS.read_text().split("flags", 1)[-1].split("\n", 1)[0].split()
        except OSError:
            flags = []
        return Hardware(card=card is not None, bfloat16_cpu=bool({"avx512_bf16", "amx_bf16"} & {*flags}))


def choose(checkpoint: Checkpoint, hardware: Hardware, exact: bool) -> Precision:
    """bfloat16 on a card, and on a processor that has it for a large Llama; else float32.

    `exact`: whole weights are in the result. They stay float32, and transformers' networks compute as they are stored.
    """
    if exact and not checkpoint.is_plain_llama:
        return "float32"
    if hardware.card:
        return "bfloat16"
    return "bfloat16" if hardware.bfloat16_cpu and _large_llama(checkpoint) else "float32"


def _large_llama(checkpoint: Checkpoint) -> bool:
    """Other architectures run on transformers, whose bfloat16 on a CPU was not measured."""
    size = sum(path.stat().st_size for path in checkpoint.path.glob("*.safetensors"))
    return checkpoint.is_plain_llama and size >= LARGE_CHECKPOINT_BYTES
