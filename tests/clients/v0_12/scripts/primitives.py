"""Jobs of V1 primitives, each as a user of 2023 would write it."""

import numpy as np
from account import service
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import RealAmplitudes
from qiskit.quantum_info import Pauli, SparsePauliOp, Statevector
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error
from qiskit_ibm_runtime import Estimator, Options, Sampler, Session

IDEAL = "ibmq_qasm_simulator"


def ghz(size, *, measured=True):
    """A GHZ state."""
    circuit = QuantumCircuit(size, metadata={"size": size})
    circuit.h(0)
    for qubit in range(size - 1):
        circuit.cx(qubit, qubit + 1)
    if measured:
        circuit.measure_all()
    return circuit


def sample(backend=IDEAL, size=2, **options):
    """Quasi-distribution and metadata of a GHZ state."""
    with Session(service=service(), backend=backend) as session:
        result = Sampler(session=session, options=Options(**options)).run(ghz(size)).result()
    dist = result.quasi_dists[0]
    return {
        "dist": dist.binary_probabilities(),
        "bound": dist.stddev_upper_bound,
        "metadata": result.metadata[0],
    }


def sample_many():
    """Several circuits with parameters, one of them twice; what qubit 0 and 1 show."""
    theta = Parameter("θ")
    turned = QuantumCircuit(1, 1)
    turned.ry(theta, 0)
    turned.measure(0, 0)
    sampler = Sampler(backend=service().backend(IDEAL), options={"optimization_level": 0})
    job = sampler.run([turned, ghz(2), turned], [[np.pi], [], [0.0]], shots=100)
    return [dist.binary_probabilities() for dist in job.result().quasi_dists]


def estimate(backend=IDEAL, **options):
    """Values of ZZ, XX and a sum on a Bell state, and metadata."""
    estimator = Estimator(backend=service().backend(backend), options=Options(**options))
    bell = ghz(2, measured=False)
    observables = [SparsePauliOp("ZZ"), Pauli("XX"), SparsePauliOp(["ZZ", "ZI", "II"], [1.0, 2.0, 0.5])]
    result = estimator.run([bell] * 3, observables).result()
    return {"values": result.values.tolist(), "metadata": result.metadata}


def estimate_ansatz(values):
    """A value of a library circuit with parameters, and what it should be."""
    ansatz = RealAmplitudes(num_qubits=2, reps=1)
    observable = SparsePauliOp.from_list([("II", -1.05), ("IZ", 0.39), ("ZI", -0.39), ("XX", 0.18)])
    estimator = Estimator(backend=service().backend(IDEAL))
    result = estimator.run(ansatz, observable, values, shots=20_000).result()
    state = Statevector(ansatz.assign_parameters(values))
    error = float(np.sqrt(result.metadata[0]["variance"] / result.metadata[0]["shots"]))
    return {
        "value": float(result.values[0]),
        "exact": state.expectation_value(observable).real,
        "error": error,
    }


def noise():
    """A noise model with gate and readout errors."""
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.2, 2), ["cx"])
    model.add_all_qubit_readout_error(ReadoutError([[0.9, 0.1], [0.2, 0.8]]))
    return model


def sample_noisy(as_dict=False, **simulator):
    """A Bell state on a simulator with a noise model."""
    model = noise()
    simulator = dict(
        {"noise_model": model.to_dict() if as_dict else model, "basis_gates": model.basis_gates}, **simulator
    )
    return sample(simulator=simulator, optimization_level=0, resilience_level=0)["dist"]


def sample_transpiled(backend, initial_layout=None, **transpilation):
    """What the server says it ran: the operations of a job on a line of qubits."""
    if initial_layout is not None:
        transpilation["initial_layout"] = initial_layout
    return sample(backend=backend, resilience_level=0, size=3, transpilation=transpilation)["dist"]


def sample_as_it_is(backend):
    """A circuit in gates that a device doesn't have, not to be transpiled."""
    return sample(backend=backend, resilience_level=0, transpilation={"skip_transpilation": True})
