"""Client request tokens."""

from dataclasses import replace

from outcrop.store import tokens
from outcrop.store.database import Database

TOKEN = tokens.RequestToken(account="123456789012", region="us-east-1", operation="CreateThing", token="t-1")


def test_a_token_is_remembered_where_it_was_used_and_nowhere_else(database: Database) -> None:
    with database.write() as connection:
        assert tokens.recall(connection, TOKEN) is None
        tokens.remember(connection, TOKEN, "digest", "arn:one")
        assert tokens.recall(connection, TOKEN) == ("digest", "arn:one")
        for other in ({"region": "us-west-2"}, {"operation": "CreateOther"}, {"account": "0"}, {"token": "t-2"}):
            assert tokens.recall(connection, replace(TOKEN, **other)) is None


def test_a_token_goes_with_its_resource(database: Database) -> None:
    with database.write() as connection:
        tokens.remember(connection, TOKEN, "digest", "arn:one")
        tokens.forget(connection, "arn:one")
        assert tokens.recall(connection, TOKEN) is None
