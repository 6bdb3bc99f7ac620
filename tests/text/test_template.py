"""The template's environment, with Hugging Face's own as the oracle."""

import json
from datetime import datetime

import pytest
from transformers import PreTrainedTokenizerFast

from outcrop.domain.errors import CheckpointError
from outcrop.text import Tokenizer
from outcrop.text.template import ChatTemplate

LLAMA_LIKE = """
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|im_start|>system\n" }}
{%- if tools is not none %}{{- "tools: " + (tools | tojson(indent=4)) }}{%- endif %}
{{- system_message }}<|im_end|>
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or 'tool_calls' in message) %}
        {{- '<|im_start|>' + message['role'] + '\n\n'+ message['content'] | trim + '<|im_end|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n\n' }}
{%- endif %}
"""
LOOPING = (
    "{% for message in messages %}{% if loop.index > 9 %}{% break %}{% endif %}\n"
    "  {% if message.role == 'assistant' %}\n{% generation %}{{ message.content }}<|im_end|>{% endgeneration %}\n"
    "  {% else %}{{ message | tojson }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}A:{% endif %}"
)
CHATS = [
    [{"role": "user", "content": "the quick fox"}],
    [{"role": "system", "content": " be brief "}, {"role": "user", "content": "naïve <b> & 'x' \"y\" 東京\n\n"}],
    [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "the <think>fox"},
        {"role": "user", "content": ""},
    ],
]


@pytest.mark.parametrize("template", [None, LLAMA_LIKE, LOOPING], ids=["plain", "llama", "looping"])
@pytest.mark.parametrize("chat", CHATS)
@pytest.mark.parametrize("generation_prompt", [True, False])
def test_a_chat_has_the_tokens_that_hugging_face_gives_it(folder, tmp_path, template, chat, generation_prompt):
    theirs = PreTrainedTokenizerFast.from_pretrained(str(folder))
    if template is not None:
        theirs.chat_template = template
    (tmp_path / "tokenizer.json").write_text((folder / "tokenizer.json").read_text())
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["chat_template"] = template or config["chat_template"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    ours = Tokenizer.load(tmp_path).render_chat(chat, add_generation_prompt=generation_prompt)
    wanted = theirs.apply_chat_template(chat, add_generation_prompt=generation_prompt, return_dict=False)
    assert ours == wanted


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, {}, lambda: datetime(2031, 5, 4))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ raise_exception('no system here') }}", "refuses this conversation: no system here"),
        ("{{ messages[3].content }}", "refuses this conversation"),
        ("{{ 1 + 'a' }}", r"failed \(TypeError\)"),
        ("{{ messages.append(1) }}", "refuses this conversation"),
        ("{{ ''.__class__.__mro__ }}", "refuses this conversation"),
        ("{{ strftime_now(3) }}", r"failed \(TypeError\)"),
    ],
)
def test_a_template_that_fails_or_reaches_out_is_an_error_with_a_name(source, words):
    with pytest.raises(CheckpointError, match=words):
        template(source).render([{"role": "user", "content": "x"}], add_generation_prompt=True)


def test_a_template_that_does_not_parse_is_named():
    with pytest.raises(CheckpointError, match="does not parse"):
        template("{% if %}")
