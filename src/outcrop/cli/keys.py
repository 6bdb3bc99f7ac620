"""`outcrop keys create | list | delete`: API keys of users, for OpenAI's clients and Bedrock's. A client of the API."""

import json
import shlex
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outcrop.cli.options import clients, home_option, running_server

SERVICE = "bedrock.amazonaws.com"
POLICY_NAME = "invoke-models"
INVOKES_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "bedrock:CallWithBearerToken",
                "bedrock:CountTokens",
                "bedrock:InvokeModel",
                "bedrock:InvokeModelWithResponseStream",
            ],
            "Resource": "*",
        }
    ],
}


@click.group()
def keys() -> None:
    """Make, list and delete API keys: what OpenAI's clients, and Bedrock's without a signature, show."""


@keys.command()
@home_option
@click.option("--user", required=True, help="Whose key: what it may invoke, this IAM user's policies say.")
@click.option("--days", type=click.IntRange(1, 36_600), help="How many days it lives; for ever unless said.")
def create(home: Path, user: str, days: int | None) -> None:
    """Print one `export NAME=value` a line with a new key, which is shown this once: eval "$(outcrop keys create ...)".

    A user who does not exist is made, with a policy that allows to invoke every model.
    """
    server, iam = running_server(home), clients(home).iam
    _ensure_user(iam, user)
    age = {} if days is None else {"CredentialAgeDays": days}
    made = iam.create_service_specific_credential(UserName=user, ServiceName=SERVICE, **age)
    key = made["ServiceSpecificCredential"]["ServiceCredentialSecret"]
    for name, value in _variables(server.url, server.ca, key).items():
        click.echo(f"export {name}={shlex.quote(value)}")
    for hint in _hints(server.ca):
        click.echo(f"hint: {hint}", err=True)


@keys.command("list")
@home_option
@click.option("--user", help="Only this user's keys.")
def list_(home: Path, user: str | None) -> None:
    """List keys, without what is secret of them."""
    asked: dict[str, Any] = {"AllUsers": True} if user is None else {"UserName": user}
    iam = clients(home).iam
    table = Table(box=None, pad_edge=False, header_style="")
    for name in ("id", "user", "status", "created", "expires"):
        table.add_column(name, no_wrap=True)
    for key in _listed(iam, asked):
        cells = (key["ServiceSpecificCredentialId"], key["UserName"], key["Status"])
        expires = key.get("ExpirationDate")
        moments = (f"{key['CreateDate']:%Y-%m-%d %H:%M}", f"{expires:%Y-%m-%d %H:%M}" if expires else "never")
        table.add_row(*map(Text, (*cells, *moments)))
    Console().print(table)


@keys.command()
@home_option
@click.argument("key_id", metavar="ID")
def delete(home: Path, key_id: str) -> None:
    """Delete the key with this ID, as `outcrop keys list` shows it: it opens nothing from now on."""
    iam = clients(home).iam
    owner = next((key["UserName"] for key in _listed(iam, {"AllUsers": True}) if _id(key) == key_id), None)
    if owner is None:
        raise click.ClickException(f"there is no key {key_id}; hint: outcrop keys list")
    iam.delete_service_specific_credential(UserName=owner, ServiceSpecificCredentialId=key_id)
    click.echo(f"deleted {key_id} of {owner}")


def _ensure_user(iam: Any, name: str) -> None:
    try:
        iam.create_user(UserName=name)
    except iam.exceptions.EntityAlreadyExistsException:
        return  # its policies are its owner's to write
    iam.put_user_policy(UserName=name, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(INVOKES_EVERYTHING))
    click.echo(f"made the user {name}, who may invoke every model (policy {POLICY_NAME})", err=True)


def _variables(url: str, certificate: str | None, key: str) -> dict[str, str]:
    """What clients read. boto3 takes a bearer key over https only, so that over http its name is not set."""
    openai = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": key}
    return {**openai, "AWS_BEARER_TOKEN_BEDROCK": key} if certificate else openai


def _hints(certificate: str | None) -> list[str]:
    if certificate is None:
        return ["boto3 takes API keys over https only: outcrop serve --tls"]
    return [f"OpenAI's client must trust {certificate}: OpenAI(http_client=DefaultHttpxClient(verify=...))"]


def _listed(iam: Any, asked: dict[str, Any]) -> Any:
    """Over all pages: botocore has no paginator for this list."""
    marker: dict[str, str] = {}
    while True:
        page = iam.list_service_specific_credentials(**asked, **marker)
        yield from page["ServiceSpecificCredentials"]
        if not page.get("IsTruncated"):
            return
        marker = {"Marker": page["Marker"]}


def _id(key: dict[str, Any]) -> str:
    return str(key["ServiceSpecificCredentialId"])
