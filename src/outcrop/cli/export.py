"""`outcrop export`: a custom model of this home, out of its seal. Works on the home itself, server or not.

The decrypting, merging and examining is done by a child of the engine wing, which gets the key on its standard input.
"""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import click

from outcrop.cli.options import DEFAULT_REGION, home_option
from outcrop.config import Settings
from outcrop.domain import arn as arns
from outcrop.domain.checkpoint_digest import digest_of
from outcrop.domain.errors import OutcropError
from outcrop.store import models
from outcrop.store.home import Home, open_home
from outcrop.store.keys import Keys
from outcrop.store.models import CustomModel
from outcrop.store.trained_on import changed, differs
from outcrop.worker import children
from outcrop.worker.ground import key_context

Format = Literal["peft", "merged"]


@click.command()
@home_option
@click.argument("model")
@click.option(
    "--format",
    "form",
    type=click.Choice(["peft", "merged"]),
    default="peft",
    show_default=True,
    help="peft: the adapter alone; merged: a whole checkpoint in float32.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    show_default="MODEL-FORMAT here",
    help="Folder to write: a new one, or an empty one.",
)
@click.option("--region", default=DEFAULT_REGION, show_default=True, help="The Region of a model given by name.")
def export(home: Path, model: str, form: Format, to: Path | None, region: str) -> None:
    """Write MODEL, a custom model by name or ARN, as plain files that transformers and PEFT load."""
    settings = Settings(home=home.resolve())
    found, key = _find(settings, model, region)
    target = _empty(to or Path(f"{found.name}-{form}"))
    _check_base(found)
    with _ended_by_signals(), _part_of(target) as part:
        parity = _run(_request(settings, found, form, target, part), key)
    click.echo(f"{target}")
    click.echo(_said_of(parity), err=True)
    click.echo(f"warning: the weights in {target} are in the clear: whoever reads them has the model", err=True)


def _find(settings: Settings, identifier: str, region: str) -> tuple[CustomModel, bytes]:
    """A model of this home and its data key, opened."""
    if not settings.master_key_file.exists():
        raise OutcropError(f"there is no Outcrop home at {settings.home}. hint: --home")
    home = open_home(settings)
    try:
        model = _model(home, identifier, region)
        assert model.data_key is not None, "a model is made with the key of its job"
        return model, Keys(home.database, home.master_key).unwrap(model.data_key, key_context(model.job_id))
    finally:
        home.close()


def _model(home: Home, identifier: str, region: str) -> CustomModel:
    arn = arns.parse(identifier)
    with home.database.read() as connection:
        found = models.find(connection, region if arn is None else arn.region, home.account, identifier)
    if found is None:
        raise OutcropError(f"there is no custom model {identifier} in {region}. hint: outcrop status, or --region")
    return found


def _empty(target: Path) -> Path:
    if target.exists() and any(target.iterdir()):
        raise OutcropError(f"{target} is not empty: nothing is overwritten. hint: --to another folder")
    return target.resolve()


def _check_base(model: CustomModel) -> None:
    if not (Path(model.checkpoint) / "config.json").is_file():
        raise OutcropError(
            f"{model.name} was trained on the checkpoint {model.checkpoint}, which is not there any more"
        )
    now = digest_of(Path(model.checkpoint))
    if differs(model, now):
        raise OutcropError(f"{changed(model, now)} hint: put the former files back")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal unwind as Ctrl-C does, so that what was begun is removed."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """A folder (0700) beside the target for what is not whole yet; gone at the end, if it did not become the target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _request(settings: Settings, model: CustomModel, form: Format, target: Path, part: Path) -> dict[str, str]:
    return {
        "folder": str(settings.models_folder / model.job_id),
        "job_id": model.job_id,
        "base": model.checkpoint,
        "format": form,
        "to": str(target),
        "part": str(part),
        "name": model.name,
    }


def _run(request: dict[str, str], key: bytes) -> dict[str, Any] | None:
    """What the child measured; None where it had nothing to measure by. Raises OutcropError with its words."""
    ended = subprocess.run(
        [sys.executable, "-m", "outcrop.training.export", json.dumps(request)],
        input=base64.b64encode(key),
        stdout=subprocess.PIPE,
        env=children.environment(os.cpu_count() or 1),
        check=False,
    )
    try:
        said: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        raise OutcropError(f"the export ended with status {ended.returncode} and wrote nothing") from None
    if "error" in said:
        raise OutcropError(said["error"])
    parity: dict[str, Any] | None = said["parity"]
    return parity


def _said_of(parity: dict[str, Any] | None) -> str:
    if parity is None:
        return "warning: not examined: the model was made before Outcrop kept what a trained model answers"
    return (
        f"read back, it answers as it was trained: {parity['own']['mean']:.1e} nats apart on average over "
        f"{parity['count']} log-probabilities"
    )
