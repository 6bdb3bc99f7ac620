"""What is said of a row that does not have its kind's shape."""

import json

import pytest

USER, ANSWER = {"role": "user", "content": [{"text": "hi"}]}, {"role": "assistant", "content": [{"text": "yes"}]}
GOOD = json.dumps({"messages": [USER, ANSWER]})


@pytest.mark.parametrize(
    ("row", "place", "words"),
    [
        ("", "1:1", "the line is blank; take it out"),
        ("  \t\r", "1:1", "the line is blank"),
        ("{", "1:2", "on one line of its own"),
        ("},", "1:1", "on one line of its own"),
        ("[1]", "1:1", "the record is a list; it must be an object"),
        ("null", "1:1", "the record is null"),
        ('"x"', "1:1", "the record is a text"),
        ("{'messages': []}", "1:2", "double quotes"),
        (GOOD + " " + GOOD, "1:116", "one record a line, with nothing behind it"),
        (GOOD[:-1] + ",}", "1:", "not JSON"),
        ('{"messages": [1,]}', "1:", "not JSON"),
        (GOOD.replace("hi", "h\ti"), "1:55", "control characters escaped"),
        (GOOD.replace("hi", "h\0i"), "1:55", "NUL"),
        ('{"messages": NaN}', "1:1", "NaN is not JSON"),
        ('{"messages": ' + "[" * 100_000, "1:1", "nested too deeply"),
        ('{"messages": ' + "1" * 100_000 + "}", "1:14", "messages is a number; it must be a list"),
        ('{"a": 1}', "1:1", "messages is missing; add messages"),
        ('{"messages": [7, {}]}', "1:15", "messages[0] is a number; it must be an object"),
        ('{"messages": "x"}', "1:14", "messages is a text; it must be a list"),
        ('{"messages": {"a": 1}}', "1:14", "messages is an object"),
        (GOOD.replace('"hi"', "true"), "1:53", "messages[0].content[0].text is true or false"),
        (GOOD.replace('"hi"', '"\\ud800"'), "1:53", "holds half of a surrogate pair"),
        (GOOD.replace('{"messages"', '{"schemaVersion": 2, "messages"'), "1:19", "schemaVersion is a number"),
        (
            GOOD.replace('"role": "user"', '"role": "user", "role": "user"'),
            "1:40",
            "messages[0].role is written 2 times",
        ),
        (GOOD.replace('{"text": "hi"}', '{"image": {"format": "png"}}'), "1:54", "does not train images yet"),
        (GOOD.replace('{"text": "hi"}', '{"text": "hi", "video": {}}'), "1:", "does not train videos yet"),
        (GOOD.replace('{"text": "yes"}', '{"toolUse": {}}'), "1:", "does not train tool use yet"),
        ('{"prompt": "a", "completion": "b"}', "1:1", "this is a prompt/completion record; Nova Micro wants {"),
        ('{"input": "a"}', "1:1", "this is an unlabeled record"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "1:1", "this is a Claude record"),
    ],
)
def test_a_row_of_another_shape_is_explained(check, row, place, words):
    said = check("nova", row).problems[0]
    assert f"{said.line}:{said.column}".startswith(place) and words in f"{said.what}; {said.mend}", str(said)


@pytest.mark.parametrize(
    ("name", "row", "words"),
    [
        ("claude", GOOD, "this is a converse record"),
        ("claude", '{"prompt": "a", "completion": "b"}', "this is a prompt/completion record"),
        ("completion", GOOD, "this is a converse record"),
        ("completion", '{"messages": [{"role": "user", "content": "x"}]}', "this is a Claude record"),
        ("completion", '{"input": "a"}', "this is an unlabeled record"),
        ("completion", '{"prompt": "a"}', "completion is missing"),
        ("passage", '{"prompt": "a", "completion": "b"}', "this is a prompt/completion record"),
        ("passage", '{"input": "a", "id": "7"}', "not part of its format; leave only input"),
        ("passage", '{"input": "a", "input": "b"}', "input is written 2 times"),
        ("passage", '{"input": null}', "input is null; it must be a text"),
    ],
)
def test_hints_say_which_record_is_wanted(check, name, row, words):
    assert words in check.problem(name, row)


def test_bytes_that_are_not_utf8_are_placed_in_line_and_file(check):
    report = check("nova", GOOD, GOOD.encode().replace(b"hi", b"h\xffi"))
    assert report.problems[0].place == "train.jsonl:2:55"
    assert report.problems[0].what == f"not UTF-8: byte 55 of the line, byte {len(GOOD) + 1 + 55} of the file"


def test_bytes_that_are_not_utf8_are_found_in_ignored_members_too(check):
    report = check("nova", b'{"id": "\xff", ' + GOOD.encode()[1:])
    assert "not UTF-8" in report.problems[0].what


@pytest.mark.parametrize("extra", ['"id": 7', '"id": "x"', '"more": {"messages": []}'])
def test_members_that_are_ignored_are_a_warning(check, extra):
    report = check("nova", "{" + extra + ", " + GOOD[1:])
    assert report.ok
    assert [warning.what for warning in report.warnings] == [
        "rows with members that are not part of the format and are ignored: 1"
    ]


def test_quotes_escaped_in_any_way_are_no_second_member(check):
    for text in ('\\"', "\\u0022", '\\\\\\"', "\\\\", '\\"role\\": \\"user\\"'):
        report = check("nova", GOOD.replace("hi", text))
        assert report.ok and not report.warnings, text
