"""Samplexes and their arguments, through samplomatic's own loader, which makes only types that it knows."""

from __future__ import annotations

from typing import Any

from samplomatic.samplex import Samplex
from samplomatic.serialization import samplex_from_json

from coldplate.errors import BadInput, ColdplateError
from coldplate.wire.limits import Budget, unbase64
from coldplate.wire.params import fields, read
from coldplate.wire.qpy import MAX_BITS, NAMES, VERSIONS
from coldplate.wire.qpy_scan import scan
from coldplate.wire.tagged import pauli_lindblad_map
from coldplate.wire.tensors import read_tensor


def read_samplex(value: Any, budget: Budget, *, newest: int) -> Samplex:
    """A samplex, finalized.

    Args:
        newest: The newest serialization version to take.

    Raises:
        BadInput: It can't be read, or its version is too new.
        BadProgram: The expressions inside can't be read.
    """
    found = fields(value, ("ssv", "samplex_json"), where="A samplex")
    version, text = found["ssv"], found["samplex_json"]
    if type(version) is not int or not 1 <= version <= newest or not isinstance(text, str):
        raise BadInput(
            f"A samplex has the version {str(version)[:20]}; this schema has 1 to {newest}.",
            solution="Use a client with a supported version of samplomatic.",
        )
    body = text.encode("utf-8")
    budget.spend(len(body))
    # read as strictly as all else, so that no two readers can find different things in it
    graph = fields(read(body), ("attrs", "nodes"), where="A samplex")
    try:
        check_header(graph["attrs"], version=version)
        check_nodes(graph["nodes"])
        return samplex_from_json(text).finalize()
    except (ColdplateError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of rustworkx is not an Exception
        raise BadInput(f"A samplex can't be read: {str(error)[:300] or type(error).__name__}") from None


def check_header(header: dict[str, Any], *, version: int) -> None:
    """Refuse a samplex by its header: its version, and what the circuit with its expressions claims."""
    if str(header["ssv"]) != str(version):
        raise BadInput(f"A samplex says that its version is {version}, but has {str(header['ssv'])[:20]}.")
    raw = unbase64(read(header["param_table"].encode("utf-8"))["circuit_base64"])
    scan(raw, expected=1, versions=VERSIONS, names=NAMES, max_bits=MAX_BITS)


def check_nodes(nodes: list[dict[str, Any]]) -> None:
    """Refuse a samplex whose nodes claim to act on more systems than a circuit can have."""
    for node in nodes:
        for name, value in node["data"].items():
            if name.startswith("num_") and not 0 <= int(value) <= MAX_BITS:
                raise BadInput(f"A samplex has a node with {name} {str(value)[:30]}.")


def read_argument(value: Any, budget: Budget, *, compressed: bool) -> Any:
    """One argument of a samplex: a number, a Pauli Lindblad map or a tensor.

    Raises:
        BadInput: It is none of them.
    """
    if type(value) in (int, bool):
        return value
    if isinstance(value, dict) and "sparse_terms" in value:
        return pauli_lindblad_map(value["sparse_terms"], num_qubits=value.get("num_qubits"))
    return read_tensor(value, budget, compressed=compressed)
