"""What users do all day, each in a thread of its own: jobs, cancels, sessions, batches, deletes, prying."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import threading
import time
from collections.abc import Callable

from torture.asking import Asking, Tenant, Unknown
from torture.journal import Journal
from torture.work import body_of, is_answer

FINAL = ("Completed", "Failed", "Cancelled")
END_S = 90.0  # a job that has not ended by then is left to the checker
BACKLOG = 15  # jobs that a fair tenant always has in the queue
KNOWN: list[tuple[str, str]] = []  # tenants and their jobs, for those who pry


class User(threading.Thread):
    """Somebody who works until told to stop."""

    def __init__(self, tenant: Tenant, port: int, journal: Journal, numbers: itertools.count[int], seed: int):
        super().__init__(name=tenant.name, daemon=True)
        self.asking, self.journal = Asking(tenant, port, journal), journal
        self.tenant, self.numbers, self.random = tenant, numbers, random.Random(seed)
        self.stopping = threading.Event()
        self.favourite = ""  # what is done every other time, to bring a mistake to light
        self.deeds: dict[str, tuple[int, Callable[[], None]]] = {
            "ideal": (8, lambda: self.run_one("sim_ideal")),
            "device": (4, lambda: self.run_one("emu_device")),
            "private": (2, lambda: self.run_one("sim_ideal", private=True)),
            "slow": (2, lambda: self.run_one("emu_slow")),
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
            if self.favourite and self.random.random() < 0.7:
                name = self.favourite
            try:
                self.deeds[name][1]()
            except Unknown as error:
                self.journal.write("gave up", of=str(error))

    # --- jobs ---------------------------------------------------------------------------------

    def submit(self, backend: str, **more: object) -> tuple[str, int] | None:
        """A job's id and number; None when it was refused."""
        number = next(self.numbers)
        self.journal.write("submit", number=number, backend=backend, tenant=self.tenant.name)
        status, answer = self.asking.ask("POST", "/jobs", body_of(backend, number, **more))
        told = json.loads(answer) if status == 200 else {}
        self.journal.write("submitted", number=number, status=status, job=told.get("id"), backend=backend)
        if not told:
            return None
        KNOWN.append((self.tenant.name, told["id"]))
        return told["id"], number

    def run_one(self, backend: str, **more: object) -> None:
        """Submit a job, wait for its end, read its result twice."""
        if (accepted := self.submit(backend, **more)) is not None:
            self.see_through(*accepted, backend)

    def see_through(self, job: str, number: int, backend: str) -> str | None:
        """Wait for a job's end, and read what it gave."""
        state = self.end_of(job)
        if state == "Completed":
            for _ in range(2):
                self.read(job, number, backend)
        return state

    def end_of(self, job: str) -> str | None:
        """The state a job ends in; every state seen on the way is in the journal."""
        deadline = time.monotonic() + END_S
        while time.monotonic() < deadline and not self.stopping.is_set():
            status, answer = self.asking.ask("GET", f"/jobs/{job}?exclude_params=true")
            state = json.loads(answer)["status"] if status == 200 else str(status)
            state = state.partition(" - ")[0]
            self.journal.write("state", job=job, state=state)
            if state in FINAL or status == 404:
                return state
            time.sleep(0.1)
        return None

    def read(self, job: str, number: int, backend: str) -> None:
        """Read a result: whole, right, and the same every time."""
        status, answer = self.asking.ask("GET", f"/jobs/{job}/results")
        right = is_answer(answer, backend, number) if status == 200 else None
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
        """Ask for what belongs to others: it must look like what never was."""
        for job in self.random.sample(self.foreign(), min(2, len(self.foreign()))):
            status, answer = self.asking.ask("GET", f"/jobs/{job}")
            self.journal.write("pry", job=job, status=status, told=len(answer))


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
                time.sleep(0.2)
                status, answer = self.asking.ask("GET", f"/jobs/{waiting[0]}?exclude_params=true")
                if status == 200 and json.loads(answer)["status"] in FINAL:
                    waiting.pop(0)
            except Unknown as error:
                self.journal.write("gave up", of=str(error))
