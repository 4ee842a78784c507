"""Every snapshot that the client ships can be served, and the client sees the device that we emulate."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime.utils.backend_converter import convert_to_target
from qiskit_ibm_runtime.utils.backend_decoder import (
    configuration_from_server_data,
    properties_from_server_data,
)

from coldplate.backends import catalog, snapshot
from coldplate.backends.build import build
from coldplate.backends.catalog import BadCatalog, Entry, read
from coldplate.backends.device import STANDARD
from coldplate.circuits.isa import check_isa
from coldplate.circuits.program import Item, Program, unpack_bits
from coldplate.circuits.rotation import Rotation
from coldplate.errors import UnknownBackend

SHIPPED = read()


def entry(name: str) -> Entry:
    return Entry(f"emu_{name}", "emulated", snapshot=name)


def as_the_client_sees(one: Entry, *, fractional: bool | None):
    record = snapshot.record(one)
    configuration = configuration_from_server_data(record.configuration, "crn:x", fractional)
    properties = record.properties and properties_from_server_data(record.properties, fractional)
    return convert_to_target(configuration, properties, include_fractional_gates=bool(fractional))


def test_there_are_all_snapshots():
    assert len(snapshot.names()) >= 68


@pytest.mark.parametrize("name", snapshot.names())
def test_client_sees_the_target_that_we_check_against(name):
    ours, theirs = build(entry(name)).target, as_the_client_sees(entry(name), fractional=True)
    assert set(theirs.operation_names) <= set(ours.operation_names)
    for operation in {"cx", "cz", "ecr", "rzz"} & set(theirs.operation_names):
        assert set(theirs[operation]) == set(ours[operation])
    assert theirs.num_qubits == ours.num_qubits


@pytest.mark.parametrize("name", snapshot.names())
def test_every_snapshot_runs_a_circuit_in_its_own_gates(name):
    backend = build(entry(name))
    circuit, rotation = QuantumCircuit(backend.target.num_qubits), Rotation.of(backend.target)
    for qubit in range(circuit.num_qubits):
        rotation.append(circuit, circuit.qubits[qubit], turn=np.pi, phase=None)
    coupled = [(gate, places[0]) for gate, places in backend.device.places.items() if len(places[0]) == 2]
    for gate, pair in coupled:
        angles = [0.5] * len(STANDARD[gate].params)
        circuit.append(type(STANDARD[gate])(*angles), pair)
    circuit.measure_all()
    check_isa(circuit, backend.target, simulator=False)
    program = Program((Item(circuit, np.zeros((2, 0)), 40),), datetime.now(UTC))
    outcomes = backend.run(program, np.random.default_rng(1))
    bits = unpack_bits(outcomes.items[0].bits["meas"], circuit.num_qubits)
    assert bits.shape == (2, 40, circuit.num_qubits)
    assert coupled or circuit.num_qubits == 1
    assert 2 < outcomes.usage_s < 3


@pytest.mark.parametrize("one", SHIPPED, ids=lambda one: one.name)
def test_shipped_backends_are_what_the_client_is_told(one):
    backend = catalog.load(one.name)
    assert backend.name == one.name
    assert backend.target.num_qubits == snapshot.record(one).num_qubits
    assert backend.simulator is (one.kind == "ideal")
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    outcomes = backend.run(
        Program((Item(circuit, np.zeros((0,)), 9),), datetime.now(UTC)), np.random.default_rng(1)
    )
    assert outcomes.items[0].bits["meas"].shape == (9, 1)
    assert outcomes.made_up is (one.mock_of is not None)
    assert (outcomes.usage_s == 0) is (one.mock_of is not None)


def test_noise_is_as_loud_as_the_catalog_says():
    loud, plain = (
        build(Entry("emu_x", "emulated", snapshot="torino", noise=noise)).noise for noise in (2.0, True)
    )
    assert build(Entry("emu_x", "emulated", snapshot="torino", noise=False)).noise is None
    assert loud.readout[3] == pytest.approx(2 * plain.readout[3])
    assert 1.5 < loud.gate("cz", (0, 1)).depolarization / plain.gate("cz", (0, 1)).depolarization < 2.5


# --- the catalog -------------------------------------------------------------------------------------

DEVICE = '[[backends]]\nname = "emu_a"\nkind = "emulated"\nsnapshot = "lagos"\n'
IDEAL = '[[backends]]\nname = "sim_a"\nkind = "ideal"\nqubits = 3\n'


def written(tmp_path, text):
    path = tmp_path / "catalog.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[[backends", "can't be read", id="no TOML"),
        pytest.param('[[backend]]\nname = "emu_a"', "something else", id="another key"),
        pytest.param("backends = [3]", "something else", id="no tables"),
        pytest.param(DEVICE + DEVICE, "Two backends", id="twice"),
        pytest.param(DEVICE + DEVICE.replace("emu_", "other_"), "Two backends", id="the same mock"),
        pytest.param(DEVICE + "colour = 3", "no field 'colour'", id="unknown field"),
        pytest.param(DEVICE + 'lanes = "2"', r"Expected `int`, got `str`", id="type"),
        pytest.param(DEVICE + "lanes = 0", "lanes = 0", id="lanes"),
        pytest.param(DEVICE + "noise = -1", "noise = -1", id="noise"),
        pytest.param(DEVICE + 'pace = "slow"', "pace = 'slow'", id="pace"),
        pytest.param(DEVICE + "qubits = 3", "qubits means nothing", id="qubits of a device"),
        pytest.param(IDEAL + 'pace = "real"', "pace means nothing", id="pace of a simulator"),
        pytest.param(IDEAL.replace("qubits = 3", ""), "qubits = 0", id="no qubits"),
        pytest.param(IDEAL.replace("sim_a", "sim"), "name = 'sim'", id="a name without _"),
        pytest.param(IDEAL.replace('kind = "ideal"', ""), "kind", id="no kind"),
    ],
)
def test_catalog_that_cant_be_is_refused(tmp_path, text, message):
    with pytest.raises(BadCatalog, match=message):
        read(written(tmp_path, text))


def test_every_device_is_followed_by_its_mock(tmp_path):
    names = [one.name for one in read(written(tmp_path, IDEAL + DEVICE.replace("emu_a", "emu_b")))]
    assert names == ["sim_a", "mock_a", "emu_b", "mock_b"]


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(UnknownBackend, match="nothing"):
        catalog.find("nothing")
    unknown = written(tmp_path, DEVICE.replace("lagos", "atlantis"))
    with pytest.raises(BadCatalog, match="no snapshot 'atlantis'"):
        catalog.load("emu_a", unknown)
