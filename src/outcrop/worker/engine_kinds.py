"""Which program is the engine of a base: the embedded one, or the one before vLLM. Knows nothing of processes."""

import functools
import logging
import os
import shutil
import sys
from pathlib import Path

from outcrop.config import Settings
from outcrop.domain.engine_choice import EMBEDDED, VLLM, engine_choice
from outcrop.domain.errors import JobFailure, OutcropError, SettingsError
from outcrop.domain.weights import INT8
from outcrop.families import Catalogue

EMBEDDED_MODULE, VLLM_MODULE = "outcrop.inference", "outcrop.inference.vllm"
COMMAND = "vllm"
URL = "--url"  # of the engine that asks a server that is another's
LOG = logging.getLogger(__name__)
NOT_FOUND = (
    "--engine vllm: there is no vLLM here. Install it (pip install 'outcrop[vllm]'), or name the command of an "
    "environment that has it: --vllm /PATH/bin/vllm (OUTCROP_VLLM)."
)


def engine_words(checkpoint: str, settings: Settings) -> tuple[str, list[str]]:
    """The module that is started for a checkpoint, and its words besides the usual ones. Raises SettingsError."""
    kind = kind_of(checkpoint, settings)
    if kind == EMBEDDED:
        return EMBEDDED_MODULE, []
    if kind != VLLM:
        return VLLM_MODULE, [URL, kind]
    _require_known_weights(settings)
    return VLLM_MODULE, ["--command", str(vllm_command(settings)), f"--more={settings.vllm_arguments}"]


def kind_of(checkpoint: str, settings: Settings) -> str:
    """The engine chosen for a checkpoint: by a model id that means it, else the usual one."""
    choice = engine_choice(settings.engine)
    if choice.by_model:
        catalogue = Catalogue.load(settings.catalogue_file)
        for model_id, kind in choice.by_model.items():
            if _path_of(model_id, catalogue) == Path(checkpoint):
                return kind
    return choice.usual


def _path_of(model_id: str, catalogue: Catalogue) -> Path | None:
    """None for an id that was known at the start and no longer is: it means no base, and must not be in others' way."""
    try:
        return catalogue.checkpoint_for(model_id).path
    except OutcropError as error:
        _say_once(model_id, str(error))
        return None


@functools.cache
def _say_once(model_id: str, why: str) -> None:
    LOG.warning("--engine for %s chooses for no base any more: %s", model_id, why)


def vllm_command(settings: Settings) -> Path:
    """vLLM's: the one that was named, else the one beside this Python, else on the PATH. Raises SettingsError."""
    named = settings.vllm
    if named:
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            raise SettingsError(f"--vllm {named} is no command that can be run: name vLLM's, as /PATH/bin/vllm.")
        return Path(named).absolute()
    found = shutil.which(COMMAND, path=str(Path(sys.executable).parent)) or shutil.which(COMMAND)
    if found is None:
        raise SettingsError(NOT_FOUND)
    return Path(found)


def require_engines(settings: Settings) -> None:
    """At the start, not at the first request: every engine that was chosen can be. Raises SettingsError."""
    choice = engine_choice(settings.engine)
    catalogue = Catalogue.load(settings.catalogue_file)
    for model_id in choice.by_model:
        catalogue.checkpoint_for(model_id)
    if choice.starts_vllm:
        vllm_command(settings)
        _require_known_weights(settings)


def require_serves_whole_weights(checkpoint: str, settings: Settings) -> None:
    """Before hours of training, not after them: raises JobFailure where the engine of a base takes adapters alone."""
    if kind_of(checkpoint, settings) != EMBEDDED:
        raise JobFailure(
            "The model would be weights of its own (outcrop.method full, or a parent of that kind), and the engine of "
            f"this base is vLLM, which serves adapters. Train an adapter, or serve with --engine {EMBEDDED}."
        )


def _require_known_weights(settings: Settings) -> None:
    if settings.weights == INT8:
        raise SettingsError(
            "--weights int8 is the embedded engine's own. For vLLM, quantize the checkpoint, or say it in vLLM's "
            "words: --vllm-arguments '--quantization ...'."
        )
