"""The Python documentation's reStructuredText as passages, without the held-out modules. Knows no tokens.

A section is a passage, and so is the description of one function, class or exception: its signature, then its text.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from pebble.cleaning import clean, plain

# Where Debian's python3.11-doc package puts it.
DEFAULT_FOLDER = Path("/usr/share/doc/python3.11/html/_sources")
# The C interface and the tools of builders are another world; the licence and the lists of changes no prose.
FOLDERS = ("library", "tutorial", "reference", "howto", "faq", "using", "whatsnew")
OBJECTS = (
    *("function", "class", "method", "exception", "data", "attribute", "decorator", "staticmethod", "classmethod"),
    *("decoratormethod", "coroutinefunction", "coroutinemethod", "abstractmethod", "describe", "cmdoption"),
    *("option", "opcode", "pdbcommand", "envvar"),
)  # fmt: skip
# Directives whose content says nothing to a reader of plain text.
_MUTE = {
    *("index", "sectionauthor", "moduleauthor", "toctree", "only", "productionlist", "highlight", "testsetup"),
    *("testcleanup", "image", "figure", "literalinclude", "include", "contents", "csv-table", "list-table", "table"),
    *("raw", "audit-event", "audit-event-table", "currentmodule", "tabularcolumns", "rubric", "availability", "math"),
    *("impl-detail-table", "miscnews", "graphviz", "platform", "grammar-snippet", "module"),
}  # fmt: skip
_SAID = {
    "note": "Note:", "warning": "Warning:", "seealso": "See also:", "tip": "Tip:", "versionadded": "New in version",
    "versionchanged": "Changed in version", "deprecated": "Deprecated since version", "caution": "Caution:",
    "deprecated-removed": "Deprecated since version", "important": "Important:",
}  # fmt: skip
_DIRECTIVE = re.compile(r"^(\s*)\.\. ([\w:-]+)::[ \t]*(.*)$")
_COMMENT = re.compile(r"^(\s*)\.\.(?: |$)")
_OPTION = re.compile(r"^\s*:[\w -]+:(?:\s|$)")
_UNDERLINE = re.compile(r"^([=\-~^\"'*#.:+`])\1{2,}\s*$")
_MODULE = re.compile(r"^\.\. (?:module|currentmodule):: *(\w+)", re.MULTILINE)


def documents(folder: Path, left_out: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Name and markup of every document, but those that describe a module in `left_out`."""
    for part in FOLDERS:
        for path in sorted((folder / part).rglob("*.rst.txt")):
            text = path.read_text(encoding="utf-8", errors="replace")
            if not describes(path.name, text, left_out):
                yield str(path.relative_to(folder)), text


def describes(name: str, text: str, modules: frozenset[str]) -> bool:
    """Whether a document is about one of `modules`: by its own name, or by the modules that it declares."""
    return bool({re.split(r"[.-]", name)[0], *_MODULE.findall(text)} & modules)


def passages(text: str) -> Iterator[str]:
    """The sections and descriptions of one document, as plain text."""
    for head, body in _blocks(text.expandtabs().splitlines()):
        words = textwrap.dedent("\n".join(_spoken(body))).strip("\n")
        said = clean(plain("\n".join([*head, "", words]) if head else words))
        if said and words:
            yield said


def _blocks(lines: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Signatures (none for a section) and the lines below them, cut at headings and at descriptions."""
    head: list[str] = []
    body: list[str] = []
    inside: int | None = None  # how far the description's directive is indented
    rest = iter(range(len(lines)))
    for at in rest:
        line = lines[at]
        found = _DIRECTIVE.match(line)
        is_object = bool(found) and found[2].rpartition(":")[2] in OBJECTS
        is_over = inside is not None and line.strip() and _indent(line) <= inside
        if is_object or is_over or (at + 1 < len(lines) and line.strip() and _UNDERLINE.match(lines[at + 1])):
            yield head, body
            head, body, inside = [], [], None
        if is_object:
            inside = _indent(line)
            head = _signatures(lines, at)
            for _ in head[1:]:
                next(rest)
        else:
            body.append(line)
    yield head, body


def _signatures(lines: list[str], at: int) -> list[str]:
    """The signatures of one description: a function may have several, one a line."""
    found = _DIRECTIVE.match(lines[at])
    assert found is not None
    signatures = [found[3].strip()]
    for line in lines[at + 1 :]:
        if not line.strip() or _OPTION.match(line) or _indent(line) <= _indent(lines[at]):
            break
        signatures.append(line.strip())
    return signatures


def _spoken(lines: list[str]) -> Iterator[str]:
    """The lines that are text: without comments, targets, options and mute directives with what they indent."""
    muted: int | None = None
    for line in lines:
        if muted is not None and (not line.strip() or _indent(line) > muted):
            continue
        muted = None
        found = _DIRECTIVE.match(line)
        if found and found[2] in _SAID:
            yield f"{found[1]}{_SAID[found[2]]} {found[3]}".rstrip()
        elif (found and found[2] in _MUTE) or (not found and _COMMENT.match(line)):
            muted = _indent(line)
        elif not found and not _OPTION.match(line) and not _UNDERLINE.match(line):
            yield line[:-1] if line.endswith("::") else line


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
