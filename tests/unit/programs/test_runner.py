"""The programs behind `backend.run`: what is done before circuits, and how they are compiled and read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from qiskit.circuit import QuantumCircuit
from qiskit_ibm_runtime import RuntimeEncoder

from coldplate.backends import catalog
from coldplate.circuits.compiling import compiled
from coldplate.domain.options_runner import settle_runner
from coldplate.errors import BadInput, BadRequest, IncompatibleOptions
from coldplate.programs.registry import Context, find
from coldplate.programs.runner import compiling


@pytest.fixture(scope="module")
def ideal():
    return catalog.load("sim_statevector", None)


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    file = tmp_path_factory.mktemp("catalog") / "catalog.toml"
    file.write_text('[[backends]]\nname = "emu_nairobi"\nkind = "emulated"\nsnapshot = "nairobi"\n')
    return catalog.load("emu_nairobi", file)


def flip(width: int = 1) -> QuantumCircuit:
    circuit = QuantumCircuit(width, width)
    circuit.x(range(width))
    circuit.measure(range(width), range(width))
    return circuit


def experiment(backend, circuit, **options: Any) -> dict[str, Any]:
    params = json.dumps({"circuits": circuit, **options}, cls=RuntimeEncoder).encode()
    body = find("circuit-runner")(params, backend, Context(seed=1)).body
    return json.loads(body)["results"][0]


def test_resets_stand_for_the_start_that_is_left_out(ideal):
    given = {"shots": 100, "init_qubits": False}
    toggled = experiment(ideal, flip(), **given)["data"]["counts"]
    assert toggled == {"0x0": 50, "0x1": 50}  # each shot begins where the last one ended
    assert experiment(ideal, flip(), init_num_resets=2, **given)["data"]["counts"] == {"0x1": 100}


def test_circuit_that_prepares_goes_before_each_on_its_first_qubits(ideal):
    first = QuantumCircuit(1)
    first.x(0)
    told = experiment(ideal, flip(2), shots=10, init_circuit=first, init_num_resets=3)
    assert told["data"]["counts"] == {"0x2": 10}  # resets after it would undo it


@pytest.mark.parametrize("first", [QuantumCircuit(2), QuantumCircuit(1, 1)], ids=["wide", "with bits"])
def test_circuit_that_can_not_prepare_is_refused(ideal, first):
    with pytest.raises(BadInput, match="init_circuit"):
        experiment(ideal, flip(), init_circuit=first)


def test_readout_is_mitigated_beside_the_counts(device):
    told = experiment(device, flip(3), shots=20_000, measurement_error_mitigation=True)
    quasi, counts = told["data"]["quasiprobabilities"], told["data"]["counts"]
    assert abs(1 - quasi["0x7"]) < (1 - counts["0x7"] / 20_000) / 3
    assert abs(sum(quasi.values()) - 1) < 1e-9
    assert len(told["header"]["final_measurement_mapping"]) == 3
    assert told["data"]["mitigation_overhead"] > 1


def test_options_of_the_transpiler_act(device):
    def operations(**options: Any) -> dict[str, int]:
        how = compiling(settle_runner({"circuits": [], "transpiler_options": options}))
        circuit = QuantumCircuit(2)
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.measure_all()
        (done,) = compiled([circuit], how, device.target, simulator=False, seed=1)
        place = done.layout.final_index_layout()
        return dict(done.count_ops()) | {"place": place}

    assert "delay" not in operations()
    assert operations(scheduling_method="alap")["delay"] > 0
    assert operations(initial_layout=[3, 5])["place"] == [3, 5]
    for method in ("unroller", "translator", "synthesis"):
        assert operations(translation_method=method, optimization_level=0)["cx"] == 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"use_measure_esp": True}, "use_measure_esp is 'True', not false: no backend here has readout"),
        ({"transpiler_options": {"coupling_map": []}}, "transpiler_options.coupling_map"),
        ({"transpiler_options": {"seed_transpiler": -1}}, "transpiler_options.seed_transpiler"),
        ({"transpiler_options": {"layout_method": "sabre"}, "layout_method": "dense"}, "is given beside"),
        ({"transpiler_options.scheduling_method": "alap"}, "unknown option"),
        ({"translation_method": "mine"}, "translation_method"),
        ({"init_circuit": True}, "init_circuit"),
        ({"init_num_resets": -1}, "init_num_resets"),
    ],
)
def test_option_that_can_not_be_honoured_is_refused_by_name(options, why):
    with pytest.raises(BadRequest, match=why):
        settle_runner(options)


def test_iq_points_are_not_mitigated():
    with pytest.raises(IncompatibleOptions, match="meas_level 2"):
        settle_runner({"measurement_error_mitigation": True, "meas_level": 1})
