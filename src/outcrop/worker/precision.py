"""The type that a job's layers are computed in, where the job leaves the choice. Knows no torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from outcrop.domain.machine import Precision
from outcrop.worker.machine import visible_cards

# Weights on disk from which bfloat16 is chosen on a CPU. It doubles the speed of a checkpoint of 60 M parameters
# (120 MB). A pebble trains in minutes either way and keeps float32, in which its expected results were measured.
LARGE_CHECKPOINT_BYTES = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What of a machine decides: a CUDA device, and a processor that multiplies bfloat16 itself."""

    cuda: bool
    bfloat16_cpu: bool

    @staticmethod
    def here() -> "Hardware":
        """This one, as its kernel tells it."""
        try:
            flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[-1].split("\n", 1)[0].split()
        except OSError:
            flags = []
        return Hardware(cuda=visible_cards() > 0, bfloat16_cpu=bool({"avx512_bf16", "amx_bf16"} & {*flags}))


def choose(stated: Precision | None, checkpoint: Path, machine: Hardware) -> Precision:
    """What was stated; else bfloat16 on CUDA, and on a processor that has it for a large Llama, float32 elsewhere."""
    if stated is not None:
        return stated
    if machine.cuda:
        return "bfloat16"
    return "bfloat16" if machine.bfloat16_cpu and _large_llama(checkpoint) else "float32"


def _large_llama(checkpoint: Path) -> bool:
    """Other architectures run on transformers, whose bfloat16 on a CPU was not measured."""
    try:
        config = json.loads((checkpoint / "config.json").read_bytes())
    except (OSError, ValueError):
        return False  # the child says what is wrong with it
    size = sum(path.stat().st_size for path in checkpoint.glob("*.safetensors"))
    return isinstance(config, dict) and config.get("model_type") == "llama" and size >= LARGE_CHECKPOINT_BYTES
