"""`python -m outcrop.cli.reference DIR`: reference pages made from the program itself, so that they cannot be wrong.

A test makes them again and compares.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from outcrop import families
from outcrop.cli import group
from outcrop.families.hyperparameters import OUTCROPS_OWN
from outcrop.services import openai
from outcrop.services.table import OPERATIONS


def pages() -> dict[str, str]:
    """Every reference page by its file name."""
    return {
        "cli.md": "\n".join(_cli()) + "\n",
        "operations.md": "\n".join(_operations()) + "\n",
        "hyperparameters.md": "\n".join(_hyperparameters()) + "\n",
    }


def main(folder: Path) -> None:
    """Write the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)


def _cli() -> Iterator[str]:
    yield "# Commands\n\nMade by `make docs` from the program; `outcrop COMMAND --help` says the same."
    yield from _command(group, click.Context(group, info_name="outcrop"))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"\n## `{context.command_path}`\n\n{command.help}\n"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            yield f"- `{record[0]}`: {record[1] or ''}".rstrip(": ")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _command(below, click.Context(below, info_name=name, parent=context))


OPERATIONS_HEAD = """# Operations served

Made by `make docs` from the program. Any other operation of these services answers an error in the service's own
dialect that says it is not served."""

HYPERPARAMETERS_HEAD = """# Hyperparameters

Made by `make docs` from the program. Values are always sent as strings. `outcrop.*` are Outcrop's own; Bedrock does not
know them."""

TABLE_HEAD = "| name | range | default | |\n|---|---|---|---|"


def _operations() -> Iterator[str]:
    yield OPERATIONS_HEAD
    for service, operations in {**OPERATIONS, "openai": openai.OPERATIONS}.items():
        yield f"\n## {service}\n"
        yield ", ".join(sorted(operations))


def _hyperparameters() -> Iterator[str]:
    yield HYPERPARAMETERS_HEAD
    for model in families.MODELS.values():
        for kind in model.customizations if model.model_id == model.base_id else ():
            yield f"\n## {model.name}: {kind.lower().replace('_', ' ')}\n\n{TABLE_HEAD}"
            yield from _rows(model, kind)


def _rows(model: families.FoundationModel, kind: families.CustomizationType) -> Iterator[str]:
    for one in (*families.family_of(model).hyperparameters(model, kind), *OUTCROPS_OWN):
        default = "" if one.default is None else f"{one.default}"
        yield f"| `{one.name}` | {one.range_text} | {default} | {one.sentence} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
