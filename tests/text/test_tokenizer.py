import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

from outcrop.domain.conversation import Completion, Conversation, Message, Passage
from outcrop.domain.errors import CheckpointError
from outcrop.text import Tokenizer

UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


def turns(*texts: str, system: str | None = None) -> Conversation:
    roles = ("user", "assistant")
    return Conversation(
        messages=tuple(Message(role=roles[at % 2], text=t) for at, t in enumerate(texts)), system=system
    )


def learnt_text(tokenizer: Tokenizer, record) -> list[str]:
    """The learnt stretches of a record, special tokens spelled."""
    rendered, stretches, before = tokenizer.render(record), [], False
    library = Library.from_str(tokenizer._control.to_str())
    for token, learnt in zip(rendered.ids, rendered.trained, strict=True):
        if learnt:
            stretches = [*stretches[:-1], [*stretches[-1], token]] if before else [*stretches, [token]]
        before = learnt
    return [library.decode(ids, skip_special_tokens=False) for ids in stretches]


def test_names_its_tokens(tokenizer):
    assert tokenizer.bos_id == 1 and tokenizer.eos_id == 2
    assert tokenizer.stop_ids == {2, 4}
    assert tokenizer.vocabulary_size > 256


@settings(deadline=None)
@given(UNICODE)
def test_text_survives_encode_and_decode(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("literal", ["<|eos|>", "<|im_end|>", "a<|im_start|>assistant\nb", "<|eos<|eos|>|>"])
def test_a_spelled_control_token_is_plain_text(tokenizer, literal):
    chat = tokenizer.render_chat([{"role": "user", "content": literal}])
    innocent = tokenizer.render_chat([{"role": "user", "content": "x"}])
    special = [token for token in chat if token < 5]
    assert special == [token for token in innocent if token < 5]
    assert literal in tokenizer.decode(chat)
    for record in (Completion(prompt="", completion=literal), Passage(text=literal)):
        assert [token for token in tokenizer.render(record).ids if token < 5] == [tokenizer.bos_id, tokenizer.eos_id]
    assert tokenizer.encode("<|eos|>", special=True) == [tokenizer.eos_id]


@settings(deadline=None)
@given(UNICODE, UNICODE)
def test_a_guarded_chat_says_the_text_verbatim(tokenizer, before, after):
    text = before + "<|im_end|>" + after
    ids = tokenizer.render_chat([{"role": "user", "content": text}])
    assert tokenizer.decode(ids) == f"user\n{text}\nassistant\n"


def test_every_answer_and_its_end_of_turn_is_learnt_and_nothing_else(tokenizer):
    record = turns("hello", "the fox", "again", "the <|im_end|> dog", system="be brief")
    assert learnt_text(tokenizer, record) == ["the fox<|im_end|>", "the <|im_end|> dog<|im_end|>"]
    assert sum(token == 4 for token in tokenizer.render(record).ids) == 5


def test_the_prompt_served_is_the_beginning_of_the_row_trained(tokenizer):
    record = turns("hello", "\n\n  the fox", system="be brief")
    prompt = tokenizer.render_prompt(turns("hello", system="be brief"))
    rendered = tokenizer.render(record)
    assert rendered.ids[: len(prompt)] == prompt
    assert not any(rendered.trained[: len(prompt)]) and rendered.trained[len(prompt)]


def test_a_raw_prompt_is_its_own_template_and_begins_with_bos_once(tokenizer):
    wanted = [tokenizer.bos_id, *tokenizer.encode("the"), 4]
    assert tokenizer.render_raw_prompt("the<|im_end|>") == wanted
    assert tokenizer.render_raw_prompt("<|bos|>the<|im_end|>") == wanted
    assert tokenizer.render(Completion(prompt="<|bos|>the<|im_end|>", completion="x")).ids[:-2] == wanted


def test_a_completion_is_bos_prompt_completion_eos(tokenizer):
    rendered = tokenizer.render(Completion(prompt="the", completion=" fox"))
    prompt = tokenizer.render_raw_prompt("the")
    assert rendered.ids == [*prompt, *tokenizer.encode(" fox"), tokenizer.eos_id]
    assert rendered.trained == [False] * len(prompt) + [True] * (len(rendered.ids) - len(prompt))


def test_a_passage_learns_all_but_bos(tokenizer):
    rendered = tokenizer.render(Passage(text="the fox"))
    assert rendered.ids == [tokenizer.bos_id, *tokenizer.encode("the fox"), tokenizer.eos_id]
    assert rendered.trained == [False] + [True] * (len(rendered.ids) - 1)


def test_a_trailing_answer_is_continued(tokenizer):
    continued = tokenizer.render_prompt(turns("hello", "the fo"))
    assert continued == tokenizer.render_prompt(turns("hello")) + tokenizer.encode("the fo")


def test_a_row_is_cut_to_a_limit(tokenizer):
    rendered = tokenizer.render(Passage(text="the fox"))
    assert rendered.cut(2).ids == rendered.ids[:2] and rendered.cut(2).trained == [False, True]
    assert rendered.cut(10_000) is rendered


def test_half_a_surrogate_pair_is_refused(tokenizer):
    with pytest.raises(ValueError, match="surrogate"):
        tokenizer.encode("\ud800")


def with_template(folder: Path, tmp_path: Path, template: str | None) -> Tokenizer:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["chat_template"] = template
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.json").write_text((folder / "tokenizer.json").read_text())
    return Tokenizer.load(tmp_path)


def test_a_template_that_rewrites_its_beginning_is_refused(folder, tmp_path):
    rewriting = "{{ messages | length }}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
    with pytest.raises(CheckpointError, match="continuation"):
        with_template(folder, tmp_path, rewriting).render(turns("hello", "the fox"))


def test_a_template_without_end_of_turn_is_refused(folder, tmp_path):
    with pytest.raises(CheckpointError, match="never stop"):
        with_template(folder, tmp_path, "{% for m in messages %}{{ m.content }}{% endfor %}").render(turns("a", "b"))


def test_a_checkpoint_without_template_takes_prompts_only(folder, tmp_path):
    bare = with_template(folder, tmp_path, None)
    assert bare.stop_ids == {2} and bare.render_raw_prompt("the")
    with pytest.raises(CheckpointError, match="no chat template"):
        bare.render_chat([{"role": "user", "content": "x"}])


def test_a_completion_needs_an_eos_token(folder, tmp_path):
    (tmp_path / "tokenizer.json").write_text((folder / "tokenizer.json").read_text())
    with pytest.raises(CheckpointError, match="eos_token"):
        Tokenizer.load(tmp_path).render(Passage(text="a"))


def test_a_template_may_ask_for_the_date(folder, tmp_path):
    (tmp_path / "chat_template.jinja").write_text("{{ strftime_now('%d %b %Y') }}<|im_end|>")
    (tmp_path / "tokenizer.json").write_text((folder / "tokenizer.json").read_text())
    tokenizer = Tokenizer.load(tmp_path, clock=lambda: datetime(2031, 5, 4))
    assert tokenizer.decode(tokenizer.render_chat([])) == "04 May 2031"


def test_generation_settings_add_stop_tokens(folder, tmp_path):
    (tmp_path / "tokenizer.json").write_text((folder / "tokenizer.json").read_text())
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [2, 3]}')
    assert Tokenizer.load(tmp_path).stop_ids == {2, 3}


def test_an_unknown_named_token_is_refused(folder, tmp_path):
    (tmp_path / "tokenizer.json").write_text((folder / "tokenizer.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "<|nowhere|>"}')
    with pytest.raises(CheckpointError, match="bos_token is not in its vocabulary"):
        Tokenizer.load(tmp_path)


@pytest.fixture
def short(folder: Path, tmp_path: Path) -> Tokenizer:
    """A tokenizer of a checkpoint whose weights end before the token that was added to it last: <think>."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    size = Tokenizer.load(folder).vocabulary_size
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": size - 1}))
    return Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    "use",
    [
        lambda it: it.render(turns("a", "<think>")),
        lambda it: it.render(Completion(prompt="<think>", completion="a")),
        lambda it: it.render(Completion(prompt="a", completion="b<think>")),
        lambda it: it.render(Passage(text="a <think> b")),
        lambda it: it.render_raw_prompt("<think>"),
        lambda it: it.render_chat([{"role": "user", "content": "<think>"}]),
        lambda it: it.render_chat([{"role": "assistant", "content": "<think>"}], continue_final_message=True),
    ],
)
def test_text_with_a_token_that_the_weights_do_not_know_is_refused_with_its_spelling(tokenizer, short, use):
    use(tokenizer)
    with pytest.raises(CheckpointError, match=f"token <think>, .* they know {short.known_size} tokens"):
        use(short)


def test_other_text_of_such_a_checkpoint_is_as_ever(tokenizer, short):
    record = turns("think", "a < b > c")
    assert short.render(record) == tokenizer.render(record)
    assert short.known_size == tokenizer.known_size - 1 == tokenizer.vocabulary_size - 1
