"""What a person sees of the lab: progress while it works, one table at the end, the report. Knows no server."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from outcrop.cli.lab.asking import score
from outcrop.cli.lab.course import Customized
from outcrop.cli.lab.tasks import Task

EXAMPLES = 5


class Bars:
    """Progress bars on stderr: one a job, then one for the questions."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}

    def steps(self, task: Task, done: int, total: int) -> None:
        """A job has made so many of its steps."""
        if task.name not in self._tasks:
            self._tasks[task.name] = self.progress.add_task(f"{task.name}: training steps", total=total)
        self.progress.update(self._tasks[task.name], completed=done)

    def counter(self, what: str, total: int) -> "Counter":
        """A bar that counts up."""
        return Counter(self.progress, self.progress.add_task(what, total=total))


class Counter:
    """One bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def __call__(self) -> None:
        """One more."""
        self._progress.advance(self._task)


def results(done: Sequence[Customized]) -> list[dict[str, Any]]:
    """One line a customization, as plain data."""
    return [_result(one) for one in done]


def table(lines: Sequence[dict[str, Any]]) -> Table:
    """The lines as a person reads them; `constant` is the best constant answer."""
    shown = Table(title="base against custom, on held-out rows", title_justify="left", box=None, header_style="bold")
    for column in ("model", "task", "rows", "seconds", "loss before", "after", "base", "constant", "custom"):
        shown.add_column(column, justify="left" if column in ("model", "task") else "right")
    for line in lines:
        scores = [_percent(line[name]) for name in ("base", "best_constant", "custom")]
        losses = [f"{line['loss_before']:.3f}", f"{line['loss_after']:.3f}"]
        shown.add_row(line["model"], line["task"], str(line["rows"]), f"{line['seconds']:.0f}", *losses, *scores)
    return shown


def failures(lines: Sequence[dict[str, Any]]) -> list[str]:
    """Why the lab has not shown what it is there to show; empty where it has."""
    found = []
    for line in lines:
        if line["loss_after"] >= line["loss_before"]:
            found.append(f"{line['model']}: the held-out loss did not fall")
        if line["custom"] is not None and line["custom"] <= max(line["base"], line["best_constant"]):
            found.append(f"{line['model']}: custom is not better than its base and the best constant answer")
    return found


def write_report(folder: Path, lines: Sequence[dict[str, Any]], done: Sequence[Customized], receipt: Any) -> None:
    """`report.json` with the lines, some answers and the receipt of the cleanup."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "results": list(lines),
        "examples": {one.task.name: _examples(one) for one in done if one.task.held_out},
        "cleanup": receipt,
    }
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")


def _result(one: Customized) -> dict[str, Any]:
    labeled = bool(one.task.held_out)
    return {
        "model": one.task.name,
        "task": one.task.what,
        "rows": len(one.task.rows),
        "seconds": one.seconds,
        "loss_before": one.loss_before,
        "loss_after": one.loss_after,
        "base": score(one, "base") if labeled else None,
        "best_constant": one.task.best_constant if labeled else None,
        "custom": score(one, "custom") if labeled else None,
    }


def _examples(one: Customized) -> list[dict[str, str]]:
    rows = zip(one.task.held_out, one.answers["base"], one.answers["custom"], strict=True)
    return [
        {"question": pair[0], "right": pair[1], "base": base, "custom": custom}
        for (pair, base, custom), _ in zip(rows, range(EXAMPLES), strict=False)
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
