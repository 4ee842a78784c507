"""A server in the tests' own process, whose clock they put forward, and clients of its instances."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import httpx

from coldplate.client import pointed_at
from coldplate.connection import Connection
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.query import FinalState
from coldplate.domain.user import EVERYWHERE, Role, User
from coldplate.ids import new_id


class Clock:
    """Real time, and what it was put forward."""

    def __init__(self):
        self.ahead = timedelta(0)

    def __call__(self):
        return datetime.now(UTC) + self.ahead

    def pass_(self, **time):
        self.ahead += timedelta(**time)


class House:
    """A server whose clock is ours, and clients of several instances."""

    def __init__(self, running, clock, stack, url):
        self.running, self.clock, self.url, self._stack = running, clock, url, stack
        self.store = running.store

    def client(self, name, *, account="local", role=Role.WRITER, **instance):
        """A client of a new instance, as its writer."""
        crn = make_crn(account, f"{name}-{new_id()}")
        self.store.add_instance(Instance(crn, name, account=account, **instance))
        user = User(f"user-{new_id()}", account, self.clock(), roles={EVERYWHERE: role})
        self.store.add_user(user)
        key = self.running.auth.issue_key(user.name, account, "test")
        service = self._stack.enter_context(pointed_at(self.url, key, crn))
        service.key, service.crn = key, crn
        service.headers = {"Authorization": f"apikey {key}", "Service-CRN": crn}
        return service

    def why(self, service, job):
        answer = httpx.get(f"{self.url}/api/v1/jobs/{job.job_id()}/why", headers=service.headers)
        return answer.json()["reason"]

    def charge(self, service, seconds):
        """Use up quantum seconds."""
        job = Job(JobId(new_id()), service.crn, "ada", "sampler", "sim_paused", self.clock())
        self._run(job, FinalState(JobState.CANCELLED, usage_s=seconds), seconds=0)

    def have_run(self, service, backend, *, seconds, times):
        """Let it look as if jobs had run so long."""
        self.store.set_status(backend, "paused", None)  # or they would run
        for _ in range(times):
            job = Job(JobId(new_id()), service.crn, "ada", "sampler", backend, self.clock())
            self._run(job, FinalState(JobState.COMPLETED), seconds=seconds)
        self.store.set_status(backend, None, None)

    def _run(self, job, end, *, seconds):
        self.store.add_job(job, fingerprint=job.id, now=self.clock())
        now, lane = self.clock(), 1000 + len(self.store.all_job_ids())
        started = self.store.start(job.id, lane=lane, now=now, lease_s=30, worker="nobody")
        assert self.store.finish(job.id, started.fence, end, now=now + timedelta(seconds=seconds))

    def cli(self, service, *words):
        """What a user's command prints, as JSON."""
        access = Connection(self.url, service.key, service.crn).variables()
        command = [sys.executable, "-P", "-m", "coldplate", *words, "--json"]
        done = subprocess.run(command, env=os.environ | access, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)
