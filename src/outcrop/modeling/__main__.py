"""Examines a checkpoint for the front wing: `python -m outcrop.modeling FOLDER`. One JSON object on stdout.

`{"notes": [...]}` where it can be used, `{"refused": "..."}` where it cannot.
"""

import json
import sys
from pathlib import Path

from outcrop.domain.errors import OutcropError
from outcrop.modeling.examining import examine


def main(folder: Path) -> None:
    """Says what was found."""
    try:
        found: dict[str, object] = {"notes": examine(folder)}
    except OutcropError as error:
        found = {"refused": str(error)}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
