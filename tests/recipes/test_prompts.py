"""The pebble learns the very tokens that each family's dialect makes of a request or a record."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer as Library

from outcrop.domain.conversation import Completion, Conversation, Message
from outcrop.families.ask import Ask
from outcrop.families.claude import Claude
from outcrop.families.llama import Llama
from outcrop.families.nova import Nova
from outcrop.families.open import Open, registered
from outcrop.families.titan import Titan
from outcrop.text.tokenizer import Tokenizer
from pebble import prompts
from pebble.material import rows_of
from pebble.prompts import Dialogue

FOLDER = Path(__file__).parents[2] / "src/outcrop/pebbles/text"
DIALOGUE = Dialogue(turns=(("Say: so", "so"), ('As JSON: a, "b"', '["a", "b"]')), system="Be brief.")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(FOLDER)


def row(parts: list[prompts.Part]) -> tuple[list[int], list[bool]]:
    (made,) = rows_of(Library.from_file(str(FOLDER / "tokenizer.json")), [parts])
    return made.ids.tolist(), made.trained.tolist()


def messages(content: str) -> list[dict[str, object]]:
    """The turns before the last answer, as a body has them: plain strings, or blocks of text."""
    said = [text for turn in DIALOGUE.turns for text in turn][:-1]
    return [
        {"role": ("user", "assistant")[at % 2], "content": text if content == "text" else [{"text": text}]}
        for at, text in enumerate(said)
    ]


def asked_by(family: str) -> Ask:
    if family == "nova":
        body = {"messages": messages("blocks"), "system": [{"text": DIALOGUE.system}]}
        return Nova().parse_invoke(body, Nova.models[0])
    if family == "claude":
        version = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9}
        body = {**version, "system": DIALOGUE.system, "messages": messages("text")}
        return Claude().parse_invoke(body, Claude.models[0])
    body = {"messages": [{"role": "system", "content": DIALOGUE.system}, *messages("text")]}
    return Open().parse_invoke(body, registered("my.model", 2048))


@pytest.mark.parametrize("family", ["nova", "claude", "open"])
def test_a_chat_is_learnt_as_the_families_that_chat_are_asked(tokenizer: Tokenizer, family: str) -> None:
    ask = asked_by(family)
    assert ask.conversation is not None
    prompt = tokenizer.render_prompt(ask.conversation)
    ids, trained = row(prompts.chat(DIALOGUE))
    assert ids[: len(prompt)] == prompt
    assert all(trained[len(prompt) :])
    assert tokenizer.decode(ids[len(prompt) :]) == DIALOGUE.turns[-1][1]
    assert ids[-1] == tokenizer.eos_id


def test_a_chat_is_learnt_as_a_training_record_of_it(tokenizer: Tokenizer) -> None:
    said = tuple(
        message
        for question, answer in DIALOGUE.turns
        for message in (Message(role="user", text=question), Message(role="assistant", text=answer))
    )
    rendered = tokenizer.render(Conversation(messages=said, system=DIALOGUE.system))
    assert row(prompts.chat(DIALOGUE)) == (rendered.ids, rendered.trained)


@pytest.mark.parametrize("family", ["llama", "titan"])
def test_raw_prompts_are_learnt_as_served_and_as_recorded(tokenizer: Tokenizer, family: str) -> None:
    is_llama = family == "llama"
    text = prompts.llama_prompt(DIALOGUE) if is_llama else prompts.titan_prompt(DIALOGUE)
    ask = (
        Llama().parse_invoke({"prompt": text}, Llama.models[0])
        if is_llama
        else Titan().parse_invoke({"inputText": text}, Titan.models[0])
    )
    assert ask.raw_prompt is not None
    prompt = tokenizer.render_raw_prompt(ask.raw_prompt)
    ids, trained = row(prompts.completed(text, DIALOGUE.turns[-1][1]))
    assert ids[: len(prompt)] == prompt
    answer = DIALOGUE.turns[-1][1] if is_llama else " " + DIALOGUE.turns[-1][1]
    rendered = tokenizer.render(Completion(prompt=text, completion=answer))
    assert (ids, trained) == (rendered.ids, rendered.trained)


def test_llamas_prompt_is_the_one_that_its_users_write() -> None:
    assert prompts.llama_prompt(Dialogue(turns=(("Hi", "Hello"),), system="Be brief.")) == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert prompts.titan_prompt(Dialogue(turns=(("Hi", "Hello"),))) == "User: Hi\nBot:"


def test_examples_in_a_row_teach_only_answers_and_end() -> None:
    parts = prompts.few_shot("Q: {}\nA:", (("one", "1"), ("two", "2")))
    assert "".join(text for text, _ in parts) == "<|bos|>Q: one\nA: 1\n\nQ: two\nA: 2<|end|>"
    assert "".join(text for text, learnt in parts if learnt) == " 1 2<|end|>"
