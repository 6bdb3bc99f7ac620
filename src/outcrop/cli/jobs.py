"""`outcrop jobs list | show | watch`: customization jobs in a terminal. A plain client of the API."""

import math
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from outcrop.cli import history
from outcrop.cli.live import View, Watcher
from outcrop.cli.options import DEFAULT_REGION, clients, every, home_option
from outcrop.cli.plot import Plot
from outcrop.domain.amounts import duration, gigabytes

WATCH_S = 1.0  # the files in the bucket are two seconds old anyway
FASTEST_WATCH_S, SLOWEST_WATCH_S = 0.1, 3600.0  # no busy loop against the server, and an end that is heard of
SAY_S = 5.0  # where there is no terminal: at most a line this often, and one for each change of phase
PLOT_WIDTH, LEAST_WIDTH = 100, 20
PLOT_HEIGHT, LEAST_HEIGHT = 14, 3
BAR_WIDTH = 60
INTERRUPTED = 130  # as a shell has it for what SIGINT ended: neither of the job's ends
AROUND_PLOT = 5  # lines of a screen: the bar, a blank one, the plot's axis, its numbers and its legend
region_option = click.option("--region", default=DEFAULT_REGION, show_default=True, help="The jobs' Region.")


class Pace(click.FloatRange):
    """A range that `nan` is not in, either."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Fails for what is none."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


@click.group()
def jobs() -> None:
    """Look at customization jobs."""


@jobs.command("list")
@home_option
@region_option
@click.option("--status", help="Only jobs in this status, as the API spells it.")
@click.option("--limit", default=50, show_default=True, help="How many, the newest first.")
def list_(home: Path, region: str, status: str | None, limit: int) -> None:
    """List customization jobs, the newest first."""
    asked = {"statusEquals": status} if status else {}
    bedrock = clients(home, region).bedrock
    found = every(bedrock, "list_model_customization_jobs", "modelCustomizationJobSummaries", **asked)
    table = Table(box=None, pad_edge=False, header_style="")
    for name in ("job", "status", "model", "created", "took"):
        table.add_column(name, no_wrap=True)
    for job, _ in zip(found, range(limit), strict=False):
        cells = (job["jobName"], job["status"], job["customModelName"], _when(job["creationTime"]), _took(job))
        table.add_row(*map(Text, cells))
    Console().print(table)


@jobs.command()
@home_option
@region_option
@click.argument("job")
def show(home: Path, region: str, job: str) -> None:
    """Show all that is known of JOB (a name or an ARN), with its estimate and its loss curve."""
    view = Watcher(clients(home, region), job).look()
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in _facts(view):
        table.add_row(name, Text(value))
    console.print(table)
    console.print(_curve(view, console))


@jobs.command()
@home_option
@region_option
@click.option(
    "--every",
    "every_s",
    type=Pace(FASTEST_WATCH_S, SLOWEST_WATCH_S),
    default=WATCH_S,
    show_default=True,
    help="Seconds between looks.",
)
@click.argument("job")
def watch(home: Path, region: str, every_s: float, job: str) -> None:
    """Follow JOB (a name or an ARN) to its end; exit status 0 where it is Completed. Leaving does not stop it."""
    watcher, console = Watcher(clients(home, region), job), Console(highlight=False)
    views = _views(watcher, every_s)
    try:
        last = _live(views, console) if console.is_terminal else _lines(views)
    except KeyboardInterrupt:  # click would say that something was aborted
        click.echo(f"Left {job}, which goes on; hint: outcrop jobs watch {job}", err=True)
        raise SystemExit(INTERRUPTED) from None
    console.print(_curve(last, console))
    click.echo(f"{last.job['jobName']}: {last.status}{_losses(last)}")
    if last.job.get("failureMessage"):
        click.echo(last.job["failureMessage"], err=True)
    if last.status != "Completed":
        raise SystemExit(1)


def _views(watcher: Watcher, every_s: float) -> Iterator[View]:
    """The job again and again, until it has ended."""
    while True:
        view = watcher.look()
        yield view
        if view.ended:
            return
        time.sleep(every_s)


def _live(views: Iterator[View], console: Console) -> View:
    """On the terminal's other screen, which is drawn whole each time: nothing is left of it where its size changes."""
    with Live(console=console, auto_refresh=False, screen=True) as live:
        for view in views:
            live.update(_screen(view, console), refresh=True)
    return view


def _lines(views: Iterator[View]) -> View:
    """One line for each phase, and for each few seconds that the training went on."""
    said, when = "", -SAY_S
    for view in views:
        line = _line(view)
        new_phase = line.split(":")[0] != said.split(":")[0]
        if line != said and (new_phase or time.monotonic() - when >= SAY_S) and not view.ended:
            click.echo(line)
            sys.stdout.flush()
            said, when = line, time.monotonic()
    return view


def _screen(view: View, console: Console) -> RenderableType:
    """What it is doing, a bar and the curve, as high as there is room."""
    progress = view.progress
    done, steps = progress.get("stepsDone", 0), progress.get("steps", 0)
    bar = ProgressBar(total=steps or 1, completed=done, width=min(BAR_WIDTH, console.width))
    head = Text(f"{view.job['jobName']}  {_line(view)}", style="bold")
    room = console.height - len(head.wrap(console, console.width)) - AROUND_PLOT
    curve = _curve(view, console, min(PLOT_HEIGHT, max(LEAST_HEIGHT, room)))
    return Group(head, Padding(bar, (0, 0, 1, 0)), curve)  # a bar by itself ends no line


def _line(view: View) -> str:
    """What it is doing and how far it is: `training: step 12 of 84 (14 %), ...`."""
    progress = view.progress
    if view.phase != "training" or not progress.get("steps"):
        expected = view.estimate.get("estimated", {}).get("seconds")
        ahead = expected and view.status == "InProgress"
        return view.phase + (f": estimated to take {duration(expected)}" if ahead else "")
    done, steps = progress["stepsDone"], progress["steps"]
    parts = [f"step {done:,} of {steps:,} ({100 * done // steps} %)"]
    parts += [f"epoch {progress['epoch'] + 1}"] if progress["epoch"] is not None else []
    parts += [f"loss {progress['trainingLoss']:.4f}"] if progress["trainingLoss"] is not None else []
    parts += [f"validation {loss:.4f}" for loss in progress["validationLosses"]]
    parts += [f"{progress['tokensPerSecond']:,.0f} tokens/s"] if progress["tokensPerSecond"] else []
    parts += [f"{duration(progress['secondsLeft'])} left"] if progress["secondsLeft"] is not None else []
    resumed = len(progress["history"])
    return "training: " + ", ".join(parts) + _events(resumed)


def _events(count: int) -> str:
    return f" ({count} event{'' if count == 1 else 's'} on the way)" if count else ""


def _curve(view: View, console: Console, height: int = PLOT_HEIGHT) -> Text:
    steps = max(view.progress.get("steps", 0), len(view.training), 1)
    plain = "utf" not in (console.encoding or "").lower()
    width = max(LEAST_WIDTH, min(PLOT_WIDTH, console.width - 12))
    plot = Plot(curve=view.training, marks=view.validation, last=steps, width=width, height=height, plain=plain).text()
    if plot:
        mark = "o" if plain else "●"
        plot.append(f"\n         training loss by step{f', validation {mark}' if view.validation else ''}")
    return plot


def _facts(view: View) -> Iterator[tuple[str, str]]:
    job = view.job
    yield "job", job["jobName"]
    yield "arn", job["jobArn"]
    yield "status", job["status"] if view.ended else f"{job['status']} ({_line(view)})"
    if job.get("failureMessage"):
        yield "failure", job["failureMessage"]
    yield "model", f"{job['outputModelName']}, from {job['baseModelArn'].rsplit('/', 1)[-1]}"
    yield "created", _when(job["creationTime"])
    if "endTime" in job:
        yield "ended", f"{_when(job['endTime'])} (took {_took(job)})"
    yield "data", job["trainingDataConfig"]["s3Uri"]
    yield "output", job["outputDataConfig"]["s3Uri"]
    yield "hyperparameters", ", ".join(f"{name}={value}" for name, value in job.get("hyperParameters", {}).items())
    if _losses(view):
        yield "losses", _losses(view).removeprefix(", ")
    yield from _estimate_facts(view.estimate)
    yield from (("on the way", history.in_words(event)) for event in view.progress.get("history", []))


def _estimate_facts(estimate: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("estimated", "actual"):
        said = estimate.get(name)
        if said:
            time_ = "" if said["seconds"] is None else f"{duration(said['seconds'])}, "
            yield name, f"{said['steps']:,} steps, {time_}{gigabytes(said['peakBytes'])} of memory"


def _losses(view: View) -> str:
    """`, training loss 1.2345, validation loss 2.3456`, as far as they are known."""
    training = view.job.get("trainingMetrics", {}).get("trainingLoss")
    found = [] if training is None else [f"training loss {training:.4f}"]
    found += [f"validation loss {each['validationLoss']:.4f}" for each in view.job.get("validationMetrics", [])]
    return "".join(f", {part}" for part in found)


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _took(job: dict[str, Any]) -> str:
    return duration((job["endTime"] - job["creationTime"]).total_seconds()) if "endTime" in job else ""
