"""The composition root: the only place that builds the real things, joins them and takes them down."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from starlette.responses import Response

from coldplate import __version__, failpoints
from coldplate.api.app import build_app
from coldplate.api.limits import GuardedHttp
from coldplate.auth import Auth
from coldplate.blobs import LocalBlobs
from coldplate.changes import Changes
from coldplate.connection import ACCOUNT_FILE
from coldplate.data_dir import announced, opened, write_account
from coldplate.domain.backend import BackendRecord, read_record
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import JobId
from coldplate.domain.user import EVERYWHERE, Role, User
from coldplate.errors import ColdplateError
from coldplate.legacy import Legacy
from coldplate.metrics import CONTENT_TYPE, Gauge, Metrics
from coldplate.scheduler.loop import Loop
from coldplate.service import Service
from coldplate.settings import Settings
from coldplate.store.store import Store
from coldplate.uploads import Uploads
from coldplate.workers.local import LocalPool

BACKLOG = 2048  # connections that wait to be accepted
KEEP_ALIVE_S = 75
WS_BYTES = 1 << 10  # of a message to us: who follows a job has nothing to say
THREADS = 10  # for requests; more of them than the store has readers would only wait for one another
SWITCH_S = 0.001  # a request asks for the interpreter several times: beside a plan, 5 ms each is felt
LAST_ANSWERS_S = 5  # how long requests in flight may take when the server stops

log = logging.getLogger(__name__)


class CannotStart(ColdplateError):
    """The server can't be started with these settings."""

    code = 4093


@dataclass(frozen=True)
class Running:
    """The parts of a running service, joined. `close` takes them down in order."""

    settings: Settings
    store: Store
    auth: Auth
    service: Service
    pool: LocalPool
    app: FastAPI
    _stack: contextlib.ExitStack

    def close(self) -> None:
        """Stop starting jobs, kill those that run (they run again after the next start), close the store."""
        self._stack.close()


def build(settings: Settings) -> Running:
    """Start all that works behind the API, in a data directory that the caller holds; nothing listens yet.

    Raises:
        CannotStart: The catalog can't be described.
    """
    with contextlib.ExitStack() as stack:
        describing = stack.enter_context(start_describing(settings.catalog))
        changes = Changes()
        store = Store(settings.database_url, on_change=changes.publish)
        stack.callback(store.close)
        # Before the database is opened: no process that is started from here inherits a descriptor of it.
        pool = LocalPool(
            slots=settings.slots,
            threads=settings.threads_per_job,
            spares=settings.spare_processes,
            warm_bytes=settings.warm_memory,
            beat=lambda job, fence: store.beat(JobId(job), fence, now=now(), lease_s=settings.lease_s),
            asks=lambda job, fence, seconds: store.ask_for_device(
                JobId(job), fence, seconds=seconds, now=now()
            ),
            home=settings.data,
            leaves=lambda job, fence: store.leave_device(JobId(job), fence, now=now()),
            lease_s=settings.lease_s,
            options=options_for_tests(),
        )
        stack.callback(pool.close)
        store.migrate()
        blobs = LocalBlobs(settings.data / "blobs")
        auth = Auth(store, settings)
        make_first_account(store, auth, settings.data)
        store.put_backends(describe(describing), now())
        service = Service(
            store=store, blobs=blobs, auth=auth, settings=settings, changes=changes, clock=now, stop=pool.stop
        )
        loop = Loop(store=store, pool=pool, blobs=blobs, settings=settings, changes=changes, clock=now)
        loop.start()
        stack.callback(loop.stop)
        uploads = Uploads(store=store, clock=now, run=settings.run_uploads)
        legacy = Legacy(service=service, store=store, auth=auth, clock=now, uploads=uploads)
        app = build_app(service, settings, changes, legacy)
        offer_metrics(app, store, pool)
        return Running(settings, store, auth, service, pool, app, stack.pop_all())


def options_for_tests() -> list[str]:
    """What the processes of jobs have to know about failpoints: nothing, but in tests."""
    directory = failpoints.directory()
    return [] if directory is None else ["--failpoints", str(directory)]


def now() -> datetime:
    """The one clock."""
    return datetime.now(UTC)


# --- the first start ----------------------------------------------------------------------------


def make_first_account(store: Store, auth: Auth, data: Path) -> None:
    """A default instance and an API key, once; the key stays readable for `coldplate env`."""
    instance = Instance(id=make_crn("local", "default"), name="default")
    if store.instance(instance.id) is None:
        store.add_instance(instance)
    if not (data / ACCOUNT_FILE).exists():
        store.add_user(User("local", instance.account, now(), roles={EVERYWHERE: Role.MANAGER}))
        key = auth.issue_key(user="local", account=instance.account, name="default", expires=None)
        write_account(data, key=key, crn=instance.id)


# --- backends are described by the lab ----------------------------------------------------------


@contextlib.contextmanager
def start_describing(catalog: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    """A short process that describes the catalog's backends while this one goes on starting."""
    command = [sys.executable, "-P", "-m", "coldplate.backends.describe"]
    if catalog is not None:
        command += ["--catalog", str(catalog)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def describe(describing: subprocess.Popen[bytes]) -> list[BackendRecord]:
    """The records that the process prints."""
    records, errors = describing.communicate()
    if describing.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no reason was given"]
        raise CannotStart(f"The catalog can't be described: {last[0]}", solution="Correct the catalog file.")
    return [read_record(bytes(record)) for record in msgspec.json.decode(records, type=list[msgspec.Raw])]


# --- metrics ------------------------------------------------------------------------------------


def offer_metrics(app: FastAPI, store: Store, pool: LocalPool) -> None:
    """GET /metrics, for Prometheus."""

    def slots() -> Mapping[str, float]:
        return {"free": pool.capacity(), "busy": len(pool.alive())}

    figures = Metrics(
        [
            Gauge("coldplate_unfinished_jobs", "Jobs that wait or run", "backend", store.queue_lengths),
            Gauge("coldplate_slots", "Job processes that run or could start now", "state", slots),
            Gauge("coldplate_up", "1, with the version", "version", lambda: {__version__: 1}),
        ]
    )

    def page() -> Response:
        return Response(figures.render(), media_type=CONTENT_TYPE)

    app.add_api_route("/metrics", page, include_in_schema=False)


# --- serving ------------------------------------------------------------------------------------


class Uvicorn(uvicorn.Server):
    """uvicorn, which says when it answers."""

    def __init__(self, config: uvicorn.Config, *, ready: Callable[[], None]):
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, then say so."""
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(settings: Settings, *, on_ready: Callable[[str], None], with_parent: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; afterwards no process that we started is alive.

    Args:
        on_ready: Called with the address once requests are answered.
        with_parent: Stop when the process that started us is gone, which is a test; only then
            COLDPLATE_FAILPOINTS may name a directory of failpoints.

    Raises:
        CannotStart: The address is taken, or the certificate or the catalog can't be used.
        DataDirUnusable: Another server uses it, or it can't be written to.
    """
    if settings.run_uploads:
        log.warning("Programs that users upload are run (run_uploads): who has a key can run code here.")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise CannotStart("tls_cert and tls_key go together.", solution="Give both, or neither.")
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn hands a signal on when it has stopped
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    sys.setswitchinterval(SWITCH_S)
    os.umask(0o077)  # what is stored is nobody else's
    if with_parent and (armed := os.environ.get("COLDPLATE_FAILPOINTS")):
        failpoints.enable(Path(armed))
    with contextlib.ExitStack() as stack:
        stack.enter_context(opened(settings.data))
        listener = stack.enter_context(listen(settings))
        running = build(settings)
        stack.callback(running.close)
        config = http_config(running.app, settings)
        url = address(settings, listener)

        def ready() -> None:
            stack.enter_context(announced(settings.data, url=url))
            on_ready(url)

        server = Uvicorn(config, ready=ready)
        if with_parent:
            threading.Thread(target=stop_with_parent, args=(server, os.getppid()), daemon=True).start()
        server.run(sockets=[listener])


def listen(settings: Settings) -> socket.socket:
    """The listening socket: a taken port is told at once; whoever connects already is kept waiting."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotStart(
            f"Can't listen on {settings.host}:{settings.port}: {error.strerror}.",
            solution="Choose another --port (0 picks a free one) or --host.",
        ) from error
    return listener


def http_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves: one process, its fast parser with our limits, no log line per request."""
    config = uvicorn.Config(
        app,
        http=GuardedHttp,
        ws="websockets-sansio",
        ws_max_size=WS_BYTES,
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=LAST_ANSWERS_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise CannotStart(
            f"The certificate {settings.tls_cert} can't be used: {error}.",
            solution="Give PEM files that belong together with --tls-cert and --tls-key.",
        ) from error
    return config


def address(settings: Settings, listener: socket.socket) -> str:
    """Where this machine's clients reach the listener.

    A server that listens everywhere is told by its loopback address.
    """
    scheme = "https" if settings.tls_cert else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{scheme}://{host}:{listener.getsockname()[1]}"


def stop_with_parent(server: uvicorn.Server, parent: int) -> None:
    """Stop the server when `parent` has died: it would serve nobody, for ever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    log.warning("The process that started this server is gone; stopping.")
    server.should_exit = True
