"""LLaMA-Factory at its best on a CPU: neat packing, no gradient checkpointing. Runs in its environment.

python llamafactory_program.py OPTIONS.json
"""

import importlib.machinery
import json
import sys
import types
from pathlib import Path
from typing import Any

# It asks whether torchaudio can be imported, and never uses it for text.
sys.modules["torchaudio"] = types.ModuleType("torchaudio")
sys.modules["torchaudio"].__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)

import torch  # noqa: E402  # after the stand-in
from llamafactory.data.formatter import StringFormatter  # noqa: E402
from llamafactory.data.template import register_template  # noqa: E402
from llamafactory.train.sft.trainer import CustomSeq2SeqTrainer  # noqa: E402
from llamafactory.train.tuner import run_exp  # noqa: E402
from telling import Steps  # noqa: E402

ROWS = "rows"


def main(options: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    steps = Steps()
    steps.count(CustomSeq2SeqTrainer)
    # A row is its prompt, its completion and the end token: nothing else.
    register_template(name="plain", format_assistant=StringFormatter(slots=["{{content}}", {"eos_token"}]))
    _write_rows(options)
    try:
        run_exp(_arguments(options), [steps])
    except AttributeError as error:
        # After full fine-tuning it fails to write its model card; the model is saved by then.
        if not (Path(options["out"]) / "model.safetensors").exists():
            raise
        print(f"after training: {error}", file=sys.stderr)


def _write_rows(options: dict[str, Any]) -> None:
    """The rows as text, in the format it calls alpaca's."""
    folder = Path(options["out"])
    folder.mkdir(parents=True)
    rows = json.loads(Path(options["rows"]).read_text())
    texts = [{"instruction": row["prompt"], "input": "", "output": row["completion"]} for row in rows]
    (folder / "rows.json").write_text(json.dumps(texts))
    (folder / "dataset_info.json").write_text(json.dumps({ROWS: {"file_name": "rows.json"}}))


def _arguments(options: dict[str, Any]) -> dict[str, Any]:
    adapter = {"finetuning_type": "lora", "adapter_name_or_path": options["adapter"], "lora_dropout": 0.0}
    return {
        "model_name_or_path": options["model"],
        "stage": "sft",
        "do_train": True,
        "dataset": ROWS,
        "dataset_dir": options["out"],
        "template": "plain",
        "cutoff_len": options["pack_tokens"],
        "packing": True,
        "neat_packing": True,
        "disable_gradient_checkpointing": True,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "num_train_epochs": options["epochs"],
        "learning_rate": options["learning_rate"],
        "lr_scheduler_type": "constant",
        "bf16": options["bf16"],
        "seed": 0,
        "use_cpu": True,
        "output_dir": options["out"],
        "overwrite_cache": True,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "plot_loss": False,
        **(adapter if options["adapter"] else {"finetuning_type": "full"}),
    }


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
