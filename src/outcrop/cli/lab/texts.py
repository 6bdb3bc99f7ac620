"""Real text that every Python has: what the standard library says of itself, from modules that no pebble has read.

The names of those modules stand in held_out.txt, which the pebble's recipe reads too and leaves out. Knows no task.
"""

import ast
import inspect
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

TESTS = {"test", "tests", "__pycache__"}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """A definition and what it says of itself."""

    module: str
    kind: str
    name: str
    signature: str
    parameters: tuple[str, ...]
    docstring: str


def held_out_modules() -> tuple[str, ...]:
    """Top-level modules that are the lab's own."""
    return tuple((files("outcrop.cli.lab") / "held_out.txt").read_text(encoding="utf-8").split())


@cache
def everything() -> tuple[Documented, ...]:
    """Every documented definition of the held-out modules, each docstring once, in a stable order."""
    seen: set[str] = set()
    found = []
    for module in held_out_modules():
        for path in _sources(module):
            for one in _definitions(module, ast.parse(path.read_text(encoding="utf-8"))):
                if one.docstring not in seen:
                    seen.add(one.docstring)
                    found.append(one)
    return tuple(found)


def _sources(module: str) -> list[Path]:
    library = Path(sysconfig.get_paths()["stdlib"])
    alone = library / f"{module}.py"
    if alone.is_file():
        return [alone]
    inside = (path for path in sorted((library / module).rglob("*.py")))
    return [path for path in inside if not TESTS.intersection(path.relative_to(library).parts)]


def _definitions(module: str, tree: ast.Module) -> Iterator[Documented]:
    methods = {id(child) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for child in node.body}
    for node in ast.walk(tree):
        docstring = ast.get_docstring(node) if isinstance(node, Definition) else None
        if isinstance(node, Definition) and docstring:
            yield Documented(
                module=module.lstrip("_").removeprefix("py"),
                kind=_kind(node, in_class=id(node) in methods),
                name=node.name,
                signature=_signature(node),
                parameters=_parameters(node),
                docstring=inspect.cleandoc(docstring),
            )


def _kind(node: Definition, *, in_class: bool) -> str:
    if isinstance(node, ast.ClassDef):
        return "class"
    if isinstance(node, ast.AsyncFunctionDef):
        return "coroutine"
    return "method" if in_class else "function"


def _signature(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return f"class {node.name}({bases}):" if bases else f"class {node.name}:"
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    return f"{word} {node.name}({ast.unparse(node.args)}):"


def _parameters(node: Definition) -> tuple[str, ...]:
    if isinstance(node, ast.ClassDef):
        return ()
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return tuple(argument.arg for argument in named)
