"""connect(): a `QiskitRuntimeService` of the official client that already points at a Coldplate server.

The official client reads some addresses from the environment only, at its start and again whenever
it turns to another instance. `connect` therefore sets IAM_URL, GLOBAL_SEARCH_URL and
GLOBAL_CATALOG_URL for the rest of the process; `pointed_at` sets them for a `with` block.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from coldplate.connection import Connection, NoServer, cloud_variables, find

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from qiskit.primitives import PrimitiveResult, SamplerPubResult
    from qiskit_ibm_runtime import QiskitRuntimeService

AUTO = "auto"  # the client's word for "search my instances"


def connect(
    url: str | None = None, key: str | None = None, instance: str | None = None
) -> QiskitRuntimeService:
    """A service that talks to a Coldplate server instead of the official one.

    Args:
        url: Where the server is, such as ``http://127.0.0.1:8080``. Default: what the variables of
            `coldplate env` say, else the server of this user on this machine.
        key: The API key; needed with `url`. Default: found like `url`.
        instance: CRN or name. Default: the one found with the key; for another key, the client chooses.

    Raises:
        NoServer: Nothing was given, and nothing was found.
    """
    connection = complete(url, key, instance)
    os.environ.update(cloud_variables(connection.url))
    return service_of(connection)


@contextmanager
def pointed_at(
    url: str | None = None, key: str | None = None, instance: str | None = None
) -> Iterator[QiskitRuntimeService]:
    """Like `connect`, and afterwards the environment is as it was: for tests, or two servers in turn."""
    connection = complete(url, key, instance)
    variables = cloud_variables(connection.url)
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield service_of(connection)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def complete(url: str | None, key: str | None, instance: str | None) -> Connection:
    """The connection that was asked for; what was left out is found."""
    if url is not None:
        if key is None:
            raise NoServer(f"There is no key for {url}.", solution="Pass key=... together with the url.")
        return Connection(url.rstrip("/"), key, instance or AUTO)
    found = find()
    if key is not None:  # another key may have other instances
        return Connection(found.url, key, instance or AUTO)
    return Connection(found.url, found.key, instance or found.crn or AUTO)


def service_of(connection: Connection) -> QiskitRuntimeService:
    """The official client's service; the environment must hold `cloud_variables` already."""
    from qiskit_ibm_runtime import QiskitRuntimeService  # 1 s; only who connects pays it

    return QiskitRuntimeService(
        channel="ibm_quantum_platform",
        token=connection.key,
        url=connection.url,
        instance=connection.crn,
        url_resolver=lambda url, _instance, _private, _channel: f"{url}/api/v1",
    )


def quasi_dists(result: PrimitiveResult[SamplerPubResult]) -> list[NDArray[np.object_]]:
    """The quasi-distributions of a V2 sampler result: those that M3 made, else the shares of the shots.

    Each is one of `qiskit.result.QuasiDistribution` over the bits of all registers: it has
    ``nearest_probability_distribution()``, ``binary_probabilities()`` and ``stddev_upper_bound``, and
    `qiskit.result.marginal_distribution` and `qiskit.visualization.plot_distribution` take it.

    Args:
        result: Of any sampler job. M3 is what ``experimental={"readout_mitigation": "m3"}`` asks for.

    Returns:
        An array of the pub's shape for each pub; ``.item()`` gives the one of a pub without axes.
    """
    return [distributions(pub) for pub in result]


def distributions(pub: SamplerPubResult) -> NDArray[np.object_]:
    """The quasi-distributions of one pub, in its shape."""
    import numpy as np
    from qiskit.primitives import BitArray
    from qiskit.result import QuasiDistribution

    told = pub.metadata.get("coldplate", {}).get("readout_mitigation", {})
    joined = BitArray.concatenate_bits(list(pub.data.values()))
    found = np.empty(joined.shape, dtype=object)
    for place in np.ndindex(*joined.shape):
        shares, overhead = told.get("quasi_probabilities"), told.get("mitigation_overhead", 1.0)
        for index in place if shares is not None else ():
            shares, overhead = shares[index], overhead[index]
        if shares is None:
            counts = joined[place].get_int_counts()
            shares = {number: times / joined.num_shots for number, times in counts.items()}
        error = (overhead / joined.num_shots) ** 0.5
        found[place] = QuasiDistribution(shares, shots=joined.num_shots, stddev_upper_bound=error)
    return found
