"""Read a job by its id, in a process that did not submit it: `read_job.py JOB_ID COUNT_OF_0000`."""

from __future__ import annotations

import sys
import warnings

warnings.filterwarnings("ignore")

from qiskit_ibm_runtime import QiskitRuntimeService  # noqa: E402

job = QiskitRuntimeService().job(sys.argv[1])
counts = job.result()[0].data.meas.get_counts()
print(f"  {job.job_id()}   {job.status()}   {sum(counts.values())} shots, {len(counts)} different outcomes")
sys.exit(0 if counts.get("0000", 0) == int(sys.argv[2]) else "  Another result than the first process got.")
