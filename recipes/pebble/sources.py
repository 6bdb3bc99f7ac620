"""The standard library's documentation and sources as text, without the held-out modules. Knows no tokens."""

import ast
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HELD_OUT_FILE = Path(__file__).parents[2] / "src/outcrop/cli/lab/held_out.txt"
# Tests, vendored trees and tables of codes: no prose, and much of it.
SKIPPED = {
    "site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "__pycache__",
    "encodings", "ensurepip", "pydoc_data", "distutils",
}  # fmt: skip
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """A function or class with a docstring. `signature` is its first line; `source` leaves the docstring out."""

    module: str
    name: str
    signature: str
    parameters: tuple[str, ...]
    docstring: str
    source: str


def held_out_modules() -> frozenset[str]:
    """Top-level modules whose text the lab keeps for itself."""
    return frozenset(HELD_OUT_FILE.read_text(encoding="utf-8").split())


def module_files(left_out: frozenset[str], only: frozenset[str] | None = None) -> Iterator[tuple[str, Path]]:
    """Every module of the running Python's standard library, but those under a top-level name in `left_out`.

    With `only`, no other top-level names than those.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] not in left_out and (only is None or parts[0] in only) and not SKIPPED.intersection(parts):
            yield ".".join(part for part in parts if part != "__init__"), path


def sources(left_out: frozenset[str], only: frozenset[str] | None = None) -> Iterator[tuple[str, str]]:
    """Each module's name and source text, chosen as `module_files` does."""
    for name, path in module_files(left_out, only):
        text = path.read_text(encoding="utf-8", errors="replace")
        if text.strip():
            yield name, text


def documented(module: str, text: str) -> Iterator[Documented]:
    """Every function and class of a module's source that has a docstring worth reading."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Definition) and len(ast.get_docstring(node) or "") >= 12:
            yield _described(module, node)


def module_docstring(text: str) -> str | None:
    """What a module says about itself."""
    return ast.get_docstring(ast.parse(text))


def topics() -> list[str]:
    """The language reference as `help()` knows it: it belongs to no module."""
    from pydoc_data.topics import topics as by_name

    return list(by_name.values())


def _described(module: str, node: Definition) -> Documented:
    docstring = ast.get_docstring(node) or ""
    node.body = node.body[1:] or [ast.Pass()]
    source = ast.unparse(node)
    signature = next(line for line in source.splitlines() if line.startswith(("def", "class", "async")))
    return Documented(
        module=module,
        name=node.name,
        signature=signature.rstrip(":"),
        parameters=() if isinstance(node, ast.ClassDef) else _parameters(node.args),
        docstring=docstring,
        source=source,
    )


def _parameters(arguments: ast.arguments) -> tuple[str, ...]:
    found = [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
    return tuple(argument.arg for argument in found if argument is not None)
