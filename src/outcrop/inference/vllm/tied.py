"""`python -m outcrop.inference.vllm.tied COMMAND...`: becomes a command that dies with its parent. Knows not which."""

import os
import sys

from outcrop.domain.lifeline import die_with_parent


def main() -> None:
    """The kernel keeps the wish when another program takes this one's place."""
    die_with_parent()
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
