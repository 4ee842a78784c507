"""What users do all day, each in a thread: good and bad jobs, cancels, sessions, batches, deletes, prying."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import threading
import time
from collections.abc import Callable

from coldplate.ids import new_id
from torture.asking import Asking, Tenant, Unknown
from torture.journal import Journal
from torture.work import ENDS, body_of, is_answer

FINAL = ("Completed", "Failed", "Cancelled")
END_S = 90.0  # a job that has not ended by then is left to the checker
LOOK_S = 0.25  # between two looks at a job
BACKLOG = 15  # jobs that a fair tenant always has in the queue
VERBS = [
    ("GET", "/jobs/{}"),
    ("GET", "/jobs/{}/results"),
    ("GET", "/jobs/{}/logs"),
    ("GET", "/jobs/{}/metrics"),
    ("POST", "/jobs/{}/cancel"),
    ("DELETE", "/jobs/{}"),
]
KNOWN: list[tuple[str, str]] = []  # tenants and their jobs, for those who pry


class User(threading.Thread):
    """Somebody who works until told to stop."""

    def __init__(self, tenant: Tenant, port: int, journal: Journal, numbers: itertools.count[int], seed: int):
        super().__init__(name=tenant.name, daemon=True)
        self.asking, self.journal = Asking(tenant, port, journal), journal
        self.tenant, self.numbers, self.random = tenant, numbers, random.Random(seed)
        self.stopping = threading.Event()
        self.deeds: dict[str, tuple[int, Callable[[], None]]] = {
            "ideal": (8, lambda: self.run_one("sim_ideal")),
            "device": (4, lambda: self.run_one("emu_device")),
            "private": (2, lambda: self.run_one("sim_ideal", private=True)),
            "slow": (2, lambda: self.run_one("emu_slow")),
            "long": (1, lambda: self.run_one("emu_slow", "long")),
            "huge": (1, lambda: self.run_one("sim_ideal", "huge")),
            **{kind: (1, lambda kind=kind: self.run_one("sim_ideal", kind)) for kind in ENDS},
            "cancel": (4, self.cancel_one),
            "session": (2, lambda: self.hold("dedicated", "emu_device")),
            "batch": (2, lambda: self.hold("batch", "sim_ideal")),
            "delete": (2, self.delete_one),
            "pry": (2, self.pry),
        }

    def run(self) -> None:
        """Do one thing after the other."""
        names, weights = list(self.deeds), [weight for weight, _ in self.deeds.values()]
        while not self.stopping.is_set():
            name = self.random.choices(names, weights)[0]
            try:
                self.deeds[name][1]()
            except Unknown as error:
                self.journal.write("gave up", of=str(error))

    # --- jobs ---------------------------------------------------------------------------------

    def submit(self, backend: str, kind: str = "right", **more: object) -> tuple[str, int] | None:
        """A job's id and number; None when it was refused."""
        number = next(self.numbers)
        self.journal.write("submit", number=number, backend=backend, tenant=self.tenant.name, kind=kind)
        status, answer = self.asking.ask("POST", "/jobs", body_of(backend, number, kind, **more))
        id = json.loads(answer)["id"] if status == 200 else None
        self.journal.write("submitted", number=number, status=status, job=id, backend=backend)
        if id is None:
            return None
        KNOWN.append((self.tenant.name, id))
        return id, number

    def run_one(self, backend: str, kind: str = "right", **more: object) -> None:
        """Submit a job, wait for its end, read its result twice."""
        if (accepted := self.submit(backend, kind, **more)) is not None:
            self.see_through(*accepted, backend, kind)

    def see_through(self, job: str, number: int, backend: str, kind: str = "right") -> str | None:
        """Wait for a job's end, and read what it gave."""
        state = self.end_of(job)
        if state == "Completed":
            for _ in range(2):
                self.read(job, number, backend, kind)
        return state

    def end_of(self, job: str) -> str | None:
        """The state a job ends in; every state seen on the way is in the journal."""
        deadline = time.monotonic() + END_S
        while time.monotonic() < deadline and not self.stopping.is_set():
            state = self.state_of(job)
            if state in (*FINAL, "404"):
                return state
            time.sleep(LOOK_S)
        return None

    def state_of(self, job: str) -> str:
        """The state of a job as it is told now; the status of the answer when that is another than 200."""
        status, answer = self.asking.ask("GET", f"/jobs/{job}?exclude_params=true")
        seen = json.loads(answer)["state"] if status == 200 else {"status": str(status)}
        self.journal.write("state", job=job, state=seen["status"], reason=seen.get("reason"))
        return str(seen["status"])

    def read(self, job: str, number: int, backend: str, kind: str) -> None:
        """Read a result: whole, right, and the same every time."""
        status, answer = self.asking.ask("GET", f"/jobs/{job}/results")
        right = is_answer(answer, backend, number, kind) if status == 200 else None
        digest = hashlib.sha256(answer).hexdigest()
        self.journal.write("result", job=job, number=number, status=status, right=right, digest=digest)

    def cancel_one(self) -> None:
        """Cancel a job some time after it was submitted, in the worst moments too."""
        backend = self.random.choice(["emu_slow", "emu_slow", "emu_device", "sim_ideal"])
        if (accepted := self.submit(backend)) is None:
            return
        time.sleep(self.random.uniform(0, 1.2))
        status, _ = self.asking.ask("POST", f"/jobs/{accepted[0]}/cancel")
        self.journal.write("cancel", job=accepted[0], status=status)
        self.see_through(*accepted, backend)

    def delete_one(self) -> None:
        """Run a job, and delete it."""
        if (accepted := self.submit("sim_ideal")) is None:
            return
        if self.see_through(*accepted, "sim_ideal") in FINAL:
            self.journal.write("delete", job=accepted[0])
            status, _ = self.asking.ask("DELETE", f"/jobs/{accepted[0]}")
            self.journal.write("deleted", job=accepted[0], status=status)

    # --- sessions -----------------------------------------------------------------------------

    def hold(self, mode: str, backend: str) -> None:
        """A session or batch with a few jobs; now and then nobody closes it."""
        wish = {"mode": mode, "backend": backend, "max_ttl": self.random.choice([10, 60])}
        status, answer = self.asking.ask("POST", "/sessions", json.dumps(wish).encode())
        if status != 200:
            return
        session = json.loads(answer)["id"]
        self.journal.write("session", session=session, mode=mode, backend=backend)
        jobs = [self.submit(backend, session_id=session) for _ in range(self.random.randint(1, 3))]
        if self.random.random() < 0.8:
            status, _ = self.asking.ask("PATCH", f"/sessions/{session}", b'{"accepting_jobs":false}')
            self.journal.write("close", session=session, status=status)
        for accepted in filter(None, jobs):
            self.see_through(*accepted, backend)
        if self.random.random() < 0.5:
            self.asking.ask("DELETE", f"/sessions/{session}/close")

    def foreign(self) -> list[str]:
        """Some jobs of other tenants."""
        return [job for tenant, job in list(KNOWN)[-50:] if tenant != self.tenant.name]

    # --- what others have ---------------------------------------------------------------------

    def pry(self) -> None:
        """Ask for what belongs to others, in every way: it must look like what never was."""
        for job in self.random.sample(self.foreign(), min(2, len(self.foreign()))):
            method, path = self.random.choice(VERBS)
            status, answer = self.asking.ask(method, path.format(job))
            never = new_id()
            _, unknown = self.asking.ask(method, path.format(never))
            alike = told(answer, job) == told(unknown, never)
            self.journal.write("pry", job=job, how=f"{method} {path}", status=status, alike=alike)


def told(answer: bytes, job: str) -> object:
    """What an error says, but for which job and which request it is about."""
    try:
        body = json.loads(answer.replace(job.encode(), b"JOB"))
    except ValueError:
        return answer
    return {key: value for key, value in body.items() if key != "trace"}


class FairUser(User):
    """Somebody whose queue on one backend is never empty, so that shares can be compared."""

    def run(self) -> None:
        """Keep a few jobs in the queue."""
        waiting: list[str] = []
        while not self.stopping.is_set():
            try:
                if len(waiting) < BACKLOG:
                    accepted = self.submit("emu_fair")
                    waiting += [accepted[0]] if accepted else []
                    continue
                time.sleep(LOOK_S)
                if self.state_of(waiting[0]) in (*FINAL, "404"):
                    waiting.pop(0)
            except Unknown as error:
                self.journal.write("gave up", of=str(error))
