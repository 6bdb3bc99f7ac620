import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.domain.errors import ValidationException
from outcrop.domain.plan import CHECKPOINT_EVERY_S, EarlyStopping
from outcrop.families import FINE_TUNING, MODELS, check_hyperparameters

NOVA = MODELS["amazon.nova-micro-v1:0:128k"]
CLAUDE = MODELS["anthropic.claude-3-haiku-20240307-v1:0:200k"]
TITAN = MODELS["amazon.titan-text-express-v1:0:8k"]


def checked(model, **sent):
    return check_hyperparameters(model, FINE_TUNING, sent)


def test_defaults_are_filled_in_and_stated():
    found = checked(NOVA)
    assert (found.epoch_count, found.batch_size, found.learning_rate, found.warmup_steps) == (2, 1, 1e-5, 10)
    assert found.stated == {"epochCount": "2", "learningRate": "0.00001", "learningRateWarmupSteps": "10"}
    assert (found.method, found.lora_rank, found.lora_alpha, found.seed) == ("lora", None, None, 0)


def test_the_published_nova_notebook_is_accepted():
    found = checked(NOVA, epochCount="2", batchSize="1", learningRate="5e-5", learningRateWarmupSteps="10")
    assert found.learning_rate == 5e-5 and found.stated["batchSize"] == "1" and found.stated["learningRate"] == "5e-5"


def test_claude_multiplies_its_base_rate_and_stops_early():
    found = checked(CLAUDE, learningRateMultiplier="0.5", earlyStoppingThreshold="0.01", earlyStoppingPatience="3")
    assert found.learning_rate * found.learning_rate_unit == pytest.approx(0.5e-4) and found.batch_size == 32
    assert found.early_stopping == EarlyStopping(threshold=0.01, patience=3)


def test_outcrops_own_are_accepted_everywhere():
    own = {"outcrop.method": "qlora", "outcrop.loraRank": "8", "outcrop.loraAlpha": "64", "outcrop.seed": "7"}
    for model in MODELS.values():
        found = check_hyperparameters(model, FINE_TUNING, own)
        assert (found.method, found.lora_rank, found.lora_alpha, found.seed) == ("qlora", 8, 64, 7)
        assert own.items() <= found.stated.items()


@pytest.mark.parametrize(
    ("name", "value"), [("loraRank", "8"), ("loraAlpha", "64"), ("loraTargets", "q_proj"), ("loraDropout", "0")]
)
def test_full_training_and_what_shapes_an_adapter_are_refused_together(name, value, refusal):
    said = refusal(check_hyperparameters, NOVA, FINE_TUNING, {"outcrop.method": "full", f"outcrop.{name}": value})
    assert f"outcrop.{name} cannot be carried out with outcrop.method full" in said
    assert checked(NOVA, **{f"outcrop.{name}": value}).method == "lora"


def test_outcrops_own_settings_of_an_adapter_and_of_a_run_are_read():
    found = checked(
        NOVA,
        **{
            "outcrop.loraTargets": "q_proj, down_proj",
            "outcrop.loraDropout": "0.05",
            "outcrop.validateEverySteps": "50",
            "outcrop.keepBest": "true",
            "outcrop.checkpointEverySeconds": "300",
        },
    )
    assert (found.lora_targets, found.lora_dropout) == (("q_proj", "down_proj"), 0.05)
    assert (found.validate_every_steps, found.keep_best, found.checkpoint_every_s) == (50, True, 300.0)
    unset = checked(NOVA)
    assert (unset.lora_targets, unset.lora_dropout, unset.validate_every_steps, unset.keep_best) == (
        None,
        0,
        None,
        None,
    )
    assert unset.checkpoint_every_s == CHECKPOINT_EVERY_S


@pytest.mark.parametrize(("sent", "precision"), [("float32", "float32"), ("bfloat16", "bfloat16"), ("auto", None)])
def test_a_precision_is_stated_or_left_to_the_machine(sent, precision):
    assert checked(NOVA, **{"outcrop.precision": sent}).precision == precision
    assert checked(NOVA).precision is None


@pytest.mark.parametrize("text", ["", "q_proj,", "q_proj,q_proj", "c_attn", "q_proj;v_proj"])
def test_what_names_no_linear_layers_is_refused_with_those_there_are(text, refusal):
    said = refusal(check_hyperparameters, NOVA, FINE_TUNING, {"outcrop.loraTargets": text})
    assert "some of q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj, separated by commas" in said


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1_0", " 2", "2 ", "", "2.0", "0x2", "٢", "2\n", "9" * 5000, "0", "6"]
)
def test_what_is_no_epoch_count_is_refused_with_its_range(text, refusal):
    said = refusal(check_hyperparameters, NOVA, FINE_TUNING, {"epochCount": text})
    assert "epochCount must be an integer from 1 to 5" in said and "was sent" in said and len(said) < 200


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "1_0e-5", " 1e-5", "1e-5 ", "0", "1e-3", "1e-7", "-1e-5", "."])
def test_what_is_no_learning_rate_is_refused_with_its_range(text, refusal):
    said = refusal(check_hyperparameters, NOVA, FINE_TUNING, {"learningRate": text})
    assert "learningRate must be a number from 0.000001 to 0.0001" in said and repr(text)[:20] in said


@pytest.mark.parametrize(("text", "value"), [("0.00005", 5e-5), ("1e-5", 1e-5), ("1E-5", 1e-5), ("+.00005", 5e-5)])
def test_numbers_are_read_as_people_write_them(text, value):
    assert checked(NOVA, learningRate=text).learning_rate == value


def test_the_ends_of_a_range_belong_to_it():
    assert checked(TITAN, learningRate="0.0").learning_rate == 0.0
    assert checked(TITAN, learningRate="1", batchSize="64").batch_size == 64


def test_every_problem_is_named_at_once(refusal):
    said = refusal(
        check_hyperparameters, NOVA, FINE_TUNING, {"epochs": "2", "epochCount": "9", "outcrop.method": "dora"}
    )
    assert "'epochs' is not a hyperparameter of amazon.nova-micro-v1:0:128k (FINE_TUNING)" in said
    assert "It takes epochCount: an integer from 1 to 5" in said
    assert "epochCount must be an integer from 1 to 5; '9' was sent." in said
    assert "outcrop.method must be one of lora, qlora, full; 'dora' was sent." in said


@given(st.dictionaries(st.sampled_from(["epochCount", "learningRate", "batchSize", "x", "outcrop.seed"]), st.text()))
def test_no_text_does_worse_than_a_validation_exception(sent):
    for model in (NOVA, CLAUDE, TITAN):
        try:
            check_hyperparameters(model, FINE_TUNING, sent)
        except ValidationException as refused:
            assert "hyperParameters" in refused.message
