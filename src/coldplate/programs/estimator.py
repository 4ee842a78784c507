"""The estimator program: V2 estimator pubs in, expectation values with their errors out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from qiskit.primitives import PrimitiveResult, PubResult

from coldplate.circuits.backend import Backend
from coldplate.circuits.isa import check_isa
from coldplate.domain.options_v1 import is_v1
from coldplate.engine.estimator import Prepared, factors
from coldplate.engine.layer_noise import Knowledge
from coldplate.engine.report import Artifacts, applied
from coldplate.engine.seeds import origin
from coldplate.programs import legacy
from coldplate.programs.artifacts import archive
from coldplate.programs.registry import Answer, Context
from coldplate.programs.solve import solve
from coldplate.wire.layer_noise import write_layer_noise
from coldplate.wire.options import estimator_options, supports_qiskit
from coldplate.wire.params import read
from coldplate.wire.pubs import estimator_pubs
from coldplate.wire.results import encode_plain, encode_primitive_result


def run(params: bytes, backend: Backend, context: Context) -> Answer:
    """Run an estimator job.

    Args:
        params: The job's inputs as the client sent them.

    Raises:
        ColdplateError: The inputs can't be run; told with the official code where there is one.
    """
    fields = read(params)
    if is_v1("estimator", fields):
        return legacy.run_estimator(fields, backend, context)
    options, pubs = estimator_options(fields), estimator_pubs(fields)
    for pub in pubs:
        check_isa(pub.circuit, backend.target, simulator=backend.simulator)
    start = origin(options.seed, context.seed, now=datetime.now(UTC))
    solved = solve(pubs, options, backend, start)
    prepared, known, result = solved.prepared, solved.known, solved.result
    costs = factors(prepared, options, learning=known.executions)
    report = applied(solved.ran, backend, seed=start.seed, factors=costs)
    result.metadata["coldplate"] = {"seed": start.seed, "applied": report}
    if options.needs_layer_noise:
        models = [write_layer_noise(model) for model in known.models.values()]
        result.metadata["resilience"]["layer_noise_model"] = models
        report["learning"] = {"layers": len(models), "executions": known.executions, "usage_s": known.usage_s}
    encode = encode_primitive_result if supports_qiskit(fields) else encode_plain
    return Answer(
        encode(result),
        usage_s=solved.usage_s,
        artifacts=keep(report, prepared, known, result) if options.artifacts else None,
    )


def keep(
    report: Mapping[str, Any], prepared: Prepared, known: Knowledge, result: PrimitiveResult[PubResult]
) -> bytes:
    """The job's artifacts."""
    values = {
        f"pub{index}.{name}": np.asarray(array)
        for index, one in enumerate(result)
        for name, array in one.data.items()
    }
    models = [write_layer_noise(model) for model in known.models.values()]
    return archive(Artifacts(report, prepared.program.items, values, models))
