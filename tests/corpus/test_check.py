import io
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop import corpus
from outcrop.corpus.lines import LONGEST_LINE
from outcrop.domain.conversation import Completion, Conversation, Message, Passage
from outcrop.families import MODELS, Counts, record_format

ROW = {"prompt": "a", "completion": "b"}
RULES = replace(record_format(MODELS["amazon.titan-text-lite-v1"], "FINE_TUNING"), training=Counts(maximum=5))


def numbered(count: int) -> list[dict]:
    return [{"prompt": f"a{at}", "completion": "b"} for at in range(count)]


def test_an_empty_file_cannot_be_parsed(check):
    report = check.rules(RULES)
    assert report.failure_message() == (
        "Unable to parse train.jsonl. 1 problem in 0 of 0 rows. "
        "train.jsonl: the file is empty; write one JSON object a line."
    )


def test_blank_lines_count_and_a_last_newline_does_not(check):
    report = check.rules(RULES, ROW, "", ROW, "")
    assert [problem.line for problem in report.problems] == [2, 4] and report.rows == 4


def test_windows_line_ends_are_fine(check):
    assert check.rules(RULES, json.dumps(ROW) + "\r").ok


def test_a_byte_order_mark_is_named_and_the_row_behind_it_checked(check):
    report = check.rules(RULES, b"\xef\xbb\xbf" + json.dumps(ROW).encode())
    assert [problem.what for problem in report.problems] == ["the file begins with a byte-order mark"]
    assert report.bad_rows == 0


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_named_once(check, encoding):
    report = check.rules(RULES, ("\ufeff" + json.dumps(ROW)).encode(encoding), *numbered(3))
    assert report.problems[0].what == "the file is UTF-16" and report.problem_count <= 2


def test_a_line_too_long_is_named_and_the_next_one_checked(check):
    report = check.rules(RULES, b"x" * (LONGEST_LINE + 1), ROW)
    assert report.problems[0].place == "train.jsonl:1:1" and "16,777,217 bytes" in report.problems[0].what
    assert report.rows == 2 and report.bad_rows == 1


@pytest.mark.parametrize(("rows", "words"), [(6, "takes at most 5"), (2, "needs at least 3")])
def test_counts_of_records_are_limits(check, rows, words):
    rules = replace(RULES, training=Counts(minimum=3, maximum=5))
    report = check.rules(rules, *numbered(rows))
    assert words in report.problems[0].mend and report.bad_rows == 0
    assert report.failure_message().startswith("Invalid number of records in train.jsonl.")


def test_validation_files_have_limits_of_their_own(check):
    rules = replace(RULES, validation=Counts(maximum=1), max_validation_bytes=10)
    report = check.rules(rules, *numbered(2), part="validation")
    assert [problem.kind for problem in report.problems] == ["count", "size"]
    assert check.rules(rules, *numbered(2)).ok


def test_all_bad_rows_are_counted_and_the_first_ones_kept(check):
    report = check("nova", *["x"] * 50, limit=7)
    assert report.problem_count == report.bad_rows == 50 and len(report.problems) == 7


def test_repeated_rows_are_a_warning_however_they_are_written(check):
    report = check("completion", ROW, '{"completion":"b","prompt":"a"}', {"prompt": "other", "completion": "b"}, ROW)
    assert report.ok
    assert [str(each) for each in report.warnings] == ["train.jsonl: rows that repeat an earlier one: 2 (line 2, 4)"]


def test_another_ending_of_the_name_is_a_warning(check):
    report = check.rules(RULES, ROW, file="train.json")
    assert report.ok and report.warnings[0].what == "the file's name does not end with .jsonl"


def test_what_the_watcher_raises_ends_the_check(check):
    def stop(_: int) -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError):
        check.rules(RULES, ROW, on_chunk=stop)


def test_tokens_are_counted_in_the_checkpoints_own(check, tokenizer):
    rows = [*numbered(3), {"prompt": "a" * 40, "completion": "b" * 9}]
    report = check.rules(RULES, *rows, tokenizer=tokenizer, context_tokens=45)
    rendered = [tokenizer.render(Completion(prompt=row["prompt"], completion=row["completion"])) for row in rows]
    tokens = report.tokens
    assert tokens is not None and report.ok
    assert tokens.trained == sum(each.trained_count for each in rendered)
    assert tokens.total == sum(len(each.ids) for each in rendered)
    assert tokens.longest == ((51, 4), (5, 1), (5, 2), (5, 3))
    assert (tokens.truncated_rows, tokens.truncated_tokens) == (1, 6)


def test_a_row_with_nothing_left_after_truncation_is_refused(check, tokenizer):
    report = check.rules(RULES, {"prompt": "a" * 40, "completion": "b"}, tokenizer=tokenizer, context_tokens=10)
    assert not report.ok and "nothing is left to learn" in report.problems[0].what


def test_too_many_tokens_are_said_in_the_words_that_clients_look_for(check, tokenizer):
    rules = replace(RULES, tokens_per_record=20, characters_per_token=None)
    report = check.rules(rules, {"prompt": "a" * 40, "completion": "b"}, ROW, tokenizer=tokenizer)
    assert report.failure_message().startswith("Maximum input token count 43 exceeds limit of 20. 1 problem in 1 of 2")


def test_an_estimate_of_tokens_yields_to_their_count(check, tokenizer):
    rules = replace(record_format(MODELS["anthropic.claude-haiku-4-5-20251001"], "FINE_TUNING"), tokens_per_record=60)
    rules = replace(rules, training=Counts(maximum=9), characters_per_token=1)
    messages = [{"role": "user", "content": "system " * 10}, {"role": "assistant", "content": "b"}]
    assert not check.rules(rules, {"messages": messages}).ok
    assert check.rules(rules, {"messages": messages}, tokenizer=tokenizer).ok


def test_read_gives_the_good_rows_as_records(check):
    data = check.file(ROW, "x", {"prompt": "c", "completion": "d"})
    assert list(corpus.read(io.BytesIO(b"\xef\xbb\xbf" + data), RULES)) == [
        Completion(prompt="a", completion="b"),
        Completion(prompt="c", completion="d"),
    ]


def test_read_gives_every_kind(check):
    answer = {"role": "assistant", "content": [{"text": "c"}]}
    row = {"system": [{"text": "s"}], "messages": [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}, answer]}
    wanted = Conversation(messages=(Message(role="user", text="a\nb"), Message(role="assistant", text="c")), system="s")
    nova = record_format(MODELS["amazon.nova-micro-v1:0"], "FINE_TUNING")
    assert list(corpus.read(io.BytesIO(check.file(row)), nova)) == [wanted]
    claude = record_format(MODELS["anthropic.claude-haiku-4-5-20251001"], "FINE_TUNING")
    row = {"system": "s", "messages": [{"role": "user", "content": "a\nb"}, {"role": "assistant", "content": "c"}]}
    assert list(corpus.read(io.BytesIO(check.file(row)), claude)) == [wanted]
    passage = record_format(MODELS["amazon.titan-text-lite-v1"], "CONTINUED_PRE_TRAINING")
    assert list(corpus.read(io.BytesIO(check.file({"input": "x"})), passage)) == [Passage(text="x")]


# --- however malformed ----------------------------------------------------------------------------------------------

SECRET = "Zebra"
TEXTS = st.text(max_size=12) | st.sampled_from(["user", "assistant", "User:", "\nHuman:", '"', "\\", SECRET])
KEYS = st.sampled_from(["messages", "role", "content", "text", "system", "prompt", "completion", "input"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4),
)
LINES = st.binary(max_size=30) | VALUES.map(lambda value: json.dumps(value).encode())
NAMES = st.sampled_from(["nova", "claude", "llama", "completion", "passage"])


@st.composite
def spoilt(draw):
    """A good row with a few bytes changed."""
    blocks = [{"role": "user", "content": [{"text": "hi"}]}, {"role": "assistant", "content": [{"text": SECRET}]}]
    plain = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": SECRET}]
    line = bytearray(json.dumps(draw(st.sampled_from([{"messages": blocks}, {"messages": plain}, ROW]))).encode())
    for _ in range(draw(st.integers(0, 3))):
        line[draw(st.integers(0, len(line) - 1))] = draw(st.integers(0, 255))
    return bytes(line)


@settings(deadline=None, max_examples=300)
@given(NAMES, st.lists(LINES | spoilt(), max_size=5))
def test_no_file_however_malformed_does_worse_than_a_report(check, tokenizer, name, rows):
    report = check(name, *rows, tokenizer=tokenizer)
    assert len(report.failure_message()) <= 2048
    assert bool(report.failure_message()) != report.ok
    assert report.bad_rows <= report.rows and report.to_text() and json.loads(report.to_json())
    for problem in report.problems:
        assert problem.line is None or (problem.column or 0) >= 1
    assert SECRET not in report.to_json() + report.failure_message()


@settings(deadline=None, max_examples=200)
@given(st.lists(spoilt(), min_size=1, max_size=5))
def test_what_is_read_is_what_was_found_good(check, rows):
    report = check("nova", *rows)
    marks = sum(problem.line is None for problem in report.problems)
    read = list(corpus.read(io.BytesIO(check.file(*rows)), check.rules_of("nova")))
    assert marks or len(read) == report.rows - report.bad_rows


def test_a_row_that_the_checkpoints_template_refuses_is_named(check, tokenizer_without_system):
    turns = [{"role": "user", "content": [{"text": "a"}]}, {"role": "assistant", "content": [{"text": "b"}]}]
    good, bad = {"messages": turns}, {"messages": turns, "system": [{"text": SECRET}]}
    report = check("nova", good, bad, good, tokenizer=tokenizer_without_system)
    assert report.bad_rows == report.problem_count == 1
    assert "train.jsonl:2" in report.failure_message() and "no system here" in report.failure_message()
    assert SECRET not in report.failure_message()


def test_a_row_with_a_token_that_the_weights_do_not_know_is_named(check, tokenizer):
    report = check.rules(RULES, ROW, {"prompt": "a <tool>", "completion": "b"}, tokenizer=tokenizer)
    (problem,) = report.problems
    assert problem.place == "train.jsonl:2:1" and "the token <tool>" in problem.what
