"""transformers' generate and PEFT's mixed batches, in their own environment: a line of work in, a line of answers out.

    python library_program.py MODEL ADAPTERS...

Work: {"prompts": [[...]], "adapters": ["__base__" or a name, ...] or null, "tokens": N}. Knows nothing of Outcrop.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def main() -> None:
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else the libraries print
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    plain = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
    mixed = load_adapters(sys.argv[1], [Path(name) for name in sys.argv[2:]])
    events.write("{}\n")
    for line in sys.stdin:
        events.write(json.dumps(answer(plain, mixed, json.loads(line))) + "\n")


def load_adapters(model: str, folders: list[Path]) -> PeftModel:
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    mixed = PeftModel.from_pretrained(base, folders[0], adapter_name=folders[0].name)
    for folder in folders[1:]:
        mixed.load_adapter(folder, adapter_name=folder.name)
    return mixed.eval()


@torch.inference_mode()
def answer(plain: Any, mixed: Any, work: dict[str, Any]) -> dict[str, Any]:
    """The answers' tokens, and the seconds they took."""
    ids = torch.tensor(work["prompts"])
    named = {} if work["adapters"] is None else {"adapter_names": work["adapters"]}
    model = plain if work["adapters"] is None else mixed
    began = time.monotonic()
    found = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=work["tokens"], do_sample=False,
        eos_token_id=None, pad_token_id=0, **named,
    )  # fmt: skip
    seconds = time.monotonic() - began
    return {"seconds": seconds, "answers": found[:, ids.shape[1] :].tolist()}


if __name__ == "__main__":
    main()
