"""Thirty patterns of the V1 years, each as tutorials and user code had it: small, and checked at its end."""

import numpy as np
from account import service
from primitives import IDEAL, ghz
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import (
    QFT,
    EfficientSU2,
    PauliEvolutionGate,
    RealAmplitudes,
    TwoLocal,
    ZZFeatureMap,
)
from qiskit.primitives import BackendSampler
from qiskit.primitives import Estimator as LocalEstimator
from qiskit.quantum_info import Pauli, SparsePauliOp, Statevector
from qiskit.synthesis import SuzukiTrotter
from qiskit_aer.noise import NoiseModel, depolarizing_error
from qiskit_ibm_provider import least_busy
from qiskit_ibm_runtime import Estimator, Options, Sampler, Session
from scipy.optimize import minimize

DEVICE = "emu_nairobi"
H2 = SparsePauliOp(["II", "IZ", "ZI", "ZZ", "XX"], [-1.052, 0.398, -0.398, -0.011, 0.181])
PLAIN = Options(optimization_level=0, resilience_level=0)


def ideal(kind, **options):
    """A primitive on the ideal simulator."""
    return kind(backend=service().backend(IDEAL), options=dict({"resilience_level": 0}, **options))


def bell_in_a_session():
    """The first example of the documentation."""
    with Session(service=service(), backend=IDEAL) as session:
        result = Sampler(session=session).run(ghz(2)).result()
    assert set(result.quasi_dists[0]) == {0, 3}


def vqe_with_a_callback():
    """A variational loop whose history a callback keeps."""
    history, ansatz = [], RealAmplitudes(2, reps=1)
    with Session(service=service(), backend=IDEAL) as session:
        estimator = Estimator(session=session, options=PLAIN)

        def energy(values):
            value = estimator.run(ansatz, H2, values, shots=4000).result().values[0]
            history.append(value)
            return value

        minimize(energy, np.zeros(4), method="COBYLA", options={"maxiter": 6})
    lowest = np.linalg.eigvalsh(H2.to_matrix())[0]
    assert len(history) >= 6
    assert lowest - 0.1 < min(history) < -0.9


def qaoa_sweep():
    """A grid of angles in one job: a cut of a triangle."""
    gamma, beta = Parameter("γ"), Parameter("β")
    circuit = QuantumCircuit(3)
    circuit.h(range(3))
    for pair in ((0, 1), (1, 2), (0, 2)):
        circuit.rzz(2 * gamma, *pair)
    circuit.rx(2 * beta, range(3))
    cost = SparsePauliOp(["ZZI", "IZZ", "ZIZ"])
    grid = [[b, g] for b in np.linspace(0, 1.5, 5) for g in np.linspace(0, 1.5, 5)]
    values = ideal(Estimator).run([circuit] * 25, [cost] * 25, grid).result().values
    assert values.min() < -0.4 < 0.2 < values.max()


def qaoa_best_string():
    """The most probable string of a QAOA state."""
    circuit = TwoLocal(2, "ry", "cz", reps=1).decompose()
    circuit.measure_all()
    dist = ideal(Sampler).run(circuit, [np.pi, 0, 0, 0]).result().quasi_dists[0]
    assert dist.nearest_probability_distribution().binary_probabilities(2) == {"01": 1.0}


def sampler_kernel():
    """A kernel matrix from overlaps: ones on its diagonal."""
    features, data = ZZFeatureMap(2, reps=1), np.array([[0.1, 0.4], [0.7, 0.2]])
    circuits = []
    for left in data:
        for right in data:
            circuit = features.assign_parameters(left).compose(features.assign_parameters(right).inverse())
            circuit.measure_all()
            circuits.append(circuit)
    dists = ideal(Sampler).run(circuits).result().quasi_dists
    matrix = np.array([dist.get(0, 0) for dist in dists]).reshape(2, 2)
    assert np.allclose(np.diag(matrix), 1)
    assert abs(matrix[0, 1] - matrix[1, 0]) < 0.06


def several_primitives_in_a_session():
    """Both primitives share a session."""
    with Session(service=service(), backend=IDEAL) as session:
        dist = Sampler(session=session).run(ghz(3)).result().quasi_dists[0]
        value = Estimator(session=session).run(ghz(3, measured=False), Pauli("ZZI")).result().values[0]
    assert set(dist) == {0, 7}
    assert value == 1


def batch_of_jobs():
    """Jobs that are all submitted before the first is asked for."""
    with Session(service=service(), backend=IDEAL) as session:
        sampler = Sampler(session=session)
        jobs = [sampler.run(ghz(size)) for size in (2, 3, 4)]
    assert [max(job.result().quasi_dists[0]) for job in jobs] == [3, 7, 15]


def options_as_a_dict():
    """Options by dictionary, overridden in run()."""
    sampler = ideal(Sampler, execution={"shots": 100})
    assert sampler.run(ghz(2)).result().metadata[0]["shots"] == 100
    assert sampler.run(ghz(2), shots=50).result().metadata[0]["shots"] == 50


def options_changed_later():
    """set_options on a primitive."""
    sampler = ideal(Sampler)
    sampler.set_options(shots=77)
    assert sampler.run(ghz(2)).result().metadata[0]["shots"] == 77


def expectation_with_error_bars():
    """Standard errors from variances."""
    circuit = QuantumCircuit(1)
    circuit.ry(0.7, 0)
    result = ideal(Estimator).run(circuit, SparsePauliOp("Z"), shots=10_000).result()
    error = np.sqrt(result.metadata[0]["variance"] / result.metadata[0]["shots"])
    assert abs(result.values[0] - np.cos(0.7)) < 5 * error
    assert abs(error - np.sin(0.7) / 100) < 0.002


def many_observables():
    """One circuit, many observables."""
    observables = [SparsePauliOp(label) for label in ("XXX", "ZZI", "IZZ", "ZIZ")]
    values = ideal(Estimator).run([ghz(3, measured=False)] * 4, observables).result().values
    assert np.allclose(values, 1)


def correlation_of_a_bell_state():
    """CHSH: beyond 2 for some angle."""
    theta = Parameter("θ")
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.ry(theta, 0)
    chsh = [SparsePauliOp(["ZZ", "ZX", "XZ", "XX"], signs) for signs in ([1, -1, 1, 1], [1, 1, -1, 1])]
    angles = np.linspace(0, 2 * np.pi, 9)
    jobs = ideal(Estimator).run(
        [circuit] * 18, [one for one in chsh for _ in angles], [[a] for a in angles] * 2
    )
    assert np.abs(jobs.result().values).max() > 2.5


def gradient_by_parameter_shift():
    """A gradient in one job."""
    vector = ParameterVector("v", 2)
    circuit = QuantumCircuit(2)
    circuit.ry(vector[0], 0)
    circuit.ry(vector[1], 1)
    circuit.cx(0, 1)
    point = np.array([0.3, 0.9])
    shifted = [point + sign * np.pi / 2 * np.eye(2)[i] for i in range(2) for sign in (1, -1)]
    values = (
        ideal(Estimator).run([circuit] * 4, [SparsePauliOp("ZI")] * 4, shifted, shots=20_000).result().values
    )
    gradient = (values[0::2] - values[1::2]) / 2
    exact = [-np.sin(0.3) * np.cos(0.9), -np.cos(0.3) * np.sin(0.9)]
    assert np.allclose(gradient, exact, atol=0.05)


def fourier_transform():
    """A library circuit with its inverse."""
    circuit = QuantumCircuit(3)
    circuit.x([0, 2])
    circuit.compose(QFT(3), inplace=True)
    circuit.compose(QFT(3, inverse=True), inplace=True)
    circuit.measure_all()
    assert ideal(Sampler).run(circuit).result().quasi_dists[0] == {5: 1.0}


def grover():
    """Two qubits: the marked string for sure."""
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.cz(0, 1)
    circuit.h([0, 1])
    circuit.z([0, 1])
    circuit.cz(0, 1)
    circuit.h([0, 1])
    circuit.measure_all()
    assert ideal(Sampler).run(circuit).result().quasi_dists[0] == {3: 1.0}


def bernstein_vazirani():
    """A hidden string in one query."""
    secret = "1011"
    circuit = QuantumCircuit(5, 4)
    circuit.x(4)
    circuit.h(range(5))
    for place, bit in enumerate(reversed(secret)):
        if bit == "1":
            circuit.cx(place, 4)
    circuit.h(range(4))
    circuit.measure(range(4), range(4))
    assert ideal(Sampler).run(circuit).result().quasi_dists[0].binary_probabilities() == {secret: 1.0}


def phase_estimation():
    """The phase of T is an eighth."""
    circuit = QuantumCircuit(4, 3)
    circuit.x(3)
    circuit.h(range(3))
    for place in range(3):
        for _ in range(2**place):
            circuit.cp(np.pi / 4, place, 3)
    circuit.compose(QFT(3, inverse=True), range(3), inplace=True)
    circuit.measure(range(3), range(3))
    assert ideal(Sampler).run(circuit).result().quasi_dists[0] == {1: 1.0}


def marginal_distribution():
    """A marginal of a quasi-distribution."""
    dist = ideal(Sampler).run(ghz(3)).result().quasi_dists[0].binary_probabilities(3)
    assert abs(sum(p for text, p in dist.items() if text[-1] == "1") - 0.5) < 0.05


def transpiled_by_the_user():
    """A circuit that is transpiled here and skipped there."""
    backend = service().backend(DEVICE)
    circuit = transpile(ghz(3), backend, optimization_level=3, seed_transpiler=3)
    options = Options(resilience_level=0)
    options.transpilation.skip_transpilation = True
    dist = Sampler(backend=backend, options=options).run(circuit).result().quasi_dists[0]
    assert dist.get(0, 0) + dist.get(7, 0) > 0.75


def layout_of_the_user():
    """An initial layout."""
    options = Options(optimization_level=1, resilience_level=0)
    options.transpilation.initial_layout = [5, 3]
    dist = Sampler(backend=service().backend(DEVICE), options=options).run(ghz(2)).result().quasi_dists[0]
    assert dist.get(0, 0) + dist.get(3, 0) > 0.8


def mitigated_and_not():
    """Level 1 against level 0 on a device."""
    backend = service().backend(DEVICE)
    raw, mitigated = (
        Estimator(backend=backend, options=Options(resilience_level=level, optimization_level=1))
        .run(ghz(2, measured=False), SparsePauliOp("ZZ"), shots=8000)
        .result()
        .values[0]
        for level in (0, 1)
    )
    assert abs(1 - mitigated) < abs(1 - raw)


def noisy_simulation():
    """A noise model of one's own on the hosted simulator."""
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.3, 2), ["cx"])
    options = Options(resilience_level=0, optimization_level=0)
    options.simulator.noise_model = model
    options.simulator.basis_gates = ["cx", "h"]
    options.simulator.seed_simulator = 42
    dist = Sampler(backend=service().backend(IDEAL), options=options).run(ghz(2)).result().quasi_dists[0]
    assert 0.05 < dist[1] + dist[2] < 0.25


def simulated_device():
    """Noise and coupling of a device on the hosted simulator."""
    options = Options(resilience_level=0, optimization_level=1)
    options.simulator.set_backend(service().backend(DEVICE))
    dist = Sampler(backend=service().backend(IDEAL), options=options).run(ghz(2)).result().quasi_dists[0]
    assert 0.7 < dist.get(0, 0) + dist.get(3, 0) < 1


def retrieved_later():
    """A result from an id alone."""
    id = ideal(Sampler).run(ghz(2)).job_id()
    assert set(service().job(id).result().quasi_dists[0]) == {0, 3}


def jobs_of_a_tag():
    """Jobs that belong together by a tag."""
    tag = f"experiment-{np.random.randint(10**9)}"
    ideal(Sampler, environment={"job_tags": [tag]}).run(ghz(2)).result()
    assert len(service().jobs(job_tags=[tag])) == 1


def least_busy_device():
    """The device with the shortest queue."""
    name = least_busy(service().backends(simulator=False, operational=True, min_num_qubits=5)).name
    assert name.startswith("emu_")


def dynamic_circuit():
    """Feedback on a measurement in the middle."""
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    assert set(ideal(Sampler).run(circuit).result().quasi_dists[0]) == {0, 3}


def ansatz_of_many_parameters():
    """A larger ansatz against the same locally."""
    ansatz = EfficientSU2(4, reps=1)
    values = np.linspace(0, 1, ansatz.num_parameters)
    observable = SparsePauliOp(["ZZII", "IXXI", "IIYY"], [0.5, 1, -1])
    got = ideal(Estimator).run(ansatz, observable, values, shots=20_000).result().values[0]
    exact = LocalEstimator().run(ansatz, observable, values).result().values[0]
    assert abs(got - exact) < 0.05


def time_evolution():
    """A Trotter step repeated: magnetisation over time."""
    circuits = []
    for steps in range(4):
        circuit = QuantumCircuit(3)
        for _ in range(steps):
            circuit.rx(0.4, range(3))
            circuit.rzz(-0.4, 0, 1)
            circuit.rzz(-0.4, 1, 2)
        circuits.append(circuit)
    ising = SparsePauliOp(["XII", "IXI", "IIX", "IZZ", "ZZI"], [0.2, 0.2, 0.2, -0.2, -0.2])
    gate = PauliEvolutionGate(ising, 1.5, synthesis=SuzukiTrotter(order=2, reps=3))
    circuits.append(QuantumCircuit(3))
    circuits[-1].append(gate, range(3))
    observable = SparsePauliOp(["ZII", "IZI", "IIZ"], np.full(3, 1 / 3))
    values = ideal(Estimator).run(circuits, [observable] * 5, shots=20_000).result().values
    exact = [
        Statevector(circuit.decompose(PauliEvolutionGate)).expectation_value(observable).real
        for circuit in circuits
    ]
    assert np.allclose(values, exact, atol=0.03)


def wrapped_for_algorithms():
    """A sampler of Qiskit's own around a backend of the provider, with a program behind it."""
    from qiskit_ibm_provider import IBMProvider

    account = service().active_account()
    backend = IBMProvider(token=account["token"], url=account["url"]).get_backend(IDEAL)
    dist = BackendSampler(backend).run(ghz(2), shots=200).result().quasi_dists[0]
    assert set(dist) == {0, 3}
