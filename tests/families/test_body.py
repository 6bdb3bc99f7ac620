import json

from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.domain.errors import ValidationException
from outcrop.families import MODELS, Ask, family_of
from outcrop.families.open import registered

KEYS = st.sampled_from(
    [
        *(
            "messages",
            "role",
            "content",
            "text",
            "type",
            "system",
            "prompt",
            "inputText",
            "inferenceConfig",
            "max_tokens",
        ),
        *("textGenerationConfig", "anthropic_version", "temperature", "topP", "stopSequences", "stop", "user"),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | KEYS | st.just("bedrock-2023-05-31")
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5))
EVERY_FAMILY = [*MODELS.values(), registered("acme.small-v1", 4096)]


@settings(deadline=None)
@given(st.sampled_from(EVERY_FAMILY), st.dictionaries(KEYS, JSON, max_size=6))
def test_a_body_however_wrong_is_an_ask_or_a_validation_exception(model, body):
    try:
        assert isinstance(family_of(model).parse_invoke(body, model), Ask)
    except ValidationException as refused:
        json.dumps(refused.message)
