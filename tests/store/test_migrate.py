"""The schema's history makes the tables of today, quickly and once."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from outcrop.domain.errors import SettingsError
from outcrop.store.database import Database
from outcrop.store.migrate import HEAD, KNOWN, migrate
from outcrop.store.schema import METADATA

SOURCES = Path(__file__).parents[2] / "src" / "outcrop"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    yield opened
    opened.close()


def version(database: Database) -> str | None:
    with database.read() as connection:
        return connection.execute(sa.text("select version_num from alembic_version")).scalar()


def test_the_revisions_make_exactly_the_tables_of_today(fresh: Database) -> None:
    migrate(fresh)
    with fresh.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_schema_module_knows_every_table() -> None:
    declared = {
        name for path in SOURCES.rglob("*.py") for name in re.findall(r'sa\.Table\(\s*"(\w+)"', path.read_text())
    }
    assert declared == set(METADATA.tables)


def test_head_and_the_known_revisions_are_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", "outcrop:store/migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    assert {script.revision for script in scripts.walk_revisions()} == set(KNOWN)


def test_a_second_run_changes_nothing(fresh: Database) -> None:
    migrate(fresh)
    with fresh.write() as connection:
        connection.execute(sa.text("insert into tags values ('arn', 'key', 'value')"))
    migrate(fresh)
    assert version(fresh) == HEAD
    with fresh.read() as connection:
        assert connection.execute(sa.text("select count(*) from tags")).scalar() == 1


def test_starters_at_the_same_time_make_one_schema(fresh: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrate(fresh), range(4)))
    assert version(fresh) == HEAD


def test_a_database_of_a_newer_release_is_left_alone(fresh: Database) -> None:
    migrate(fresh)
    with fresh.write() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(SettingsError, match=r"newer Outcrop .*9999"):
        migrate(fresh)


def test_an_up_to_date_database_needs_no_alembic(fresh: Database) -> None:
    migrate(fresh)
    program = (
        "import sys; from outcrop.store.database import Database; from outcrop.store.migrate import migrate; "
        "migrate(Database(sys.argv[1])); sys.exit('alembic' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(fresh.engine.url)], check=False)
    assert ended.returncode == 0
