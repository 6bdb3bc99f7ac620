"""`outcrop data check`: the report a job would make, on a file here, before anything is uploaded. Needs no server."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from outcrop import corpus, families
from outcrop.cli.options import home_option
from outcrop.config import Settings
from outcrop.corpus import CheckOptions, Report
from outcrop.domain.errors import OutcropError
from outcrop.families import Catalogue, Checkpoint, CustomizationType, FoundationModel, RecordFormat
from outcrop.text import Tokenizer
from outcrop.worker import estimating
from outcrop.worker.planning import Asked

TALK = Console(stderr=True)


@click.group()
def data() -> None:
    """Look at training data."""


@data.command()
@home_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--model", "model_id", required=True, help="The foundation model's id, as the job will name it.")
@click.option("--validation", is_flag=True, help="Check as a validation file, not as the training file.")
@click.option("--continued-pre-training", "unlabeled", is_flag=True, help="Unlabeled text, one passage a line.")
@click.option(
    "--hyperparameter", "hyperparameters", multiple=True, metavar="NAME=VALUE", help="As the job will send it; several."
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Short for --hyperparameter batchSize=N.")
@click.option("--sample", default=1, show_default=True, help="How many records to show with the trained tokens marked.")
@click.option("--json", "as_json", is_flag=True, help="Print the report, with the estimate, as JSON.")
def check(home: Path, file: Path, model_id: str, as_json: bool, sample: int, **asked: Any) -> None:
    """Check FILE as a customization job of --model would, and say what training on it would take.

    Exit status 1 where the job would fail: where a row is bad, or this machine can never have the memory.
    """
    settings = Settings(home=home)
    model, checkpoint = _served(settings, model_id)
    kind: CustomizationType = families.CONTINUED_PRE_TRAINING if asked["unlabeled"] else families.FINE_TUNING
    hyperparameters = families.check_hyperparameters(model, kind, _sent(asked["hyperparameters"], asked["batch_size"]))
    rules = families.record_format(model, kind, hyperparameters.batch_size)
    tokenizer = Tokenizer.load(checkpoint.path)
    report = _checked(file, rules, checkpoint, tokenizer, validation=asked["validation"])
    expected = None
    if report.ok and report.tokens is not None and not asked["validation"]:
        whole = Asked(model=model, checkpoint=checkpoint, kind=kind, hyperparameters=hyperparameters)
        expected = estimating.expect_file(settings, whole, report.tokens.statistics)
    if as_json:
        told = {**report.to_dict(), "estimate": expected and expected.estimate.to_dict()}
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo(report.to_text())
        _say_estimate(expected)
        _show_sample(file, rules, tokenizer, sample)
    if not report.ok or (expected is not None and expected.estimate.never_fits):
        raise SystemExit(1)


def _sent(pairs: tuple[str, ...], batch_size: int | None) -> dict[str, str]:
    """The hyperparameters as a request sends them."""
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} must be NAME=VALUE", param_hint="--hyperparameter")
    short = {} if batch_size is None else {"batchSize": str(batch_size)}
    return {**short, **dict(pair.split("=", 1) for pair in pairs)}


def _say_estimate(expected: estimating.Expectation | None) -> None:
    if expected is None:
        return
    click.echo(f"estimate: {expected.in_words()}")
    if not expected.estimate.fits:
        click.echo(f"hint: {expected.mend()}", err=True)


def _served(settings: Settings, model_id: str) -> tuple[FoundationModel, Checkpoint]:
    catalogue = Catalogue.load(settings.catalogue_file)
    model = catalogue.find_model(model_id)
    if model is None:
        raise OutcropError(f"{model_id} is no model id that Outcrop serves. hint: outcrop models")
    return model, catalogue.checkpoint_for(model.model_id)


def _checked(
    file: Path, rules: RecordFormat, checkpoint: Checkpoint, tokenizer: Tokenizer, *, validation: bool
) -> Report:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=TALK, transient=True) as progress, file.open("rb") as source:
        task = progress.add_task("checking", total=file.stat().st_size)
        options = CheckOptions(
            part="validation" if validation else "training",
            tokenizer=tokenizer,
            context_tokens=checkpoint.context_tokens,
            on_chunk=lambda size: progress.advance(task, size),
        )
        return corpus.check(source, file.name, rules, options)


def _show_sample(file: Path, rules: RecordFormat, tokenizer: Tokenizer, count: int) -> None:
    """Records as they are trained; what is learnt stands in [[ ]], so that no colour is needed to tell."""
    console = Console(highlight=False)
    with file.open("rb") as source:
        for _, record in zip(range(count), corpus.read(source, rules), strict=False):
            shown = Text("\nsample (what is learnt stands between [[ and ]]):\n", style="dim")
            for segment in corpus.marked(record, tokenizer):
                shown.append(f"[[{segment.text}]]" if segment.trained else segment.text, "bold" * segment.trained)
            console.print(shown)
