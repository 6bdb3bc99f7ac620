"""Markup comes off, prose stays, and what is no prose goes."""

import pytest

from pebble.cleaning import MOST_DOCTESTS, clean, is_prose, paragraphs, plain, without_html


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        ("See :func:`os.path.join` and :class:`~pathlib.Path`.", "See os.path.join and Path."),
        ("A :term:`key function <sort key>` of one argument.", "A key function of one argument."),
        ("As in :pep:`8` and :rfc:`2822#section-3`.", "As in PEP 8 and RFC 2822."),
        ("Set ``x`` to *None*, **never** to 2 ** 3 or *args.", "Set x to None, never to 2 ** 3 or *args."),
        ("Read `the docs <https://x.y>`_ or [`~PreTrainedModel`].", "Read the docs or PreTrainedModel."),
        ("[Docs](https://a.b) say so.", "Docs say so."),
        ("lst = [a](b) for __init__ and *args, **kwargs", "lst = a for __init__ and *args, **kwargs"),
    ],
)
def test_inline_markup_comes_off(marked: str, said: str) -> None:
    assert plain(marked) == said


def test_html_becomes_paragraphs() -> None:
    assert without_html("<p>One &amp; <code>two</code>.</p><ul><li>three</li></ul>") == "One & two.\n\nthree"


def test_paragraphs_keep_their_indentation() -> None:
    assert paragraphs("One\ntwo\n\n\n   - three\n   four\n \nfive\n") == ["One\ntwo", "   - three\n   four", "five"]


@pytest.mark.parametrize(
    "noise",
    [
        "TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24sIGJ1dCBieSB0aGlzIHNpbmd1bGFyIHBhc3Npb24g",
        "0x00 0x01 0x02 0x03 0x04 0x05 0x06 0x07 0x08 0x09",
        "Copyright (c) 2001 Someone. All rights reserved.",
        "Permission is hereby granted, free of charge, to any person",
        "これは日本語の文章です。長い説明が続きます。",
        "| a | b | c |\n| d | e | f |",
    ],
)
def test_what_is_no_prose_goes(noise: str) -> None:
    assert not is_prose(noise)
    assert clean(f"A sentence that says something.\n\n{noise}\n\nAnd one more.") == (
        "A sentence that says something.\n\nAnd one more."
    )


def test_drawn_lines_go_and_few_doctests_stay() -> None:
    assert (
        clean("A long enough heading it is\n===========================\n\nText.")
        == "A long enough heading it is\n\nText."
    )
    doctests = "\n\n".join(f">>> add({number}, two)\n'answer'" for number in range(9))
    assert clean(f"Some words to begin with.\n\n{doctests}").count(">>>") == MOST_DOCTESTS
