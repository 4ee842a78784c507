"""Programs that a user of 2023 uploads."""

import time

import numpy as np
from account import service
from primitives import IDEAL
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime import QiskitRuntimeService

TEXT = "def main(backend, user_messenger, **kwargs):\n    return 'θ'\n"


def uploaded():
    """Upload, look, change, share and delete."""
    metadata = {"name": f"mine-{time.time_ns()}", "max_execution_time": 300, "description": "one"}
    metadata["spec"] = {"parameters": {"properties": {"n": {"type": "integer"}}}}
    id = service().upload_program(data=TEXT, metadata=metadata)
    before = service().program(id, refresh=True)
    first = [before.name == metadata["name"], before.data == TEXT, before.description, before.is_public]
    service().update_program(id, description="two", data=TEXT + "# changed\n")
    service().set_program_visibility(id, public=True)
    after = service().program(id, refresh=True)
    names = [one.program_id for one in service().programs(refresh=True, limit=100)]
    service().delete_program(id)
    return {
        "first": first,
        "changed": after.data,
        "then": [after.description, after.is_public],
        "time": after.max_execution_time,
        "listed": id in names,
        "own": [name for name in ("sampler", "estimator") if name in names],
        "left": id in [one.program_id for one in service().programs(refresh=True, limit=100)],
    }


def uploaded_twice():
    """The same name again."""
    name = f"twice-{time.time_ns()}"
    for _ in range(2):
        service().upload_program(
            data=TEXT, metadata={"name": name, "max_execution_time": 300, "description": "x"}
        )


def run():
    """A program of one's own."""
    name = f"run-{time.time_ns()}"
    id = service().upload_program(
        data=TEXT, metadata={"name": name, "max_execution_time": 300, "description": "x"}
    )
    service().run(id, {}, options={"backend": "ibmq_qasm_simulator"})


def kept(text, name="one", **metadata):
    """A program of some text; its id."""
    metadata = {"max_execution_time": 300, "description": "x"} | metadata
    return service().upload_program(data=text, metadata={"name": f"{name}-{time.time_ns()}", **metadata})


ITERATIONS = """
from qiskit import QuantumCircuit, transpile
from qiskit_ibm_runtime.program import ProgramBackend, UserMessenger

def main(backend: ProgramBackend, user_messenger: UserMessenger, **kwargs):
    counts = {}
    for round in range(kwargs["rounds"]):
        circuit = QuantumCircuit(2, 2)
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.measure([0, 1], [0, 1])
        counts = backend.run(transpile(circuit, backend), shots=200).result().get_counts()
        print("round", round)
        user_messenger.publish({"round": round, "shots": sum(counts.values())})
    observable = kwargs["observable"]
    return {"counts": counts, "θ": kwargs["angles"] * 2, "terms": len(observable), "url": "none"}
"""


def run_to_its_end(backend="emu_nairobi"):
    """A program with inputs, interim results by callback and by request, prints and a result."""
    id, told = kept(ITERATIONS), []
    inputs = {"rounds": 3, "angles": np.array([0.1, 0.2]), "observable": SparsePauliOp(["ZZ", "XX"], [1, 2j])}
    job = service().run(
        id, inputs, options={"backend": backend}, callback=lambda _, message: told.append(message)
    )
    result = job.result()
    deadline = time.time() + 20  # callbacks have a thread of their own
    while len(told) < inputs["rounds"] + 1 and time.time() < deadline:
        time.sleep(0.05)
    return {
        "counts": sum(result["counts"].values()),
        "equal": sum(result["counts"].get(key, 0) for key in ("00", "11")),
        "angles": result["θ"].tolist(),
        "rest": [result["terms"], result["url"]],
        "told": [message for message in told if "round" in message],
        "interim": job.interim_results(),
        "log": [line.split("OUTPUT ")[1] for line in job.logs().splitlines() if "OUTPUT" in line],
        "program": job.program_id == id,
        "inputs": sorted(job.inputs),
        "used": job.metrics()["usage"]["quantum_seconds"] > 0,
    }


def returns(value):
    """What comes of a program that returns the value of an expression."""
    job = service().run(
        kept(f"def main(backend, user_messenger, **kwargs):\n    return {value}\n"),
        {},
        options={"backend": IDEAL},
    )
    result = job.result()
    return result.tolist() if isinstance(result, np.ndarray) else result


def fails(line, max_execution_time=300):
    """How a job ends whose program has a line like this."""
    text = f"def main(backend, user_messenger, **kwargs):\n    {line}\n"
    id = kept(text, max_execution_time=max_execution_time)
    job = service().run(id, {}, options={"backend": IDEAL})
    job.wait_for_final_state()
    return {"status": job.status().name, "message": job.error_message(), "log": job.logs()}


def too_long():
    """A program that never ends, with a limit of its own."""
    service().run(
        kept("def main(backend, user_messenger):\n    while True: pass\n", max_execution_time=1),
        {},
        options={"backend": IDEAL},
    ).result()


def published(public):
    """A program for others, or not; its id."""
    return kept(TEXT, is_public=public)


def run_id(id, token, url):
    """Another user runs it."""
    other = QiskitRuntimeService(channel="ibm_quantum", token=token, url=url)
    return other.run(id, {}, options={"backend": IDEAL}).result()
