from __future__ import annotations

import warnings

import pytest

from coldplate.backends import catalog
from coldplate.workers.pool import Ticket
from coldplate.workers.rehearsal import perform, rehearse

SLOW = '[[backends]]\nname = "emu_slow"\nkind = "emulated"\nsnapshot = "fake_manila"\npace = "real"\n'


@pytest.mark.parametrize("program", ["sampler", "estimator"])
@pytest.mark.parametrize("backend", [entry.name for entry in catalog.read()])
def test_every_backend_of_the_catalog_can_be_rehearsed(program, backend):
    assert perform(program, backend, None).body


def test_other_programs_are_rehearsed_like_the_sampler():
    assert (
        perform("executor", "sim_statevector", None).body == perform("sampler", "sim_statevector", None).body
    )


def test_a_device_that_takes_its_time_is_not_rehearsed(tmp_path):
    file = tmp_path / "catalog.toml"
    file.write_text(SLOW)
    assert perform("sampler", "emu_slow", file) is None


def test_what_goes_wrong_in_a_rehearsal_is_not_told_and_warns_nobody():
    with warnings.catch_warnings(record=True) as seen:
        rehearse(Ticket("job", 1, "sampler", "no_such", "", "", "", ""))
        rehearse(Ticket("job", 1, "sampler", "sim_statevector", "", "", "", "", catalog="/nowhere"))
    assert seen == []
