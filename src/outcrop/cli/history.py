"""What happened to a job on its way, in words. Knows no terminal and no client."""

from collections.abc import Callable, Mapping
from typing import Any

Entry = Mapping[str, Any]
OF_EVERY_ENTRY = ("event", "attempt", "at")


def in_words(entry: Entry) -> str:
    """One line: `2026-11-25 10:46:30, attempt 2: went on after step 40; 3 steps are done again`.

    An event of a newer Outcrop is told by its name and what it holds.
    """
    said = _SENTENCES.get(str(entry.get("event")), _unknown)
    try:
        words = said(entry)
    except (KeyError, TypeError, ValueError):  # one that holds something else than ours do
        words = _unknown(entry)
    return f"{str(entry.get('at', ''))[:19].replace('T', ' ')}, attempt {entry.get('attempt', '?')}: {words}"


def _restarted(entry: Entry) -> str:
    lost = entry.get("lost_steps")
    return "began again" + (f"; {_steps(lost)} done again" if lost else "")


def _resumed(entry: Entry) -> str:
    lost = entry["lost_steps"]
    return f"went on after step {entry['from_step']:,}" + (f"; {_steps(lost)} done again" if lost else "")


def _damaged(entry: Entry) -> str:
    return f"the checkpoint after step {entry['step']:,} could not be used: {entry['cause']}"


def _unwritten(entry: Entry) -> str:
    return f"the checkpoint after step {entry['step']:,} could not be written: {entry['cause']}"


def _generation(entry: Entry) -> str:
    return "answers to validation rows: " + _listed(entry)


def _unknown(entry: Entry) -> str:
    name = str(entry.get("event", "something")).replace("_", " ")
    listed = _listed(entry)
    return f"{name}: {listed}" if listed else name


def _listed(entry: Entry) -> str:
    """`rows 8, base exact match 0.125`."""
    told = [(name, value) for name, value in entry.items() if name not in OF_EVERY_ENTRY]
    return ", ".join(
        f"{name.replace('_', ' ')} {f'{value:.3f}' if isinstance(value, float) else value}" for name, value in told
    )


def _steps(number: int) -> str:
    return "1 step is" if number == 1 else f"{number:,} steps are"


_SENTENCES: Mapping[str, Callable[[Entry], str]] = {
    "restarted": _restarted,
    "resumed": _resumed,
    "checkpoint_damaged": _damaged,
    "checkpoint_unwritten": _unwritten,
    "generation_metrics": _generation,
}
