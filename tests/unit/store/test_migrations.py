"""The migrations, one after the other, make the tables of tables.py."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from coldplate.domain.user import EVERYWHERE, Role
from coldplate.errors import NewerData
from coldplate.store import tables
from coldplate.store.rows import to_micros
from coldplate.store.schema import HEAD, MIGRATIONS, make, upgrade
from coldplate.store.store import Store


def schema(engine):
    """Every table and index as the database describes them; where nothing but spelling differs, the same."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master").all()
        names = sorted(name for type, name, _, _ in found if type == "table" and name != "alembic_version")
        columns = {
            name: connection.exec_driver_sql(f"SELECT * FROM pragma_table_info('{name}')").all()
            for name in names
        }
        keys = {
            name: sorted(
                row[2:] for row in connection.exec_driver_sql(f"PRAGMA foreign_key_list('{name}')").all()
            )
            for name in names
        }
    indexes = sorted(sql for type, _, table, sql in found if type == "index" and sql and table in names)
    return columns, keys, indexes


@pytest.fixture
def engines(url, tmp_path):
    migrated, made = create_engine(url), create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    for engine, bring in ((migrated, upgrade), (made, make)):
        with engine.begin() as connection:
            bring(connection)
    yield migrated, made
    migrated.dispose()
    made.dispose()


def test_sum_of_the_migrations_is_what_the_code_expects(engines):
    migrated, made = engines
    assert schema(migrated) == schema(made)
    with made.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == HEAD
    with migrated.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_head_is_the_last_migration():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_users_of_keys_from_before_there_were_roles_keep_every_right(tmp_path):
    file = tmp_path / "old.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        upgrade(connection, "0001")
        for id, created in (("a", 5), ("b", 3)):
            connection.exec_driver_sql(
                "INSERT INTO api_key (id, digest, user, account, name, created) VALUES (?, ?, ?, ?, ?, ?)",
                (id, id, "ada", "chem", "laptop", created),
            )
    engine.dispose()
    store = Store(f"sqlite:///{file}")
    store.migrate()
    (user,) = store.users()
    assert (user.name, user.account, user.roles) == ("ada", "chem", {EVERYWHERE: Role.MANAGER})
    assert to_micros(user.created) == 3
    assert store.key("a") is not None
    store.close()


def test_migrating_again_keeps_the_data(url, store, ours):
    store.migrate()
    other = Store(url)
    other.migrate()
    assert other.instance(ours.id) == ours
    other.close()


def test_data_of_a_newer_release_is_refused(url, store):
    store.close()
    with sqlite3.connect(Path(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    older = Store(url)
    with pytest.raises(NewerData, match="9999"):
        older.migrate()
    older.close()
