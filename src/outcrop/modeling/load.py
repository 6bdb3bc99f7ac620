"""A checkpoint's model: our own Llama where it is a plain Llama, else transformers' of its architecture.

The hot path is specialised where it pays; the general path is right for every architecture.
"""

from pathlib import Path

import torch

from outcrop.modeling.config import is_plain_llama
from outcrop.modeling.general import General
from outcrop.modeling.llama import Llama
from outcrop.modeling.model import CausalModel


def load_model(folder: Path, dtype: torch.dtype, device: torch.device) -> CausalModel:
    """The checkpoint in `folder` with weights in `dtype` on `device`. Raises CheckpointError."""
    loaded = Llama.load(folder, dtype) if is_plain_llama(folder) else General.load(folder, dtype)
    return loaded.to(device)
