"""Patterns with `*` and `?`, matched without regular expressions. Knows nothing of policies.

Policies are user input: a regex made from one can take exponential time. Here a mismatch returns only to the last
`*`, so that a match takes at most len(pattern) * len(value) steps.
"""

from collections.abc import Sequence

# Wildcards in a cut pattern: two characters each, so that they equal no single character of a value.
ANY_ONE = "??"
ANY_RUN = "**"
_WILD = {"?": ANY_ONE, "*": ANY_RUN}


def cut(pattern: str) -> list[str]:
    """The atoms of a pattern: single characters, ANY_ONE and ANY_RUN."""
    return [_WILD.get(character, character) for character in pattern]


def matches(pattern: str, value: str) -> bool:
    """Does the whole value match the pattern?"""
    if "*" not in pattern and "?" not in pattern:
        return pattern == value
    if pattern == "*":
        return True
    return matches_atoms(cut(pattern), value)


def matches_atoms(atoms: Sequence[str], value: Sequence[str]) -> bool:
    """Does the whole value match the atoms? `resume` is where to go on from the last ANY_RUN, one character later."""
    here = there = 0
    last_run, resume = -1, 0
    while there < len(value):
        atom = atoms[here] if here < len(atoms) else None
        if atom == ANY_RUN:
            last_run, resume = here, there
            here += 1
        elif atom == ANY_ONE or (atom is not None and atom == value[there]):
            here, there = here + 1, there + 1
        elif last_run >= 0:
            resume += 1
            here, there = last_run + 1, resume
        else:
            return False
    return all(atom == ANY_RUN for atom in atoms[here:])
