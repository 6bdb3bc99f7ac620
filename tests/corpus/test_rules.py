"""What each family says of a row that has its kind's shape."""

import json
from dataclasses import replace

import pytest

from outcrop.corpus.rules import ClaudeRules, CompletionRules, ConverseRules, PassageRules
from outcrop.corpus.shapes import ClaudeRow, CompletionRow, ConverseRow, PassageRow
from outcrop.families import MODELS, record_format

USER, ANSWER = {"role": "user", "content": [{"text": "hi"}]}, {"role": "assistant", "content": [{"text": "yes"}]}
C_USER, C_ANSWER = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}


def with_roles(*roles: str) -> dict:
    return {"messages": [{"role": role, "content": [{"text": "x"}]} for role in roles]}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("nova", {"messages": [USER, ANSWER]}),
        ("nova", {"schemaVersion": "any", "system": [{"text": "a"}, {"text": "b"}], "messages": [USER, ANSWER] * 3}),
        ("nova", {"system": None, "schemaVersion": None, "messages": [USER, ANSWER]}),
        ("nova", {"messages": [{"role": "user", "content": [{"text": ""}, {"text": 'a "quoted" \\ word'}]}, ANSWER]}),
        ("nova", {"messages": [USER, {"role": "assistant", "content": [{"text": "User: is fine here"}]}]}),
        ("nova", {"messages": [USER, ANSWER] * 100}),
        ("claude", {"messages": [C_USER, C_ANSWER]}),
        ("claude", {"system": "be brief", "messages": [C_USER, C_ANSWER] * 2}),
        ("claude", {"messages": [{"role": "user", "content": "\nHuman without colon"}, C_ANSWER]}),
        (
            "llama",
            {"schemaVersion": "bedrock-conversation-2024", "system": [{"text": "x"}], "messages": [USER, ANSWER]},
        ),
        ("llama", {"messages": [USER, USER, ANSWER, USER]}),
        ("completion", {"prompt": "a", "completion": "b"}),
        ("passage", {"input": "text"}),
    ],
)
def test_a_good_row_passes(check, name, row):
    for text in (json.dumps(row), json.dumps(row, ensure_ascii=False, indent=None, separators=(",", ":"))):
        report = check(name, text)
        assert report.ok and not report.warnings, report.to_text()


@pytest.mark.parametrize(
    ("name", "row", "place", "words"),
    [
        ("nova", {"messages": []}, "1:14", "at least two messages"),
        ("nova", {"messages": [USER]}, "1:14", "at least two messages"),
        ("nova", with_roles("user", "assistant", "user"), "1:121", "the last message must be the assistant's"),
        ("nova", with_roles("assistant", "user"), "1:24", "message 1 must be the user's"),
        ("nova", with_roles("user", "user"), "1:70", "message 2 must be the assistant's"),
        ("nova", with_roles("user", "Assistant"), "1:70", "the role of message 2 is not known"),
        ("nova", with_roles("system", "assistant"), "1:24", "a system prompt goes into the member system"),
        ("nova", {"messages": [{"role": "user", "content": []}, ANSWER]}, "1:43", "no text"),
        ("nova", {"messages": [{"role": "user", "content": [{"text": ""}]}, ANSWER]}, "1:43", "no text"),
        ("nova", {"messages": [{"role": "user", "content": [{"text": "a [EOS]"}]}, ANSWER]}, "1:53", "holds [EOS]"),
        ("nova", {"system": [{"text": "x <image>"}], "messages": [USER, ANSWER]}, "1:22", "holds <image>"),
        ("claude", {"messages": [C_USER, {"role": "assistant", "content": "a\nHuman: b"}]}, "1:", "holds \\nHuman:"),
        ("claude", {"system": "\nAssistant: b", "messages": [C_USER, C_ANSWER]}, "1:12", "holds \\nAssistant:"),
        ("claude", {"messages": [C_USER]}, "1:14", "at least two messages"),
        ("llama", {"schemaVersion": "2023", "messages": [USER, ANSWER]}, "1:19", "bedrock-conversation-2024"),
        ("llama", {"system": [], "messages": [USER, ANSWER]}, "1:12", "system holds 0 texts"),
        ("llama", {"system": [{"text": "a"}] * 2, "messages": [USER, ANSWER]}, "1:12", "system holds 2 texts"),
        ("llama", with_roles("user", "user"), "1:14", "nothing to learn"),
        ("llama", with_roles("user", "assistant", "tool"), "1:", "the role of message 3 is not known"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(check, name, row, place, words):
    said = check.problem(name, row)
    assert said.startswith(place) and words in said


def test_every_broken_rule_of_a_row_is_named(check):
    row = {"system": [{"text": "User: a"}], "messages": [{"role": "user", "content": [{"text": "Bot: b"}]}]}
    assert check("nova", row).problem_count == 3


def test_reserved_words_are_found_however_they_are_written(check):
    row = json.dumps({"messages": [USER, ANSWER]}).replace("hi", "\\u0055ser: a")
    said = check.problem("nova", row)
    assert "holds User:" in said


@pytest.mark.parametrize("name", ["claude", "completion"])
def test_a_record_with_too_many_characters_is_refused(check, name):
    model = {"claude": "anthropic.claude-haiku-4-5-20251001", "completion": "amazon.titan-text-lite-v1"}[name]
    rules = replace(record_format(MODELS[model], "FINE_TUNING"), tokens_per_record=2)
    most = 2 * rules.characters_per_token
    rows = {"claude": {"messages": [C_USER, {**C_ANSWER, "content": "x" * (most - 1)}]}}
    row = rows.get(name, {"prompt": "ab", "completion": "x" * (most - 1)})
    report = check.rules(rules, row)
    size = next(problem for problem in report.problems if problem.kind == "size")
    assert size.what == f"the record has {most + 1} characters" and f"at most {most}" in size.mend
    assert report.failure_message().startswith("Input size exceeded in file train.jsonl.")


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("llama", {"messages": [USER, {"role": "assistant", "content": [{"text": ""}]}]}),
        ("claude", {"messages": [C_USER, {"role": "assistant", "content": ""}]}),
        ("completion", {"prompt": "a", "completion": ""}),
        ("passage", {"input": ""}),
    ],
)
def test_an_empty_answer_is_a_warning_where_the_family_allows_it(check, name, row):
    report = check(name, row)
    assert report.ok and [warning.what for warning in report.warnings] == ["rows with an empty answer: 1"]


@pytest.mark.parametrize(
    ("kind", "row", "model"),
    [
        (ConverseRules, ConverseRow(messages=[]), "amazon.nova-micro-v1:0"),
        (ClaudeRules, ClaudeRow(messages=[]), "anthropic.claude-haiku-4-5-20251001"),
        (CompletionRules, CompletionRow(prompt="", completion=""), "amazon.titan-text-lite-v1"),
        (PassageRules, PassageRow(input=""), "amazon.titan-text-lite-v1"),
    ],
)
def test_every_kind_takes_its_own_rows(kind, row, model):
    rules = kind(record_format(MODELS[model], "FINE_TUNING"))
    assert isinstance(row, rules.row_type) and rules.record(row) is not None
