"""Circuits compiled for a backend, which services did before clients had to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qiskit.circuit import QuantumCircuit
from qiskit.circuit.controlflow import ForLoopOp, IfElseOp, SwitchCaseOp, WhileLoopOp
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.transpiler import CouplingMap, PassManager, Target
from qiskit.transpiler.preset_passmanagers import generate_preset_pass_manager

from coldplate.errors import BadInput, NotIsa

# Methods that Qiskit no longer has, and what does their work.
LAYOUTS = {"noise_adaptive": "sabre"}
ROUTINGS = {"stochastic": "sabre"}
TRANSLATIONS = {"unroller": "translator"}
STANDARD = frozenset(get_standard_gate_name_mapping())
CONTROL_FLOW = {
    "if_else": IfElseOp,
    "for_loop": ForLoopOp,
    "while_loop": WhileLoopOp,
    "switch_case": SwitchCaseOp,
}
ALWAYS = frozenset({"measure", "reset", "delay", *CONTROL_FLOW})
OTHERS = frozenset(
    {"barrier", "unitary", "kraus", "initialize", "pauli", "superop"}
)  # in noise models' lists


@dataclass(frozen=True)
class Compiling:
    """How circuits are compiled.

    Attributes:
        level: 0 does the least, 3 the most.
        initial_layout: Physical qubit of each of the circuit's; None: chosen.
        layout_method, routing_method, translation_method: Names as users know them.
        scheduling_method: When gates that may wait begin, with delays before; None: there are no delays.
        approximation_degree: 1 is exact.
        coupling: Pairs of qubits that a simulator shall have; None: any.
        basis_gates: Names of gates that a simulator shall have; None: any.
    """

    level: int = 1
    skip: bool = False
    initial_layout: tuple[int, ...] | None = None
    layout_method: str | None = None
    routing_method: str | None = None
    translation_method: str | None = None
    scheduling_method: str | None = None
    approximation_degree: float | None = None
    coupling: tuple[tuple[int, int], ...] | None = None
    basis_gates: tuple[str, ...] | None = None

    @property
    def restricts(self) -> bool:
        """Whether a simulator shall be something less than a simulator."""
        return self.coupling is not None or self.basis_gates is not None


def compiled(
    circuits: Sequence[QuantumCircuit], how: Compiling, target: Target, *, simulator: bool, seed: int | None
) -> list[QuantumCircuit]:
    """Circuits as the backend runs them; with `skip`, as they are.

    Args:
        simulator: The backend takes any gate on any qubits.
        seed: Of what the compiler does at random.

    Raises:
        BadInput: The coupling or the gates asked for can't be, or a layout doesn't fit.
        NotIsa: A circuit can't be compiled for this backend.
    """
    if simulator:
        check_restrictions(how)
    if how.skip:
        return list(circuits)
    manager = pass_manager(how, target, simulator=simulator, seed=seed)
    done = []
    for index, circuit in enumerate(circuits):
        if target.num_qubits is not None and circuit.num_qubits > target.num_qubits:
            raise NotIsa(
                f"Circuit {index} has {circuit.num_qubits} qubits, the backend {target.num_qubits}.",
                solution="Choose a larger backend.",
            )
        try:
            done.append(manager.run(circuit))
        except QiskitError as error:
            raise NotIsa(f"Circuit {index} can't be compiled: {str(error)[:300]}") from None
    return done


def check_restrictions(how: Compiling) -> None:
    """Refuse what no simulator can be."""
    if how.coupling is not None and not how.coupling:
        raise BadInput("simulator.coupling_map is empty: no circuit fits it.")
    known = STANDARD | ALWAYS | OTHERS
    for name in how.basis_gates or ():
        if name not in known:
            raise BadInput(f"simulator.basis_gates has {name!r:.60}, which is not a gate.")


def pass_manager(how: Compiling, target: Target, *, simulator: bool, seed: int | None) -> PassManager:
    """What compiles a circuit."""
    try:
        return generate_preset_pass_manager(
            target=simulated(how, target) if simulator else target,
            optimization_level=how.level,
            initial_layout=None if how.initial_layout is None else list(how.initial_layout),
            layout_method=LAYOUTS.get(how.layout_method or "", how.layout_method),
            routing_method=ROUTINGS.get(how.routing_method or "", how.routing_method),
            translation_method=TRANSLATIONS.get(how.translation_method or "", how.translation_method),
            scheduling_method=how.scheduling_method,
            approximation_degree=1.0 if how.approximation_degree is None else how.approximation_degree,
            seed_transpiler=seed,
        )
    except (QiskitError, ValueError, TypeError) as error:
        raise BadInput(f"The options for transpilation can't be honoured: {str(error)[:300]}") from None


def simulated(how: Compiling, target: Target) -> Target:
    """What a simulator that shall be something less must conform to: circuits keep their own width."""
    gates = target.operation_names if how.basis_gates is None else how.basis_gates
    pairs = None if how.coupling is None else CouplingMap([list(pair) for pair in how.coupling])
    return Target.from_configuration(
        sorted(STANDARD.intersection(gates) | ALWAYS), coupling_map=pairs, custom_name_mapping=CONTROL_FLOW
    )
