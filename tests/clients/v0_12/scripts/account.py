"""What the client of 2023 says of its account and its backends."""

from functools import cache

from qiskit_ibm_runtime import QiskitRuntimeService


@cache
def service():
    """The service of the account that the environment names."""
    return QiskitRuntimeService()


def instances():
    """Old names of the instances, and what the active account is."""
    account = service().active_account()
    return {"instances": service().instances(), "channel": account["channel"]}


def log_in(**arguments):
    """Log in afresh."""
    QiskitRuntimeService(**arguments)


def backends(**filters):
    """Names of backends."""
    return sorted(backend.name for backend in service().backends(**filters))


def least_busy():
    """The name of the least busy device."""
    return service().least_busy(simulator=False).name


def describe(name):
    """Whatever a user may ask of a backend."""
    backend = service().backend(name)
    status = backend.status()
    properties = backend.properties()
    return {
        "name": backend.name,
        "num_qubits": backend.num_qubits,
        "simulator": backend.simulator,
        "max_shots": backend.max_shots,
        "gates": sorted(backend.operation_names),
        "coupling": None if backend.coupling_map is None else len(list(backend.coupling_map)),
        "status": [status.operational, status.status_msg, status.pending_jobs],
        "dt": backend.dt,
        "t1_us": None if properties is None else properties.t1(0) * 1e6,
        "readout": None if properties is None else properties.readout_error(0),
        "target_qubits": backend.target.num_qubits,
        "defaults": backend.defaults() is not None,
    }
