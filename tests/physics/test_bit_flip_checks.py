"""Laws of bit-flip checks: a perfect device loses nothing, and what is wrong with qubits is discarded."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose

from coldplate.circuits.layers import Layer, LayerGate
from coldplate.engine import learner
from coldplate.engine.learner import Measured
from coldplate.engine.options import Execution
from coldplate.errors import IncompatibleOptions
from coldplate.noise.checks import Check, Checks
from coldplate.noise.learning import LearningOptions
from coldplate.noise.local import local_strings
from coldplate.noise.model import LayerNoise

START = datetime(2025, 1, 1, tzinfo=UTC)
LAYER = Layer((LayerGate((0, 1), "cz"), LayerGate((2, 3), "cz")), (0, 1, 2, 3))
READOUT = Measured((0, 1, 2, 3))
BOTH = {name: Checks(Check(strategy=name), Check(strategy=name)) for name in ("node", "edge")}


def learnt(device, task, checks, *, depths=(0, 1, 4)):
    options = LearningOptions(16, 512, depths, checks)
    rng = np.random.default_rng(3)
    prepared = learner.prepare([task], options, Execution(), target=device.target, rng=rng, clock_start=START)
    (found,) = learner.combine(prepared, device.run(prepared.program, rng), options, target=device.target)
    return found


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("task", [LAYER, READOUT], ids=["layer", "readout"])
def test_a_perfect_device_loses_no_shot(lindblad, task, strategy):
    found = learnt(lindblad(), task, BOTH[strategy])
    assert set(found.fractions_kept.values()) == {1.0}
    assert {rate for row in found.success_rates.values() for rate in row.values()} == {1.0}


def test_misread_bits_are_discarded(lindblad):
    """A bit passes both checks though it is misread only when another misreading covers it up."""
    device = lindblad(readout=0.08)
    plain, checked = (learnt(device, READOUT, checks) for checks in (Checks(), BOTH["node"]))
    assert_allclose(np.exp(-2 * plain.noise.rates), 1 - 2 * 0.08, atol=0.02)
    assert (checked.noise.rates < 0.2 * plain.noise.rates).all()
    assert_allclose(checked.fractions_kept[0], (0.92 * (0.92**2 + 0.08**2)) ** 4, atol=0.03)


def test_a_qubit_that_does_not_start_as_0_is_seen_before_the_circuit(lindblad):
    before = Checks(before=Check())
    found = learnt(lindblad(preparation=0.1), READOUT, before)
    assert_allclose(found.fractions_kept[0], 0.9**4, atol=0.03)
    assert_allclose(list(found.success_rates[0].values()), 0.9, atol=0.02)
    assert (found.noise.rates < 0.005).all()


def test_edges_keep_shots_in_which_lone_qubits_fail(lindblad):
    device = lindblad(readout=0.08)
    node, edge = (learnt(device, READOUT, Checks(after=BOTH[name].after)) for name in ("node", "edge"))
    failing = 2 * 0.08 * 0.92  # either of two readings is wrong
    assert_allclose(node.fractions_kept[0], (1 - failing) ** 4, atol=0.03)
    assert edge.fractions_kept[0] > 1 - 3 * failing**2 - 0.02


def test_rates_of_a_layer_are_the_same_with_fewer_shots(lindblad):
    generators = local_strings(4, ((0, 1), (1, 2), (2, 3)))
    known = LayerNoise.given(LAYER, generators, np.full(len(generators), 0.002))
    found = learnt(lindblad(known, readout=0.05, preparation=0.02), LAYER, BOTH["node"])
    assert 0.3 < found.fractions_kept[0] < 0.8
    scores = (found.noise.rates - 0.002) / found.noise.stds
    assert np.abs(scores).max() < 4.5


def test_slow_flips_by_rx_need_the_gate(lindblad):
    with pytest.raises(IncompatibleOptions, match="x_pulse_type rx"):
        learnt(lindblad(), READOUT, Checks(after=Check(pulse="rx")))
