"""Options of V1 that other scripts leave alone, one by one, and a colleague who sees what isn't theirs."""

from account import service
from primitives import IDEAL, ghz, noise
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime import Estimator, Options, QiskitRuntimeService, Sampler

from physics import estimated

DEVICE = "emu_nairobi"


def dist_of(circuit, backend=IDEAL, run=None, **options):
    """A quasi-distribution with its metadata."""
    sampler = Sampler(
        backend=service().backend(backend), options=Options(**{"resilience_level": 0, **options})
    )
    result = sampler.run(circuit, **(run or {})).result()
    return result.quasi_dists[0].binary_probabilities(), result.metadata[0]


def toggled(init_qubits):
    """A flip before each measurement, that starts where the last shot ended or not."""
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    return dist_of(circuit, execution={"init_qubits": init_qubits, "shots": 100})[0]


def placed(layout):
    """A GHZ state on a device, its qubits placed by a list or a dictionary."""
    given = {int(place): qubit for place, qubit in layout.items()} if isinstance(layout, dict) else layout
    return dist_of(ghz(3), DEVICE, transpilation={"initial_layout": given})[0]


def approximated(degree):
    """Two qubits turned so little that an approximation leaves it out."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.crx(0.3, 0, 1)
    circuit.measure_all()
    transpilation = {"approximation_degree": degree, "initial_layout": [1, 3]}
    return dist_of(circuit, DEVICE, optimization_level=3, transpilation=transpilation)[0]


def overridden():
    """Options of run() go before those of the primitive."""
    circuit = QuantumCircuit(1)
    circuit.measure_all()
    options = {"execution": {"shots": 10}, "optimization_level": 1}
    return dist_of(circuit, run={"shots": 25, "skip_transpilation": True}, **options)[1]["shots"]


def imaged():
    """The image that was asked for."""
    circuit = QuantumCircuit(1)
    circuit.measure_all()
    job = service().run(
        "circuit-runner", {"circuits": circuit}, options={"backend": IDEAL, "image": "mine:1"}
    )
    job.result()
    return job.image


def logged(level):
    """How many lines of a level a job has logged whose options have no effect."""
    sampler = Sampler(
        backend=service().backend(DEVICE),
        options={"environment": {"log_level": level}, "simulator": {"coupling_map": [[0, 1]]}},
    )
    job = sampler.run(ghz(2))
    job.wait_for_final_state()
    return job.logs()


def extrapolated(name, factors):
    """What ZNE says of an extrapolator and its noise factors."""
    told = estimated(2, shots=2000, noise_factors=factors, extrapolator=name)
    return [told["metadata"]["zne"], told["value"]]


def simulated(level, shots=4000):
    """A value that is 1 without noise, on a simulator with the noise of the user."""
    model = noise()
    simulator = {"noise_model": model, "coupling_map": [[0, 1], [1, 0]], "basis_gates": model.basis_gates}
    options = Options(optimization_level=0, resilience_level=level, simulator=simulator)
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.cx(0, 1)
    estimator = Estimator(backend=service().backend(IDEAL), options=options)
    return float(estimator.run(circuit, SparsePauliOp("ZZ"), shots=shots).result().values[0])


# --- errors -----------------------------------------------------------------------------------------


def name_of_error(act):
    """How an error is called, and what it says."""
    try:
        act()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None


def programs_of_nobody():
    """What becomes of a program that nobody has."""
    id = "abcdefghijklmnopqrst"
    return {
        "read": name_of_error(lambda: service().program(id)),
        "run": name_of_error(lambda: service().run(id, {}, options={"backend": IDEAL})),
        "change": name_of_error(lambda: service().update_program(id, description="x")),
        "delete": name_of_error(lambda: service().delete_program(id)),
        "publish": name_of_error(lambda: service().set_program_visibility(id, public=True)),
    }


def other(token, url):
    """A colleague's service."""
    return QiskitRuntimeService(channel="ibm_quantum", token=token, url=url)


def program_of_another(token, url, id):
    """What a colleague may do with a public program."""
    theirs = other(token, url)
    return {
        "name": theirs.program(id).name != "",
        "data": name_of_error(lambda: theirs.program(id).data),
        "change": name_of_error(lambda: theirs.update_program(id, description="mine now")),
        "delete": name_of_error(lambda: theirs.delete_program(id)),
    }


def job_of_another(token, url):
    """What the user of another account finds of a job."""
    job = Sampler(backend=service().backend(IDEAL)).run(ghz(2))
    job.wait_for_final_state()
    theirs = other(token, url)
    return {
        "read": name_of_error(lambda: theirs.job(job.job_id())),
        "delete": name_of_error(lambda: theirs.delete_job(job.job_id())),
        "listed": job.job_id() in [one.job_id() for one in theirs.jobs(limit=None)],
    }


KEPT = {}


def log_in_as(token, url):
    """Log in as somebody, for later."""
    KEPT["service"] = other(token, url)
    return [backend.name for backend in KEPT["service"].backends()]


def run_as():
    """How a job of theirs ends."""

    def act():
        Sampler(backend=KEPT["service"].backend(IDEAL)).run(ghz(2))

    return name_of_error(act)


def refused_inputs():
    """Inputs that no primitive can run."""
    backend = service().backend(IDEAL)

    def fails(circuit):
        job = Sampler(backend=backend).run(circuit)
        job.wait_for_final_state()
        return [job.status().name, job.error_message()]

    pulses = ghz(2)
    with_pulse(pulses)
    width = {"circuits": [ghz(2, measured=False)], "observables": [SparsePauliOp("ZZZ")]}
    width |= {"circuit_indices": [0], "observable_indices": [0], "parameter_values": [[]], "parameters": [[]]}
    job = Estimator(backend=backend)._run_primitive(primitive_inputs=width, user_kwargs={})
    job.wait_for_final_state()
    return {
        "pulse": fails(pulses),
        "width": [job.status().name, job.error_message()],
    }


def with_pulse(circuit):
    """Give a circuit a gate of the user's own pulses."""
    from qiskit import pulse

    with pulse.build() as schedule:
        pulse.play(pulse.Constant(100, 0.1), pulse.DriveChannel(0))
    circuit.add_calibration("h", [0], schedule)


def tagged(number):
    """A job with so many tags."""

    def act():
        Sampler(
            backend=service().backend(IDEAL),
            options={"environment": {"job_tags": [f"tag{one}" for one in range(number)]}},
        ).run(ghz(2))

    return name_of_error(act)


def paused(name):
    """What a user is told of a backend that is paused."""
    backend = service().backend(name)
    return [backend.status().operational, backend.status().status_msg]


def scheduled():
    """A circuit that the user has transpiled, scheduled and decoupled, as the tutorial on DD had it."""
    from qiskit import transpile
    from qiskit.circuit.library import XGate
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDynamicalDecoupling

    device = service().backend(DEVICE)
    circuit = transpile(ghz(4), device, optimization_level=1, seed_transpiler=1)
    passes = [
        ALAPScheduleAnalysis(target=device.target),
        PadDynamicalDecoupling(target=device.target, dd_sequence=[XGate(), XGate()]),
    ]
    decoupled = PassManager(passes).run(circuit)
    dist, _ = dist_of(decoupled, DEVICE, transpilation={"skip_transpilation": True})
    return {"delays": decoupled.count_ops().get("delay", 0), "dist": dist}
