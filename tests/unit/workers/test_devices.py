from __future__ import annotations

import os
import subprocess
import sys

import pytest

from coldplate.backends import catalog
from coldplate.errors import UnknownBackend
from coldplate.workers import devices
from coldplate.workers.devices import LEAST, Devices
from coldplate.workers.pool import Ticket

SIMULATOR = '[[backends]]\nname = "{}"\nkind = "ideal"\nqubits = {}\n'


@pytest.fixture
def file(tmp_path):
    """A catalog of three simulators."""
    file = tmp_path / "catalog.toml"
    file.write_text("".join(SIMULATOR.format(f"sim_{name}", 3) for name in "abc"))
    return file


def ticket(backend: str, file) -> Ticket:
    return Ticket("job", 1, "sampler", backend, "", "", "", "", catalog=str(file))


def test_a_backend_is_loaded_once(file):
    loaded = Devices()
    assert loaded.find("sim_a", file) is None
    assert loaded.keep("sim_a", file)
    first = loaded.find("sim_a", file)
    assert not loaded.keep("sim_a", file)
    assert loaded.find("sim_a", file) is first
    assert first.name == "sim_a"


def test_a_catalog_that_was_changed_is_read_again(file):
    loaded = Devices()
    loaded.keep("sim_a", file)
    file.write_text(SIMULATOR.format("sim_a", 40))
    assert loaded.find("sim_a", file) is None
    assert loaded.keep("sim_a", file)
    assert loaded.find("sim_a", file).target.num_qubits == 40


def test_the_backend_that_was_wanted_longest_ago_goes_when_there_is_no_room(file, monkeypatch):
    monkeypatch.setattr(devices, "own_bytes", lambda: 0)
    loaded = Devices(room=2 * LEAST)
    for name in ("sim_a", "sim_b"):
        loaded.keep(name, file)
    loaded.find("sim_a", file)
    loaded.keep("sim_c", file)
    assert [name for name in ("sim_a", "sim_b", "sim_c") if loaded.find(name, file)] == ["sim_a", "sim_c"]


def test_the_last_one_stays_however_large_it_is(file):
    loaded = Devices(room=1)
    assert loaded.keep("sim_a", file) and loaded.find("sim_a", file) is not None


def test_without_room_nothing_is_kept(file):
    loaded = Devices(room=0)
    assert not loaded.keep("sim_a", file)
    assert loaded.find("sim_a", file) is None


def test_what_can_not_be_loaded_is_left_to_the_job_to_tell(file, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "LOADED", Devices())
    assert not devices.warm(ticket("sim_z", file))
    assert not devices.warm(ticket("sim_a", tmp_path / "nowhere"))
    with pytest.raises(UnknownBackend):
        devices.load("sim_z", file)
    with pytest.raises(catalog.BadCatalog):
        devices.load("sim_a", tmp_path / "nowhere")


def test_a_job_gets_the_backend_that_was_warmed(file, monkeypatch):
    monkeypatch.setattr(devices, "LOADED", Devices())
    assert devices.load("sim_a", file) is not devices.load("sim_a", file)
    assert devices.warm(ticket("sim_a", file))
    assert devices.load("sim_a", file) is devices.load("sim_a", file)


WARM_ALL = """
import os, sys
from coldplate.backends import catalog
from coldplate.kernel import native
from coldplate.workers import devices, preload
from coldplate.workers.pool import Ticket
preload.preload(preload.PRELOAD)
new = [devices.warm(Ticket("job", 1, "sampler", entry.name, "", "", "", "")) for entry in catalog.read()]
loaded = native() is None or any(name.startswith("coldplate.kernel._v") for name in sys.modules)
print(all(new), loaded, len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_zygote_that_has_warmed_every_device_still_has_one_thread():
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WARM_ALL], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["True", "True", "1"]
