"""`outcrop env`: what to `eval` so that any AWS client talks to this Outcrop."""

import os
import shlex
from pathlib import Path

import click

from outcrop.cli.options import environment, home_option


@click.command()
@home_option
def env(home: Path) -> None:
    """Print one `export NAME=value` a line for the server that runs on this home: eval "$(outcrop env)"."""
    variables = environment(home)
    if "AWS_SESSION_TOKEN" in os.environ:  # left from other credentials, it would be sent along with these
        variables["AWS_SESSION_TOKEN"] = ""
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
