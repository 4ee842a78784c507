"""The sampler program: V2 sampler pubs in, bits or IQ points out."""

from __future__ import annotations

from datetime import UTC, datetime

from coldplate.circuits.backend import Backend
from coldplate.circuits.isa import check_isa
from coldplate.domain.options_v1 import is_v1
from coldplate.engine.report import Artifacts, Ran, applied
from coldplate.engine.sampler import combine, factors, prepare, purposes
from coldplate.engine.seeds import origin
from coldplate.programs import legacy
from coldplate.programs.artifacts import archive
from coldplate.programs.registry import Answer, Context
from coldplate.wire.options import sampler_options, supports_qiskit
from coldplate.wire.params import read
from coldplate.wire.pubs import sampler_pubs
from coldplate.wire.results import encode_plain, encode_primitive_result


def run(params: bytes, backend: Backend, context: Context) -> Answer:
    """Run a sampler job.

    Args:
        params: The job's inputs as the client sent them.

    Raises:
        ColdplateError: The inputs can't be run; told with the official code where there is one.
    """
    fields = read(params)
    if is_v1("sampler", fields):
        return legacy.run_sampler(fields, backend, context)
    options, pubs = sampler_options(fields), sampler_pubs(fields)
    for pub in pubs:
        check_isa(pub.circuit, backend.target, simulator=backend.simulator)
    start = origin(options.seed, context.seed, now=datetime.now(UTC))
    for_twirls, for_shots = start.generators()
    prepared = prepare(pubs, options, target=backend.target, rng=for_twirls, clock_start=start.clock_start)
    outcomes = backend.run(prepared.program, for_shots)
    result = combine(prepared, outcomes)
    ran = Ran(prepared.program, outcomes, purposes(prepared))
    report = applied([ran], backend, seed=start.seed, factors=factors(prepared))
    result.metadata["coldplate"] = {"seed": start.seed, "applied": report}
    encode = encode_primitive_result if supports_qiskit(fields) else encode_plain
    kept = archive(Artifacts(report, prepared.program.items)) if options.artifacts else None
    return Answer(encode(result), usage_s=outcomes.usage_s, artifacts=kept)
