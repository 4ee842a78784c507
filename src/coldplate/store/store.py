"""Store: one method per read or write; all SQL is in this package."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from coldplate.store.queue import QueueStore

MIGRATIONS = Path(__file__).with_name("migrations")
HEAD = "0001"  # the newest migration; a test keeps it true


class Store(QueueStore):
    """What is remembered. Synchronous; safe to use from many threads; times are aware and UTC."""

    def migrate(self) -> None:
        """Bring the tables up to date."""
        if self._revision() == HEAD:
            return
        from alembic import command  # only here: its import would slow down every start
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self._lock, self._writer.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _revision(self) -> str | None:
        with self.reading() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
