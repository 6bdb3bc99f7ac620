"""From the host's memory to the model's device, without waiting for what the device still computes. Knows no model."""

import torch


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on `device`. To a card it goes from pinned memory, a copy queued like any other work there."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
