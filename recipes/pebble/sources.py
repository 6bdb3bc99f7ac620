"""The standard library's docstrings and sources as text, without the held-out modules. Knows no tokens."""

import ast
import importlib
import inspect
import re
import sys
import sysconfig
import textwrap
import warnings
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

HELD_OUT_FILE = Path(__file__).parents[2] / "src/outcrop/cli/lab/held_out.txt"
# Tests, vendored trees and tables of codes: no prose, and much of it.
SKIPPED = {
    "site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "__pycache__",
    "encodings", "ensurepip", "pydoc_data", "distutils",
}  # fmt: skip
# Compiled parts of the held-out modules that go by names of their own, and what only tests CPython itself.
NATIVE_LEFT_OUT = {"_elementtree", "pyexpat"}
NATIVE_SKIPPED = re.compile(r"_?xx|_test|_ctypes_test|_tkinter|_xx")
# Where statements hold statements, in the order of their fields.
BLOCKS = ("body", "cases", "handlers", "orelse", "finalbody")
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
    for path in _python_files(root):
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
    lines = text.splitlines()
    for node in _definitions(_parsed(text)):
        if len(ast.get_docstring(node) or "") >= 12:
            yield _described(module, node, lines)


def module_docstring(text: str) -> str | None:
    """What a module says about itself."""
    return ast.get_docstring(_parsed(text))


def topics() -> list[str]:
    """The language reference as `help()` knows it: it belongs to no module."""
    from pydoc_data.topics import topics as by_name

    return list(by_name.values())


def native_docstrings(left_out: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Name and docstring of what is compiled (builtins, math, itertools, ...), which no source file holds."""
    for name in _native_modules(left_out):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # what is to go is documented all the same
                module = importlib.import_module(name)
        except ImportError:
            continue  # built without its library
        if module.__doc__:
            yield name, inspect.cleandoc(module.__doc__)
        for inside, docstring in _native_members(module):
            yield f"{name}.{inside}", docstring


def _native_modules(left_out: frozenset[str]) -> Iterator[str]:
    folder = Path(sysconfig.get_paths()["stdlib"]) / "lib-dynload"
    names = {*sys.builtin_module_names, *(path.name.partition(".")[0] for path in folder.glob("*.so"))}
    for name in sorted(names - NATIVE_LEFT_OUT):
        if not {name, name.lstrip("_")} & left_out and not NATIVE_SKIPPED.match(name):
            yield name


def _native_members(module: ModuleType) -> Iterator[tuple[str, str]]:
    for name, value in sorted(vars(module).items()):
        if callable(value) and isinstance(getattr(value, "__doc__", None), str):
            yield name, inspect.cleandoc(value.__doc__)
        if isinstance(value, type) and value.__module__ in (module.__name__, "builtins"):
            for inside, method in sorted(vars(value).items()):
                if callable(method) and isinstance(getattr(method, "__doc__", None), str):
                    yield f"{name}.{inside}", inspect.cleandoc(method.__doc__ or "")


@lru_cache(maxsize=1)
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _python_files(root: Path) -> Iterator[Path]:
    """Every Python file in order, without going into folders that are skipped."""
    for top in sorted(root.iterdir()):
        if top.suffix == ".py":
            yield top
        elif top.name not in SKIPPED and top.is_dir():
            yield from sorted(top.rglob("*.py"))


def _definitions(tree: ast.Module) -> Iterator[Definition]:
    """Functions and classes, outer ones first, as `ast.walk` orders them; expressions hold none, so none is visited."""
    level: list[ast.AST] = [tree]
    while level:
        yield from (node for node in level if isinstance(node, Definition))
        level = [child for node in level for block in BLOCKS for child in getattr(node, block, ())]


def _described(module: str, node: Definition, lines: list[str]) -> Documented:
    bare = copy(node)
    bare.body = [ast.Pass()]
    signature = next(
        line for line in ast.unparse(bare).splitlines() if line.startswith(("def", "class", "async"))
    ).rstrip(":")
    body = lines[node.body[0].end_lineno : node.end_lineno]
    return Documented(
        module=module,
        name=node.name,
        signature=signature,
        parameters=() if isinstance(node, ast.ClassDef) else _parameters(node.args),
        docstring=ast.get_docstring(node) or "",
        source="\n".join([f"{signature}:", textwrap.indent(textwrap.dedent("\n".join(body)), "    ") or "    pass"]),
    )


def _parameters(arguments: ast.arguments) -> tuple[str, ...]:
    found = [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
    return tuple(argument.arg for argument in found if argument is not None)
