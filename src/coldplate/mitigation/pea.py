"""PEA: probabilistic error amplification.

To run a circuit with G times its noise, Paulis drawn from (G - 1) times the learnt noise are put behind each
layer; the values are then extrapolated to no noise. Unlike folding it makes circuits no longer.

Source: Kim et al., Nature 618, 500 (2023).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coldplate.mitigation.injected import Injected, Known
from coldplate.mitigation.zne import fit

Floats = NDArray[np.float64]


def amplify(known: Known, factor: float) -> Injected | None:
    """What is put behind layers to run them with a multiple of their noise; None: nothing.

    Args:
        factor: From 1 up.
    """
    return Injected(known.models, factor - 1) if factor > 1 else None


def drawn_variance(data: Floats, errors: Floats, factors: Sequence[float], num_randomizations: int) -> Floats:
    """Variances that drawn Paulis add to the means of strings, shape ``(num_strings, num_factors)``.

    All shots of a randomization share what was drawn for it. In a Clifford circuit that turns the sign of a
    string or not: with the value v at the factor 1 and w at another, the variance is ``v^2 - w^2`` over the
    randomizations. Without it, points with much added noise would weigh as much as the one with none. The
    values are those of a curve: if they were the data, points would weigh more for being high by chance.

    Args:
        data: Means, shape ``(num_strings, num_factors)``.
        errors: Their standard errors by shots, same shape.
    """
    curve = fit("exponential", factors, data, errors, (1.0, *factors)).values.clip(-1, 1)
    squares = np.nan_to_num(curve) ** 2
    variances: Floats = (squares[:, :1] - squares[:, 1:]).clip(0) / num_randomizations
    return variances
