"""PEA: probabilistic error amplification.

To run a circuit with G times its noise, Paulis drawn from (G - 1) times the learnt noise are put behind each
layer; the values are then extrapolated to no noise. Unlike folding it makes circuits no longer.

Source: Kim et al., Nature 618, 500 (2023).
"""

from __future__ import annotations

from coldplate.mitigation.injected import Injected, Known


def amplify(known: Known, factor: float) -> Injected | None:
    """What is put behind layers to run them with a multiple of their noise; None: nothing.

    Args:
        factor: From 1 up.
    """
    return Injected(known.models, factor - 1) if factor > 1 else None
