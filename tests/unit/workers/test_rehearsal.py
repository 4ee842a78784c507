from __future__ import annotations

import warnings

import pytest

from coldplate.backends import catalog
from coldplate.workers import rehearsal
from coldplate.workers.pool import Ticket
from coldplate.workers.rehearsal import perform, rehearse

SLOW = '[[backends]]\nname = "emu_slow"\nkind = "emulated"\nsnapshot = "fake_manila"\npace = "real"\n'


def ticket(program: str, backend: str, catalog=None) -> Ticket:
    return Ticket("tinyjob000", 1, program, backend, "", "", "", "/nowhere", catalog=catalog)


@pytest.mark.parametrize("program", ["sampler", "estimator"])
@pytest.mark.parametrize("backend", [entry.name for entry in catalog.read()])
def test_every_backend_of_the_catalog_can_be_rehearsed(program, backend):
    assert perform(ticket(program, backend)).body


def test_other_programs_are_rehearsed_like_the_sampler():
    assert b"SamplerPubResult" in perform(ticket("executor", "sim_statevector")).body


def test_a_device_that_takes_its_time_is_not_rehearsed(tmp_path, monkeypatch):
    file = tmp_path / "catalog.toml"
    file.write_text(SLOW)
    performed = []
    monkeypatch.setattr(rehearsal, "perform", performed.append)
    rehearse(ticket("sampler", "emu_slow", str(file)))
    rehearse(ticket("sampler", "sim_statevector"))
    assert [one.backend for one in performed] == ["sim_statevector"]


def test_what_goes_wrong_in_a_rehearsal_is_not_told_and_warns_nobody():
    with warnings.catch_warnings(record=True) as seen:
        rehearse(ticket("sampler", "no_such"))
        rehearse(ticket("sampler", "sim_statevector", "/nowhere"))
    assert seen == []
