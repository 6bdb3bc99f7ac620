import pytest

from outcrop.families import (
    CONTINUED_PRE_TRAINING,
    FAMILIES,
    FINE_TUNING,
    MODELS,
    check_hyperparameters,
    family_of,
    find_model,
    record_format,
)

EVERY_JOB = [(model, kind) for model in MODELS.values() for kind in model.customizations]


@pytest.mark.parametrize(
    "model_id",
    [
        "amazon.nova-micro-v1:0",
        "amazon.nova-micro-v1:0:128k",
        "amazon.nova-lite-v1:0:300k",
        "amazon.nova-pro-v1:0:300k",
        "amazon.nova-2-lite-v1:0:256k",
        "anthropic.claude-3-haiku-20240307-v1:0:200k",
        "anthropic.claude-haiku-4-5-20251001",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "meta.llama3-1-70b-instruct-v1:0:128k",
        "meta.llama3-2-11b-instruct-v1:0:128k",
        "meta.llama3-3-70b-instruct-v1:0:128k",
        "amazon.titan-text-lite-v1",
        "amazon.titan-text-lite-v1:0:4k",
        "amazon.titan-text-express-v1",
        "amazon.titan-text-express-v1:0:8k",
        "amazon.titan-text-premier-v1:0",
    ],
)
def test_the_ids_of_the_walkthroughs_are_known(model_id):
    model = find_model(model_id)
    assert model is not None and model.model_id == model_id
    assert find_model(f"arn:aws:bedrock:us-east-1::foundation-model/{model_id}") is model


@pytest.mark.parametrize("identifier", ["", "nova", "arn:aws:bedrock:us-east-1::foundation-model/x.y", "arn:a:b:c:d:e"])
def test_what_names_no_model_is_none(identifier):
    assert find_model(identifier) is None


def test_ids_with_a_context_suffix_share_their_base_and_are_served_on_provisioned_units():
    for model in MODELS.values():
        base = MODELS[model.base_id]
        assert base.base_id == base.model_id and base.name == model.name and base.family == model.family
        suffixed = model.model_id.startswith(f"{model.base_id}:")
        assert model.inference_types == (("PROVISIONED",) if suffixed else ("ON_DEMAND",))


def test_modalities_state_what_is_carried_out():
    assert {(model.input_modalities, model.output_modalities) for model in MODELS.values()} == {(("TEXT",), ("TEXT",))}


def test_only_titan_lite_and_express_take_unlabeled_data():
    takes = {model.base_id for model in MODELS.values() if CONTINUED_PRE_TRAINING in model.customizations}
    assert takes == {"amazon.titan-text-lite-v1", "amazon.titan-text-express-v1"}


def test_every_model_knows_its_family():
    assert all(family_of(model) is FAMILIES[model.family] for model in MODELS.values())
    assert all(model in family_of(model).models for model in MODELS.values())


@pytest.mark.parametrize(("model", "kind"), EVERY_JOB, ids=lambda each: getattr(each, "model_id", each))
def test_every_default_is_in_its_own_range_and_every_row_has_a_sentence(model, kind):
    for row in family_of(model).hyperparameters(model, kind):
        assert row.sentence.endswith(".")
        assert row.default is None or row.minimum <= row.default <= row.maximum
    found = check_hyperparameters(model, kind, {})
    assert found.epoch_count >= 1 and found.batch_size >= 1 and found.learning_rate > 0
    assert check_hyperparameters(model, kind, found.stated).stated == found.stated


@pytest.mark.parametrize(("model", "kind"), EVERY_JOB, ids=lambda each: getattr(each, "model_id", each))
def test_every_job_has_a_record_format(model, kind):
    rules = record_format(model, kind)
    assert rules.training.minimum <= rules.training.maximum <= rules.total.maximum
    assert rules.tokens_per_record > 0 and rules.whose == model.name


def test_an_unsupported_customization_is_refused(refusal):
    said = refusal(check_hyperparameters, MODELS["amazon.nova-micro-v1:0"], CONTINUED_PRE_TRAINING, {})
    assert said == "amazon.nova-micro-v1:0 does not support CONTINUED_PRE_TRAINING; it supports FINE_TUNING."
    assert "does not support" in refusal(record_format, MODELS["amazon.nova-micro-v1:0"], CONTINUED_PRE_TRAINING)


def test_titan_takes_shorter_records_in_larger_batches():
    lite, express = MODELS["amazon.titan-text-lite-v1"], MODELS["amazon.titan-text-express-v1"]
    assert [record_format(lite, FINE_TUNING, size).tokens_per_record for size in (1, 2, 3)] == [4096, 4096, 2048]
    assert [record_format(express, FINE_TUNING, size).tokens_per_record for size in (1, 2)] == [4096, 2048]


def test_record_kinds_follow_the_families():
    kinds = {model.base_id: record_format(model, FINE_TUNING).kind for model in MODELS.values()}
    assert kinds["amazon.nova-micro-v1:0"] == kinds["meta.llama3-2-1b-instruct-v1:0"] == "converse"
    assert kinds["anthropic.claude-3-haiku-20240307-v1:0"] == "claude"
    assert kinds["meta.llama3-1-8b-instruct-v1:0"] == kinds["amazon.titan-text-express-v1"] == "completion"
    assert record_format(MODELS["amazon.titan-text-lite-v1"], CONTINUED_PRE_TRAINING).kind == "passage"
