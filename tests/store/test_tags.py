"""Tags by ARN."""

from outcrop.store import tags
from outcrop.store.database import Database


def test_tags_are_added_changed_and_taken_away_and_sorted_by_key(database: Database) -> None:
    with database.write() as connection:
        tags.put(connection, "arn:one", {"b": "1", "a": "2"})
        tags.put(connection, "arn:two", {"a": "other"})
        tags.put(connection, "arn:one", {"b": "3", "c": ""})
        assert list(tags.of(connection, "arn:one").items()) == [("a", "2"), ("b", "3"), ("c", "")]
        tags.remove(connection, "arn:one", ["a", "unknown"])
        assert tags.of(connection, "arn:one") == {"b": "3", "c": ""}
        tags.forget(connection, "arn:one")
        assert tags.of(connection, "arn:one") == {}
        assert tags.of(connection, "arn:two") == {"a": "other"}


def test_no_tags_are_no_work(database: Database) -> None:
    with database.write() as connection:
        tags.put(connection, "arn:one", {})
        tags.remove(connection, "arn:one", [])
        assert tags.of(connection, "arn:one") == {}
