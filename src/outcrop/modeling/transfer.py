"""From the host's memory to the model's device, without waiting for what the device still computes. Knows no model."""

import torch


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor, made on the host, on `device`: a copy out of pinned memory is queued like any other work there."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
