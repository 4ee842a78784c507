"""The verbs that clients of 2023 have for programs of their own: upload, list, change, share, delete, run.

Programs are code. The server keeps and shows them, and runs none of its users' code unless its operator has
switched that on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from coldplate.auth import Principal
from coldplate.domain.submission import check_length, check_text
from coldplate.domain.uploads import MAX_DATA, MAX_DESCRIPTION, MAX_NAME, OWN, Upload
from coldplate.errors import NotAuthorized, PayloadTooLarge, ProgramExists, ProgramNotRun, UnknownProgram
from coldplate.ids import could_be_id, new_id
from coldplate.store.store import Store


class Uploads:
    """The verbs; each takes who asks first.

    Args:
        clock: The time, UTC.
        run: Whether the operator has them run.
    """

    def __init__(self, *, store: Store, clock: Callable[[], datetime], run: bool):
        self._store, self._clock, self._run = store, clock, run

    def add(self, who: Principal, **fields: object) -> Upload:
        """Keep a program.

        Raises:
            ProgramExists: The account has one of this name.
        """
        now = self._clock().isoformat()
        identity = {"id": new_id(), "account": who.account, "user": who.user, "created": now, "updated": now}
        new = msgspec.convert(identity | fields, Upload)
        check(new)
        if new.name in OWN or not self._store.add_upload(new):
            raise ProgramExists(f"There is a program called {new.name!r} already.")
        return new

    def every(self, who: Principal) -> list[Upload]:
        """What the server runs itself, then the programs that the asker may see; without their texts."""
        own = [
            Upload(name, who.account, "", name, "", OLDEST, OLDEST, description=text, is_public=True)
            for name, text in OWN.items()
        ]
        return own + self._store.uploads(who.account, who.user)

    def read(self, who: Principal, id: str) -> Upload:
        """One program; its text is for its author alone."""
        for one in self.every(who):
            if one.id == id:
                return one if one.user == who.user else msgspec.structs.replace(one, data="")
        raise UnknownProgram(f"Program {id!r:.60} does not exist.")

    def change(self, who: Principal, id: str, **fields: object) -> None:
        """Change a program of one's own."""
        new = msgspec.structs.replace(self._mine(who, id), **fields, updated=self._clock().isoformat())
        check(new)
        self._store.put_upload(new)

    def delete(self, who: Principal, id: str) -> None:
        """Delete a program of one's own."""
        self._store.delete_upload(self._mine(who, id).id)

    def to_run(self, who: Principal, id: str) -> Upload | None:
        """An uploaded program, text and all, that the asker may run; None for any other id.

        Raises:
            ProgramNotRun: It is one, and the operator has not allowed that.
        """
        if not could_be_id(id):
            return None
        found = next((one for one in self._store.uploads(who.account, who.user) if one.id == id), None)
        if found is not None and not self._run:
            raise ProgramNotRun(f"Program {id} is kept here, but uploaded programs are not run.")
        return found

    def code(self, who: Principal, upload: Upload) -> bytes:
        """A program as its job has it: later changes are not that job's."""
        return msgspec.json.encode({"source": upload.data, "shown": upload.user == who.user})

    def _mine(self, who: Principal, id: str) -> Upload:
        found = self.read(who, id)
        if found.user != who.user:
            raise NotAuthorized(f"Program {id} is not yours.")
        return found


OLDEST = "2021-01-01T00:00:00+00:00"


def check(new: Upload) -> None:
    """Refuse a program that can't be kept.

    Raises:
        BadRequest: Its name or description is too long, or has a NUL.
        PayloadTooLarge: Its text is too long.
    """
    check_text(new.name + new.description, name="name or description")
    check_length(new.name, most=MAX_NAME, name="name")
    check_length(new.description, most=MAX_DESCRIPTION, name="description")
    if len(new.data.encode("utf-8", "replace")) > MAX_DATA:
        raise PayloadTooLarge(f"The program's text has more than {MAX_DATA} bytes.")
