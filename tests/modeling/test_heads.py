"""A head is believed only where it gives the network's own logits."""

from pathlib import Path
from typing import Any

import pytest
import torch

from architectures import network, write_network
from outcrop.modeling.general import General
from outcrop.modeling.heads import find_head


@pytest.mark.parametrize(
    ("kind", "changes", "scale", "cap"),
    [
        ("qwen3", {}, 1.0, None),
        ("granite", {"logits_scaling": 8.0}, 0.125, None),
        ("gemma2", {"final_logit_softcapping": 30.0}, 1.0, 30.0),
        ("gemma2", {"final_logit_softcapping": None}, 1.0, None),
    ],
)
def test_scaled_and_capped_logits_are_known(
    kind: str, changes: dict[str, Any], scale: float, cap: float | None, tmp_path: Path
) -> None:
    write_network(kind, tmp_path, **changes)
    head = find_head(network(tmp_path))
    assert head is not None
    assert (head.scale, head.cap) == (scale, cap)


def test_a_head_that_does_something_else_is_left_to_the_network(tmp_path: Path) -> None:
    write_network("qwen3", tmp_path)
    odd = network(tmp_path)
    odd.lm_head.register_forward_hook(lambda layer, inputs, logits: logits + torch.sin(inputs[0]).sum())
    plain = type(odd).forward
    odd.forward = lambda *args, **named: _shifted(plain(odd, *args, **named))
    assert find_head(odd) is None
    assert General(odd).head is None


def _shifted(output: Any) -> Any:
    output.logits = output.logits + torch.arange(output.logits.shape[-1])
    return output
