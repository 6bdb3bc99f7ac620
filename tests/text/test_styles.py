"""Tokenizers and templates in the styles of other families, tiny: the tokens are Hugging Face's, the mask exact."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from outcrop.domain.conversation import Completion, Conversation, Message
from outcrop.domain.errors import CheckpointError
from outcrop.text import Tokenizer

TEXTS = ["the quick brown fox jumps over the lazy dog", "user\nassistant\nsystem\nmodel\n", "[INST] [/INST] think"]
CHAT_ML = (
    "{% for m in messages %}"
    "{% if loop.first and m.role != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# As Qwen 3: only the last answer shows that nothing was thought.
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
# As Phi 3: a conversation ends otherwise than an answer in its middle.
PHI = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)


def byte_level(*special: str) -> Library:
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    library.train_from_iterator(TEXTS * 3, trainer)
    return library


def sentence_piece(*special: str, marks_beginnings: bool) -> Library:
    library = Library(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    prepend = [normalizers.Prepend("▁")] if marks_beginnings else []
    library.normalizer = normalizers.Sequence([*prepend, normalizers.Replace(" ", "▁")])
    strip = [decoders.Strip(" ", 1, 0)] if marks_beginnings else []
    library.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip])
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>", *special, *bytes_], show_progress=False)
    library.train_from_iterator([text.replace(" ", "▁") for text in TEXTS for text in text.split("\n")], trainer)
    definition = json.loads(library.to_str())
    definition["added_tokens"] = [token for token in definition["added_tokens"] if "<0x" not in token["content"]]
    return Library.from_str(json.dumps(definition))


@dataclass(frozen=True)
class Style:
    """What a family's tokenizer is like."""

    library: Library
    template: str | None
    named: dict[str, str]
    ends: str
    first: str = ""  # what an answer begins with, beside its text
    last: str = ""


def styles() -> dict[str, Style]:
    im = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    phi = ("<s>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>")
    gemma = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
    return {
        "qwen2.5": Style(byte_level(*im), CHAT_ML, {"eos_token": "<|im_end|>"}, "<|im_end|>"),
        "qwen3": Style(
            byte_level(*im), THINKING, {"eos_token": "<|im_end|>"}, "<|im_end|>", last="<think>\n\n</think>\n\n"
        ),
        "gemma": Style(
            sentence_piece(*gemma, marks_beginnings=False),
            GEMMA,
            {"bos_token": "<bos>", "eos_token": "<eos>"},
            "<end_of_turn>",
        ),
        "mistral": Style(
            sentence_piece("<s>", "</s>", marks_beginnings=True),
            MISTRAL,
            {"bos_token": "<s>", "eos_token": "</s>"},
            "</s>",
            first=" ",
        ),
        "phi3": Style(
            sentence_piece(*phi, marks_beginnings=True),
            PHI,
            {"bos_token": "<s>", "eos_token": "<|endoftext|>"},
            "<|end|>",
        ),
    }


STYLES = styles()
TURNS = ("the fox", "over the dog", "quick", "jumps the lazy")
CONVERSATION = Conversation(
    messages=tuple(Message(role=("user", "assistant")[at % 2], text=text) for at, text in enumerate(TURNS)),
    system=None,
)


def written(style: Style, folder: Path) -> Tokenizer:
    style.library.save(str(folder / "tokenizer.json"))
    chat = {} if style.template is None else {"chat_template": style.template}
    (folder / "tokenizer_config.json").write_text(json.dumps({**style.named, **chat}))
    return Tokenizer.load(folder)


def oracle(style: Style, folder: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), chat_template=style.template, **style.named
    )


def messages(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]


@pytest.mark.parametrize("name", STYLES)
def test_rows_and_prompts_are_hugging_faces_tokens(name: str, tmp_path: Path) -> None:
    style = STYLES[name]
    ours, theirs = written(style, tmp_path), oracle(style, tmp_path)
    whole = theirs.apply_chat_template(messages(*TURNS), tokenize=False)
    assert ours.render(CONVERSATION).ids == theirs(whole, add_special_tokens=False)["input_ids"]
    prompt = theirs.apply_chat_template(messages(TURNS[0]), tokenize=False, add_generation_prompt=True)
    assert ours.render_chat(messages(TURNS[0])) == theirs(prompt, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("name", STYLES)
def test_exactly_the_answers_and_their_ends_are_learnt(name: str, tmp_path: Path) -> None:
    style = STYLES[name]
    tokenizer = written(style, tmp_path)
    rendered, stretches = tokenizer.render(CONVERSATION), []
    for token, learnt, before in zip(rendered.ids, rendered.trained, [False, *rendered.trained], strict=False):
        if learnt and not before:
            stretches.append([])
        if learnt:
            stretches[-1].append(token)
    spelled = ["".join(style.library.id_to_token(token) for token in stretch) for stretch in stretches]
    said = [text.replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n").replace("<0x0A>", "\n") for text in spelled]
    assert said == [
        style.first + TURNS[1] + style.ends,
        style.first + style.last + TURNS[3] + style.ends,
    ]


@pytest.mark.parametrize("name", STYLES)
def test_a_turns_end_stops_and_a_stream_is_the_text(name: str, tmp_path: Path) -> None:
    style = STYLES[name]
    tokenizer = written(style, tmp_path)
    assert style.library.token_to_id(style.ends) in tokenizer.stop_ids
    assert style.library.token_to_id(style.named["eos_token"]) in tokenizer.stop_ids
    stream = tokenizer.stream()
    ids = tokenizer.encode("the fox, é 😀 jumps")
    assert "".join([*map(stream.push, ids), stream.finish()]) == "the fox, é 😀 jumps"


def test_a_base_model_without_template_takes_prompts(tmp_path: Path) -> None:
    style = Style(byte_level("<|endoftext|>"), None, dict.fromkeys(("bos_token", "eos_token"), "<|endoftext|>"), "")
    tokenizer = written(style, tmp_path)
    rendered = tokenizer.render(Completion(prompt="the fox", completion=" jumps"))
    assert rendered.ids == [0, *tokenizer.encode("the fox"), *tokenizer.encode(" jumps"), 0]
    with pytest.raises(CheckpointError, match="no chat template"):
        tokenizer.render(CONVERSATION)


def test_a_completion_goes_on_where_its_prompt_ends(tmp_path: Path) -> None:
    """A vocabulary that marks where texts begin puts no second mark before what goes on."""
    style = STYLES["mistral"]
    tokenizer = written(style, tmp_path)
    rendered = tokenizer.render(Completion(prompt="the quick", completion=" fox"))
    learnt = [token for token, is_learnt in zip(rendered.ids, rendered.trained, strict=True) if is_learnt]
    assert "".join(map(style.library.id_to_token, learnt)) == "▁fox</s>"
    assert rendered.ids[: -len(learnt)] == tokenizer.render_raw_prompt("the quick")


def test_a_template_that_refuses_system_prompts_says_so(tmp_path: Path) -> None:
    tokenizer = written(STYLES["gemma"], tmp_path)
    with pytest.raises(CheckpointError, match="System role not supported"):
        tokenizer.render(Conversation(messages=CONVERSATION.messages, system="Be brief."))
