"""Documentation as plain text: markup taken off, what is no prose left out. Knows no files and no tokens."""

import html
import re

# A passage shorter than this says nothing; a paragraph of code or of a doctest is no prose, and a few show enough.
LEAST_CHARACTERS = 30
MOST_DOCTESTS = 4
LONGEST_WORD = 80
MOST_BARS = 2  # a line; more are a table's
LEAST_LETTERS, LEAST_ASCII = 0.5, 0.95

_NUMBERED = re.compile(r":(pep|rfc):`(\d+)[^`]*`")
_ROLE = re.compile(r":[a-z][\w:+-]*:`([^`]+)`")
_TARGET = re.compile(r"^(.*?)\s*<[^<>]*>$", re.DOTALL)
_LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
_LINK = re.compile(r"`([^`<>]+?)(?:\s*<[^<>]*>)?`__?")
_CROSS = re.compile(r"\[`([^`\]]+)`\](?:\([^)]*\))?")
_MARKDOWN_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_STRONG = re.compile(r"(?<![\w*])(\*\*?)(\w(?:[^*\n]*[^\s*])?)\1(?![\w*])")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,300}>")
_BLOCK_TAG = re.compile(r"</?(?:p|li|ul|ol|br|note|important|dl|dd|dt|div|h\d)\b[^<>]*>", re.IGNORECASE)
# Lines that draw: underlines of headings, borders of tables.
_RULE = re.compile(r"^[\s+|=~^\"'*#.:_`-]*[+=~^\"*#.:_`-]{4,}[\s+|=~^\"'*#.:_`-]*$")
_LICENCE = re.compile(
    r"copyright (?:\(c\)|©|\d{4})|licensed under the|without warrant|redistribution and use|all rights reserved"
    r"|permission is hereby granted|spdx-license",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """Inline markup of reStructuredText and Markdown taken off; what it marked stays."""
    text = _NUMBERED.sub(lambda found: f"{found[1].upper()} {found[2]}", text)
    text = _ROLE.sub(lambda found: _role_text(found[1]), text)
    text = _CROSS.sub(lambda found: found[1].lstrip("~!"), text)
    text = _MARKDOWN_LINK.sub(r"\1", text)
    text = _LINK.sub(r"\1", text)
    text = _LITERAL.sub(r"\1", text)
    return _STRONG.sub(r"\2", text)


def without_html(text: str) -> str:
    """The text of an HTML fragment, a paragraph a block."""
    text = html.unescape(_TAG.sub("", _BLOCK_TAG.sub("\n\n", text)))
    lines = (re.sub(r"[ \t\xa0]+", " ", line).strip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def clean(text: str) -> str:
    """The paragraphs that are prose (or a few doctests), in order; empty where too little is left."""
    kept, doctests = [], 0
    for paragraph in paragraphs(text):
        shown = "\n".join(line.rstrip() for line in paragraph.split("\n") if not _RULE.match(line)).strip("\n")
        is_doctest = shown.lstrip().startswith(">>>")
        doctests += is_doctest
        if is_prose(shown) and not (is_doctest and doctests > MOST_DOCTESTS):
            kept.append(shown)
    joined = "\n\n".join(kept)
    return joined if len(joined) >= LEAST_CHARACTERS else ""


def paragraphs(text: str) -> list[str]:
    """What empty lines part."""
    return [part for part in re.split(r"\n[ \t]*\n\s*?(?=\S|[ \t]+\S)", text.strip("\n")) if part.strip()]


def is_prose(paragraph: str) -> bool:
    """Neither a table of codes, nor base64, nor another script, nor a licence."""
    bare = "".join(paragraph.split())
    if not bare or _LICENCE.search(paragraph) or paragraph.count("|") > MOST_BARS * len(paragraph.split("\n")):
        return False
    letters = sum(map(str.isalpha, bare))
    plain_letters = sum(map(str.isascii, bare))
    if plain_letters < LEAST_ASCII * len(bare) or (
        len(bare) > LEAST_CHARACTERS and letters < LEAST_LETTERS * len(bare)
    ):
        return False
    return max(map(len, paragraph.split())) <= LONGEST_WORD


def _role_text(inside: str) -> str:
    titled = _TARGET.match(inside)
    if titled and titled[1]:
        return titled[1]
    return inside[1:].rpartition(".")[2] if inside.startswith("~") else inside.removeprefix("!")
