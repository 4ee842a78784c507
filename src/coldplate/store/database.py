"""The connections: one writer, readers that never wait for it, and errors that clients may repeat."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from coldplate.errors import Unavailable

BUSY_S = 5.0  # how long a write waits for other writers, here or in another process
NUM_READERS = 8

# After these the disk may or may not have kept what was written last; asking again proves nothing.
DOUBTFUL = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
# Not the request's fault, and nothing was written: locked, full, read-only, broken.
PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}

log = logging.getLogger(__name__)


class Database:
    """SQLite in WAL mode: every commit is on disk before `writing` ends, unless it need not be.

    One writer connection under a lock: several would starve one another. Only one process writes.
    """

    def __init__(self, url: str):
        self._lock = threading.Lock()
        self._doubtful = False
        self._log_file = f"{make_url(url).database}-wal"
        self._writer = _engine(url, pool_size=1, begin="BEGIN IMMEDIATE")
        self._brisk = _engine(url, pool_size=1, begin="BEGIN IMMEDIATE", synchronous="NORMAL")
        self._readers = _engine(url, pool_size=NUM_READERS, begin="BEGIN")

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Connection]:
        """A transaction that is durable at the end.

        Args:
            durable: False for what a power cut makes meaningless, such as which process drives a device: it
                is seen by every process at the end, and on disk with the next durable one or `flush`.

        Raises:
            Unavailable: The database can't take it now; nothing was changed.
            DBAPIError: A bug, a broken constraint, or a disk that failed in the middle: it is then unknown
                whether the change was kept, and no more writes are taken before a restart has found out.
        """
        if not self._lock.acquire(timeout=BUSY_S):
            raise Unavailable("The store is busy.")
        try:
            if self._doubtful:
                raise Unavailable("The disk of the store has failed; writing goes on after a restart.")
            with (self._writer if durable else self._brisk).begin() as connection:
                yield connection
        except DBAPIError as error:
            self._explain(error)
        finally:
            self._lock.release()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view, which no writer can change or delay.

        Raises:
            Unavailable: The database can't be read now.
        """
        try:
            with self._readers.begin() as connection:
                yield connection
        except DBAPIError as error:
            self._explain(error)
        except PoolTimeout as error:
            raise Unavailable("The store is busy.") from error

    def flush(self) -> None:
        """Have on disk what was committed without waiting for it. Nobody is kept from writing meanwhile.

        Raises:
            OSError: The disk has failed; no more writes are taken before a restart.
        """
        try:
            log_file = os.open(self._log_file, os.O_RDWR)
        except FileNotFoundError:  # all that was in it is in the database itself
            return
        try:
            os.fdatasync(log_file)
        except OSError as error:
            log.critical("The disk of the store has failed (%s): no more writes.", error)
            self._doubtful = True
            raise
        finally:
            os.close(log_file)

    def _explain(self, error: DBAPIError) -> NoReturn:
        code = getattr(error.orig, "sqlite_errorcode", 0)
        if code in DOUBTFUL:
            log.critical("The disk of the store has failed (%s): no more writes.", error.orig)
            self._doubtful = True
            raise error
        if code & 0xFF in PASSING:
            raise Unavailable(f"The store is not available at the moment ({error.orig}).") from error
        raise error

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            self._writer.dispose()
            self._brisk.dispose()
        self._readers.dispose()


def _engine(url: str, *, pool_size: int, begin: str, synchronous: str = "FULL") -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=BUSY_S,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for pragma in (
            f"busy_timeout={int(1000 * BUSY_S)}",
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
