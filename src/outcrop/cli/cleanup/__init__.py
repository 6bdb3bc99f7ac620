"""`outcrop cleanup`: see what exists, take away what is asked for, in the right order, with a receipt."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outcrop.cli.cleanup.inventory import Item, take_inventory
from outcrop.cli.cleanup.receipt import Receipt, remove_all
from outcrop.cli.cleanup.selection import Selection
from outcrop.cli.options import DEFAULT_REGION, clients, home_option

TALK = Console(stderr=True)


@click.command()
@home_option
@click.option("--region", default=DEFAULT_REGION, show_default=True, help="The Region whose resources are meant.")
@click.option("--name", "names", multiple=True, metavar="GLOB", help="Only what has such a name; may be repeated.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Only what carries the tag; may be repeated.")
@click.option("--older-than", metavar="AGE", help="Only what is older: 90m, 12h or 7d.")
@click.option("--all", "everything", is_flag=True, help="All that exists.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--receipt", type=click.Path(path_type=Path, dir_okay=False), help="Write the receipt (JSON) there.")
def cleanup(home: Path, region: str, yes: bool, receipt: Path | None, **asked: Any) -> None:
    """List what exists; with --name, --tag, --older-than or --all, delete it."""
    selection = Selection.of(**asked)
    now = datetime.now(UTC)
    session = clients(home, region)
    items = take_inventory(session, now)
    if selection.empty:
        _show(items, Console(), "Nothing exists.")
        click.echo("hint: choose with --name, --tag, --older-than or --all what shall go", err=True)
        return
    chosen = selection.choose(items, now)
    _show(chosen, TALK, "Nothing that can be deleted is meant.")
    if not chosen or not (yes or click.confirm(f"Delete these {len(chosen)}?", err=True)):
        return
    if receipt is not None:
        receipt.touch()  # before anything is gone: a receipt that cannot be written must stop it
    _hand_out(remove_all(session, chosen, TALK), receipt)


def _show(items: list[Item], console: Console, otherwise: str) -> None:
    table = Table(box=None, header_style="bold")
    for column in ("kind", "name", "age", "detail"):
        table.add_column(column, overflow="fold")
    for item in items:
        table.add_row(item.kind.value, Text(item.name), _age(item.age), Text(item.detail))
    console.print(table if items else otherwise)


def _hand_out(receipt: Receipt, file: Path | None) -> None:
    text = json.dumps(receipt.to_json(), indent=2)
    if file is None:
        click.echo(text)
    else:
        file.write_text(text + "\n")
        TALK.print(f"receipt: {file}", markup=False)
    if receipt.failed:
        raise SystemExit(1)


def _age(age: timedelta | None) -> str:
    if age is None:
        return ""
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} d"
