"""TRL as one of its users runs it: `SFTTrainer` on rows that are tokens already. Runs in TRL's environment.

    python trl_program.py OPTIONS.json

By default it pads its batches and checkpoints gradients. On a CPU it takes one thread.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from telling import Steps
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def main(options: dict[str, Any]) -> None:
    if options["device"] == "cpu":
        torch.set_num_threads(1)
    steps = Steps()
    steps.count(SFTTrainer)
    trainer = SFTTrainer(
        model=_model(options),
        args=_arguments(options),
        train_dataset=_rows(options),
        processing_class=AutoTokenizer.from_pretrained(options["model"]),
        callbacks=[steps],
    )
    # The order in which Outcrop takes the rows.
    trainer._get_train_sampler = lambda *_, **__: SequentialSampler(trainer.train_dataset)
    trainer.train()
    trainer.save_model()


def _model(options: dict[str, Any]) -> Any:
    model = AutoModelForCausalLM.from_pretrained(options["model"], dtype=getattr(torch, options["weights"]))
    if options["adapter"] is None:
        return model
    return PeftModel.from_pretrained(model, options["adapter"], is_trainable=True)


def _rows(options: dict[str, Any]) -> Dataset:
    rows = json.loads(Path(options["rows"]).read_text())
    return Dataset.from_list([{name: row[name] for name in ("input_ids", "labels")} for row in rows])


def _arguments(options: dict[str, Any]) -> SFTConfig:
    packing = {"packing": True, "max_length": options["pack_tokens"]} if options["packed"] else {}
    return SFTConfig(
        output_dir=options["out"],
        per_device_train_batch_size=options["per_step"],
        gradient_checkpointing=options["checkpointing"],
        num_train_epochs=options["epochs"],
        learning_rate=options["learning_rate"],
        lr_scheduler_type="constant",
        bf16=options["bf16"],
        seed=0,
        use_cpu=options["device"] == "cpu",
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        **packing,
    )


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
