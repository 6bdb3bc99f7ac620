"""8 bits are served only where they answer nearly as float32 does, and say what they cost."""

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from outcrop.domain.errors import SettingsError
from outcrop.domain.weights import BF16, INT8
from outcrop.inference.loading import Wishes, load_engine
from outcrop.inference.quality import LEAST_EQUAL, MOST_MORE_BITS, Quality, RoundedLoader, Sample
from outcrop.modeling.config import LlamaConfig
from outcrop.text import Tokenizer

PEBBLE = Path(str(files("outcrop"))) / "pebbles" / "text"
CPU = torch.device("cpu")
WISHES = Wishes(rows=2, cache_bytes=2**24, weights=INT8)


def quality(bits: float, equal: float) -> Quality:
    return Quality(bits_per_byte=bits, bits_per_byte_float32=2.0, equal_greedy_tokens=equal, tokens=100)


def test_the_limits_bind() -> None:
    most = 2.0 * (1 + MOST_MORE_BITS)
    assert quality(most - 1e-9, LEAST_EQUAL).holds
    assert not quality(most + 1e-3, 1.0).holds
    assert not quality(2.0, LEAST_EQUAL - 0.01).holds
    assert "+0.00%" in quality(2.0, 0.975).sentence()
    assert "97.5%" in quality(2.0, 0.975).sentence()


def test_the_pebble_may_be_served_and_says_what_it_costs(capfd: pytest.CaptureFixture[str]) -> None:
    loaded = load_engine(PEBBLE, CPU, WISHES)
    assert loaded.models.shelf.names() == ["base"]
    told = re.search(r"takes (\S+) bits, in float32 (\S+): .* (\S+)% of the likeliest", capfd.readouterr().err)
    assert told is not None
    rounded, whole, equal = map(float, told.groups())
    assert whole != rounded == pytest.approx(whole, rel=MOST_MORE_BITS)
    assert 100 * LEAST_EQUAL <= equal <= 100.0


def test_what_bfloat16_costs_is_measured_alike(capfd: pytest.CaptureFixture[str]) -> None:
    load_engine(PEBBLE, CPU, replace(WISHES, weights=BF16))
    told = re.search(r"In bfloat16 .* takes (\S+) bits, in float32 (\S+): .* (\S+)% of", capfd.readouterr().err)
    assert told is not None
    rounded, whole, equal = map(float, told.groups())
    assert rounded == pytest.approx(whole, rel=MOST_MORE_BITS / 10)
    assert 98.0 <= equal <= 100.0


def test_a_sample_is_counted_in_bytes_and_fits_the_context(checkpoint: Path) -> None:
    sample = Sample.of(Tokenizer.load(checkpoint), 100)
    assert max(map(len, sample.windows)) == 100
    assert all(window[0] == 0 for window in sample.windows)
    assert sample.text_bytes > sum(map(len, sample.windows)) / 2


def test_weights_that_eight_bits_do_not_hold_are_refused_with_the_numbers(checkpoint: Path, tmp_path: Path) -> None:
    """One weight in each group is so large that its neighbours round to nothing."""
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(checkpoint / "model.safetensors")
    for name, tensor in tensors.items():
        if "down_proj" in name or "o_proj" in name:
            tensor[:, 0] = 300.0 * tensor.abs().max()
        if "up_proj" in name or "v_proj" in name:
            tensor[0] = 0.0  # which nothing is multiplied with
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(SettingsError, match=r"not served in 8 bits. In 8 bits a byte .* \(allowed: \+1%\)"):
        load_engine(tmp_path, CPU, WISHES)


def test_other_whole_weights_must_show_it_too(checkpoint: Path, other_weights: Path) -> None:
    config, heard = LlamaConfig.load(checkpoint), []
    load = RoundedLoader(Sample.of(Tokenizer.load(checkpoint), config.context_tokens), heard.append)
    networks = [load(folder, config, CPU) for folder in (checkpoint, other_weights)]
    assert len(set(heard)) == len(networks) == 2


def test_adapters_run_over_rounded_weights(checkpoint: Path, adapters: dict[str, Path]) -> None:
    models = load_engine(checkpoint, CPU, WISHES).models
    models.load("a", adapters["a"])
    assert models.shelf.names() == ["base", "a"]
