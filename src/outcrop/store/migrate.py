"""Brings a database to this release's schema, in one transaction. Knows nothing of what the tables mean.

An up-to-date database costs one small read: Alembic is imported only where there is something to do.
"""

import sqlalchemy as sa

from outcrop.domain.errors import SettingsError
from outcrop.store.database import Database

HEAD = "0006"  # the newest revision in migrations/versions; a test holds them together
KNOWN = ("0001", "0002", "0003", "0004", "0005", "0006")
_VERSION = sa.table("alembic_version", sa.column("version_num"))


def migrate(database: Database) -> None:
    """Run whatever revisions are missing. SettingsError: the database belongs to a newer release."""
    with database.read() as connection:
        version = _version(connection)
    if version == HEAD:
        return
    if version is not None and version not in KNOWN:
        raise SettingsError(
            f"The database is of a newer Outcrop (schema {version}; this one knows {HEAD}): start it with that one."
        )
    _upgrade(database)


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(sa.select(_VERSION.c.version_num)).scalar()


def _upgrade(database: Database) -> None:
    from alembic import command  # here, because it would cost every start a fifth of a second
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "outcrop:store/migrations")
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
