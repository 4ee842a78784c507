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
CLIFFORD = DEVICE.replace("emulated", "clifford")
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
        pytest.param(CLIFFORD + "zz_khz = 3", "zz_khz is coherent noise", id="ZZ of a Clifford device"),
        pytest.param(CLIFFORD + "over_rotation = 0.1", "over_rotation is coherent", id="turns of Cliffords"),
        pytest.param(
            IDEAL + "readout_crosstalk = 0.1", "readout_crosstalk means nothing", id="ideal readout"
        ),
        pytest.param(DEVICE + 'detuning_spectrum = "white"', "Invalid enum value 'white'", id="spectrum"),
        pytest.param(DEVICE + "over_rotation = 1.5", "over_rotation = 1.5", id="over-rotation"),
        pytest.param(DEVICE + "readout_crosstalk = -0.1", "readout_crosstalk = -0.1", id="crosstalk"),
    ],
)
def test_catalog_that_cant_be_is_refused(tmp_path, text, message):
    with pytest.raises(BadCatalog, match=message):
        read(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('zz_khz = { "0-2" = 4.0 }', "zz_khz names '0-2'"),
        ('zz_khz = { "0-1" = 4.0, "1-0" = 4.0 }', "names it twice"),
        ('zz_khz = { "first" = 4.0 }', "zz_khz names 'first'"),
        ("zz_khz = nan", "zz_khz = nan can't be"),
        ("detuning_khz = [1.0, 2.0]", "2 numbers for 7 qubits"),
        ("detuning_khz = -2", "detuning_khz = -2.0 can't be"),
        ("detuning_khz = inf", "detuning_khz = inf can't be"),
    ],
)
def test_noise_that_does_not_fit_the_device_is_refused_when_it_is_described(tmp_path, text, message):
    entry, _ = read(written(tmp_path, DEVICE + text))
    with pytest.raises(BadCatalog, match=message):
        snapshot.record(entry)
    with pytest.raises(BadCatalog, match=message):
        build(entry)


def test_noise_of_pairs_and_qubits_is_read(tmp_path):
    text = 'zz_khz = { "3-1" = 4.0, "0-1" = 0.0 }\ndetuning_khz = [1, 2, 3, 4, 5, 6, 7]\n'
    entry, twin = read(written(tmp_path, DEVICE + text + 'detuning_spectrum = "1/f"\nover_rotation = -0.02'))
    coherent = build(entry).coherent
    assert coherent.zz == {(1, 3): 4000.0}
    assert coherent.detuning.tolist() == [1000.0 * number for number in range(1, 8)]
    assert (coherent.flicker, coherent.over_rotation) == (True, -0.02)
    assert twin.zz_khz == entry.zz_khz


def test_one_rate_is_that_of_all_coupled_pairs(tmp_path):
    entry, _ = read(written(tmp_path, DEVICE + "zz_khz = 2\nreadout_crosstalk = 0.01"))
    backend = build(entry)
    assert backend.coherent.zz == dict.fromkeys(sorted(backend.device.pairs), 2000.0)
    assert len(backend.device.pairs) == 6
    assert backend.crosstalk.added == 0.01


def test_every_device_is_followed_by_its_mock(tmp_path):
    names = [one.name for one in read(written(tmp_path, IDEAL + DEVICE.replace("emu_a", "emu_b")))]
    assert names == ["sim_a", "mock_a", "emu_b", "mock_b"]


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(UnknownBackend, match="nothing"):
        catalog.find("nothing")
    unknown = written(tmp_path, DEVICE.replace("lagos", "atlantis"))
    with pytest.raises(BadCatalog, match="no snapshot 'atlantis'"):
        catalog.load("emu_a", unknown)
