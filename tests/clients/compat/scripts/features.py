"""What a user may want of a client, a function each: it raises, or returns why it is content."""

import time
from functools import cache
from inspect import signature
from math import pi

import qiskit_ibm_runtime as runtime
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

DEVICE, SLOW, SIMULATOR = "emu_nairobi", "emu_slow", "ibmq_qasm_simulator"


class NotInClient(Exception):
    """The release doesn't have this."""


def of_client(*names):
    """The first of some names that the release has."""
    for name in names:
        if hasattr(runtime, name):
            return getattr(runtime, name)
    raise NotInClient(names[0])


@cache
def service():
    """The service of the account that the environment names."""
    return runtime.QiskitRuntimeService()


@cache
def device():
    """The device."""
    return service().backend(DEVICE)


def bell(measured=True):
    """A Bell state."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    if measured:
        circuit.measure_all()
    return circuit


def ready(circuit):
    """A circuit in the device's gates."""
    return transpile(circuit, device(), optimization_level=1, seed_transpiler=1)


def primitive(kind, mode, **more):
    """A primitive; the name of its first argument has changed over time."""
    known = signature(kind.__init__).parameters
    old = "session" if isinstance(mode, runtime.Session) else "backend"
    return kind(**{"mode" if "mode" in known else old: mode}, **more)


def v1(kind):
    """A V1 primitive."""
    found = of_client(f"{kind}V1", kind)
    if getattr(found, "version", 1) != 1 or not hasattr(found, "_run_primitive"):
        raise NotInClient(kind)
    return found


def backends():
    """Log in and list backends."""
    names = [backend.name for backend in service().backends()]
    assert DEVICE in names, names


def sampler_v1():
    """V1 Sampler."""
    options = {"optimization_level": 1, "resilience_level": 1}
    circuit = ready(bell()) if hasattr(runtime, "SamplerV2") else bell()
    result = primitive(v1("Sampler"), device(), options=options).run(circuit).result()
    dist = result.quasi_dists[0].binary_probabilities()
    assert dist.get("00", 0) + dist.get("11", 0) > 0.9, dist


def estimator_v1():
    """V1 Estimator, levels 0 to 3."""
    circuit, observable = bell(measured=False), SparsePauliOp("ZZ")
    if hasattr(runtime, "SamplerV2"):  # from then on clients send nothing that a device can't run
        circuit = ready(circuit)
        observable = observable.apply_layout(circuit.layout)
    for level in range(4):
        options = {"optimization_level": 1, "resilience_level": level, "execution": {"shots": 200}}
        estimator = primitive(v1("Estimator"), device(), options=options)
        value = estimator.run(circuit, observable).result().values[0]
        assert value > 0.7, (level, value)


def noise_model():
    """V1 primitives on hosted simulators."""
    sampler = primitive(
        v1("Sampler"), service().backend(SIMULATOR), options={"simulator": {"seed_simulator": 1}}
    )
    assert set(sampler.run(bell()).result().quasi_dists[0].binary_probabilities()) == {"00", "11"}


def sampler_v2():
    """V2 Sampler."""
    result = primitive(of_client("SamplerV2"), device()).run([ready(bell())], shots=1000).result()
    counts = result[0].data.meas.get_counts()
    assert counts.get("00", 0) + counts.get("11", 0) > 800, counts


def estimator_v2():
    """V2 Estimator."""
    circuit = ready(bell(measured=False))
    pub = (circuit, SparsePauliOp("ZZ").apply_layout(circuit.layout))
    value = float(primitive(of_client("EstimatorV2"), device()).run([pub]).result()[0].data.evs)
    assert value > 0.85, value


def parameters():
    """Parameter expressions in V2 circuits."""
    angle = Parameter("a")
    circuit = QuantumCircuit(1)
    circuit.rx(2 * angle + 0.5, 0)
    circuit.measure_all()
    pub = (ready(circuit), [(pi - 0.5) / 2])
    result = primitive(of_client("SamplerV2"), device()).run([pub], shots=100).result()
    counts = result[0].data.meas.get_counts()
    assert counts.get("1", 0) > 80, counts


def backend_run():
    """Counts of circuits: of 0.12 by the provider package that goes with it."""
    one = device()
    if not hasattr(runtime, "SamplerV2"):
        from qiskit_ibm_provider import IBMProvider

        account = service().active_account()
        one = IBMProvider(token=account["token"], url=account["url"]).get_backend(DEVICE)
    try:
        job = one.run(ready(bell()), shots=100)
    except Exception as error:
        raise NotInClient("backend.run") if "has been removed" in str(error) else error from None
    counts = job.result().get_counts()
    assert counts.get("00", 0) + counts.get("11", 0) > 80, counts


def sessions():
    """Sessions."""
    more = {"service": service()} if "service" in signature(runtime.Session.__init__).parameters else {}
    with runtime.Session(
        backend=device() if "0.12" not in runtime.__version__ else DEVICE, **more
    ) as session:
        if hasattr(runtime, "SamplerV2"):
            one, circuits = primitive(runtime.SamplerV2, session), [ready(bell())]
        else:
            one, circuits = primitive(v1("Sampler"), session, options={"resilience_level": 0}), bell()
        jobs = [one.run(circuits, shots=100) for _ in range(2)]
        for job in jobs:
            job.result()
        assert session.session_id
        assert {job.session_id for job in jobs} == {session.session_id}
    session.close()


def some_job(backend=DEVICE, shots=100):
    """A job of whatever sampler there is."""
    if hasattr(runtime, "SamplerV2"):
        return primitive(runtime.SamplerV2, service().backend(backend)).run([ready(bell())], shots=shots)
    options = {"resilience_level": 0}
    return primitive(v1("Sampler"), service().backend(backend), options=options).run(bell(), shots=shots)


def jobs():
    """Retrieve and list jobs."""
    job = some_job()
    job.result()
    again = service().job(job.job_id())
    assert again.result() is not None
    assert again.inputs
    assert job.job_id() in [one.job_id() for one in service().jobs(limit=10)]


def cancel():
    """Cancel a job."""
    job = some_job(SLOW, 60_000)
    job.cancel()
    time.sleep(0.5)
    status = service().job(job.job_id()).status()
    assert str(getattr(status, "name", status)) == "CANCELLED", status
