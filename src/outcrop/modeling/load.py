"""A checkpoint's model: our own Llama where it is a plain Llama, else transformers' of its architecture.

The hot path is specialised where it pays; the general path is right for every architecture.
"""

from pathlib import Path

import torch

from outcrop.modeling.config import is_plain_llama
from outcrop.modeling.general import General
from outcrop.modeling.llama import Llama
from outcrop.modeling.model import CausalModel


def load_model(
    folder: Path, dtype: torch.dtype, device: torch.device, activations: torch.dtype | None = None
) -> CausalModel:
    """The checkpoint in `folder` with weights in `dtype` on `device`. Raises CheckpointError.

    A plain Llama computes in `activations` where that is given; transformers' models compute as they are stored.
    """
    if not is_plain_llama(folder):
        return General.load(folder, dtype).to(device)
    model = Llama.load(folder, dtype)
    model.activations = activations or dtype
    return model.to(device)
