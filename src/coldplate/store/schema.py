"""The tables' state: made at once in a new database, migrated step by step in an older one."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from coldplate.errors import NewerData
from coldplate.store.tables import metadata

MIGRATIONS = Path(__file__).with_name("migrations")
HEAD = "0009"  # the newest migration; a test keeps it true


def bring_up_to_date(connection: Connection, revision: str | None) -> None:
    """Make or migrate the tables.

    Raises:
        NewerData: A newer release has brought them beyond what this one knows.
    """
    if revision is None:
        make(connection)
    elif revision > HEAD:
        raise NewerData(f"The data directory is of a newer release (tables {revision}, known {HEAD}).")
    elif revision < HEAD:
        upgrade(connection)


def revision(connection: Connection) -> str | None:
    """The last migration that the tables have seen; None: there are no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def make(connection: Connection) -> None:
    """All tables as they are now: what the migrations add up to, without loading the tool that runs them."""
    metadata.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def upgrade(connection: Connection, to: str = HEAD) -> None:
    """Run the migrations that the tables have not seen, up to one."""
    from alembic import command  # only here: its import would slow down every start
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
