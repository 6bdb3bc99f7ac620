"""Tags in the words of conditions: `aws:ResourceTag/team`. Knows nothing of whose they are or where they are kept."""

from collections.abc import Iterable, Mapping
from itertools import product
from math import prod
from typing import Any

PRINCIPAL, RESOURCE = "aws:PrincipalTag", "aws:ResourceTag"
IAM_RESOURCE = "iam:ResourceTag"  # IAM's own word for the tags of its users and roles, beside the one for all


READINGS_AT_MOST = 64


class Spellings(tuple[str, ...]):
    """The values of one key in several spellings (`team`, `Team`): each may be the one that a policy means."""


def tag_facts(tags: Mapping[str, str], *kinds: str) -> dict[str, Any]:
    """A fact for each tag and kind. Conditions do not heed a key's case: see `Spellings`."""
    return {f"{kind}/{key}": _one_or_all(values) for kind in kinds for key, values in _by_folded_key(tags.items())}


def _by_folded_key(tags: Iterable[tuple[str, str]]) -> Iterable[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for key, value in tags:
        found.setdefault(key.lower(), []).append(value)
    return found.items()


def _one_or_all(values: list[str]) -> str | Spellings:
    return values[0] if len(values) == 1 else Spellings(values)


def readings(facts: Mapping[str, Any], words: Iterable[str]) -> list[Mapping[str, Any]] | None:
    """The facts with one value for each key of several that is named in `words`, in every way; None: too many ways."""
    several = {key: value for key, value in facts.items() if isinstance(value, Spellings)}
    if not several:
        return [facts]
    text = " ".join(words).lower()
    named = {key: values for key, values in several.items() if key in text}
    if prod(map(len, named.values())) > READINGS_AT_MOST:
        return None
    return [{**facts, **dict(zip(named, chosen, strict=True))} for chosen in product(*named.values())]
