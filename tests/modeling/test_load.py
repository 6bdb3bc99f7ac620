"""A plain Llama takes the hot path, everything else the general one; without transformers the mend is said."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from architectures import about, network, rows_of, write_network
from outcrop.domain.errors import CheckpointError
from outcrop.families.catalogue import PEBBLE
from outcrop.modeling.general import General
from outcrop.modeling.llama import Llama
from outcrop.modeling.load import load_model
from outcrop.modeling.packed import Packed

CPU = torch.device("cpu")


def test_a_plain_llama_takes_the_hot_path_and_others_the_general_one(tmp_path: Path) -> None:
    write_network("qwen2", tmp_path)
    assert isinstance(load_model(PEBBLE, torch.float32, CPU), Llama)
    model = load_model(tmp_path, torch.float32, CPU)
    assert isinstance(model, General) and model.device == CPU


def test_both_paths_compute_a_llama_alike() -> None:
    row = Packed.of([rows_of(40)[0], rows_of(9)[0]])
    with torch.no_grad():
        torch.testing.assert_close(Llama.load(PEBBLE)(row), General.load(PEBBLE)(row), atol=1e-4, rtol=1e-4)


def test_weights_in_bfloat16_keep_their_head(tmp_path: Path) -> None:
    write_network("gemma2", tmp_path)
    model = General.load(tmp_path, torch.bfloat16)
    assert model.head is not None and model.head.cap == 30.0
    assert model.network.dtype == torch.bfloat16 and network(tmp_path).dtype == torch.float32


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    write_network("qwen2", tmp_path)
    about(tmp_path, lambda config: config | {"num_hidden_layers": 3, "layer_types": ["full_attention"] * 3})
    with pytest.raises(CheckpointError, match=r"lacks the tensors model\.layers\.2\..* and more"):
        load_model(tmp_path, torch.float32, CPU)


def test_without_transformers_the_mend_is_said(tmp_path: Path) -> None:
    write_network("qwen2", tmp_path)
    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "import importlib.util; found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'transformers' else found(name, *rest)\n"
        "from pathlib import Path; from outcrop.modeling.transformers_library import require_supported\n"
        f"require_supported(Path({str(tmp_path)!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "CheckpointError" in ended.stderr and "pip install 'outcrop[hf]'" in ended.stderr
