"""One running Outcrop for the tests of a worker, and the commands as a terminal runs them."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from living import Outcrop
from outcrop import cli


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit status and what it said."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture(scope="session")
def outcrop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcrop]:
    running = Outcrop(tmp_path_factory.mktemp("home") / "outcrop")
    yield running
    running.stop()


@pytest.fixture
def examples() -> Path:
    return Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("status", "--home", home, typed="y")`: one command, in this process, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "300")

    def command(*words: str | Path, typed: str = "") -> Ended:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        status = ended.value.code
        return Ended(status if isinstance(status, int) else int(bool(status)), out.getvalue(), err.getvalue())

    return command
