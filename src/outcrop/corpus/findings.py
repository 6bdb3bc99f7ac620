"""What is wrong with one row, before it has a place in a file. Knows nothing of files."""

from dataclasses import dataclass

from outcrop.corpus.report import Kind

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` leads to the member; `column` is set where the place is known at once."""

    path: Path
    what: str
    mend: str
    kind: Kind = Kind.RULE
    column: int | None = None


def named(path: Path) -> str:
    """A path as people write it: `messages[2].role`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the record"
