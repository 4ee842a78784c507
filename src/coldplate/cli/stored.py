"""The store of a data directory, for the commands that work on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldplate.cli.terminal import read_settings
from coldplate.connection import NoServer
from coldplate.errors import ColdplateError

if TYPE_CHECKING:
    from coldplate.settings import Settings
    from coldplate.store.store import Store


class OtherRelease(ColdplateError):
    """The database is of another release."""

    code, solution = 4096, "Start the server of this release once, or use that release's command."


Account = Annotated[str, typer.Option(help="Account: keys and instances of one belong together.")]


@contextlib.contextmanager
def stored(data: Path | None) -> Iterator[tuple[Store, Settings]]:
    """The store of a data directory; a server may be using it at the same time."""
    from coldplate.store.store import Store

    settings = read_settings({"data": data})
    file = settings.data / "coldplate.db"
    if not file.exists():
        raise NoServer(f"No server was ever started with the data directory {settings.data}.")
    with contextlib.closing(Store(settings.database_url)) as store:
        if not store.is_current():
            raise OtherRelease(f"The database in {settings.data} is of another release than this command.")
        yield store, settings
