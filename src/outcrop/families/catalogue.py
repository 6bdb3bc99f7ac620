"""Which checkpoint stands behind a model id, and how a family's hyperparameters apply to it.

Closed weights cannot be had: with nothing mapped, every id is answered by the pebble that ships with the package, and
says so. Knows nothing of what a checkpoint computes.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from outcrop.domain.context import DEFAULT_TOKENS, context_tokens
from outcrop.domain.errors import CheckpointError, SettingsError
from outcrop.domain.plain_llama import is_plain_llama
from outcrop.domain.plan import ALL_LINEAR, LoraPlan
from outcrop.families.hyperparameters import Hyperparameters
from outcrop.families.model import FoundationModel
from outcrop.families.open import registered
from outcrop.families.registry import MODELS, model_id_of

PEBBLE = Path(__file__).parent.parent / "pebbles" / "text"
# What a checkpoint says of itself to Outcrop; real weights need no such file.
CARD = "outcrop.json"
TOKENIZER = "tokenizer.json"
LONGEST_NAME = 20
_KEPT = 256  # of what files say, until they are written anew: every call asks for it, on the event loop at that
RANK, ALPHA = 16, 32  # LoRA's usual, where a card says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedHyperparameters:
    """What the training child is told. `lora` None: every weight is trained. `quantization`: of the frozen ones."""

    learning_rate: float
    warmup_steps: int
    schedule: Literal["linear", "cosine", "constant"]
    lora: LoraPlan | None
    quantization: Literal["nf4"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A folder of weights behind a model id. `sentence` says plainly what answers."""

    path: Path
    name: str
    stand_in: bool
    sentence: str

    def applied(self, model: FoundationModel, hyperparameters: Hyperparameters) -> AppliedHyperparameters:
        """A family's hyperparameters in this checkpoint's terms: learning rates by its card, else as they are."""
        card = _card(self.path)
        return AppliedHyperparameters(
            learning_rate=_translated(card, model.family, hyperparameters),
            warmup_steps=hyperparameters.warmup_steps,
            schedule="linear",
            lora=None if hyperparameters.method == "full" else _lora(card, hyperparameters),
            quantization="nf4" if hyperparameters.method == "qlora" else None,
        )

    @property
    def context_tokens(self) -> int:
        """How many tokens the checkpoint itself can take in."""
        return _context_tokens(self.path)

    @property
    def is_plain_llama(self) -> bool:
        """Whether our own Llama computes it, and not transformers."""
        return is_plain_llama(_json_object(self.path / "config.json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A user's mappings (model id to folder), over the pebble. `file` None: nothing is mapped and nothing can be."""

    file: Path | None = None
    folders: Mapping[str, Path] = field(default_factory=dict)

    @staticmethod
    def load(file: Path | None) -> "Catalogue":
        """The mappings in a TOML file (`[models]`, id = folder); none where it does not exist."""
        if file is None or not file.is_file():
            return Catalogue(file=file)
        return _loaded(file, _version(file))

    def models(self) -> dict[str, FoundationModel]:
        """Every model id that is served: the families', and a user's own."""
        own = {
            model_id: registered(model_id, _registered_context_tokens(folder))
            for model_id, folder in self.folders.items()
            if model_id not in MODELS
        }
        return {**MODELS, **own}

    def find_model(self, identifier: str) -> FoundationModel | None:
        """The model that an id or a foundation-model ARN names."""
        model_id = model_id_of(identifier)
        if model_id in MODELS or model_id not in self.folders:
            return MODELS.get(model_id)
        return registered(model_id, _registered_context_tokens(self.folders[model_id]))

    def checkpoint_for(self, model_id: str) -> Checkpoint:
        """What answers for a model id: what the id is mapped to, else what its base id is, else the pebble."""
        model = self.find_model(model_id)
        if model is None:
            raise SettingsError(f"{model_id} is no model id that Outcrop serves; hint: outcrop models")
        folder = self.folders.get(model.model_id) or self.folders.get(model.base_id)
        return _pebble(model) if folder is None else _mapped(model, folder)

    def map(self, model_id: str, folder: Path) -> "Catalogue":
        """The catalogue with one more mapping, written to its file. Raises SettingsError where there are no weights."""
        self.require_mappable(model_id, folder)
        assert self.file is not None
        folders = {**self.folders, model_id: folder.resolve()}
        _write(self.file, folders)
        return Catalogue(file=self.file, folders=folders)

    def require_mappable(self, model_id: str, folder: Path) -> None:
        """Raises SettingsError where the id is none, or the folder holds no checkpoint."""
        if self.file is None:
            raise SettingsError("there is no file to write the mapping to")
        if "." not in model_id:
            raise SettingsError(f"{model_id!r} is no model id: it needs a provider, a dot and a name")
        _looks_like_a_checkpoint(folder)


def served_name(model: FoundationModel, checkpoint: Checkpoint) -> str:
    """`modelName`, at most 20 characters: a stand-in is named beside the model, as in `Nova Lite (pebble)`."""
    if not checkpoint.stand_in:
        return model.name[:LONGEST_NAME]
    for name in (f"{model.short_name} ({checkpoint.name})", f"{model.short_name}({checkpoint.name})"):
        if len(name) <= LONGEST_NAME:
            return name
    return f"{model.short_name.replace(' ', '')}({checkpoint.name})"[:LONGEST_NAME]


def _version(file: Path) -> tuple[int, int, int] | None:
    """What differs once a file was written anew; None where it cannot be seen."""
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


@lru_cache(maxsize=_KEPT)
def _loaded(file: Path, _seen: tuple[int, int, int] | None) -> Catalogue:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error
    models = content.get("models", {})
    if not isinstance(models, dict) or not all(isinstance(folder, str) for folder in models.values()):
        raise SettingsError(f"{file}: [models] must map model ids to folders")
    return Catalogue(file=file, folders={model_id: Path(folder) for model_id, folder in models.items()})


def _pebble(model: FoundationModel) -> Checkpoint:
    return Checkpoint(
        path=PEBBLE,
        name="pebble",
        stand_in=True,
        sentence=(
            f"{model.name} is answered by the pebble, a tiny text checkpoint that ships with Outcrop: "
            f"a stand-in that learns what it is taught, not {model.provider}'s model."
        ),
    )


def _mapped(model: FoundationModel, folder: Path) -> Checkpoint:
    return Checkpoint(
        path=folder,
        name=folder.name,
        stand_in=False,
        sentence=f"{model.name} is answered by the checkpoint {folder.name}, which {model.model_id} was mapped to.",
    )


def lacking_files(folder: Path) -> str | None:
    """Which files are not there that a checkpoint must have; None where all are."""
    try:
        missing = [name for name in ("config.json", TOKENIZER) if not (folder / name).is_file()]
        if missing:
            return f"{' and '.join(missing)} missing"
        return None if any(folder.glob("*.safetensors")) else "weights (*.safetensors) missing"
    except OSError as error:
        return f"its files cannot be read ({error.strerror})"


def _looks_like_a_checkpoint(folder: Path) -> None:
    lacking = lacking_files(folder)
    if lacking is not None:
        raise SettingsError(f"{folder} is not a checkpoint in Hugging Face's layout: {lacking}{_mend(lacking)}")


def _mend(lacking: str) -> str:
    if TOKENIZER not in lacking:
        return ""
    return (
        "; hint: where the tokenizer lies in another form (tokenizer.model, vocab.json), transformers writes this one: "
        "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
    )


def _write(file: Path, folders: Mapping[str, Path]) -> None:
    # A JSON string is a TOML basic string.
    lines = [f"{json.dumps(model_id)} = {json.dumps(str(folder))}" for model_id, folder in sorted(folders.items())]
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text("\n".join(["[models]", *lines, ""]), encoding="utf-8")
    fresh.replace(file)


def _card(folder: Path) -> dict[str, Any]:
    return _json_object(folder / CARD)


def _registered_context_tokens(folder: Path) -> int:
    """Of a folder that a user's own id is mapped to. What is damaged in it must not take every other model away."""
    try:
        return _kept_context_tokens(folder, _version(folder / "config.json"))
    except CheckpointError:  # said by `outcrop doctor`, and by its engine, which cannot start
        return DEFAULT_TOKENS


@lru_cache(maxsize=_KEPT)
def _kept_context_tokens(folder: Path, _seen: tuple[int, int, int] | None) -> int:
    return _context_tokens(folder)


def _context_tokens(folder: Path) -> int:
    return context_tokens(_json_object(folder / "config.json"))


def _json_object(file: Path) -> dict[str, Any]:
    """A JSON object; empty where the file does not exist."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{file} is not a JSON object")
    return found


def _translated(card: Mapping[str, Any], family: str, hyperparameters: Hyperparameters) -> float:
    """applied x (rate / at) ** power, at most `most`, x batch size ** batch_power x (rank / card's rank) ** rank_power.

    A power below 1 squeezes a family's range into what the checkpoint bears. Larger batches bear, and with their fewer
    steps need, a higher rate: about the square root of their size. An adapter of a higher rank moves the weights
    further with every step, and bears a lower one.
    """
    entry = card.get("learning_rate", {}).get(family)
    if entry is None:
        return hyperparameters.learning_rate * hyperparameters.learning_rate_unit
    found = float(entry["applied"] * (hyperparameters.learning_rate / entry["at"]) ** entry.get("power", 1.0))
    batch = float(hyperparameters.batch_size ** entry.get("batch_power", 0.0))
    return min(found, float(entry.get("most", found))) * batch * _by_rank(card, hyperparameters)


def _by_rank(card: Mapping[str, Any], hyperparameters: Hyperparameters) -> float:
    """What another rank than the card's does to the rate; nothing where every weight is trained."""
    if hyperparameters.method == "full" or hyperparameters.lora_rank is None:
        return 1.0
    said = card.get("lora", {})
    return float((hyperparameters.lora_rank / int(said.get("rank", RANK))) ** said.get("rank_power", 0.0))


def _lora(card: Mapping[str, Any], hyperparameters: Hyperparameters) -> LoraPlan:
    """What was sent, else what the card says, else LoRA's usual 16 and 32. A rank sent alone keeps alpha / rank."""
    said = card.get("lora", {})
    rank, alpha = int(said.get("rank", RANK)), int(said.get("alpha", ALPHA))
    chosen = hyperparameters.lora_rank or rank
    return LoraPlan(
        rank=chosen,
        alpha=hyperparameters.lora_alpha or max(1, chosen * alpha // rank),
        dropout=hyperparameters.lora_dropout,
        targets=hyperparameters.lora_targets or ALL_LINEAR,
    )
