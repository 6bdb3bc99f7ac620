"""What permissively licensed packages that Outcrop depends on say of themselves. Knows no tokens.

Docstrings, functions, the long description in their metadata, and (of botocore's service models) the documentation of
operations and shapes. The licence is read from each distribution's metadata whenever the recipe runs.
"""

import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from pebble.cleaning import clean, plain, without_html
from pebble.sources import Documented, documented, module_docstring

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
ALLOWED = {"MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Apache-2.0", "PSF-2.0"}
# Of bundled parts in other languages, which are not read: accepted beside an allowed licence, never alone.
BESIDE = {"Zlib", "CC0-1.0", "BSL-1.0", "Apache-2.0 WITH LLVM-exception"}
# What distributions write where no SPDX expression stands. The first that matches counts.
_SPOKEN = (
    (re.compile(r"GPL|GNU|MPL|Mozilla|Public Domain", re.IGNORECASE), "refused"),
    (re.compile(r"\bApache|\bASL 2", re.IGNORECASE), "Apache-2.0"),
    (re.compile(r"2-Clause BSD|BSD.2.Clause", re.IGNORECASE), "BSD-2-Clause"),
    (re.compile(r"\bBSD\b", re.IGNORECASE), "BSD-3-Clause"),
    (re.compile(r"\bMIT\b(?!-CMU)", re.IGNORECASE), "MIT"),
    (re.compile(r"Python Software Foundation|\bPSF\b", re.IGNORECASE), "PSF-2.0"),
)
SKIPPED = {
    "test", "tests", "testing", "_vendor", "vendor", "vendored", "vendored_packages", "externals", "external",
    "third_party", "extern", "_internal", "migrations", "locale", "benchmarks", "examples", "lexers", "styles",
    "unicode",
}  # fmt: skip
# A large package has more text than it has to say: of each, so much is parsed, and so much is kept.
MOST_SOURCE, MOST_TEXT = 60_000_000, 6_000_000  # characters
MOST_SERVICE_TEXT, MOST_BOTOCORE_TEXT = 200_000, 20_000_000
# Of functions: shorter ones say nothing, longer ones are tables; and so much of all packages.
LEAST_CODE, LONGEST_CODE, MOST_CODE = 120, 4_000, 24_000_000
LEAST_DOCUMENTATION = 80
# Blocks of code, badges, and what a substitution stands for.
README_NOISE = re.compile(r"```.*?```|~~~.*?~~~|\[?!\[[^\]]*\]\([^)]*\)(?:\]\([^)]*\))?|\|[A-Z][\w -]*\|", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An installed distribution that may be read."""

    name: str
    version: str
    licence: str
    readme: str
    left_out: frozenset[str]

    def files(self) -> list[Path]:
        """Its Python files and service models, without those of tests, vendored copies and what is left out.

        A file counts as a held-out module's copy where any part of its path bears that name.
        """
        return list(_files(distribution(self.name), self.left_out))


def licence_of(metadata: Message) -> str | None:
    """The SPDX expression, where every part of it (or a choice in it) is permissive; None where it is not."""
    stated = metadata.get("License-Expression")
    if stated is None:
        stated = _spoken_licence(metadata)
    return stated if stated and any(map(_is_allowed, stated.split(" OR "))) else None


def packages(left_out: frozenset[str], constraints: Path = CONSTRAINTS) -> Iterator[Package]:
    """The distributions that `constraints` pins, where they are installed and permissive."""
    for line in constraints.read_text(encoding="utf-8").splitlines():
        try:
            found = distribution(line.split("==")[0].strip())
        except (PackageNotFoundError, ValueError):
            continue
        licence = licence_of(found.metadata)  # type: ignore[arg-type]  # it is an email.message.Message
        if licence:
            yield Package(
                name=found.metadata["Name"],
                version=found.version,
                licence=licence,
                readme=str(found.metadata.get_payload() or ""),  # type: ignore[attr-defined]  # the same
                left_out=left_out,
            )


def docstrings(package: Package, every: int = 1) -> Iterator[Documented]:
    """Every documented function and class of a bounded, fixed sample of a package's modules; module docstrings too.

    A module's own docstring comes as a `Documented` without a name. Of the sample, every nth module is read.
    """
    chosen = [path for path in package.files() if path.suffix == ".py"]
    random.Random(package.name).shuffle(chosen)
    read = kept = 0
    for path in chosen[::every]:
        text = path.read_text(encoding="utf-8", errors="replace")
        read += len(text)
        if read > MOST_SOURCE or kept > MOST_TEXT:
            return
        for one in _documented(path, text):
            kept += len(one.docstring)
            yield one


def code(found: Iterable[Documented]) -> list[str]:
    """Sources of functions among `found`, without their docstrings: a bounded, fixed sample."""
    fitting = [one.source for one in found if one.name and LEAST_CODE <= len(one.source) <= LONGEST_CODE]
    random.Random("code").shuffle(fitting)
    kept, size = [], 0
    for text in fitting:
        if size > MOST_CODE:
            break
        kept.append(text)
        size += len(text)
    return kept


def readme(package: Package) -> str:
    """The long description as prose: no badges, no code blocks, no tables."""
    return clean(plain(without_html(README_NOISE.sub("", package.readme))))


def service_documentation(package: Package, every: int = 1) -> Iterator[str]:
    """What botocore's service models say of operations and shapes: a bounded, fixed sample of every nth service."""
    models = [path for path in package.files() if path.name == "service-2.json.gz"]
    random.Random(package.name).shuffle(models)
    kept = 0
    for path in models[::every]:
        service = 0
        for text in _documentation(json.loads(gzip.decompress(path.read_bytes()))):
            said = clean(without_html(text)) if len(text) >= LEAST_DOCUMENTATION else ""
            if said:
                yield said
                service, kept = service + len(said), kept + len(said)
            if service > MOST_SERVICE_TEXT:
                break
        if kept > MOST_BOTOCORE_TEXT:
            return


def _is_allowed(conjunction: str) -> bool:
    parts = {part.strip(" ()") for part in conjunction.split(" AND ")}
    return bool(parts & ALLOWED) and parts <= ALLOWED | BESIDE


def _spoken_licence(metadata: Message) -> str:
    classifiers = [line for line in metadata.get_all("Classifier", []) if line.startswith("License :: ")]
    classifiers = [line for line in classifiers if not line.endswith(("OSI Approved", "DFSG approved"))]
    said = classifiers or [(metadata.get("License") or "").partition("\n")[0]]
    return " AND ".join(dict.fromkeys(_spdx(line) for line in said))


def _spdx(said: str) -> str:
    return next((name for pattern, name in _SPOKEN if pattern.search(said)), "refused")


def _files(found: Distribution, left_out: frozenset[str]) -> Iterator[Path]:
    for file in sorted(found.files or (), key=str):
        names = {*file.parts[:-1], file.name.partition(".")[0]}
        is_read = file.suffix == ".py" or file.name == "service-2.json.gz"
        if is_read and ".." not in names and not names & (left_out | SKIPPED):
            path = Path(str(found.locate_file(file)))
            if path.is_file():
                yield path


def _documented(path: Path, text: str) -> Iterator[Documented]:
    try:
        own, inside = module_docstring(text), list(documented(path.stem, text))
    except (SyntaxError, ValueError, RecursionError):
        return  # a template, or Python of another version
    for one in [Documented(module=path.stem, docstring=own or "", **_NAMELESS), *inside]:
        said = clean(plain(one.docstring))
        if said:
            yield Documented(
                module=one.module, name=one.name, signature=one.signature, parameters=one.parameters,
                docstring=said, source=one.source,
            )  # fmt: skip


_NAMELESS: dict[str, Any] = {"name": "", "signature": "", "parameters": (), "source": ""}


def _documentation(model: Any) -> Iterator[str]:
    """Every `documentation` of a service model, outermost first."""
    if isinstance(model, dict):
        if isinstance(model.get("documentation"), str):
            yield model["documentation"]
        for value in model.values():
            yield from _documentation(value)
    elif isinstance(model, list):
        for value in model:
            yield from _documentation(value)
