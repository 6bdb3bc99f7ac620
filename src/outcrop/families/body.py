"""Reading a request body member by member, with errors that name the member. Knows no family's names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outcrop.domain.errors import ValidationException

# JSON has integers that no float can hold.
_SHOWABLE = 1e300


@dataclass(frozen=True, slots=True)
class Body:
    """One JSON object of a request; `where` is its path, empty at the top."""

    members: Mapping[str, Any]
    where: str = ""

    @staticmethod
    def of(value: Any, where: str = "") -> "Body":
        """The object that `value` must be."""
        if not isinstance(value, Mapping):
            raise wrong(where or "the body", "must be a JSON object")
        return Body(value, where)

    def path(self, name: str) -> str:
        """Where a member is, in words for an error."""
        return f"{self.where}.{name}" if self.where else name

    def only(self, *names: str) -> None:
        """Refuse every member but these, in the words that Bedrock's clients know."""
        extra = sorted(str(name) for name in self.members if name not in names)
        if extra:
            shown = ", ".join(name[:64] for name in extra[:5])
            raise ValidationException(
                f"Malformed input request: #{'/' + self.where if self.where else ''}: extraneous key [{shown}] "
                "is not permitted, please reformat your input and try again."
            )

    def not_carried_out(self, *names: str) -> None:
        """Refuse members that the family documents and Outcrop does not carry out, where they ask for anything."""
        for name in names:
            if self.members.get(name) not in (None, [], {}):
                raise wrong(self.path(name), "Outcrop does not carry this out: it serves text only, without tools")

    def get(self, name: str) -> Any:
        """A member, or None."""
        return self.members.get(name)

    def required(self, name: str) -> Any:
        """A member that must be there."""
        if self.members.get(name) is None:
            raise wrong(self.path(name), "is required")
        return self.members[name]

    def text(self, name: str) -> str:
        """A required text."""
        return as_text(self.required(name), self.path(name))

    def array(self, name: str) -> list[Any]:
        """A list; empty where it is missing."""
        value = self.members.get(name)
        if value is None:
            return []
        if not isinstance(value, (list, tuple)):
            raise wrong(self.path(name), "must be a list")
        return list(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, none of them empty."""
        found = tuple(as_text(value, f"{self.path(name)}.{at}") for at, value in enumerate(self.array(name)))
        if "" in found:
            raise wrong(self.path(name), "holds an empty text")
        return found

    def integer(self, name: str, low: int, high: int) -> int | None:
        """A whole number in range, or None where it is missing."""
        value = self.members.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or value % 1:
            raise wrong(self.path(name), f"must be an integer from {low} to {high}")
        return int(self._in_range(name, value, low, high))

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number in range, or None where it is missing."""
        value = self.members.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            raise wrong(self.path(name), f"must be a number from {low:g} to {high:g}")
        return float(self._in_range(name, value, low, high))

    def _in_range(self, name: str, value: float, low: float, high: float) -> float:
        if not low <= value <= high:
            sent = f"{value:g}" if abs(value) < _SHOWABLE else "a far larger one"
            raise wrong(self.path(name), f"must be from {low:g} to {high:g}; {sent} was sent")
        return value


def wrong(where: str, what: str) -> ValidationException:
    """The one form of a body's errors."""
    return ValidationException(f"Malformed input request: {where}: {what}.")


def as_text(value: Any, where: str) -> str:
    """The text that `value` must be."""
    if not isinstance(value, str):
        raise wrong(where, "must be a text")
    if not _is_unicode(value):
        raise wrong(where, "holds half of a surrogate pair, which is not Unicode")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
