"""Processes ask for their device, wait for their turn, and leave or die."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

import pytest

from coldplate.errors import JobFailure, RanTooLong
from coldplate.workers import turns
from coldplate.workers.pool import Ticket
from coldplate.workers.turns import InTurn, turn
from coldplate.workers.turnstile import Turnstile


def ticket(job="a", **more):
    return Ticket(job, 1, "sampler", "heron", "params/a", "result/a/1", "log/a/1", "/blobs", **more)


class Office:
    """Who is told; whoever asks has to wait unless `free`."""

    def __init__(self, home=None):
        self.told, self.free, self.broken = [], False, []
        self._changed = threading.Condition()
        self.turnstile = Turnstile(
            home,
            asks=lambda job, fence, seconds: self.tell("asks", job, fence, seconds) or self.free,
            leaves=lambda job, fence: self.tell("leaves", job, fence),
            waits=lambda key, waits: self.tell("waits" if waits else "waits no more", *key),
        )

    def tell(self, *news):
        with self._changed:
            if self.broken:
                raise self.broken.pop()
            self.told.append(news)
            self._changed.notify_all()

    def hears(self, *news):
        with self._changed:
            assert self._changed.wait_for(lambda: news in self.told, 10), self.told


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path)
    yield office
    office.turnstile.close()


class Process(threading.Thread):
    """Takes its turn, and stays at the device until it is told to leave."""

    def __init__(self, ticket, seconds=None, *, driving=False):
        super().__init__(daemon=True)
        self.ticket, self.seconds, self.driving = ticket, seconds, driving
        self.drives, self.leave, self.error = threading.Event(), threading.Event(), None
        self.start()

    def run(self):
        try:
            with turn(self.ticket, self.seconds, driving=self.driving):
                self.drives.set()
                self.leave.wait(10)
        except JobFailure as error:
            self.error = error


def test_process_waits_until_it_is_let_through_and_says_when_it_has_left(office):
    process = Process(office.turnstile.expect(ticket()), 5.5)
    office.hears("waits", "a", 1)
    office.hears("asks", "a", 1, 5.5)
    assert not process.drives.is_set()
    office.turnstile.grant("a", 1)
    assert process.drives.wait(10)
    office.hears("waits no more", "a", 1)
    assert ("leaves", "a", 1) not in office.told
    process.leave.set()
    office.hears("leaves", "a", 1)


def test_process_goes_at_once_when_nobody_else_wants_the_device(office):
    office.free = True
    assert Process(office.turnstile.expect(ticket())).drives.wait(10)
    office.hears("asks", "a", 1, None)


def test_process_that_drives_from_its_start_does_not_wait_and_says_when_it_has_left(office):
    office.free = True
    process = Process(office.turnstile.expect(ticket()), 5.5, driving=True)
    assert process.drives.wait(10)
    office.hears("asks", "a", 1, 5.5)  # what it needs is told in any case
    assert ("leaves", "a", 1) not in office.told
    process.leave.set()
    office.hears("leaves", "a", 1)


def test_process_that_drives_from_its_start_goes_before_the_office_has_heard_of_it(office):
    process = Process(office.turnstile.expect(ticket()), driving=True)
    assert process.drives.wait(10)
    process.leave.set()
    office.hears("asks", "a", 1, None)
    office.turnstile.grant("a", 1)
    office.hears("leaves", "a", 1)


def test_only_the_first_turn_is_held_from_the_start():
    asked = []

    @contextlib.contextmanager
    def noted(ticket, seconds, *, driving):
        asked.append(driving)
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "turn", noted)
        for held in (True, False):
            device = InTurn(Toy(), ticket(exclusive=True, driving=held))
            for _ in range(2):
                device.run(5.0, None)
    assert asked == [True, False, False, False]


def test_process_may_take_several_turns(office):
    office.free, expected = True, office.turnstile.expect(ticket())
    for _ in range(2):
        process = Process(expected)
        assert process.drives.wait(10)
        process.leave.set()
        process.join(10)
    office.hears("leaves", "a", 1)


def test_grant_is_for_one_attempt_and_no_other(office):
    first, second = Process(office.turnstile.expect(ticket())), Process(office.turnstile.expect(ticket("b")))
    office.hears("asks", "a", 1, None)
    office.hears("asks", "b", 1, None)
    office.turnstile.grant("b", 1)
    office.turnstile.grant("b", 2)
    office.turnstile.grant("c", 1)
    assert second.drives.wait(10)
    assert not first.drives.is_set()


@pytest.mark.parametrize("say", [b"", b"no such key 5\n", b"\xff" * 100])
def test_strangers_are_not_heard(office, say):
    expected = office.turnstile.expect(ticket())
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(expected.turnstile)
        stranger.sendall(say)
        stranger.shutdown(socket.SHUT_WR)
        assert stranger.recv(1) == b""
    assert office.told == []


def test_attempt_that_has_ended_is_a_stranger(office):
    expected = office.turnstile.expect(ticket())
    office.turnstile.forget(expected)
    process = Process(expected)
    process.join(10)
    assert isinstance(process.error, JobFailure)


def test_one_that_dies_at_its_device_has_not_left_it(office):
    office.free, expected = True, office.turnstile.expect(ticket())
    with socket.socket(socket.AF_UNIX) as process:
        process.connect(expected.turnstile)
        process.sendall(f"{expected.turnstile_key} \n".encode())
        assert process.recv(1) == b"+"
    again = Process(expected)  # by then the end of the first one was seen
    assert again.drives.wait(10)
    assert ("leaves", "a", 1) not in office.told


def test_one_that_dies_waiting_waits_no_more(office):
    expected = office.turnstile.expect(ticket())
    with socket.socket(socket.AF_UNIX) as process:
        process.connect(expected.turnstile)
        process.sendall(f"{expected.turnstile_key} \n".encode())
        office.hears("asks", "a", 1, None)
    office.hears("waits no more", "a", 1)


def test_trouble_that_passes_is_outlasted(office, monkeypatch):
    monkeypatch.setattr("coldplate.workers.turnstile.RETRY_S", 0.01)
    office.free = True
    process = Process(office.turnstile.expect(ticket()))
    assert process.drives.wait(10)
    office.broken.append(OSError("disk full"))
    process.leave.set()
    office.hears("leaves", "a", 1)


def test_path_that_is_too_long_for_a_socket_is_replaced(tmp_path):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    office = Office(long)
    expected = office.turnstile.expect(ticket())
    assert not expected.turnstile.startswith(str(tmp_path))
    office.free = True
    process = Process(expected)
    assert process.drives.wait(10)
    process.leave.set()
    process.join()
    office.turnstile.close()


def test_sockets_of_killed_servers_are_removed_and_those_of_others_left_alone(tmp_path):
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / "turnstile-1-killed"))
    other, ours = Office(tmp_path), Office(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    ours.free = other.free = True
    for office in (ours, other):
        process = Process(office.turnstile.expect(ticket()))
        assert process.drives.wait(10)
        process.leave.set()
        process.join()
        office.turnstile.close()
        office.turnstile.close()
    assert list(tmp_path.iterdir()) == []


# --- the backend in turn ------------------------------------------------------------------------


@dataclass
class Toy:
    name: str = "heron"
    simulator: bool = False
    target: str = "target"

    def usage_s(self, program):
        return program

    def run(self, program, rng):
        return ("ran", program)


@pytest.mark.parametrize("most_s", [None, 5.0, 10.0])
def test_job_within_its_quantum_time_runs(most_s):
    device = InTurn(Toy(), ticket(exclusive=True, device_s=most_s))
    assert device.run(5.0, None) == ("ran", 5.0)
    assert (device.name, device.simulator, device.target) == ("heron", False, "target")


def test_job_beyond_its_quantum_time_is_cut_before_it_takes_the_device():
    with pytest.raises(RanTooLong, match=r"needs 5.0 s of its limit of 4.5 s"):
        InTurn(Toy(), ticket(exclusive=True, device_s=4.5, turnstile="/nowhere")).run(5.0, None)


def test_turns_of_a_job_count_together():
    device = InTurn(Toy(), ticket(exclusive=True, device_s=9.0))
    assert device.run(5.0, None) == ("ran", 5.0)
    with pytest.raises(RanTooLong, match=r"needs 10.0 s of its limit of 9 s"):
        device.run(5.0, None)


def test_device_is_left_when_its_program_fails(office):
    office.free = True
    expected = office.turnstile.expect(ticket(exclusive=True))

    class Broken(Toy):
        def run(self, program, rng):
            time.sleep(0)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        InTurn(Broken(), expected).run(5.0, None)
    office.hears("leaves", "a", 1)
