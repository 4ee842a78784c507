"""REST of clients of 2023: programs."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
from fastapi import Request
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.responses import Response

from coldplate.api import render
from coldplate.api.bodies import parse, read_small
from coldplate.api.identify import Credentials
from coldplate.api.legacy import OLD_PAGE, Asker, asked_by
from coldplate.api.queries import PAGE, page_size
from coldplate.auth import Principal
from coldplate.domain.uploads import MAX_DATA, Upload
from coldplate.errors import BadRequest
from coldplate.legacy import Legacy
from coldplate.service import Service

LARGEST = 2 * MAX_DATA  # of a body: base64 and JSON around it


class NewProgram(msgspec.Struct):
    """Body of `POST /programs`."""

    name: str
    data: str  # base64
    cost: int = 0
    description: str | None = None
    is_public: bool = False
    spec: dict[str, Any] | None = None


class ProgramChange(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `PATCH /programs/{id}`."""

    name: str | None = None
    description: str | None = None
    cost: int | None = None
    spec: dict[str, Any] | None = None


NEW = msgspec.json.Decoder(NewProgram)
CHANGE = msgspec.json.Decoder(ProgramChange)


class OldPrograms:
    """Routes of programs."""

    def __init__(self, service: Service, legacy: Legacy):
        self.service, self.legacy = service, legacy

    def list(self, asker: Asker, limit: int = OLD_PAGE, offset: int = 0) -> Response:
        """Programs that the asker may see, without their texts."""
        found = self.legacy.uploads.every(self._who(asker))
        size, start = page_size(limit, most=PAGE, default=OLD_PAGE), max(0, offset)
        page = [shown(one) for one in found[start : start + size]]
        return render.reply({"programs": page, "count": len(found)})

    async def create(self, request: Request, asker: Asker) -> Response:
        """Keep a program; it is not run."""
        new = parse(NEW, await read_small(request, limit=LARGEST))
        fields = {
            "name": new.name,
            "data": text_of(new.data),
            "cost": new.cost,
            "description": new.description or "",
            "is_public": new.is_public,
            "spec": new.spec or {},
        }
        made = await in_thread(lambda: self.legacy.uploads.add(self._who(asker), **fields))
        return render.reply({"id": made.id}, status=201)

    def read(self, id: str, asker: Asker) -> Response:
        """One program; its text is for its author alone."""
        found = self.legacy.uploads.read(self._who(asker), id)
        return render.reply(shown(found) | {"data": found.data})

    async def change(self, id: str, request: Request, asker: Asker) -> Response:
        """Change what is said of a program."""
        wish = parse(CHANGE, await read_small(request))
        fields = {name: value for name, value in msgspec.structs.asdict(wish).items() if value is not None}
        await in_thread(lambda: self.legacy.uploads.change(self._who(asker), id, **fields))
        return render.nothing()

    async def set_data(self, id: str, request: Request, asker: Asker) -> Response:
        """Change a program's text."""
        text = text_of((await read_small(request, limit=LARGEST)).decode("ascii", "replace"))
        await in_thread(lambda: self.legacy.uploads.change(self._who(asker), id, data=text))
        return render.nothing()

    def publish(self, id: str, asker: Asker) -> Response:
        """Let the account see a program."""
        self.legacy.uploads.change(self._who(asker), id, is_public=True)
        return render.nothing()

    def hide(self, id: str, asker: Asker) -> Response:
        """Let nobody else see a program."""
        self.legacy.uploads.change(self._who(asker), id, is_public=False)
        return render.nothing()

    def delete(self, id: str, asker: Asker) -> Response:
        """Delete a program."""
        self.legacy.uploads.delete(self._who(asker), id)
        return render.nothing()

    def _who(self, asker: Credentials) -> Principal:
        return asked_by(self.service, asker)


def shown(one: Upload) -> dict[str, Any]:
    """A program as clients read it."""
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "cost": one.cost,
        "is_public": one.is_public,
        "spec": one.spec,
        "creation_date": one.created,
        "update_date": one.updated,
    }


def text_of(data: str) -> str:
    """The text in base64.

    Raises:
        BadRequest: It isn't.
    """
    try:
        return base64.b64decode(data.encode("ascii"), validate=True).decode("utf-8")
    except (ValueError, binascii.Error) as error:
        raise BadRequest("The program's text is not UTF-8 in base64.") from error
