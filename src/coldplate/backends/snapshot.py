"""Device snapshots as the official client ships them, and what is published of a backend; JSON work only."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from coldplate.backends.catalog import BadCatalog, Entry
from coldplate.backends.switches import detunings, zz_rates
from coldplate.domain.backend import BackendRecord

Json = dict[str, Any]

# What clients read; pulse-era fields of the snapshots are left out.
KEPT = """
    backend_version n_qubits basis_gates coupling_map dynamic_reprate_enabled rep_delay_range
    default_rep_delay sample_name n_registers online_date dt dtm processor_type coords meas_map
    parallel_compilation quantum_volume timing_constraints
""".split()  # noqa: SIM905
GATE_KEYS = ("name", "parameters", "qasm_def", "coupling_map")
ANGLES = {"rx": ["theta"], "rzz": ["theta"]}
NO_UNITARY = ("measure", "reset", "delay", "if_else")
IDEAL_GATES = """
    ccx ccz ch cp crx cry crz cs csdg cswap csx cu cx cy cz dcx ecr h id iswap p r rx rxx ry ryy rz rzx rzz
    s sdg swap sx sxdg t tdg u u1 u2 u3 x xx_minus_yy xx_plus_yy y z
""".split()  # noqa: SIM905
CLIFFORD_GATES = "cx cy cz dcx ecr h id iswap rz s sdg swap sx sxdg x y z".split()  # noqa: SIM905
MAX_SHOTS = 10_000_000


def folder() -> Path:
    """Where the official client keeps its snapshots; found without importing it."""
    spec = find_spec("qiskit_ibm_runtime")
    if spec is None or not spec.submodule_search_locations:
        raise BadCatalog("qiskit-ibm-runtime, which ships the device snapshots, is not installed.")
    return Path(spec.submodule_search_locations[0]) / "fake_provider" / "backends"


def names() -> list[str]:
    """Names of all snapshots."""
    return sorted(path.parent.name for path in folder().glob("*/conf_*.json"))


def read(name: str) -> tuple[Json, Json]:
    """Configuration and properties of a snapshot, as shipped.

    Raises:
        BadCatalog: There is no such snapshot.
    """
    home = folder() / name
    if not name.isidentifier() or not (home / f"conf_{name}.json").is_file():
        raise BadCatalog(f"There is no snapshot {name!r}; there are {', '.join(names())}.")
    conf, props = ((home / f"{kind}_{name}.json").read_text("utf-8") for kind in ("conf", "props"))
    return json.loads(conf), json.loads(props)


def record(entry: Entry) -> BackendRecord:
    """What the office publishes of a backend."""
    if entry.kind == "ideal":
        configuration, properties = ideal_configuration(entry), None
    else:
        configuration, properties = device(entry)
    return BackendRecord(
        name=entry.name,
        configuration=configuration,
        properties=properties,
        lanes=entry.lanes,
        status=entry.status,
        status_reason=entry.status_reason,
        simulator=entry.kind == "ideal",
        mock_of=entry.mock_of,
        hosted=entry.hosted,
        listing=listing(configuration),
    )


def listing(configuration: Json) -> Json:
    """What `/backends` says of it beside its name and queue."""
    processor = configuration.get("processor_type")
    return {"processor_type": processor} if processor else {}


# --- emulated devices ---------------------------------------------------------------------------


def device(entry: Entry) -> tuple[Json, Json]:
    """Configuration and properties of an emulated device."""
    assert entry.snapshot is not None
    shipped, properties = read(entry.snapshot)
    configuration = {key: shipped[key] for key in KEPT if shipped.get(key) is not None}
    qubits = [[qubit] for qubit in range(shipped["n_qubits"])]
    basis = [name for name in shipped["basis_gates"] if name not in NO_UNITARY]
    gates = [
        {key: gate[key] for key in GATE_KEYS if key in gate}
        for gate in shipped["gates"]
        if gate["name"] in basis
    ]
    for name in basis:
        if all(gate["name"] != name for gate in gates):  # some snapshots only have figures of it
            places = [one["qubits"] for one in properties["gates"] if one["gate"] == name]
            gates.append(gate_entry(name, ANGLES.get(name, []), places))
    gates.append(gate_entry("delay", ["t"], qubits))
    configuration |= fixed(entry.name, simulator=False) | {
        "description": f"Emulated from the snapshot {entry.snapshot}; not a quantum device.",
        "basis_gates": basis,
        "coupling_map": shipped.get("coupling_map"),
        "gates": gates,
        "supported_instructions": [*basis, *NO_UNITARY],
    }
    if entry.fractional:
        add_fractional(configuration, properties)
    properties["backend_name"] = entry.name
    check_switches(entry, configuration)
    return configuration, properties


def check_switches(entry: Entry, configuration: Json) -> None:
    """Refuse noise of pairs and qubits that the device has not."""
    places = (place for gate in configuration["gates"] for place in gate.get("coupling_map") or ())
    zz_rates(entry, {(min(place), max(place)) for place in places if len(place) == 2})
    detunings(entry, configuration["n_qubits"])


def fixed(name: str, *, simulator: bool) -> Json:
    """Fields that all our backends publish alike."""
    return {
        "backend_name": name,
        "local": False,
        "simulator": simulator,
        "conditional": False,
        "open_pulse": False,
        "memory": True,
        "max_shots": MAX_SHOTS,
        "max_experiments": None,
        "meas_levels": [1, 2],
        "meas_kernels": [],
        "discriminators": [],
        "supported_features": ["qasm3", "parameters", "dynamic_circuits"],
    }


def gate_entry(name: str, parameters: list[str], coupling: list[list[int]]) -> Json:
    """A gate of a configuration; clients refuse any further key."""
    return {"name": name, "parameters": parameters, "qasm_def": f"gate {name}", "coupling_map": coupling}


def add_fractional(configuration: Json, properties: Json) -> None:
    """Add rx like sx, and rzz like the device's own two-qubit gate, where it has none."""
    two_qubit = next(gate for gate in configuration["gates"] if gate["name"] in ("cz", "ecr", "cx"))
    qubits = [[qubit] for qubit in range(configuration["n_qubits"])]
    for name, coupling in (("rx", qubits), ("rzz", two_qubit["coupling_map"])):
        if name not in configuration["basis_gates"]:
            configuration["basis_gates"] = [*configuration["basis_gates"], name]
            configuration["supported_instructions"] = [*configuration["supported_instructions"], name]
            configuration["gates"].append(gate_entry(name, ANGLES[name], coupling))
    # Snapshots hold placeholders (error 1) for the gates they were saved without.
    properties["gates"] = [gate for gate in properties["gates"] if gate["gate"] not in ("rx", "rzz")]
    for like, name in (("sx", "rx"), (two_qubit["name"], "rzz")):
        properties["gates"] += [
            gate | {"gate": name, "name": gate["name"].replace(like, name)}
            for gate in list(properties["gates"])
            if gate["gate"] == like
        ]


# --- ideal simulators ---------------------------------------------------------------------------


def ideal_configuration(entry: Entry) -> Json:
    """Configuration of an ideal simulator: every gate on every qubit."""
    gates = CLIFFORD_GATES if entry.method == "stabilizer" else IDEAL_GATES
    return fixed(entry.name, simulator=True) | {
        "backend_version": "1.0.0",
        "n_qubits": entry.qubits,
        "description": f"Ideal simulator, method {entry.method}.",
        "basis_gates": gates,
        "gates": [{"name": name, "parameters": [], "qasm_def": f"gate {name}"} for name in (*gates, "delay")],
        "supported_instructions": [*gates, *NO_UNITARY],
        "coupling_map": None,
        "n_registers": 1,
        "online_date": "2026-11-01T00:00:00+00:00",
    }
