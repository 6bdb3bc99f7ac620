"""`outcrop ...`: a client of the API first. Reads settings once and hands them down.

Commands are imported when they are called, so that `outcrop env` answers at once.
"""

import importlib
import sys
from typing import Any

import click

from outcrop import __version__
from outcrop.domain.errors import OutcropError

COMMANDS = {
    "serve": ("outcrop.cli.serve", "serve"),
    "env": ("outcrop.cli.env", "env"),
    "keys": ("outcrop.cli.keys", "keys"),
    "status": ("outcrop.cli.status", "status"),
    "doctor": ("outcrop.cli.doctor", "doctor"),
    "lab": ("outcrop.cli.lab", "lab"),
    "data": ("outcrop.cli.data", "data"),
    "jobs": ("outcrop.cli.jobs", "jobs"),
    "models": ("outcrop.cli.models", "models"),
    "throughput": ("outcrop.cli.throughput", "throughput"),
    "export": ("outcrop.cli.export", "export"),
    "cleanup": ("outcrop.cli.cleanup", "cleanup"),
}


class _Lazy(click.Group):
    """A group whose commands are modules, imported on demand."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="outcrop")
def group() -> None:
    """Model customization on your own hardware, through the Amazon Bedrock API."""


def main(arguments: list[str] | None = None) -> Any:
    """The console script: an error that somebody can mend is one sentence on stderr and exit status 1."""
    try:
        return group.main(args=arguments, prog_name="outcrop")
    except Exception as error:
        if not isinstance(error, (OutcropError, OSError)) and not _is_of_the_client(error):
            raise
        click.echo(f"outcrop: {error}", err=True)
        sys.exit(1)


def _is_of_the_client(error: Exception) -> bool:
    """Whether boto3 says that the server refused or did not answer. (It is not imported to find that out.)"""
    return type(error).__module__.split(".")[0] in ("botocore", "boto3")
