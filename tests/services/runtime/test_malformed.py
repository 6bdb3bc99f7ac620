"""Whatever a body holds, it is asked or refused: nothing else is raised."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.domain.errors import ValidationException
from outcrop.families import MODELS, Ask, family_of
from outcrop.services.runtime.converse_request import parse_converse
from outcrop.services.runtime.invoke import parse_body
from outcrop.services.runtime.questions import question
from outcrop.services.runtime.served import Served

TURN = {"role": "user", "content": [{"text": "jump"}]}
VALID: dict[str, dict[str, Any]] = {
    "amazon.nova-micro-v1:0": {"messages": [TURN], "system": [{"text": "x"}], "inferenceConfig": {"maxTokens": 5}},
    "anthropic.claude-3-haiku-20240307-v1:0": {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "jump"}],
        "stop_sequences": ["x"],
    },
    "meta.llama3-1-8b-instruct-v1:0": {"prompt": "x", "max_gen_len": 20, "temperature": 0.5},
    "amazon.titan-text-lite-v1": {"inputText": "x", "textGenerationConfig": {"maxTokenCount": 5, "topP": 0.5}},
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def served(model_id: str, tmp_path: Any) -> Served:
    model = MODELS[model_id]
    return Served(model=model, family=family_of(model), checkpoint=tmp_path, engine_model="base", sentence="")


@st.composite
def spoiled(draw: st.DrawFn, valid: dict[str, Any]) -> Any:
    """The body with one thing in it, at any depth, replaced by anything."""
    if not draw(st.booleans()):
        return draw(ANYTHING)
    name = draw(st.sampled_from(sorted(valid)))
    inner = valid[name]
    if isinstance(inner, dict):
        return {**valid, name: draw(spoiled(inner))}
    if isinstance(inner, list) and isinstance(inner[0], dict):
        return {**valid, name: [draw(spoiled(inner[0]))]}
    return {**valid, name: draw(ANYTHING)}


def asked_or_refused(parse: Any) -> None:
    try:
        ask = parse()
    except ValidationException:
        return
    assert isinstance(ask, Ask)
    json.dumps(question(ask, "base").body, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize("model_id", VALID)
def test_any_invoke_body_is_asked_or_refused(model_id: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = served(model_id, tmp_path_factory.getbasetemp())

    @settings(max_examples=150, deadline=None)
    @given(spoiled(VALID[model_id]))
    def check(body: Any) -> None:
        asked_or_refused(lambda: parse_body(json.dumps(body).encode(), model))

    check()


@settings(max_examples=150, deadline=None)
@given(ANYTHING)
def test_any_additional_fields_of_converse_are_asked_or_refused(fields: Any) -> None:
    request = {"messages": [TURN], "additionalModelRequestFields": fields}
    asked_or_refused(lambda: parse_converse(request, "nova", 1000))
