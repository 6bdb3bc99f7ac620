"""`outcrop lab`: the main job on real text, from an empty home to an empty home, with a table at the end.

setup -> Titan continued pre-training, Nova, Claude and Llama fine-tuning -> provisioned throughput -> invoke and
converse -> base against custom on held-out rows -> cleanup with its receipt. Everything goes through the API.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from outcrop.cli.cleanup.inventory import take_inventory
from outcrop.cli.cleanup.receipt import Receipt, remove_all
from outcrop.cli.lab import asking, course, showing
from outcrop.cli.lab.course import Customized
from outcrop.cli.lab.stage import stage
from outcrop.cli.lab.tasks import Size, all_tasks
from outcrop.cli.lab.texts import everything
from outcrop.cli.options import Clients
from outcrop.domain.errors import OutcropError

FULL = Size(train=600, held_out=120)
SMALL = Size(train=100, held_out=32)  # the least that every family accepts
REPORT = Path("lab-report")
TALK = Console(stderr=True)


@click.command()
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), default=Path("lab-report"), show_default=True
)
@click.option("--small", is_flag=True, help="A few rows only: shows that it runs, not that it learns.")
def lab(report: Path, small: bool) -> None:
    """Run the whole life cycle on the standard library's documentation and compare base with custom."""
    began = time.monotonic()
    with stage() as clients:
        TALK.print("a fresh server is up; customizing four models on text that every Python has")
        done = _course(clients, SMALL if small else FULL)
        receipt = _clean_up(clients)
    lines = showing.results(done)
    showing.write_report(report, lines, done, receipt.to_json())
    Console().print(showing.table(lines))
    click.echo(f"{time.monotonic() - began:.0f} seconds; left behind: nothing but {report / 'report.json'}")
    found = showing.failures(lines)
    if found and not small:
        raise OutcropError("; ".join(found))


def _course(clients: Clients, size: Size) -> list[Customized]:
    tasks = all_tasks(everything(), size)
    place = course.set_up(clients)
    bars = showing.Bars(TALK)
    with bars.progress:
        done = course.customize(clients, place, tasks, bars)
        course.provision(clients, place, done)
        for one in done:
            if one.task.held_out:
                _ask(clients, one, bars)
            else:
                _say_something(clients, one)
    return done


def _ask(clients: Clients, one: Customized, bars: showing.Bars) -> None:
    """Every held-out question to base and custom; the first once more, streamed, which must say the same."""
    pairs = one.task.held_out
    for who, model_id in (("base", one.task.on_demand), ("custom", one.provisioned_arn)):
        counter = bars.counter(f"{one.task.name}: asking {who}", len(pairs))
        one.answers[who] = asking.ask(clients, model_id, pairs, counter)
    if asking.converse_streamed(clients, one.provisioned_arn, pairs[0][0]) != one.answers["custom"][0]:
        raise OutcropError(f"{one.task.name}: streamed and not streamed do not say the same")


def _say_something(clients: Clients, one: Customized) -> None:
    """A model of unlabeled text continues text, through InvokeModel."""
    words = one.task.validation[0]["input"][:60]
    asking.invoke_titan(clients, one.provisioned_arn, words)


def _clean_up(clients: Clients) -> Receipt:
    """Everything goes; what cannot be deleted is an error."""
    items = [item for item in take_inventory(clients, datetime.now(UTC)) if item.removable]
    receipt = remove_all(clients, items, Console(quiet=True))
    if receipt.failed:
        raise OutcropError(f"the lab could not clean up after itself: {receipt.failed}")
    return receipt
