"""What the pebble reads: a table of sources with their licences, read, cleaned and rid of repetitions. Knows no tokens.

The lab's held-out modules are left out of every source by name, and every paragraph that quotes their docstrings by
comparison.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import floor
from pathlib import Path
from typing import TypeVar

from pebble import documentation, duplicates, packages, sources
from pebble.packages import Package
from pebble.sources import Documented

# Of a word that stands in the pool of words for exercises.
_POOL_WORD = re.compile(r"\b[a-z]{3,10}\b")
LEAST_CHARACTERS = 12
SAMPLE_CHARACTERS = 12_000_000
# Steps of this size around a circle lie as even as any: which items a fraction of a pass shows.
GOLDEN = (5**0.5 - 1) / 2
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One line of the table: `passes` is how often a round goes through it (0.25: a quarter of it each round).

    `late_passes`: the same of the rounds at the end of a run, while the learning rate falls.
    """

    name: str
    what: str
    licence: str
    passes: float
    late_passes: float
    why: str


LIBRARY = Source(
    name="library docstrings",
    what="docstrings of the running Python's standard library, compiled modules too",
    licence="PSF-2.0",
    passes=1.5,
    late_passes=1.5,
    why="the kind of text that is measured and taught: seen most",
)
DOCUMENTATION = Source(
    name="python documentation",
    what="library, tutorial, reference, howto, faq, using and whatsnew of the Python documentation",
    licence="PSF-2.0",
    passes=1,
    late_passes=0.7,
    why="whole sentences about the same things",
)
TOPICS = Source(
    name="help topics",
    what="the language reference as help() knows it",
    licence="PSF-2.0",
    passes=1,
    late_passes=0.7,
    why="the language's own prose, where the documentation is not on the machine",
)
PACKAGES = Source(
    name="package docstrings",
    what="docstrings of permissively licensed packages that Outcrop depends on",
    licence="MIT, BSD, Apache-2.0, PSF-2.0",
    passes=1,
    late_passes=0.7,
    why="many authors, the same form",
)
READMES = Source(
    name="package readmes",
    what="long descriptions in those packages' metadata",
    licence="MIT, BSD, Apache-2.0, PSF-2.0",
    passes=1,
    late_passes=0.5,
    why="prose for people who do not know the thing yet",
)
SERVICES = Source(
    name="service documentation",
    what="what botocore's service models say of operations and shapes, a sample of all services",
    licence="Apache-2.0",
    passes=0.5,
    late_passes=0.2,
    why="plain English sentences; bounded, so that it does not drown the rest",
)
CODE = Source(
    name="library sources",
    what="source files of the standard library",
    licence="PSF-2.0",
    passes=0.3,
    late_passes=0.1,
    why="signatures, comments and names as they stand in code",
)
PACKAGE_CODE = Source(
    name="package sources",
    what="documented functions of those packages, without their docstrings",
    licence="MIT, BSD, Apache-2.0, PSF-2.0",
    passes=0.3,
    late_passes=0.1,
    why="another part of it each round, so that there is something new to the end of a long run",
)
SOURCES = (LIBRARY, DOCUMENTATION, TOPICS, PACKAGES, READMES, SERVICES, CODE, PACKAGE_CODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What one source came to. `characters_read` counts before repetitions were taken out."""

    source: Source
    passages: tuple[str, ...]
    characters_read: int

    @property
    def size_bytes(self) -> int:
        """UTF-8 bytes of the passages."""
        return sum(len(passage.encode()) for passage in self.passages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Texts by source, what can be asked about them, words for exercises, and the packages that were read."""

    texts: tuple[Text, ...]
    documented: tuple[Documented, ...]
    pool: list[str]
    packages: tuple[Package, ...]
    has_documentation: bool

    @property
    def passages(self) -> list[str]:
        """Every passage once."""
        return [passage for text in self.texts for passage in text.passages]

    def sample(self, characters: int = SAMPLE_CHARACTERS) -> Iterator[str]:
        """Passages as often as a round sees them, evenly thinned to about so many characters: for a tokenizer."""
        whole = sum(text.source.passes * sum(map(len, text.passages)) for text in self.texts)
        thinned = min(1.0, characters / max(1.0, whole))
        for text in self.texts:
            yield from spread(text.passages, text.source.passes * thinned)


def spread(items: Iterable[Item], times: float, number: int = 0) -> Iterator[Item]:
    """Each item as often as round `number` shows it: `times` on average, 0.25 another quarter each round."""
    for at, item in enumerate(items):
        phase = at * GOLDEN % 1
        for _ in range(floor((number + 1) * times + phase) - floor(number * times + phase)):
            yield item


def read_corpus(every: int = 1, python_docs: Path | None = None) -> Corpus:
    """Everything the pebble may read, or every nth file of it: the held-out modules are never read.

    `python_docs` is the folder of the Python documentation's *.rst.txt files; None looks where Debian keeps it. Without
    any, the corpus has none and says so (`has_documentation`).
    """
    held_out = sources.held_out_modules()
    folder = documentation.DEFAULT_FOLDER if python_docs is None else python_docs
    read = list(islice(packages.packages(held_out), 0, None, every))
    found, code = _library(held_out, every)
    of_packages = [one for package in read for one in packages.docstrings(package, every)]
    prose: dict[str, list[str]] = {
        LIBRARY.name: [one.docstring for one in found],
        DOCUMENTATION.name: _documentation(folder, held_out, every),
        TOPICS.name: sources.topics()[::every],
        PACKAGES.name: [one.docstring for one in of_packages],
        READMES.name: [packages.readme(package) for package in read],
        SERVICES.name: [
            text
            for package in read
            if package.name == "botocore"
            for text in packages.service_documentation(package, every)
        ],
    }
    unsaid = _Unsaid(held_out)
    sources_of = {CODE.name: code, PACKAGE_CODE.name: packages.code(of_packages)}
    kept = {**unsaid.of(prose), **unsaid.of(sources_of)}
    documented = [
        replace(one, docstring=left)
        for one, left in zip(found + of_packages, kept[LIBRARY.name] + kept[PACKAGES.name], strict=True)
        if left and one.name
    ]
    before = {**prose, **sources_of}
    return Corpus(
        texts=tuple(_text(source, before[source.name], kept[source.name]) for source in SOURCES),
        documented=tuple(documented),
        pool=_pool(documented),
        packages=tuple(read),
        has_documentation=bool(prose[DOCUMENTATION.name]),
    )


def held_out_texts() -> list[str]:
    """Every docstring of the lab's modules: read for comparison alone."""
    found = []
    for module, text in sources.sources(frozenset(), sources.held_out_modules()):
        found += [sources.module_docstring(text) or "", *(one.docstring for one in sources.documented(module, text))]
    return found


def _library(held_out: frozenset[str], every: int) -> tuple[list[Documented], list[str]]:
    """What the standard library documents (modules and compiled things without a name), and its sources."""
    found, code = [], []
    for module, text in islice(sources.sources(held_out), 0, None, every):
        found += [_nameless(module, sources.module_docstring(text) or ""), *sources.documented(module, text)]
        code.append(text)
    native = islice(sources.native_docstrings(held_out), 0, None, every)
    return found + [_nameless(name, docstring) for name, docstring in native], code


def _nameless(module: str, docstring: str) -> Documented:
    return Documented(module=module, name="", signature="", parameters=(), docstring=docstring, source="")


def _documentation(folder: Path, held_out: frozenset[str], every: int) -> list[str]:
    documents = islice(documentation.documents(folder, held_out), 0, None, every)
    return [passage for _, text in documents for passage in documentation.passages(text)]


class _Unsaid:
    """Takes repetitions and quotations of the held-out modules out of texts by source."""

    def __init__(self, held_out: frozenset[str]) -> None:
        self._words = duplicates.Words()
        self._held_out = duplicates.held_out_runs(held_out_texts(), self._words)

    def of(self, texts: dict[str, list[str]]) -> dict[str, list[str]]:
        """The same lists, with "" for what was said before, by the same source or by one above it."""
        passages = [passage for group in texts.values() for passage in group]
        left = iter(_once(duplicates.unsaid(passages, self._held_out, self._words)))
        return {name: list(islice(left, len(group))) for name, group in texts.items()}


def _once(passages: Iterable[str]) -> Iterator[str]:
    """Each passage the first time, "" for the same again (short ones have no runs) and for what says nothing."""
    seen: set[str] = set()
    for passage in passages:
        plain = " ".join(passage.lower().split())
        yield "" if plain in seen or len(plain) < LEAST_CHARACTERS else passage
        seen.add(plain)


def _text(source: Source, before: list[str], left: list[str]) -> Text:
    return Text(source=source, passages=tuple(filter(None, left)), characters_read=sum(map(len, before)))


def _pool(documented: Iterable[Documented]) -> list[str]:
    return sorted({word for one in documented for word in _POOL_WORD.findall(one.docstring + " " + one.signature)})
