"""An adapter as PEFT keeps it: matrices by name, and a config. Knows the format, not where it lies."""

import json
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from outcrop.domain.errors import JobFailure
from outcrop.domain.plan import ALL_LINEAR, LoraPlan

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterData:
    """`tensors` by PEFT's names; `plan` says rank, alpha and targets."""

    plan: LoraPlan
    tensors: dict[str, torch.Tensor]

    def weights(self) -> bytes:
        """adapter_model.safetensors."""
        return save({name: tensor.contiguous() for name, tensor in self.tensors.items()}, metadata={"format": "pt"})

    def config(self) -> bytes:
        """adapter_config.json: what PEFT and vLLM need to apply the weights."""
        return json.dumps(
            {
                "peft_type": "LORA",
                "task_type": "CAUSAL_LM",
                "base_model_name_or_path": None,
                "r": self.plan.rank,
                "lora_alpha": self.plan.alpha,
                "lora_dropout": self.plan.dropout,
                "target_modules": list(self.plan.targets),
                "bias": "none",
                "fan_in_fan_out": False,
                "use_rslora": False,
                "use_dora": False,
                "modules_to_save": None,
                "inference_mode": True,
            },
            indent=1,
        ).encode()

    @staticmethod
    def parse(config: bytes, weights: bytes) -> "AdapterData":
        """What `config` and `weights` wrote. Raises JobFailure for anything else."""
        try:
            said, tensors = json.loads(config), load(weights)
            plan = LoraPlan(rank=said["r"], alpha=said["lora_alpha"], targets=tuple(said["target_modules"]))
        except (ValueError, KeyError, TypeError, SafetensorError) as error:
            raise JobFailure("The parent model is not an adapter that can be read.") from error
        return AdapterData(plan=plan, tensors=tensors)


def fold(first: AdapterData, second: AdapterData) -> AdapterData:
    """One adapter that adds exactly what both add: ranks side by side, each one's scale put into its B.

    A target that only one of them has gets zeros for the other's ranks, since PEFT wants one rank for all.
    """
    rank = first.plan.rank + second.plan.rank
    both = dict.fromkeys((*first.plan.targets, *second.plan.targets))
    plan = LoraPlan(
        rank=rank,
        alpha=rank,  # scale 1
        dropout=second.plan.dropout,
        targets=tuple(sorted(both, key=_place)),
    )
    modules = sorted({name.rsplit(".lora_", 1)[0] for name in (*first.tensors, *second.tensors)})
    tensors = {}
    for module in modules:
        pairs = [_pair(module, data, _shape(module, first, second)) for data in (first, second)]
        tensors[f"{module}.lora_A.weight"] = torch.cat([down for down, _ in pairs])
        tensors[f"{module}.lora_B.weight"] = torch.cat([up for _, up in pairs], dim=1)
    return AdapterData(plan=plan, tensors=tensors)


def rescaled(data: AdapterData, plan: LoraPlan) -> AdapterData:
    """The same update under another alpha: B takes up the difference."""
    ratio = data.plan.alpha / data.plan.rank / (plan.alpha / plan.rank)
    tensors = {name: tensor * ratio if ".lora_B." in name else tensor for name, tensor in data.tensors.items()}
    return AdapterData(plan=plan, tensors=tensors)


def _place(target: str) -> int:
    """A Llama's layers in their own order, others behind them as they come."""
    return ALL_LINEAR.index(target) if target in ALL_LINEAR else len(ALL_LINEAR)


def _pair(module: str, data: AdapterData, shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    down, up = data.tensors.get(f"{module}.lora_A.weight"), data.tensors.get(f"{module}.lora_B.weight")
    if down is None or up is None:
        outputs, inputs = shape
        return torch.zeros(data.plan.rank, inputs), torch.zeros(outputs, data.plan.rank)
    return down, up * (data.plan.alpha / data.plan.rank)


def _shape(module: str, *sources: AdapterData) -> tuple[int, int]:
    """Outputs and inputs of the module, from whichever adapter has it."""
    data = next(source for source in sources if f"{module}.lora_A.weight" in source.tensors)
    return len(data.tensors[f"{module}.lora_B.weight"]), data.tensors[f"{module}.lora_A.weight"].shape[1]
