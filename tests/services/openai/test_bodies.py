"""A body is carried out whole or refused by the member that is wrong: nothing is ignored."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.domain.errors import ValidationException
from outcrop.services.openai.asking import chat_ask, raw_ask
from outcrop.services.openai.bodies import ChatAsked, CompletionAsked, read

HELLO = [{"role": "user", "content": "Hello"}]
CONTEXT = 512


def chat(**members: Any) -> Any:
    return chat_ask(read({"model": "m", "messages": HELLO, **members}, ChatAsked), CONTEXT)


def refused(kind: type = ChatAsked, **members: Any) -> tuple[str | None, str]:
    with pytest.raises(ValidationException) as caught:
        asked = read(members, kind)
        chat_ask(asked, CONTEXT) if isinstance(asked, ChatAsked) else raw_ask(asked, CONTEXT)
    return caught.value.members.get("param"), caught.value.message


def test_openais_defaults_hold_whatever_the_family() -> None:
    sampling = chat().sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (1.0, 1.0, CONTEXT)
    assert raw_ask(read({"model": "m", "prompt": "Once"}, CompletionAsked), CONTEXT).sampling.max_tokens == 16


def test_every_member_is_carried_out() -> None:
    sampling = chat(
        max_completion_tokens=9, temperature=0, top_p=0.5, top_k=3, seed=7, stop="x", stream=True, user="someone"
    ).sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p, sampling.top_k) == (9, 0.0, 0.5, 3)
    assert (sampling.seed, sampling.stop) == (7, ("x",))
    assert chat(max_tokens=10**9, stop=["a", "b"]).sampling.max_tokens == CONTEXT


def test_log_probabilities_are_asked_for_in_two_ways() -> None:
    assert chat(logprobs=True).sampling.logprobs == 0
    assert chat(logprobs=True, top_logprobs=4).sampling.logprobs == 4
    assert chat().sampling.logprobs is None
    raw = read({"model": "m", "prompt": "Once", "logprobs": 5}, CompletionAsked)
    assert raw_ask(raw, CONTEXT).sampling.logprobs == 5
    assert refused(CompletionAsked, model="m", prompt="Once", logprobs=6)[0] == "logprobs"


def test_turns_become_a_conversation() -> None:
    said = [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi", "refusal": None, "tool_calls": None, "annotations": []},
        {"role": "user", "content": [{"type": "text", "text": "How"}, {"type": "text", "text": "are you?"}]},
    ]
    conversation = chat(messages=said).conversation
    assert conversation.system == "Be kind.\nBe brief."
    assert [(turn.role, turn.text) for turn in conversation.messages] == [
        ("user", "Hello"),
        ("assistant", "Hi"),
        ("user", "How\nare you?"),
    ]


def test_what_asks_for_nothing_may_be_sent() -> None:
    assert (
        chat(
            n=1,
            logprobs=False,
            top_logprobs=None,
            frequency_penalty=0,
            presence_penalty=0.0,
            logit_bias={},
            tools=[],
            response_format={"type": "text"},
            store=False,
            service_tier="auto",
        )
        == chat()
    )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("n", 2),
        ("n", True),
        ("logprobs", 0),
        ("top_logprobs", 2),
        ("top_logprobs", 21),
        ("frequency_penalty", 0.5),
        ("presence_penalty", False),
        ("logit_bias", {"5": 1}),
        ("tools", [{"type": "function"}]),
        ("tool_choice", "none"),
        ("response_format", {"type": "json_object"}),
        ("store", True),
        ("reasoning_effort", "low"),
        ("modalities", ["audio"]),
        ("echo", True),
        ("prompt", "x"),
        ("invented", 1),
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("top_p", -0.1),
        ("top_k", 0),
        ("max_tokens", 0),
        ("max_completion_tokens", 1.5),
        ("seed", -1),
        ("seed", 2**63),
        ("stop", ""),
        ("stop", ["a", ""]),
        ("stream", "yes"),
        ("stream_options", {"include_usage": True}),
        ("messages", []),
        ("messages", "Hello"),
        ("model", ""),
        ("model", 5),
    ],
)
def test_what_is_not_carried_out_is_refused_by_name(member: str, value: Any) -> None:
    param, message = refused(**{"model": "m", "messages": HELLO, member: value})
    assert param is not None and param.split(".")[0] == member
    assert message.startswith(f"{param}: ") and message.endswith(".")


@pytest.mark.parametrize("member", ["model", "messages"])
def test_a_missing_member_is_named(member: str) -> None:
    body = {"model": "m", "messages": HELLO}
    assert refused(**{name: value for name, value in body.items() if name != member})[0] == member
    assert refused(**{**body, member: None})[0] == member


@pytest.mark.parametrize(
    ("turns", "param"),
    [
        ([{"role": "tool", "content": "x"}], "messages.0.role"),
        ([{"role": "nobody", "content": "x"}], "messages.0.role"),
        ([{"role": "user"}], "messages.0"),
        ([{"role": "user", "content": []}], "messages.0.content"),
        ([{"role": "user", "content": "x", "name": "ada"}], "messages.0"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}], "messages.0.content"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages.0.content.0"),
        (["Hello"], "messages.0"),
        ([*HELLO, {"role": "system", "content": "late"}], "messages.1"),
        ([*HELLO, {"role": "assistant", "content": "begun"}], "messages.1"),
    ],
)
def test_a_turn_that_cannot_be_carried_out_is_named(turns: Any, param: str) -> None:
    assert refused(model="m", messages=turns)[0] == param


@pytest.mark.parametrize("turns", [[*HELLO, *HELLO], [{"role": "system", "content": "alone"}]])
def test_turns_must_alternate_from_the_users(turns: Any) -> None:
    assert "conversation must" in refused(model="m", messages=turns)[1]


def test_both_names_of_one_limit_are_refused() -> None:
    assert refused(model="m", messages=HELLO, max_tokens=1, max_completion_tokens=1)[0] == "max_tokens"


@pytest.mark.parametrize("prompt", [["a", "b"], [], [1, 2], [[1]], 5, None])
def test_a_completion_takes_one_text(prompt: Any) -> None:
    assert (refused(CompletionAsked, model="m", prompt=prompt)[0] or "").split(".")[0] == "prompt"


def test_a_completion_takes_one_text_in_a_list_too() -> None:
    assert raw_ask(read({"model": "m", "prompt": ["Once"]}, CompletionAsked), CONTEXT).raw_prompt == "Once"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(sorted({*ChatAsked.__struct_fields__, "n", "logprobs", "tools", "content", "role", "type"}))


@given(st.dictionaries(NAMES, JSON | st.lists(st.dictionaries(NAMES, JSON, max_size=3), max_size=3), max_size=6))
@settings(max_examples=100, deadline=None)
def test_any_body_is_carried_out_or_refused(body: dict[str, Any]) -> None:
    try:
        chat_ask(read(body, ChatAsked), CONTEXT)
    except ValidationException as refusal:
        assert refusal.message
