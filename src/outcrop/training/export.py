"""A custom model in the clear: PEFT's files, or a whole checkpoint in Hugging Face's layout. The key comes on stdin.

`python -m outcrop.training.export REQUEST`, a JSON object; the answer is one on standard output. What was written is
read again and must answer as the model was trained; else nothing stays. Knows nothing of where keys come from.
"""

import base64
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TextIO

import torch
from safetensors.torch import save_file

from outcrop.domain.errors import OutcropError
from outcrop.domain.lifeline import die_with_parent
from outcrop.domain.parity import Parity, measure
from outcrop.domain.probes import PROBES_FILE, Probes
from outcrop.modeling.load import load_model
from outcrop.modeling.model import CausalModel
from outcrop.training.adapter import CONFIG_FILE, WEIGHTS_FILE, AdapterData
from outcrop.training.probing import answers
from outcrop.training.pupil import FULL_CONFIG_FILE, FULL_WEIGHTS_FILE, put_adapter, take_model
from outcrop.training.vault import ModelFolder

SHARD_BYTES = 4 * 2**30  # what other tools split at, give or take, so that files can be moved about
# What a checkpoint needs beside its weights: its tokenizer's files, its way of generating, what its maker demands.
COPIED = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "chat_template*",
      "generation_config.json", "LICENSE*", "NOTICE*", "USE_POLICY*")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`folder`: the sealed model, bound to `job_id`. `base`: its checkpoint. `to`: an empty folder, or none yet.

    `part`: an empty folder (0700) beside `to`, that becomes it in the end; whoever made it removes it if it does not.

    `name`: the model's, for its card.
    """

    folder: str
    job_id: str
    base: str
    format: Literal["peft", "merged"]
    to: str
    part: str
    name: str

    @property
    def base_folder(self) -> Path:
        """Where the checkpoint lies."""
        return Path(self.base)


def export(request: Request, key: bytes) -> Parity | None:
    """Writes the model into `request.to` (0700, its files 0600), whole and examined or not at all.

    None for a model that was made before trainers left probes: there is nothing that it could be held against.
    """
    sealed = ModelFolder(Path(request.folder), request.job_id, key)
    probes = Probes.from_json(sealed.read(PROBES_FILE)) if sealed.has(PROBES_FILE) else None
    part = Path(request.part)
    _write(request, sealed, part)
    parity = None if probes is None else _examine(request, probes, part)
    _write_private(part / "README.md", _card(request, parity).encode())
    part.rename(request.to)
    return parity


def _write(request: Request, sealed: ModelFolder, part: Path) -> None:
    if request.format == "merged":
        _write_merged(request, sealed, part)
    elif sealed.has(FULL_WEIGHTS_FILE):
        raise OutcropError("This model has weights of its own and no adapter: export it with --format merged.")
    else:
        _write_adapter(request, sealed, part)


def _write_adapter(request: Request, sealed: ModelFolder, part: Path) -> None:
    config = json.loads(sealed.read(CONFIG_FILE)) | {"base_model_name_or_path": request.base}
    _write_private(part / CONFIG_FILE, json.dumps(config, indent=1).encode())
    _write_private(part / WEIGHTS_FILE, sealed.read(WEIGHTS_FILE))


def _write_merged(request: Request, sealed: ModelFolder, part: Path) -> None:
    """In float32 whatever the base is stored in: rounded to bfloat16, an adapter's update would be half lost."""
    model = _loaded(request.base_folder)
    take_model(model, sealed)
    _write_weights({name: tensor.float().contiguous() for name, tensor in model.give().items()}, part)
    config = json.loads((request.base_folder / FULL_CONFIG_FILE).read_bytes())
    config.pop("quantization_config", None)
    about = config | {"torch_dtype": "float32", "dtype": "float32"}  # transformers 4's word and transformers 5's
    _write_private(part / FULL_CONFIG_FILE, json.dumps(about, indent=1).encode())
    for pattern in COPIED:
        for file in request.base_folder.glob(pattern):
            _write_private(part / file.name, file.read_bytes())


def _write_weights(tensors: dict[str, torch.Tensor], part: Path) -> None:
    """One file, or several with the index that names them."""
    shards = _shards(tensors, SHARD_BYTES)
    if len(shards) == 1:
        _save(tensors, part / FULL_WEIGHTS_FILE)
        return
    places: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        _save({name: tensors[name] for name in names}, part / file)
        places |= dict.fromkeys(names, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    _write_private(part / f"{FULL_WEIGHTS_FILE}.index.json", json.dumps(index, indent=1).encode())


def _shards(tensors: dict[str, torch.Tensor], limit: int) -> list[list[str]]:
    """Names by file, in order; a file is full before it exceeds `limit`."""
    shards: list[list[str]] = [[]]
    held = 0
    for name, tensor in tensors.items():
        if shards[-1] and held + tensor.nbytes > limit:
            shards.append([])
            held = 0
        shards[-1].append(name)
        held += tensor.nbytes
    return shards


@torch.no_grad()
def _examine(request: Request, probes: Probes, part: Path) -> Parity:
    """Reads back what was written. Raises OutcropError where it does not answer as the model was trained."""
    rows = [row.tokens for row in probes.rows]
    model = _loaded(request.base_folder)
    heard_base = answers(model, rows)
    if request.format == "merged":
        model = _loaded(part)
    else:
        put_adapter(model, AdapterData.parse((part / CONFIG_FILE).read_bytes(), (part / WEIGHTS_FILE).read_bytes()))
    parity = measure(probes, heard_base, answers(model, rows))
    if not parity.holds:
        raise OutcropError(f"{parity.sentence('What was exported')} It was removed.")
    return parity


def _loaded(folder: Path) -> CausalModel:
    """On the CPU, where there is most room, and in float32, where nothing is lost."""
    return load_model(folder, torch.float32, torch.device("cpu"))


def _card(request: Request, parity: Parity | None) -> str:
    library = "peft" if request.format == "peft" else "transformers"
    kind = "A LoRA adapter on" if request.format == "peft" else "A whole checkpoint, in float32, made from"
    return (
        f"---\nbase_model: {json.dumps(request.base)}\nlibrary_name: {library}\n---\n# {request.name}\n\n"
        f"{kind} the checkpoint {request.base_folder.name}, customized with Outcrop and exported from it. The base "
        "model's licence goes on to hold.\n\n"
        f"{_examined(parity)}\n"
    )


def _examined(parity: Parity | None) -> str:
    if parity is None:
        return "It was not examined: it was made before Outcrop kept what a trained model answers."
    return (
        f"Read back after it was written, it differs from the model as it was trained by {parity.own.mean:.1e} nats on "
        f"average over {parity.count} log-probabilities ({parity.own.largest:.1e} at most); training had moved them by "
        f"{parity.moved.mean:.2g}."
    )


def _save(tensors: dict[str, torch.Tensor], file: Path) -> None:
    save_file(tensors, file, metadata={"format": "pt"})
    file.chmod(0o600)


def _write_private(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(content)


def main(arguments: Sequence[str], source: TextIO, out: TextIO) -> int:
    """Carries out the request in `arguments`; answers the exit status."""
    try:
        (asked,) = arguments
        parity = export(Request(**json.loads(asked)), base64.b64decode(source.read(), validate=True))
        print(json.dumps({"parity": parity and asdict(parity)}), file=out, flush=True)
    except (OutcropError, OSError) as error:
        print(json.dumps({"error": str(error)}), file=out, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    die_with_parent()
    os.umask(0o077)  # weights in the clear are the user's own
    sys.exit(main(sys.argv[1:], sys.stdin, sys.stdout))
