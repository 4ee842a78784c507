"""The app over the real service and store, in a directory of its own; nothing runs jobs."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from coldplate.api.app import build_app
from coldplate.api.limits import GuardedHttp
from coldplate.auth import Auth
from coldplate.blobs import LocalBlobs
from coldplate.changes import Changes
from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import JobState
from coldplate.domain.query import FinalState
from coldplate.domain.user import EVERYWHERE, Role, User
from coldplate.legacy import Legacy
from coldplate.service import Service
from coldplate.settings import Settings
from coldplate.store.store import Store
from coldplate.uploads import Uploads

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LAB, SHOP = (
    Instance(make_crn("local", "lab"), "lab", tags=("x",)),
    Instance(make_crn("local", "shop"), "shop", plan="open", limit_s=600),
)
ELSEWHERE = Instance(make_crn("other", "lab"), "lab", account="other")
PARAMS = {"pubs": [], "options": {}, "version": 2, "support_qiskit": True}


def record(name: str, **more: Any) -> BackendRecord:
    configuration = {"backend_name": name, "backend_version": "1.2.3", "n_qubits": 5, "basis_gates": ["cx"]}
    calibrated = {"backend_name": name, "last_update_date": "2026-11-01T00:00:00Z", "qubits": [], "gates": []}
    return BackendRecord(name, configuration, calibrated, **more)


@dataclass
class Api:
    """Asks the app as one user of one instance; `store` and `service` are the real ones behind it."""

    client: httpx.Client
    service: Service
    store: Store
    blobs: LocalBlobs
    key: str
    stranger: str  # a key of another account
    crn: str = LAB.id
    clock: Callable[[], datetime] = lambda: NOW
    settings: Settings = field(default_factory=Settings)

    def ask(
        self, verb: str, path: str, *, crn: str | None = "", key: str = "", **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"apikey {key or self.key}"}
        if crn is not None:
            headers["Service-CRN"] = crn or self.crn
        return self.client.request(verb, path, headers=headers | more.pop("headers", {}), **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def submit(self, **fields: Any) -> str:
        """The id of a new job."""
        body = {"program_id": "sampler", "backend": "ideal", "params": PARAMS} | fields
        answer = self.ask("POST", "/api/v1/jobs", content=json.dumps(body))
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def start(self, id: str) -> int:
        """Start a job, as the scheduler would; its fence."""
        return self.store.start(id, lane=0, now=self.clock(), lease_s=30).fence

    def end(self, id: str, state: JobState, *, result: bytes | None = None, **more: Any) -> None:
        """Run a job to its end, as a worker would."""
        fence = self.start(id)
        if result is not None:
            size, digest = self.blobs.put(f"result/{id}/{fence}", result)
            more |= {"result_size": size, "result_sha256": digest}
        assert self.store.finish(id, fence, FinalState(state, **more), now=self.clock())


class Served:
    """One listening server for all tests; each puts its own app behind it."""

    app: ASGIApp
    url: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    served = Served()
    config = uvicorn.Config(
        served, http=GuardedHttp, loop="uvloop", ws="none", lifespan="off", log_config=None, port=0
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    served.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield served
    server.should_exit = True
    thread.join()


@dataclass
class Filled:
    """A database that every test begins with, and keys of its users."""

    file: Path
    mine: str
    stranger: str


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    file = tmp_path_factory.mktemp("filled") / "coldplate.db"
    store = Store(f"sqlite:///{file}")
    store.migrate()
    for instance in (LAB, SHOP, ELSEWHERE):
        store.add_instance(instance)
    backends = [
        record("ideal", simulator=True),
        record("cold_eagle"),
        record("mock_eagle", mock_of="cold_eagle"),
    ]
    store.put_backends([replace(backends[0], properties=None), *backends[1:]], NOW)
    for user, account in (("ada", "local"), ("eve", "other")):
        store.add_user(User(user, account, NOW, roles={EVERYWHERE: Role.MANAGER}))
    auth = Auth(store, Settings(data=file.parent))
    mine = auth.issue_key(user="ada", account="local", name="mine", expires=None)
    stranger = auth.issue_key(user="eve", account="other", name="theirs", expires=None)
    store.close()
    assert not file.with_name("coldplate.db-wal").exists()  # all is in the one file
    return Filled(file, mine, stranger)


@pytest.fixture
def run_uploads() -> bool:
    """Whether the operator wants uploaded programs to be run."""
    return False


@pytest.fixture
def api(tmp_path: Path, served: Served, filled: Filled, run_uploads: bool) -> Iterator[Api]:
    ticks = itertools.count()

    def clock() -> datetime:
        return NOW + timedelta(seconds=next(ticks))

    settings, changes = Settings(data=tmp_path, max_body=1 << 20), Changes()
    shutil.copy(filled.file, tmp_path / "coldplate.db")
    store = Store(f"sqlite:///{tmp_path / 'coldplate.db'}", on_change=changes.publish)
    auth, blobs = Auth(store, settings), LocalBlobs(tmp_path / "blobs")
    service = Service(
        store=store,
        blobs=blobs,
        auth=auth,
        settings=settings,
        changes=changes,
        clock=clock,
    )
    uploads = Uploads(store=store, clock=clock, run=run_uploads)
    legacy = Legacy(service=service, store=store, auth=auth, clock=clock, uploads=uploads)
    served.app = build_app(service, settings, changes, legacy)
    with httpx.Client(base_url=served.url, trust_env=False, verify=False) as client:  # plain http
        mine, stranger = filled.mine, filled.stranger
        yield Api(client, service, store, blobs, mine, stranger, clock=clock, settings=settings)
    store.close()
