"""`outcrop models`: which model ids there are, and what truly answers for each. Needs no server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click

from outcrop.cli.options import home_option
from outcrop.config import Settings
from outcrop.domain.errors import CheckpointError, SettingsError
from outcrop.families import Catalogue
from outcrop.worker import children


@click.group(invoke_without_command=True)
@home_option
@click.pass_context
def models(context: click.Context, home: Path) -> None:
    """List the model ids and what answers for each; `models map` puts weights of your own behind one."""
    if context.invoked_subcommand is not None:
        return
    catalogue = Catalogue.load(Settings(home=home).catalogue_file)
    for model_id, model in catalogue.models().items():
        kinds = ", ".join(kind.lower().replace("_", " ") for kind in model.customizations) or "no customization"
        click.echo(f"{model_id}  ({kinds})\n    {catalogue.checkpoint_for(model_id).sentence}")


@models.command("map")
@home_option
@click.argument("model_id")
@click.argument("checkpoint")
@click.pass_context
def map_(context: click.Context, home: Path, model_id: str, checkpoint: str) -> None:
    """Put CHECKPOINT, a folder in Hugging Face's layout (or hf:FOLDER), behind MODEL_ID.

    Any causal language model of transformers' own will do; what cannot be trained or served is refused here.
    """
    if checkpoint.startswith("hf:") and not Path(checkpoint[3:]).exists():
        raise SettingsError(
            f"{checkpoint}: Outcrop downloads nothing. Fetch the checkpoint yourself, then map its folder: "
            f"outcrop models map {model_id} FOLDER"
        )
    settings = Settings(home=_home_meant(context, home).resolve())
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(checkpoint.removeprefix("hf:"))
    before = Catalogue.load(settings.catalogue_file)
    before.require_mappable(model_id, folder)
    notes = _examined(folder)
    catalogue = before.map(model_id, folder)
    click.echo(catalogue.checkpoint_for(model_id).sentence)
    for note in notes:
        click.echo(note)
    click.echo("hint: jobs and engines that start from now on use it", err=True)


def _examined(folder: Path) -> list[str]:
    """What the engine wing, which alone knows architectures, says of a checkpoint. Raises CheckpointError."""
    command = [sys.executable, "-m", "outcrop.modeling", str(folder.resolve())]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env=children.environment(os.cpu_count() or 1)
    )
    try:
        found = json.loads(ended.stdout)
    except ValueError as error:
        said = (ended.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise CheckpointError(f"The checkpoint {folder} could not be examined: {said}") from error
    if "refused" in found:
        raise CheckpointError(found["refused"])
    return [str(note) for note in found["notes"]]


def _home_meant(context: click.Context, home: Path) -> Path:
    """`outcrop models --home DIR map ...` means DIR as well."""
    above = context.parent
    assert above is not None, "`map` stands below `models`"
    written = click.core.ParameterSource.COMMANDLINE
    if context.get_parameter_source("home") is written or above.get_parameter_source("home") is not written:
        return home
    return Path(above.params["home"])
