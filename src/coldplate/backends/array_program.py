"""Components as array programs for the native kernel: codes, qubits, and angles as linear functions.

The walk over a component's instructions is the only Python there is per gate; parameter sets, randomizations
and shots are the kernel's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Clbit, Parameter, Qubit

from coldplate.backends.array_data import Arrays, Rows
from coldplate.backends.channels import Channel, channel_after, relaxation_channel
from coldplate.backends.codes import (
    BRANCH,
    CX,
    CZ,
    DAMP,
    DENSE,
    END,
    MATRIX,
    MEASURE,
    OTHERWISE,
    PAULI1,
    PAULI2,
    RESET,
    RX,
    RY,
    RZ,
    RZZ,
    SWAP,
    Unsupported,
)
from coldplate.backends.conditions import condition_of, switch_cases
from coldplate.backends.device import STANDARD
from coldplate.backends.noise import DeviceNoise
from coldplate.backends.recipes import RECIPES
from coldplate.circuits.angles import Angles, is_free
from coldplate.circuits.components import CLASSICAL, Component, is_classical
from coldplate.circuits.timing import delay_seconds
from coldplate.errors import BadInput

Floats = NDArray[np.float64]

FIXED = frozenset(["x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg"])
TURNS = {"rz": RZ, "p": RZ, "u1": RZ, "rx": RX, "ry": RY}
PAIRS = {"cz": CZ, "cx": CX, "swap": SWAP}
SPECIAL = CLASSICAL | {"barrier", "delay", "measure", "reset"}
EVOLUTION = "PauliEvolution"  # name of the gate
WIDEST = 6  # qubits of a matrix


class ArrayProgram:
    """A component that is being written down for the kernel.

    Args:
        component: What to write.
        angles: The circuit's parameters.
        noise: The device's noise; None: none.
        dt: Unit of delays, seconds.
        misread: Probabilities to read 1 for 0 and 0 for 1, per bit, shape ``(num_clbits, 2)``.

    Raises:
        Unsupported: It has what the kernel can't do.
    """

    def __init__(
        self,
        component: Component,
        angles: Angles,
        noise: DeviceNoise | None,
        dt: float | None,
        misread: Floats,
    ):
        self._component, self._angles, self._noise, self._dt = component, angles, noise, dt
        self._lines: list[int] = []
        self._constants: list[float] = []
        self._slopes = Rows()  # (column, slope) pairs
        self._matrices: list[complex] = []
        self._matrix_of: dict[Any, int] = {}
        self._dense, self._dense_qubits = Rows(), Rows()
        self._paulis, self._damping = Rows(), list[float]()
        self._bits, self._values = Rows(), Rows()
        self._angle_of: dict[Any, int] = {}
        self._channels: dict[Any, list[tuple[int, tuple[int, ...], int]]] = {}
        self._columns: dict[int, int] = {}  # of the circuit's table -> of ours
        self._evaluated: list[Floats] = []  # what is not linear in the parameters
        self._misread = misread
        self._writers: dict[int, int] = {}  # of each bit: the qubit measured into it
        body, final = component.parts
        qubits = {wire: place for place, wire in enumerate(component.wires)}
        bits = {wire: place for place, wire in enumerate(component.bits)}
        self._finals = [self._measured(qubits[one.qubits[0]], bits[one.clbits[0]]) for one in final]
        if len({qubit for qubit, _ in self._finals}) < len(self._finals):
            raise Unsupported("a qubit that is read twice at the end")
        self._used = [False] * len(component.wires)
        self._walk(body, qubits, bits, inside=False)

    # --- what the kernel takes --------------------------------------------------------------------

    def arrays(self) -> Arrays:
        """The component as the kernel takes it."""
        pairs, starts = self._slopes.arrays(np.float64)
        pairs = pairs.reshape(-1, 2)
        if not (np.isfinite(self._constants).all() and np.isfinite(pairs).all()):
            raise BadInput("An angle of a circuit is not finite.")
        evaluated = pairs[:, 0] < 0
        pairs[evaluated, 0] = len(self._columns) - 1 - pairs[evaluated, 0]
        dense, dense_starts = self._dense.arrays(np.complex128)
        dense_qubits, dense_qubit_starts = self._dense_qubits.arrays(np.int32)
        paulis, pauli_starts = self._paulis.arrays(np.float64)
        bits, bit_starts = self._bits.arrays(np.int32)
        values, value_starts = self._values.arrays(np.uint64)
        component = self._component
        return Arrays(
            component.qubits,
            component.clbits,
            component.is_static,
            tuple(self._columns),
            {
                "lines": np.array(self._lines, dtype=np.int32).reshape(-1, 4),
                "constants": np.array(self._constants, dtype=np.float64),
                "starts": starts // 2,
                "columns": pairs[:, 0].astype(np.int32),
                "slopes": np.ascontiguousarray(pairs[:, 1]),
                "matrices": np.array(self._matrices, dtype=np.complex128),
                "dense": dense,
                "dense_starts": dense_starts,
                "dense_qubits": dense_qubits,
                "dense_qubit_starts": dense_qubit_starts,
                "paulis": paulis,
                "pauli_starts": pauli_starts,
                "damping": np.array(self._damping, dtype=np.float64),
                "condition_bits": bits,
                "condition_bit_starts": bit_starts,
                "condition_values": values,
                "condition_value_starts": value_starts,
                "finals": np.array(self._finals, dtype=np.int32).reshape(-1, 2),
                "readout": np.ascontiguousarray(self._misread),
            },
        )

    @property
    def evaluated(self) -> Sequence[Floats]:
        """Values of angles that are not linear in parameters, of all elements each."""
        return self._evaluated

    # --- instructions -----------------------------------------------------------------------------

    def _walk(
        self,
        instructions: Iterable[CircuitInstruction],
        qubits: Mapping[Qubit, int],
        bits: Mapping[Clbit, int],
        *,
        inside: bool,
    ) -> None:
        for one in instructions:
            name = one.name
            if name in TURNS:
                place, angle = qubits[one.qubits[0]], one.params[0]
                number = self._fixed(angle) if type(angle) is float else self._angle(angle)
                self._lines += (TURNS[name], place, -1, number)
                if self._noise is not None:
                    self._disturb(name, [place])
                self._used[place] = True
                continue
            places = [qubits[wire] for wire in one.qubits]
            if name not in SPECIAL:
                self._gate(one, places)
            elif is_classical(one):
                self._branch(one, qubits, bits)
            else:
                self._special(one, places, bits, inside=inside)
            for place in places:
                self._used[place] = True

    def _special(
        self, one: CircuitInstruction, places: list[int], bits: Mapping[Clbit, int], *, inside: bool
    ) -> None:
        """What is no gate."""
        if one.name == "measure":
            self._write(MEASURE, *self._measured(places[0], bits[one.clbits[0]]))
        elif one.name == "reset" and (inside or self._used[places[0]]):
            self._write(RESET, places[0])
        elif one.name == "delay":
            self._delay(one, places[0])

    def _measured(self, qubit: int, bit: int) -> tuple[int, int]:
        """Note who writes a bit: it is misread as often as that qubit."""
        if self._writers.setdefault(bit, qubit) != qubit:
            raise Unsupported("a bit that two qubits are measured into")
        return qubit, bit

    def _write(self, code: int, first: int = -1, second: int = -1, argument: int = -1) -> None:
        self._lines += (code, first, second, argument)

    def _gate(self, one: CircuitInstruction, places: list[int]) -> None:
        name = one.name
        if name in FIXED:
            self._lines += (MATRIX, places[0], -1, self._matrix(name))
        elif name in PAIRS:
            self._lines += (PAIRS[name], places[0], places[1], -1)
        elif name in TURNS:
            self._write(TURNS[name], places[0], -1, self._angle(one.params[0]))
        elif name == "rzz":
            self._write(RZZ, places[0], places[1], self._angle(one.params[0]))
        elif name in RECIPES:
            for code, own, argument in RECIPES[name](one.params):
                self._write_step(code, [places[place] for place in own], argument)
        elif name != "id":
            self._other(one, places)
        if self._noise is not None:
            self._disturb(name, places)

    def _write_step(self, code: int, places: Sequence[int], argument: Any) -> None:
        """One step of a recipe: its argument is a gate's name, or an angle and what it is multiplied by."""
        number = -1
        if isinstance(argument, str):
            number = self._matrix(argument)
        elif argument is not None:
            number = self._angle(*argument)
        self._write(code, places[0], places[1] if len(places) > 1 else -1, number)

    def _other(self, one: CircuitInstruction, places: list[int]) -> None:
        """Any gate: by its matrix, or by its definition; time evolutions by their formula, as devices do."""
        if one.name != EVOLUTION and not any(map(is_free, one.params)) and len(places) <= WIDEST:
            matrix = one.matrix
            if matrix is None:
                matrix = matrix_of(one)
            if matrix is not None:
                self._unitary(np.asarray(matrix, dtype=np.complex128), places)
                return
        definition = getattr(one.operation, "definition", None)
        if definition is None or definition.clbits:
            raise Unsupported(one.name)
        inner = dict(zip(definition.qubits, places, strict=True))
        for part in definition.data:
            if part.name == "barrier":
                continue
            if part.is_control_flow() or part.clbits or part.name in ("reset", "delay", "store"):
                raise Unsupported(part.name)
            noise, self._noise = self._noise, None  # of the whole gate, not of its parts
            try:
                self._gate(part, [inner[wire] for wire in part.qubits])
            finally:
                self._noise = noise

    def _unitary(self, matrix: NDArray[np.complex128], places: Sequence[int]) -> None:
        if len(places) == 1:
            self._write(MATRIX, places[0], -1, self._add_matrix(matrix))
            return
        number = self._dense.add(matrix.ravel().tolist())
        self._dense_qubits.add(places)
        self._write(DENSE, -1, -1, number)

    def _matrix(self, name: str) -> int:
        if name not in self._matrix_of:
            self._matrix_of[name] = self._add_matrix(standard(name))
        return self._matrix_of[name]

    def _add_matrix(self, matrix: NDArray[np.complex128]) -> int:
        self._matrices += matrix.ravel().tolist()
        return len(self._matrices) // 4 - 1

    # --- angles -----------------------------------------------------------------------------------

    def _fixed(self, angle: float) -> int:
        """The number of an angle that is known."""
        self._constants.append(angle)
        self._slopes.starts.append(self._slopes.starts[-1])
        return len(self._constants) - 1

    def _angle(self, expression: Any, scale: float = 1.0) -> int:
        """The number of an angle."""
        if not is_free(expression):
            return self._fixed(scale * float(expression))
        if isinstance(expression, Parameter):
            key = (expression, scale)
            if key not in self._angle_of:
                self._angle_of[key] = self._add_angle(0.0, [(self._angles.column(expression), scale)])
            return self._angle_of[key]
        linear = self._angles.linear(expression)
        if linear is not None:
            constant, slopes = linear
            return self._add_angle(scale * constant, [(column, scale * slope) for column, slope in slopes])
        self._evaluated.append(np.asarray(self._angles.of(expression), dtype=np.float64))
        return self._add_angle(0.0, [(-len(self._evaluated), scale)])

    def _add_angle(self, constant: float, slopes: Iterable[tuple[int, float]]) -> int:
        row: list[float] = []
        for column, slope in slopes:
            row += (self._own(column), slope)
        self._slopes.add(row)
        self._constants.append(constant)
        return len(self._constants) - 1

    def _own(self, column: int) -> int:
        """Our number of a column; those of evaluated expressions come last, so are numbered at the end."""
        if column < 0:
            return column
        return self._columns.setdefault(column, len(self._columns))

    # --- noise ------------------------------------------------------------------------------------

    def _disturb(self, name: str, places: list[int]) -> None:
        assert self._noise is not None
        key = (name, *places)
        if key not in self._channels:
            found = self._noise.gate(name, tuple(self._component.qubits[place] for place in places))
            self._channels[key] = [] if found is None else self._prepared(channel_after(found), places)
        for code, own, number in self._channels[key]:
            self._write(code, own[0], own[1] if len(own) > 1 else -1, number)

    def _delay(self, one: CircuitInstruction, place: int) -> None:
        if self._noise is None:
            return
        seconds = delay_seconds(one.operation, dt=self._dt)
        channel = relaxation_channel(self._noise.relaxation(self._component.qubits[place], seconds))
        for code, own, number in self._prepared(channel, [place]):
            self._write(code, own[0], -1, number)

    def _prepared(self, channel: Channel, places: list[int]) -> list[tuple[int, tuple[int, ...], int]]:
        lines: list[tuple[int, tuple[int, ...], int]] = []
        if channel.paulis is not None:
            if len(places) > 2:
                raise Unsupported("noise on more than two qubits")
            code = PAULI1 if len(places) == 1 else PAULI2
            lines.append((code, tuple(places), self._paulis.add(channel.paulis.tolist())))
        for place, decay in zip(places, channel.decays, strict=True):
            if decay > 0:
                self._damping.append(decay)
                lines.append((DAMP, (place,), len(self._damping) - 1))
        return lines

    # --- control flow -----------------------------------------------------------------------------

    def _branch(
        self, one: CircuitInstruction, qubits: Mapping[Qubit, int], bits: Mapping[Clbit, int]
    ) -> None:
        operation = one.operation
        if one.name not in ("if_else", "switch_case"):
            raise Unsupported(one.name)
        if one.name == "if_else":
            cases = [(condition_of(operation.condition, bits), operation.blocks[0])]
            rest = list(operation.blocks[1:])
        else:
            cases, rest = switch_cases(operation, bits)
        for (places, values), block in cases:
            self._bits.add(places)
            self._write(BRANCH, -1, -1, self._values.add(values))
            self._block(block, one, qubits, bits)
            self._write(OTHERWISE)
        for block in rest:
            self._block(block, one, qubits, bits)
        for _ in cases:
            self._write(END)

    def _block(
        self, block: Any, one: CircuitInstruction, qubits: Mapping[Qubit, int], bits: Mapping[Clbit, int]
    ) -> None:
        if any(True for _ in block.iter_vars()):
            raise Unsupported("variables")
        inner = {own: qubits[outer] for own, outer in zip(block.qubits, one.qubits, strict=True)}
        own_bits = {own: bits[outer] for own, outer in zip(block.clbits, one.clbits, strict=True)}
        self._walk(block.data, inner, own_bits, inside=True)


@cache
def standard(name: str) -> NDArray[np.complex128]:
    """The matrix of a standard gate without parameters."""
    return np.asarray(STANDARD[name].to_matrix(), dtype=np.complex128)


def matrix_of(one: CircuitInstruction) -> Any:
    """The matrix of a gate that is no standard gate; None: it has none."""
    try:
        return one.operation.to_matrix()
    except Exception:  # Qiskit raises several kinds for gates without one
        return None
