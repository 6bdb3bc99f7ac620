"""What several commands take: the home folder and the server that runs on it. Knows no command."""

import functools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import platformdirs
import psutil

from outcrop.config import Settings
from outcrop.domain import regions
from outcrop.domain.errors import OutcropError

DEFAULT_REGION = regions.DEFAULT
START_TIME_TOLERANCE_S = 0.05  # a process's start time is read in clock ticks of 10 ms
_Command = TypeVar("_Command", bound=Callable[..., Any])


def home_option(command: _Command) -> _Command:
    """`--home DIR`: where this Outcrop keeps everything."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="OUTCROP_HOME",
        default=lambda: Path(platformdirs.user_data_dir("outcrop")),
        show_default="the platform's data folder",
        help="Folder that holds all state.",
    )(command)


def engine_options(command: _Command) -> _Command:
    """`--engine` and `--vllm`: what answers."""
    engine = click.option(
        "--engine",
        multiple=True,
        envvar="OUTCROP_ENGINE",
        metavar="WORD",
        help="What answers: embedded (the default), vllm, or the URL of a vLLM server; for one base as MODEL_ID=WORD. "
        "May be said more than once.",
    )
    vllm = click.option(
        "--vllm",
        metavar="PATH",
        envvar="OUTCROP_VLLM",
        help="vLLM's command, or the Python of an environment that has it.",
    )
    return engine(vllm(command))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """The server that runs on a home: its address, its process (and when that began) and, with TLS, its certificate."""

    url: str
    pid: int
    started: float
    ca: str | None

    @classmethod
    def here(cls, url: str, ca: str | None) -> "RunningServer":
        """This process is the server."""
        return cls(url=url, pid=os.getpid(), started=psutil.Process().create_time(), ca=ca)

    @property
    def alive(self) -> bool:
        """Whether it still runs: a process number alone may be another's by now."""
        try:
            return bool(abs(psutil.Process(self.pid).create_time() - self.started) < START_TIME_TOLERANCE_S)
        except psutil.Error:
            return False


def address_file(settings: Settings) -> Path:
    """Where the running server leaves its address."""
    return settings.run_folder / "server.json"


def leave_address(settings: Settings, server: RunningServer) -> None:
    """Write the address file, whole or not at all."""
    part = address_file(settings).with_suffix(".part")
    part.write_text(json.dumps(asdict(server)))
    part.replace(address_file(settings))


def find_server(home: Path) -> RunningServer | None:
    """The server on this home, if one runs; one that was killed leaves its address behind."""
    try:
        found = RunningServer(**json.loads(address_file(Settings(home=home.resolve())).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.alive else None


def running_server(home: Path) -> RunningServer:
    """The server on this home. Raises an error that says how to start one."""
    found = find_server(home)
    if found is None:
        raise OutcropError(f"no server runs on {home}. hint: outcrop serve --home {home}")
    return found


def environment(home: Path) -> dict[str, str]:
    """The variables that point any AWS client at the server on this home, with the administrator's key."""
    from outcrop.store.home import open_home

    server = running_server(home)
    key_id, secret = open_home(Settings(home=home.resolve())).administrator()
    variables = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": DEFAULT_REGION,
    }
    return {**variables, "AWS_CA_BUNDLE": server.ca} if server.ca else variables


class Clients:
    """boto3 clients for the server on a home, made when first asked for, each the same as any user's."""

    def __init__(self, variables: dict[str, str], region: str) -> None:
        import boto3

        self.region = region
        self._session = boto3.Session(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
        _teach_own_models(self._session)
        self._common = {
            "endpoint_url": variables["AWS_ENDPOINT_URL"],
            "region_name": region,
            "verify": variables.get("AWS_CA_BUNDLE"),
        }

    def client(self, service: str) -> Any:
        """A new client of one service."""
        return self._session.client(service, **self._common)

    @functools.cached_property
    def bedrock(self) -> Any:
        """The control plane."""
        return self.client("bedrock")

    @functools.cached_property
    def runtime(self) -> Any:
        """The runtime."""
        return self.client("bedrock-runtime")

    @functools.cached_property
    def s3(self) -> Any:
        """Buckets and objects."""
        return self.client("s3")

    @functools.cached_property
    def iam(self) -> Any:
        """Roles and policies."""
        return self.client("iam")

    @functools.cached_property
    def kms(self) -> Any:
        """Keys."""
        return self.client("kms")

    @functools.cached_property
    def outcrop(self) -> Any:
        """Outcrop's own service."""
        return self.client("outcrop")

    @functools.cached_property
    def sts(self) -> Any:
        """Who am I."""
        return self.client("sts")


def _teach_own_models(session: Any) -> None:
    """Let a boto3 session know Outcrop's own service, as AWS_DATA_PATH would."""
    from outcrop.wire import OWN_MODELS

    session._session.get_component("data_loader").search_paths.append(str(OWN_MODELS))


def every(client: Any, operation: str, member: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """What a List operation lists, over all its pages."""
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(member, [])


def clients(home: Path, region: str = DEFAULT_REGION) -> Clients:
    """Clients with the administrator's key for the server that runs on a home."""
    return Clients(environment(home), region)
