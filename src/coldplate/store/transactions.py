"""Transactions: how the store reads and writes, and tells of what it wrote."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from coldplate.errors import Unavailable
from coldplate.store import people, schema, submissions
from coldplate.store.backends import Records
from coldplate.store.database import Database
from coldplate.store.queue import Lines, Shares

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class Transactions:
    """A function of the files beside this one, as a transaction.

    Args:
        url: Where the database is, as SQLAlchemy writes it.
        on_change: Told the id of a job or session after a change of its state is durable, never before.
    """

    def __init__(self, url: str, *, on_change: Callable[[str], None] = lambda key: None):
        self._database = Database(url)
        self._on_change = on_change
        self._records, self._shares, self._lines = Records(), Shares(), Lines()
        # Written with the next transaction, whatever it is.
        self._delivered: set[str] = set()
        self._used: dict[str, datetime] = {}

    def migrate(self) -> None:
        """Bring the tables up to date.

        Raises:
            NewerData: A newer release has brought them beyond what this one knows.
        """
        revision = self._read(schema.revision)
        if revision != schema.HEAD:
            with self._database.writing() as connection:
                schema.bring_up_to_date(connection, revision)

    def is_current(self) -> bool:
        """Whether the tables are as this release makes them."""
        return self._read(schema.revision) == schema.HEAD

    def close(self) -> None:
        """Write what is still to be written, and close all connections."""
        if self._delivered or self._used:
            with suppress(Unavailable):
                self._write(_nothing)
        self._database.close()

    def _read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with self._database.reading() as connection:
            return function(connection, *args, **kwargs)

    def _write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with self._database.writing() as connection:
            delivered, used = self._delivered.copy(), self._used.copy()
            self._used.clear()  # one that is lost to a race or a failure is only a little out of date
            submissions.forget(connection, delivered)
            people.note_uses(connection, used)
            result = function(connection, *args, **kwargs)
        self._delivered.difference_update(delivered)
        return result

    def _note(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """A write about processes, which a power cut would end as well: it need not wait for the disk."""
        with self._database.writing(durable=False) as connection:
            return function(connection, *args, **kwargs)

    def _tell(self, key: str) -> None:
        try:
            self._on_change(key)
        except Exception:  # the change is durable: who listens can't make it look as if it had failed
            log.exception("Nobody could be told that %s has changed.", key)


def _nothing(connection: Connection) -> None:
    """A transaction for what is due anyway."""
