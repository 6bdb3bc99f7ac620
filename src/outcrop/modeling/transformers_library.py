"""Hugging Face's transformers, loaded only for checkpoints that need it, and never from the network.

Knows how to make a network from a folder or from tensors, and what cannot be made; nothing of rows or losses.
"""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from outcrop.domain.errors import CheckpointError
from outcrop.modeling.config import read_config

PROBE_TOKENS = 8
Network = Any  # a transformers PreTrainedModel: the library is not there where mypy runs without the extra


def require_supported(folder: Path) -> None:
    """Raises CheckpointError, with the mend, where no network can be made of the checkpoint in `folder`."""
    raw = read_config(folder)
    kind = raw.get("model_type")
    if importlib.util.find_spec("transformers") is None:
        raise CheckpointError(
            f"The checkpoint {folder} is of the architecture {kind!r}, which needs Hugging Face's transformers; "
            "hint: pip install 'outcrop[hf]'"
        )
    if raw.get("quantization_config"):
        raise CheckpointError(
            f"The weights of {folder} are quantised already, which cannot be trained further: take the checkpoint in "
            "full precision (hyperparameter outcrop.method=qlora quantises it for training)."
        )
    known = _library().models.auto.modeling_auto
    both_ways = kind in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not raw.get("is_decoder")
    if both_ways or raw.get("is_encoder_decoder"):
        raise CheckpointError(
            f"{folder} is no causal language model: {kind!r} reads "
            f"{'through an encoder' if raw.get('is_encoder_decoder') else 'what comes after a token as well'}."
        )
    if kind not in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        own = " Its own code (auto_map) is never run." if "auto_map" in raw else ""
        raise CheckpointError(
            f"The architecture {kind!r} of {folder} is no causal language model that transformers "
            f"{_library().__version__} knows.{own} hint: a checkpoint converted to an architecture of transformers' "
            "own, or a newer transformers"
        )


def network_of(folder: Path, dtype: torch.dtype) -> Network:
    """The network of the checkpoint in `folder`: safetensors only, no code of its own, nothing from the network."""
    require_supported(folder)
    try:
        network, info = _library().AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise CheckpointError(f"The checkpoint {folder} cannot be loaded: {_first_line(error)}") from error
    if info["missing_keys"]:
        raise CheckpointError(f"The checkpoint {folder} lacks the tensors {_some(info['missing_keys'])}.")
    return network.eval()


def layers_of(network: Network) -> list[Network]:
    """The decoder's layers in order; none where the architecture keeps them otherwise than in one list."""
    count = network.config.get_text_config().num_hidden_layers
    lists = (module for module in network.modules() if isinstance(module, torch.nn.ModuleList))
    return next(([*layers] for layers in lists if len(layers) == count), [])


def network_from(tensors: dict[str, torch.Tensor], like: Network) -> Network:
    """A network of the shape of `like` with other weights. Raises KeyError or RuntimeError where they do not fit."""
    made, info = type(like).from_pretrained(
        None, config=like.config, state_dict=tensors, dtype=like.dtype, output_loading_info=True
    )
    if info["missing_keys"]:
        raise KeyError(_some(info["missing_keys"]))
    return made


def stored(network: Network) -> dict[str, torch.Tensor]:
    """The weights as its checkpoint names and splits them, tied ones once."""
    tied = set(network.all_tied_weights_keys or {})
    held = {name: tensor.detach() for name, tensor in network.state_dict().items() if name not in tied}
    return dict(importlib.import_module("transformers.core_model_loading").revert_weight_conversion(network, held))


def text_config(network: Network) -> Any:
    """The part of the network's config that is about text."""
    return network.config.get_text_config()


def probe_tokens(network: Network) -> torch.Tensor:
    """A short row [1, PROBE_TOKENS] to see what the network does with."""
    return torch.arange(PROBE_TOKENS, device=network.device)[None] % text_config(network).vocab_size


def _library() -> ModuleType:
    """Imported here: it takes seconds, and plain Llamas do without."""
    library = importlib.import_module("transformers")
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
    return library


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _some(names: object) -> str:
    found = sorted(map(str, names))  # type: ignore[call-overload]  # a set or a list, by transformers' version
    return ", ".join(found[:3]) + (" and more" if len(found) > 3 else "")
