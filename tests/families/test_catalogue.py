import json
from pathlib import Path

import pytest

from outcrop.domain.errors import CheckpointError, SettingsError
from outcrop.domain.plan import LoraPlan
from outcrop.families import FINE_TUNING, MODELS, Catalogue, Checkpoint, check_hyperparameters, served_name

NOVA = MODELS["amazon.nova-lite-v1:0:300k"]


def checkpoint_folder(folder: Path, card: object = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"max_position_embeddings": 4096}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    if card is not None:
        (folder / "outcrop.json").write_text(json.dumps(card))
    return folder


def checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(path=folder, name=folder.name, stand_in=False, sentence="")


def test_with_nothing_mapped_every_id_is_answered_by_the_pebble_and_says_so():
    catalogue = Catalogue.load(None)
    for model_id, model in MODELS.items():
        found = catalogue.checkpoint_for(model_id)
        assert found.stand_in and found.name == "pebble" and "stand-in" in found.sentence
        assert "pebble" in served_name(model, found) and len(served_name(model, found)) <= 20
    assert served_name(NOVA, catalogue.checkpoint_for(NOVA.model_id)) == "Nova Lite (pebble)"


def test_a_mapping_is_kept_in_its_file_and_serves_suffixed_ids_too(tmp_path):
    folder = checkpoint_folder(tmp_path / 'we"ights')
    file = tmp_path / "home" / "models.toml"
    Catalogue.load(file).map(NOVA.base_id, folder)
    again = Catalogue.load(file)
    found = again.checkpoint_for(NOVA.model_id)
    assert found.path == folder and not found.stand_in and found.context_tokens == 4096
    assert served_name(NOVA, found) == "Nova Lite"
    assert again.checkpoint_for("amazon.nova-micro-v1:0").stand_in


def test_a_suffixed_id_may_have_weights_of_its_own(tmp_path):
    base, own = checkpoint_folder(tmp_path / "base"), checkpoint_folder(tmp_path / "own")
    catalogue = Catalogue.load(tmp_path / "models.toml").map(NOVA.base_id, base).map(NOVA.model_id, own)
    assert catalogue.checkpoint_for(NOVA.model_id).path == own
    assert catalogue.checkpoint_for(NOVA.base_id).path == base


def test_a_user_registers_a_checkpoint_under_an_id_of_their_own(tmp_path):
    catalogue = Catalogue.load(tmp_path / "models.toml").map("acme.small-v1", checkpoint_folder(tmp_path / "small"))
    model = catalogue.find_model("arn:aws:bedrock:us-east-1::foundation-model/acme.small-v1")
    assert model is not None and model.family == "open" and model.context_tokens == 4096
    assert check_hyperparameters(model, FINE_TUNING, {}).epoch_count == 3
    assert "acme.small-v1" in catalogue.models() and catalogue.checkpoint_for("acme.small-v1").name == "small"


def test_what_is_no_checkpoint_cannot_be_mapped(tmp_path):
    catalogue = Catalogue.load(tmp_path / "models.toml")
    with pytest.raises(SettingsError, match=r"config\.json and tokenizer\.json missing"):
        catalogue.map(NOVA.model_id, tmp_path)
    folder = checkpoint_folder(tmp_path / "no-weights")
    (folder / "model.safetensors").unlink()
    with pytest.raises(SettingsError, match="weights"):
        catalogue.map(NOVA.model_id, folder)
    with pytest.raises(SettingsError, match="no model id"):
        catalogue.map("nova", folder)
    with pytest.raises(SettingsError, match="no file"):
        Catalogue.load(None).map(NOVA.model_id, folder)


def test_an_unknown_id_has_no_checkpoint():
    with pytest.raises(SettingsError, match="outcrop models"):
        Catalogue.load(None).checkpoint_for("acme.small-v1")


@pytest.mark.parametrize("content", ["models = 3", "[models]\nx = 3", "not toml", "\xff"])
def test_a_damaged_file_is_named(tmp_path, content):
    file = tmp_path / "models.toml"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(SettingsError, match=r"models\.toml"):
        Catalogue.load(file)


def test_a_card_translates_learning_rates_and_ranks(tmp_path):
    card = {"learning_rate": {"nova": {"at": 1e-5, "applied": 2e-3, "power": 0.5}}, "lora": {"rank": 8, "alpha": 16}}
    folder = checkpoint_folder(tmp_path / "pebble", card)
    sent = {"learningRate": "4e-5", "learningRateWarmupSteps": "3"}
    applied = checkpoint(folder).applied(NOVA, check_hyperparameters(NOVA, FINE_TUNING, sent))
    assert applied.learning_rate == pytest.approx(4e-3) and applied.warmup_steps == 3
    assert applied.lora == LoraPlan(rank=8, alpha=16) and applied.schedule == "linear"


def test_a_card_says_what_rate_a_checkpoint_bears_at_most(tmp_path):
    card = {"learning_rate": {"nova": {"at": 1e-5, "applied": 2e-3, "power": 0.5, "most": 3e-3}}}
    folder = checkpoint_folder(tmp_path / "pebble", card)
    rates = [
        checkpoint(folder).applied(NOVA, check_hyperparameters(NOVA, FINE_TUNING, {"learningRate": sent})).learning_rate
        for sent in ("1e-5", "1e-4")
    ]
    assert rates == [pytest.approx(2e-3), 3e-3]


def test_a_larger_batch_takes_a_higher_rate_where_the_card_says_so(tmp_path):
    claude = MODELS["anthropic.claude-haiku-4-5-20251001"]
    card = {"learning_rate": {"claude": {"at": 1.0, "applied": 1e-3, "most": 1e-3, "batch_power": 0.5}}}
    folder = checkpoint_folder(tmp_path / "pebble", card)
    sent = check_hyperparameters(claude, FINE_TUNING, {"batchSize": "16", "learningRateMultiplier": "1.5"})
    assert checkpoint(folder).applied(claude, sent).learning_rate == pytest.approx(4e-3)


def test_another_rank_goes_with_another_rate_where_the_card_says_so(tmp_path):
    card = {"learning_rate": {"nova": {"at": 1e-5, "applied": 1e-3}}, "lora": {"rank": 8, "rank_power": -0.5}}
    folder = checkpoint_folder(tmp_path / "pebble", card)

    def rate(**sent):
        named = {f"outcrop.{name}": value for name, value in sent.items()}
        return checkpoint(folder).applied(NOVA, check_hyperparameters(NOVA, FINE_TUNING, named)).learning_rate

    assert rate(loraRank="32") == pytest.approx(5e-4) and rate(loraRank="2") == pytest.approx(2e-3)
    assert rate() == rate(loraRank="8") == rate(method="full") == pytest.approx(1e-3)


def test_without_a_card_everything_is_applied_as_it_is(tmp_path):
    folder = checkpoint_folder(tmp_path / "real")
    sent = {"learningRate": "4e-5", "outcrop.loraRank": "64"}
    applied = checkpoint(folder).applied(NOVA, check_hyperparameters(NOVA, FINE_TUNING, sent))
    assert applied.learning_rate == 4e-5 and applied.lora == LoraPlan(rank=64, alpha=128)


def test_claudes_multiplier_is_translated_as_it_is_and_is_a_rate_without_a_card(tmp_path):
    claude = MODELS["anthropic.claude-haiku-4-5-20251001"]
    sent = check_hyperparameters(claude, FINE_TUNING, {"learningRateMultiplier": "0.5"})
    card = {"learning_rate": {"claude": {"at": 1.0, "applied": 4e-3, "power": 1}}}
    assert checkpoint(checkpoint_folder(tmp_path / "pebble", card)).applied(claude, sent).learning_rate == 2e-3
    assert checkpoint(checkpoint_folder(tmp_path / "real")).applied(claude, sent).learning_rate == 5e-5


def test_full_fine_tuning_has_no_adapter(tmp_path):
    folder = checkpoint_folder(tmp_path / "real")
    applied = checkpoint(folder).applied(NOVA, check_hyperparameters(NOVA, FINE_TUNING, {"outcrop.method": "full"}))
    assert applied.lora is None


@pytest.mark.parametrize("content", ["[]", "{", "\xff"])
def test_a_damaged_card_is_named(tmp_path, content):
    folder = checkpoint_folder(tmp_path / "bad")
    (folder / "outcrop.json").write_text(content, encoding="latin-1")
    with pytest.raises(CheckpointError, match=r"outcrop\.json"):
        checkpoint(folder).applied(NOVA, check_hyperparameters(NOVA, FINE_TUNING, {}))


def test_files_are_read_again_only_when_they_were_written_anew(tmp_path, monkeypatch):
    file, folder = tmp_path / "models.toml", checkpoint_folder(tmp_path / "own")
    Catalogue.load(file).map("own.model", folder)
    assert Catalogue.load(file).find_model("own.model").context_tokens == 4096
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", None)  # whoever reads fails
        assert Catalogue.load(file).find_model("own.model").context_tokens == 4096
    (folder / "config.json").write_text('{"max_position_embeddings": 16384}')
    assert Catalogue.load(file).find_model("own.model").context_tokens == 16384
    Catalogue.load(file).map("own.other", folder)
    assert Catalogue.load(file).find_model("own.other").context_tokens == 16384


def test_a_model_is_found_without_a_look_at_the_others(tmp_path, monkeypatch):
    file = tmp_path / "models.toml"
    file.write_text("".join(["[models]\n", *(f'"own.n{n}" = "{tmp_path}/{n}"\n' for n in range(9))]))
    catalogue = Catalogue.load(file)
    monkeypatch.setattr(Path, "stat", None)
    assert catalogue.find_model(NOVA.model_id) is NOVA
    assert catalogue.find_model("own.missing") is None
