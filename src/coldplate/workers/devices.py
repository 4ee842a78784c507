"""Backends that stay loaded: what one job needed of its device, the next one inherits from the zygote."""

from __future__ import annotations

import contextlib
import resource
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from coldplate.backends import catalog
from coldplate.kernel import native
from coldplate.workers.pool import Ticket

if TYPE_CHECKING:
    from coldplate.circuits.backend import Backend

Key = tuple[str, str, int, int]  # name; the catalog's file, when it was changed, its size

LEAST = 1 << 20  # bytes that a backend counts at least: memory that was free before is not seen to grow
ROOM = 128 << 20


class Devices:
    """Loaded backends, the one that was wanted last at the end.

    Args:
        room: Bytes that they may take together; who was wanted longest ago has to go.
    """

    def __init__(self, room: int = ROOM):
        self.room = room
        self._loaded: OrderedDict[Key, tuple[Backend, int]] = OrderedDict()

    def find(self, name: str, file: Path | None) -> Backend | None:
        """A backend that is loaded, as its catalog describes it now."""
        key = key_of(name, file)
        if key is None or key not in self._loaded:
            return None
        self._loaded.move_to_end(key)
        return self._loaded[key][0]

    def keep(self, name: str, file: Path | None) -> bool:
        """Load a backend unless it is loaded; whether it is new.

        Raises:
            ColdplateError: There is none of this name, or the catalog is wrong.
        """
        key = key_of(name, file)
        if self.room == 0 or key is None or self.find(name, file) is not None:
            return False
        native()  # loaded once, for all children
        before = own_bytes()
        backend = catalog.load(name, file)
        self._loaded[key] = backend, max(LEAST, own_bytes() - before)
        while len(self._loaded) > 1 and sum(size for _, size in self._loaded.values()) > self.room:
            self._loaded.popitem(last=False)
        return True


def key_of(name: str, file: Path | None) -> Key | None:
    """What a loaded backend is known by; None when there is no catalog."""
    file = file or catalog.SHIPPED
    try:
        now = file.stat()
    except OSError:
        return None
    return name, str(file), now.st_mtime_ns, now.st_size


def own_bytes() -> int:
    """Memory of this process that is not a file's; 0 where the kernel does not tell."""
    try:
        _, resident, shared, *_ = Path("/proc/self/statm").read_text(encoding="utf-8").split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * resource.getpagesize()


LOADED = Devices()  # of this process: filled in the zygote, inherited by every child


def warm(ticket: Ticket, *, room: int = ROOM) -> bool:
    """In the zygote: have a ticket's backend loaded; whether it is new.

    What is wrong with it is for the job to find out, and to tell its owner.

    Args:
        room: Bytes that all loaded backends may take together.
    """
    LOADED.room = room
    with contextlib.suppress(Exception):
        return LOADED.keep(ticket.backend, path_of(ticket))
    return False


def load(name: str, file: Path | None) -> Backend:
    """In a job: its backend, inherited or loaded now.

    Raises:
        UnknownBackend: The catalog has none of this name.
    """
    return LOADED.find(name, file) or catalog.load(name, file)


def path_of(ticket: Ticket) -> Path | None:
    """The catalog of a ticket."""
    return None if ticket.catalog is None else Path(ticket.catalog)
