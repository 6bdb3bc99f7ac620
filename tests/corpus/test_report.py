import json

from outcrop.corpus import Problem, Report
from outcrop.corpus.report import Kind, Tokens, Warning_


def problem(line: int | None, kind: Kind = Kind.RULE, what: str = "x" * 60) -> Problem:
    return Problem(file="t.jsonl", line=line, column=line, kind=kind, what=what, mend="mend it")


def report(*problems: Problem, count: int | None = None, **more) -> Report:
    total = len(problems) if count is None else count
    return Report(file="t.jsonl", rows=9, bad_rows=3, size_bytes=1234, problems=problems, problem_count=total, **more)


def test_a_good_file_has_no_failure_message():
    assert report().ok and report().failure_message() == ""


def test_the_gravest_problem_gives_the_phrase():
    rule, parse = problem(1), problem(2, Kind.PARSE)
    assert report(rule, parse).failure_message().startswith("Unable to parse t.jsonl. 2 problems in 3 of 9 rows. ")
    assert report(rule).failure_message().startswith("Invalid records in t.jsonl. 1 problem in 3 of 9 rows. t.jso")
    assert report(count=4).failure_message().startswith("The dataset cannot be used")


def test_a_message_never_exceeds_its_limit_and_says_how_many_it_leaves_out():
    whole = report(*[problem(at) for at in range(1, 100)], count=500)
    for limit in (40, 300, 2048):
        message = whole.failure_message(limit)
        assert len(message) <= limit
    assert message.endswith(" more in the report.") and "And 4" in message


def test_problems_that_were_not_kept_are_counted():
    assert report(problem(1), count=8).failure_message().endswith(" And 7 more.")


def test_the_whole_report_is_json_and_text():
    tokens = Tokens(prompt=5, trained=4, longest=((7, 3),), limit=6, truncated_rows=1, truncated_tokens=1)
    warnings = (Warning_(file="t.jsonl", what="odd", count=2, lines=(1,)),)
    whole = report(problem(2), count=3, tokens=tokens, warnings=warnings)
    found = json.loads(whole.to_json())
    assert found["tokens"] == {
        "prompt": 5,
        "trained": 4,
        "total": 9,
        "longest": [{"tokens": 7, "line": 3}],
        "limit": 6,
        "truncatedRows": 1,
        "truncatedTokens": 1,
    }
    assert found["problems"][0]["line"] == 2 and found["warnings"] == [{"what": "odd", "count": 2, "lines": [1]}]
    assert whole.to_text().splitlines() == [
        "t.jsonl: 9 rows, 6 good, 1,234 bytes",
        "tokens: 9 (5 prompt, 4 trained)",
        "longest rows: 7 tokens (line 3)",
        "truncated: 1 row beyond the checkpoint's 6 tokens, 1 tokens lost",
        f"problem: t.jsonl:2:2: {'x' * 60}; mend it.",
        "problem: and 2 more",
        "warning: t.jsonl: odd (line 1 and more)",
    ]
