import pytest

from outcrop.corpus.locate import column_of

TEXT = ' {"a" : [10, {"b": "x,]}\\"", "c": null}] , "d":{}, "a": [ ], "é": 1}'


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ((), TEXT.index("{")),
        (("d",), TEXT.index("{}")),
        (("a",), TEXT.index("[ ]")),
        (("é",), TEXT.index("1}")),
        (("a", 0), TEXT.index("[ ]")),
        (("nowhere",), TEXT.index("{")),
        (("d", "x"), TEXT.index("{}")),
        (("d", 0), TEXT.index("{}")),
        (("a", "x"), TEXT.index("[ ]")),
    ],
)
def test_the_column_of_a_member_or_of_its_nearest_parent(path, at):
    assert column_of(TEXT, path) == at + 1


def test_items_are_counted():
    text = '{"a": [10, {"b": [true, "x"]}]}'
    assert column_of(text, ("a", 1, "b", 1)) == text.index('"x"') + 1


@pytest.mark.parametrize("text", ["", "{", '{"a"', '{"a":', '{"a": [', "[" * 100_000])
def test_broken_text_has_a_column_too(text):
    assert column_of(text, ("a", 0)) >= 1
