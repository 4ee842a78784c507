"""What makes a client's decoder call something is nowhere read, and so never shown to others.

Jobs that completed show their params to all who may see them, as they were sent. So a program has to refuse
params with a gadget in any place, also in those that it doesn't use.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from old_inputs import array_tag, circuit_tag, job, settings, sparse
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import Target

from coldplate.domain.options import check_params
from coldplate.errors import BadInput, ColdplateError
from coldplate.programs.registry import Context, find
from coldplate.wire.params import read
from coldplate.wire.v1 import Reader

DATA = Path(__file__).with_name("data")
GADGETS = {
    "settings": settings("subprocess", "Popen", {"args": ["touch", "owned"]}),
    "other module": settings("os", "SparsePauliOp", {"data": ["Z"]}),
    "expression": {"__type__": "ParameterExpression", "__value__": "eA=="},
    "more fields": {"__type__": "complex", "__value__": [0, 1], "__module__": "os", "__class__": "system"},
    "pickle": {"__type__": "ndarray", "__value__": array_tag(np.zeros(1))["__value__"][:-8] + "AAAAAAA="},
}


class Reached(Exception):
    """A program took its params and went on to run them."""


class Backend:
    """A simulator that runs nothing."""

    name, simulator = "aer", True
    target = Target.from_configuration(basis_gates=["rz", "sx", "x", "cx", "measure"], num_qubits=156)

    def usage_s(self, _program: Any) -> None:
        """Nobody knows."""

    def run(self, program: Any, rng: Any) -> Any:
        """Never mind."""
        raise Reached


def recorded(name: str) -> dict[str, Any]:
    return json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))


def old(**more: Any) -> dict[str, Any]:
    """A V1 job with all its groups of settings."""
    return job(
        parameters=[[]],
        transpilation_settings={"optimization_settings": {"level": 1}, "initial_layout": [0, 1]},
        resilience_settings={"level": 0},
        run_options={"shots": 10, "noise_model": None, "seed_simulator": 1},
        **more,
    )


def measured() -> dict[str, Any]:
    circuit = QuantumCircuit(2)
    circuit.measure_all()
    return circuit_tag(circuit)


def layered() -> dict[str, Any]:
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    return circuit_tag(circuit)


BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "V1 estimator": ("estimator", old()),
    "V1 sampler": (
        "sampler",
        {name: value for name, value in old(circuits=[measured()]).items() if "observable" not in name},
    ),
    "runner": (
        "circuit-runner",
        {"circuits": [measured()], "shots": 9, "header": {"a": [1]}, "transpiler_options": {}},
    ),
    "sampler": ("sampler", recorded("sampler")),
    "estimator": ("estimator", recorded("estimator")),
    "executor": ("executor", recorded("executor-v2.0")),
    "noise learner": (
        "noise-learner",
        {
            "circuits": [layered()],
            "options": {"max_layers_to_learn": 1, "support_qiskit": True},
            "version": 2,
        },
    ),
}
SLOW = {
    name: (name.partition("-")[0], recorded(name))
    for name in (path.name.partition(".json")[0] for path in sorted(DATA.glob("*.json.gz")))
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside, and of one more that each object and list could have."""
    names = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else None
    if names is None:
        return
    for name in ("extra", "__int_keys__") if isinstance(value, dict) else (len(value),):
        yield (*path, name)
    for name in names:
        yield (*path, name)
        yield from places(value[name], (*path, name))


def with_gadget(params: dict[str, Any], path: tuple[Any, ...], gadget: Any) -> bytes:
    """The params with a gadget at a place."""
    changed = copy.deepcopy(params)
    at: Any = changed
    for step in path[:-1]:
        at = at[step]
    if isinstance(at, list) and path[-1] == len(at):
        at.append(gadget)
    else:
        at[path[-1]] = gadget
    return json.dumps(changed).encode()


def run(program: str, body: bytes) -> None:
    check_params(program, body)
    find(program)(body, Backend(), Context(seed=1))


def check_all(program: str, params: dict[str, Any], gadget: Any) -> None:
    reached = []
    for path in places(params):
        try:
            run(program, with_gadget(params, path, gadget))
        except ColdplateError:
            continue
        except Reached:
            reached.append(path)
    assert reached == []


@pytest.mark.parametrize("name", BODIES)
def test_params_are_fine_without(name):
    program, params = BODIES[name]
    with pytest.raises(Reached):
        run(program, json.dumps(params).encode())


@pytest.mark.parametrize("name", BODIES)
def test_gadget_is_refused_wherever_it_is(name):
    check_all(*BODIES[name], GADGETS["settings"])


@pytest.mark.slow
@pytest.mark.parametrize("gadget", GADGETS)
@pytest.mark.parametrize("name", [*BODIES, *SLOW])
def test_every_gadget_is_refused_in_all_that_clients_send(name, gadget):
    check_all(*(BODIES | SLOW)[name], GADGETS[gadget])


@pytest.mark.parametrize("place", ["options", "instructions", "more"])
def test_learner_of_boxes_has_no_tags_at_all(place):
    params = {"schema_version": "v0.1", "instructions": {}, "options": {}} | {place: {"a": [measured()]}}
    with pytest.raises(BadInput, match="QuantumCircuit"):
        find("noise-learner")(json.dumps(params).encode(), Backend(), Context(seed=1))


@pytest.mark.parametrize("gadget", GADGETS)
def test_inputs_of_uploaded_programs_have_none_either(gadget):
    params = {"a": [1, {"b": sparse(["ZZ"], [1])}], "c": {"d": measured()}, "e": array_tag(np.zeros(2))}
    assert isinstance(Reader().read(read(json.dumps(params).encode()))["a"][1]["b"], SparsePauliOp)
    for path in places(params):
        with pytest.raises(ColdplateError):
            Reader().read(read(with_gadget(params, path, GADGETS[gadget])))
