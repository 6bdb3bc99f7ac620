"""`outcrop throughput`: what was bought of this machine, what was used and what is left. A plain client of the API."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outcrop.cli.options import clients, home_option

HEADS = ("", "units", "bought a minute", "used, last minute", "left", "open", "refused")
NOTHING = "-"
ON_DEMAND = "on demand"


@click.command()
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print what GetThroughput answers, as JSON.")
def throughput(home: Path, as_json: bool) -> None:
    """Show the model units of this machine: bought, used in the last minute, and left."""
    said = clients(home).outcrop.get_throughput()
    del said["ResponseMetadata"]
    if as_json:
        click.echo(json.dumps(said, indent=1))
        return
    machine = said["machine"]
    click.echo(
        f"{machine['unitsForSale']} model units, each a {machine['shares']}th of this machine: "
        f"{machine['unitsSold']} sold, {machine['unitsFree']} free"
    )
    for engine in said["engines"]:
        click.echo(
            f"{Path(engine['checkpoint']).name}: {engine['inputTokensPerSecond']:,.0f} tokens of prompts a second, or "
            f"{engine['outputTokensPerSecond']:,.0f} of answers (measured)"
        )
    _print(said)


def _print(said: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for head in HEADS:
        table.add_column(head, justify="left" if not head else "right")
    for cells in _rows(said):
        table.add_row(*map(Text, cells))
    Console().print(table)


def _rows(said: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for model in said["provisionedModels"]:
        standing = model.get("standing")
        if standing is None:
            yield model["provisionedModelName"], str(model["modelUnits"]), model["status"], *[NOTHING] * 4
        else:
            yield _row(model["provisionedModelName"], standing)
    for engine in said["engines"]:
        yield _row(f"{ON_DEMAND}, {Path(engine['checkpoint']).name}", engine["onDemand"])


def _row(name: str, standing: Mapping[str, Any]) -> tuple[str, ...]:
    bought = f"{standing['inputTokensPerMinute']:,.0f} in or {standing['outputTokensPerMinute']:,.0f} out"
    used = f"{standing['inputTokensUsed']:,} in, {standing['outputTokensUsed']:,} out"
    left = f"{standing['outputTokensLeft']:,.0f} out ({standing['partLeft']:.0%})"
    return name, str(standing["units"]), bought, used, left, str(standing["answersOpen"]), str(standing["refused"])
