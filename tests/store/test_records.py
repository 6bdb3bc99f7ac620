"""A record made of a row is the one that its class would make of the same values."""

from dataclasses import FrozenInstanceError, dataclass
from enum import StrEnum

import pytest
import sqlalchemy as sa

from outcrop.store.records import Records

STONES = sa.Table(
    "record_stones",
    sa.MetaData(),
    sa.Column("name", sa.String),
    sa.Column("state", sa.String),
    sa.Column("was", sa.String),
    sa.Column("weight", sa.Integer),
)


class State(StrEnum):
    """How a stone is."""

    WHOLE = "Whole"
    BROKEN = "Broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stone:
    """A stone; its fields stand in another order than the columns."""

    weight: int
    name: str
    state: State = State.WHOLE
    was: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pebble:
    """Lacks a column."""

    name: str
    state: State
    was: State | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Wants to be asked."""

    name: str
    state: State
    was: State | None
    weight: int

    def __post_init__(self) -> None:
        raise ValueError(self.name)


RECORDS = Records(Stone, STONES, {"state": State, "was": State})


def test_a_record_is_what_its_class_makes_of_the_same_values() -> None:
    made = RECORDS.of(("slate", "Broken", "Whole", 3))
    assert made == Stone(name="slate", state=State.BROKEN, was=State.WHOLE, weight=3)
    assert isinstance(made.state, State)
    assert hash(made) == hash(Stone(name="slate", state=State.BROKEN, was=State.WHOLE, weight=3))


@pytest.mark.parametrize("was", [State.WHOLE, None])
def test_a_records_row_makes_the_same_record_again(was: State | None) -> None:
    stone = Stone(name="slate", state=State.BROKEN, was=was, weight=3)
    row = RECORDS.columns(stone)
    assert row == {"name": "slate", "state": "Broken", "was": was and was.value, "weight": 3}
    assert type(row["state"]) is str, "a driver need not know our enums"
    assert RECORDS.of([row[column.name] for column in STONES.c]) == stone


def test_null_stays_null() -> None:
    assert RECORDS.of(("slate", "Whole", None, 3)).was is None


def test_a_record_is_frozen() -> None:
    made = RECORDS.of(("slate", "Whole", None, 3))
    with pytest.raises(FrozenInstanceError):
        made.name = "marl"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize("row", [("slate", "Whole", None), ("slate", "Whole", None, 3, 4)])
def test_a_row_of_another_width_is_refused(row: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="zip"):
        RECORDS.of(row)


def test_a_class_that_is_not_the_tables_row_is_refused() -> None:
    with pytest.raises(AssertionError, match="Pebble is not a row of record_stones"):
        Records(Pebble, STONES, {})


def test_a_class_that_checks_itself_is_refused() -> None:
    with pytest.raises(AssertionError, match="Checked would go unchecked"):
        Records(Checked, STONES, {})
