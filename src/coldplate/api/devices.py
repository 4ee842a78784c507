"""REST of current clients: backends."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Header, Query
from starlette.responses import Response

from coldplate.api import render
from coldplate.api.identify import Asker, instance_of, who
from coldplate.api.queries import moment
from coldplate.api.render_legacy import configuration as old_configuration
from coldplate.service import Service

Fields = Annotated[list[Literal["wait_time_seconds"]] | None, Query()]
NEWEST = "9999-12-31"  # what is answered to those who name no version
Version = Annotated[str, Header(alias="IBM-API-Version")]
WITH_STATUS = "2025-05-01"  # the first version whose list has more than names


class Devices:
    """Routes of backends."""

    def __init__(self, service: Service):
        self.service = service

    def list(
        self,
        asker: Asker,
        include_mocks: bool = False,
        fields: Fields = None,
        version: Version = NEWEST,
    ) -> Response:
        """All backends of the instance with the length of their queues, and on request how long jobs wait.

        Clients of old versions of the API read names alone.
        """
        principal = who(self.service, asker)
        found = self.service.backends(principal, mocks=include_mocks)
        if version < WITH_STATUS:
            return render.reply({"devices": [record.name for record, _ in found if not record.hosted]})
        waits = self.service.outlook.waits(instance_of(principal)) if fields else None
        shown = [render.backend_entry(*backend, waits) for backend in found if not backend[0].hosted]
        return render.reply({"devices": shown})

    def configuration(
        self, name: str, asker: Asker, calibration_id: str | None = None, version: Version = NEWEST
    ) -> Response:
        """What a backend is: qubits, gates, coupling. It is the same for each of its calibrations."""
        principal = who(self.service, asker)
        record = self.service.backend(principal, name)
        if calibration_id is not None:  # refuses one that doesn't exist
            self.service.properties(principal, name, updated_before=None, calibration=calibration_id)
        return render.reply(old_configuration(record) if version < WITH_STATUS else record.configuration)

    def properties(
        self,
        name: str,
        asker: Asker,
        updated_before: str | None = None,
        calibration_id: str | None = None,
    ) -> Response:
        """What was calibrated: the newest snapshot, or the newest older than a moment; null if nothing is."""
        found = self.service.properties(
            who(self.service, asker),
            name,
            updated_before=moment(updated_before, name="updated_before"),
            calibration=calibration_id,
        )
        return render.reply(found)

    def defaults(self, name: str, asker: Asker) -> Response:
        """Pulse defaults: no backend has any more, as in the official service."""
        self.service.backend(who(self.service, asker), name)
        return render.reply(None)

    def status(self, name: str, asker: Asker) -> Response:
        """Whether a backend runs jobs, and how many wait."""
        record = self.service.backend(who(self.service, asker), name)
        return render.reply(render.status_object(record, self.service.queue_length(name)))
