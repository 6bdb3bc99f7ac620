"""Which tokens are learnt, with TRL as the oracle: every family's records, on the very tokens that TRL makes of them.

TRL finds an answer by marks in the template (`{% generation %}`), or as what follows a prompt; we find it in the
rendered text. Both must train exactly the answer and the token that ends its turn.
"""

import io
import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from outcrop import corpus, families
from outcrop.domain.conversation import Completion, Conversation, Passage, Record
from outcrop.families.catalogue import PEBBLE
from outcrop.text import Tokenizer

FINE, MORE = "FINE_TUNING", "CONTINUED_PRE_TRAINING"
TURNS = [("hello", "the fox"), ("again", "jumps\nover the dog"), ("Grüße, 東京?", "naïve 😀 <b>text</b>")]
SYSTEM = "be brief"
END = "<|end|>"

# The two checkpoints' templates, with each answer and its end-of-turn marked as TRL wants it.
PEBBLE_MARKED = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}{{ eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
CHATML_MARKED = (
    "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ message.content }}<|im_end|>{% endif %}\n\n{% endfor %}"
)


def converse(turns: list[tuple[str, str]]) -> dict[str, Any]:
    blocks = [
        (role, [{"text": text}]) for pair in turns for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": SYSTEM}],
        "messages": [{"role": role, "content": content} for role, content in blocks],
    }


def claude(turns: list[tuple[str, str]]) -> dict[str, Any]:
    return {"system": SYSTEM, "messages": [{"role": role, "content": text} for role, text in spoken(turns)]}


def spoken(turns: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [said for question, answer in turns for said in (("user", question), ("assistant", answer))]


# Family, model, kind of job, a training file's row, and the stretches that are learnt of it.
COMPLETION = {"prompt": "hello, the quick", "completion": " brown fox"}
PROMPTED = {"prompt": "User: hello\nBot: ", "completion": "the fox"}
# The pebble has a token for ": the": encoded as one text, prompt and completion would share it.
MERGING = {"prompt": "User: hello\nBot:", "completion": " the fox"}
ANSWERS = [answer + END for _, answer in TURNS]
RECORDS = [
    pytest.param("amazon.nova-micro-v1:0", FINE, converse(TURNS), ANSWERS, id="nova"),
    pytest.param("anthropic.claude-haiku-4-5-20251001", FINE, claude(TURNS), ANSWERS, id="claude"),
    pytest.param("meta.llama3-2-1b-instruct-v1:0", FINE, converse(TURNS), ANSWERS, id="llama 3.2"),
    pytest.param("meta.llama3-1-8b-instruct-v1:0", FINE, COMPLETION, [" brown fox" + END], id="llama 3.1"),
    pytest.param("amazon.titan-text-lite-v1", FINE, PROMPTED, ["the fox" + END], id="titan"),
    pytest.param(
        "amazon.titan-text-lite-v1", MORE, {"input": "the lazy dog"}, ["the lazy dog" + END], id="titan, more"
    ),
]


def record_of(model_id: str, kind: Any, row: dict[str, Any]) -> Record:
    """A row of a training file as the worker reads it."""
    rules = families.record_format(families.MODELS[model_id], kind)
    (record,) = corpus.read(io.BytesIO(json.dumps(row).encode() + b"\n"), rules)
    return record


@pytest.fixture(scope="module")
def pebble() -> Tokenizer:
    """The checkpoint that every family's ids name with nothing configured."""
    return Tokenizer.load(PEBBLE)


@pytest.mark.parametrize(("model_id", "kind", "row", "learnt"), RECORDS)
def test_exactly_the_answer_and_its_end_of_turn_is_learnt(
    model_id: str, kind: Any, row: dict[str, Any], learnt: list[str], pebble: Tokenizer
) -> None:
    rendered = pebble.render(record_of(model_id, kind, row))
    pairs = zip(rendered.ids, rendered.trained, strict=True)
    stretches = [[token for token, _ in group] for trained, group in groupby(pairs, lambda pair: pair[1]) if trained]
    assert [pebble.decode_all(stretch) for stretch in stretches] == learnt
    assert all(stretch[-1] == pebble.eos_id and pebble.eos_id not in stretch[:-1] for stretch in stretches)


# TRL 1.16 gives transformers 5.23 an option by the name that it is about to drop.
ignored = pytest.mark.filterwarnings("ignore:`gradient_checkpointing.*` is deprecated:FutureWarning")
Labels = Callable[[Path, str | None, dict[str, Any]], tuple[list[int], list[int]]]


@pytest.fixture(scope="module")
def trl_labels(tmp_path_factory: pytest.TempPathFactory) -> Labels:
    """What TRL's trainer makes of a row: tokens, and labels of -100 where nothing is learnt."""
    from datasets import Dataset, disable_progress_bars
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    tiny = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=8, **tiny))
    out = str(tmp_path_factory.mktemp("trl"))

    def labels(folder: Path, template: str | None, row: dict[str, Any]) -> tuple[list[int], list[int]]:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder))
        if template is not None:
            tokenizer.chat_template = template
        arguments = SFTConfig(
            output_dir=out, use_cpu=True, report_to="none", assistant_only_loss="messages" in row, bf16=False
        )
        trainer = SFTTrainer(
            model=model, args=arguments, train_dataset=Dataset.from_list([row]), processing_class=tokenizer
        )
        (made,) = list(trainer.train_dataset)
        return made["input_ids"], made["labels"]

    return labels


def for_trl(record: Record, tokenizer: Tokenizer) -> dict[str, Any]:
    """The record in TRL's words. It adds no beginning-of-text token to a raw text, so that is spelled."""
    bos = "" if tokenizer.bos_id is None else tokenizer.decode_all([tokenizer.bos_id])
    match record:
        case Conversation():
            system = [] if record.system is None else [{"role": "system", "content": record.system}]
            turns = [{"role": message.role, "content": message.text} for message in record.messages]
            return {"messages": system + turns}
        case Completion():
            return {"prompt": bos + record.prompt, "completion": record.completion}
        case Passage():
            return {"text": bos + record.text}


@ignored
@pytest.mark.parametrize(("model_id", "kind", "row", "learnt"), RECORDS)
def test_trl_learns_the_same_tokens_of_every_familys_records(
    model_id: str, kind: Any, row: dict[str, Any], learnt: list[str], pebble: Tokenizer, trl_labels: Labels
) -> None:
    record = record_of(model_id, kind, row)
    assert_same_labels(pebble, record, trl_labels(PEBBLE, PEBBLE_MARKED, for_trl(record, pebble)))


@ignored
def test_trl_learns_the_same_tokens_under_another_template(
    tokenizer: Tokenizer, folder: Path, trl_labels: Labels
) -> None:
    """One that puts more between turns: what follows an end-of-turn is not learnt."""
    record = record_of("anthropic.claude-haiku-4-5-20251001", FINE, claude(TURNS))
    assert_same_labels(tokenizer, record, trl_labels(folder, CHATML_MARKED, for_trl(record, tokenizer)))


@ignored
def test_where_a_token_would_cross_into_the_answer_the_prompt_keeps_the_tokens_it_is_asked_with(
    pebble: Tokenizer, trl_labels: Labels
) -> None:
    """TRL drops the end of such a prompt, with a warning: there we differ, so that training sees what serving does."""
    record = record_of("amazon.titan-text-lite-v1", FINE, MERGING)
    assert isinstance(record, Completion)
    prompt, rendered = pebble.render_raw_prompt(record.prompt), pebble.render(record)
    theirs, _ = trl_labels(PEBBLE, PEBBLE_MARKED, for_trl(record, pebble))
    assert rendered.ids[: len(prompt)] == prompt != theirs[: len(prompt)]
    assert rendered.trained == [False] * len(prompt) + [True] * (len(rendered.ids) - len(prompt))
    assert pebble.decode_all(rendered.ids) == pebble.decode_all(theirs)


def assert_same_labels(tokenizer: Tokenizer, record: Record, theirs: tuple[list[int], list[int]]) -> None:
    """On the same tokens. No trainer predicts a first token, so it does not matter whether it is labelled."""
    rendered, (ids, labels) = tokenizer.render(record), theirs
    assert rendered.ids == ids
    assert rendered.trained[1:] == [label != -100 for label in labels[1:]]
