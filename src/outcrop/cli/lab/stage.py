"""A server of the lab's own, on a home that is gone afterwards. Knows nothing of what is done with it."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from outcrop.cli.options import Clients, clients
from outcrop.config import Settings
from outcrop.domain.errors import OutcropError
from outcrop.families import Catalogue

STOP_S = 15.0


@contextlib.contextmanager
def stage(mapped: Mapping[str, Path] | None = None) -> Iterator[Clients]:
    """Clients of a fresh server; at the end the server is stopped and its home removed.

    `mapped`: checkpoints to put behind model ids, as `outcrop models map` does.
    """
    home = Path(tempfile.mkdtemp(prefix="outcrop-lab-"))
    catalogue = Catalogue(file=Settings(home=home).catalogue_file)
    for model_id, folder in (mapped or {}).items():
        catalogue = catalogue.map(model_id, folder)
    command = [sys.executable, "-m", "outcrop.cli", "serve", "--home", str(home), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        _await_ready(server)
        yield clients(home)
    finally:
        server.terminate()
        try:
            server.wait(STOP_S)
        finally:
            server.kill()
            shutil.rmtree(home, ignore_errors=True)


def _await_ready(server: subprocess.Popen[bytes]) -> None:
    assert server.stdout is not None
    with server.stdout as said:
        line = said.readline().decode()
    if not line.startswith("ready "):
        raise OutcropError("the lab's server did not start. hint: outcrop doctor")
