"""`outcrop status`: is a server there, and what is it busy with. A plain client of the API."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outcrop.cli.options import DEFAULT_REGION, clients, every, home_option, running_server

SHOWN_JOBS = 20


@click.command()
@home_option
@click.option("--region", default=DEFAULT_REGION, show_default=True, help="The Region to look at.")
def status(home: Path, region: str) -> None:
    """Say whether a server runs on this home, and show its jobs and what it serves."""
    server = running_server(home)
    bedrock = clients(home, region).bedrock
    jobs = bedrock.list_model_customization_jobs(maxResults=SHOWN_JOBS)["modelCustomizationJobSummaries"]
    served = every(bedrock, "list_provisioned_model_throughputs", "provisionedModelSummaries")
    deployed = every(bedrock, "list_custom_model_deployments", "modelDeploymentSummaries")
    click.echo(f"running at {server.url} (process {server.pid})")
    _print("jobs", [(job["jobName"], job["status"], _when(job["creationTime"])) for job in jobs])
    _print("provisioned", [(p["provisionedModelName"], p["status"], f"{p['modelUnits']} units") for p in served])
    _print("deployed", [(d["customModelDeploymentName"], d["status"], _when(d["createdAt"])) for d in deployed])


def _print(title: str, rows: list[tuple[str, str, str]]) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for row in rows or [("none", "", "")]:
        table.add_row(*map(Text, row))
    Console().print(table)


def _when(moment: "object") -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
