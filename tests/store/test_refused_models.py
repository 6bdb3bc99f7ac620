"""What is told last is all that is known, and telling it again writes nothing."""

from outcrop.store import refused_models
from outcrop.store.database import Database


def test_what_is_told_replaces_what_was(database: Database) -> None:
    for told in ({"a": "one", "b": "two"}, {"b": "three"}, {}):
        refused_models.tell(database, told)
        with database.read() as connection:
            assert refused_models.every(connection) == told
            assert refused_models.why(connection, "b") == told.get("b")
            assert refused_models.why(connection, "c") is None


def test_telling_the_same_again_does_not_wait_for_a_writer(database: Database) -> None:
    refused_models.tell(database, {"a": "one"})
    with database.write():
        refused_models.tell(database, {"a": "one"})
