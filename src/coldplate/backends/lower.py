"""Circuits with gates that no simulator knows, written with gates that all know."""

from __future__ import annotations

from qiskit.circuit import QuantumCircuit
from qiskit.circuit.equivalence_library import SessionEquivalenceLibrary
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import BasisTranslator, HighLevelSynthesis, UnrollCustomDefinitions

GATES = """
    ccx ccz cp crx cry crz cswap csx cu cx cy cz ecr h id p r rx rxx ry ryy rz rzx rzz s sdg swap sx sxdg
    t tdg u u1 u2 u3 unitary x y z
""".split()  # noqa: SIM905
OTHERS = ["barrier", "break_loop", "continue_loop", "delay", "measure", "reset", "store"]
CONTROL_FLOW = ["for_loop", "if_else", "switch_case", "while_loop"]
KNOWN = frozenset([*GATES, *OTHERS, *CONTROL_FLOW])
UNKNOWN_TO = {  # methods of Aer
    "density_matrix": {"ccz", "crx", "cry", "crz", "cswap", "csx", "cu"},
    "matrix_product_state": {"ccz", "crx", "cry", "crz", "cu"},
}


def lower(circuit: QuantumCircuit, *, method: str | None = None) -> QuantumCircuit:
    """The same circuit in known gates; itself where it has no others. Parameters and registers stay.

    Args:
        method: The method that everything is run with, if there is one.
    """
    known = KNOWN.difference(UNKNOWN_TO.get(method or "", ()))
    if is_known(circuit, known):
        return circuit
    basis = sorted(known)
    passes = PassManager(
        [
            HighLevelSynthesis(basis_gates=basis, equivalence_library=SessionEquivalenceLibrary),
            UnrollCustomDefinitions(SessionEquivalenceLibrary, basis_gates=basis),
            BasisTranslator(SessionEquivalenceLibrary, target_basis=basis),
        ]
    )
    return passes.run(circuit)


def is_known(circuit: QuantumCircuit, known: frozenset[str]) -> bool:
    """Whether all gates are known, those inside control flow included."""
    names = circuit.count_ops().keys()
    if not known.issuperset(names):
        return False
    if names.isdisjoint(CONTROL_FLOW):
        return True
    inner = (one.operation.blocks for one in circuit.data if one.is_control_flow())
    return all(is_known(block, known) for blocks in inner for block in blocks)
