"""Tags in the words of conditions: `aws:ResourceTag/team`. Knows nothing of whose they are or where they are kept."""

from collections.abc import Iterable, Mapping
from typing import Any

PRINCIPAL, RESOURCE = "aws:PrincipalTag", "aws:ResourceTag"
IAM_RESOURCE = "iam:ResourceTag"  # IAM's own word for the tags of its users and roles, beside the one for all


def tag_facts(tags: Mapping[str, str], *kinds: str) -> dict[str, Any]:
    """A fact for each tag and kind. Conditions do not heed a key's case: of keys that differ in it alone, all count."""
    return {f"{kind}/{key}": _one_or_all(values) for kind in kinds for key, values in _by_folded_key(tags.items())}


def _by_folded_key(tags: Iterable[tuple[str, str]]) -> Iterable[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for key, value in tags:
        found.setdefault(key.lower(), []).append(value)
    return found.items()


def _one_or_all(values: list[str]) -> str | list[str]:
    """One value as itself, so that `${aws:PrincipalTag/team}` can stand for it."""
    return values[0] if len(values) == 1 else values
