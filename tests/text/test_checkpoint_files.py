import json
from pathlib import Path

import pytest

from outcrop.domain.errors import CheckpointError
from outcrop.text.checkpoint_files import read_files


def test_a_folder_without_tokenizer_is_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"tokenizer\.json does not exist"):
        read_files(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "generation_config.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_file_is_named(tmp_path: Path, name, content):
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        read_files(tmp_path)


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("a", "a"),
        ([{"name": "tool_use", "template": "b"}, {"name": "default", "template": "a"}], "a"),
        ([{"name": "tool_use", "template": "b"}], None),
        (7, None),
    ],
)
def test_a_template_comes_in_several_forms(tmp_path: Path, template, wanted):
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    assert read_files(tmp_path).template == wanted
    (tmp_path / "chat_template.jinja").write_text("own")
    assert read_files(tmp_path).template == "own"


@pytest.mark.parametrize(
    ("config", "rows"),
    [({"vocab_size": 9}, 9), ({"text_config": {"vocab_size": 8}}, 8), ({"text_config": 7}, None), ({}, None)],
)
def test_how_many_tokens_the_weights_know_is_read(tmp_path: Path, config, rows):
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_files(tmp_path).rows == rows


def test_end_tokens_come_from_the_generation_settings(tmp_path: Path):
    (tmp_path / "tokenizer.json").write_text("{}")
    for value, wanted in ((3, (3,)), ([3, 4], (3, 4)), (None, ()), (True, ()), (["x"], ())):
        (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": value}))
        assert read_files(tmp_path).eos_ids == wanted
