"""First jobs, written as for the official service: nothing in this script knows of Coldplate.

It runs wherever the environment of the process points. Prints what came back beside the exact
values, and writes the id of the Sampler job into the file `argv[1]`; exits with 1 if something is off.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")  # of the client's own deprecations

from qiskit import QuantumCircuit, transpile  # noqa: E402
from qiskit.quantum_info import SparsePauliOp, Statevector  # noqa: E402
from qiskit_ibm_runtime import EstimatorV2, QiskitRuntimeService, SamplerV2, Session  # noqa: E402
from qiskit_ibm_runtime.executor_estimator import EstimatorV2 as MitigatedEstimator  # noqa: E402

TOLERANCE = 0.15  # the emulated device has the noise of its calibration
BOLD, DIM, GREEN, RED, END = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m")
if not sys.stdout.isatty():
    BOLD = DIM = GREEN = RED = END = ""

off: list[str] = []


def title(text: str) -> None:
    print(f"\n{BOLD}{text}{END}")


def compare(name: str, value: float, exact: float, error: float | None = None) -> None:
    """One line: what came back, its standard error, and what it would be without any noise."""
    good = abs(value - exact) <= TOLERANCE
    mark = f"{GREEN}ok{END}" if good else f"{RED}OFF{END}"
    spread = "" if error is None else f"± {error:.3f}"
    print(f"  {name:<14}{value:>9.3f} {spread:<8}{exact:>9.3f}   {mark}")
    if not good:
        off.append(name)


def header(text: str) -> None:
    print(f"  {DIM}{text:<14}{'measured':>9}{'':<9}{'exact':>9}{END}")


service = QiskitRuntimeService()

title("Backends")
for device in service.backends():
    kind = "simulator" if device.configuration().simulator else "device"
    print(f"  {device.name:<24}{device.num_qubits:>4} qubits   {DIM}{kind}{END}")
print(f"  least busy: {service.least_busy(operational=True).name}")

backend = next(device for device in service.backends() if device.num_qubits == 133)
title(f"Transpile for {backend.name}, an emulated {backend.num_qubits}-qubit device")
ghz = QuantumCircuit(4, name="ghz")
ghz.h(0)
for qubit in range(3):
    ghz.cx(qubit, qubit + 1)
measured = ghz.copy()
measured.measure_all()
isa_sampled = transpile(measured, backend, optimization_level=1, seed_transpiler=7)
isa = transpile(ghz, backend, optimization_level=1, seed_transpiler=7)
print(f"  4-qubit GHZ state: {dict(isa.count_ops())} on qubits {isa.layout.final_index_layout()}")

pauli = {name: SparsePauliOp(name) for name in ("ZZZZ", "XXXX", "YYXX", "ZIIZ")}
exact = {name: Statevector(ghz).expectation_value(operator).real for name, operator in pauli.items()}
on_device = {name: operator.apply_layout(isa.layout) for name, operator in pauli.items()}

title("Session: a Sampler job and an Estimator job, default options")
with Session(backend=backend) as session:
    sampled = SamplerV2(mode=session).run([isa_sampled])
    estimated = EstimatorV2(mode=session).run([(isa, list(on_device.values()))])
    counts = sampled.result()[0].data.meas.get_counts()
    estimates = estimated.result()[0].data
shots = sum(counts.values())
header(f"{shots} shots")
for bits in ("0000", "1111"):
    compare(f"P({bits})", counts.get(bits, 0) / shots, 0.5)
header("resilience 1")
for name, value, error in zip(exact, estimates.evs, estimates.stds, strict=True):
    compare(f"<{name}>", float(value), exact[name], float(error))

title("Estimator of the client's own mitigation (executor_estimator)")
mitigated_job = MitigatedEstimator(mode=backend).run([(isa, list(on_device.values()))])
mitigated = mitigated_job.result()[0].data
header("resilience 1")
for name, value, error in zip(exact, mitigated.evs, mitigated.stds, strict=True):
    compare(f"<{name}>", float(value), exact[name], float(error))

title("Metrics and usage")
for label, job in (("sampler", sampled), ("estimator", estimated), ("mitigated", mitigated_job)):
    times = job.metrics()["timestamps"]
    finished = times["finished"][11:19]
    print(f"  {label:<12}{job.job_id()}   finished {finished} UTC   {job.usage():.1f} s of QPU time")
    if not job.usage() > 0:
        off.append(f"usage of {label}")
print(f"  instance    {service.usage()['usage_consumed_seconds']} s used")

Path(sys.argv[1]).write_text(f"{sampled.job_id()} {counts.get('0000', 0)}")
sys.exit(f"\nOff: {', '.join(off)}" if off else 0)
