"""The connections: one writer, readers that never wait for it, and errors that clients may repeat."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from coldplate.errors import Unavailable

BUSY_MS = 5000  # how long a write waits for another process that holds the file


class Database:
    """SQLite in WAL mode: every commit is on disk before `writing` ends.

    One writer connection under a lock: several would starve one another. `after_commit` collects what
    `on_change` is told once the commit is durable, never before.
    """

    def __init__(self, url: str, *, on_change: Callable[[str], None] = lambda key: None):
        self.url = url
        self.on_change = on_change
        self._lock = threading.Lock()
        self._writer = _engine(url, pool_size=1, begin="BEGIN IMMEDIATE")
        self._readers = _engine(url, pool_size=8, begin="BEGIN")

    @contextmanager
    def writing(self, *changed: str) -> Iterator[Connection]:
        """A transaction that commits at the end; then `on_change` is told of each key in `changed`.

        Raises:
            Unavailable: The database can't take it now; nothing was changed.
        """
        try:
            with self._lock, self._writer.begin() as connection:
                yield connection
        except DBAPIError as error:
            if error.connection_invalidated or _is_passing(error):
                raise Unavailable("The store can't be written to at the moment.") from error
            raise
        for key in changed:
            self.on_change(key)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view."""
        with self._readers.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            self._writer.dispose()
        self._readers.dispose()


def _is_passing(error: DBAPIError) -> bool:
    """Locked, full or broken disk: not the request's fault."""
    words = ("locked", "busy", "full", "disk i/o", "readonly", "unable to open")
    return any(word in str(error.orig).lower() for word in words)


def _engine(url: str, *, pool_size: int, begin: str) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
