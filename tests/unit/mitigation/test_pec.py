"""How much noise PEC leaves, and what it costs, as options and gamma say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from coldplate.circuits.layers import Layer, LayerGate
from coldplate.errors import LimitExceeded
from coldplate.mitigation.injected import Injected, Known, overhead
from coldplate.mitigation.pea import amplify
from coldplate.mitigation.pec import PecOptions, cancel
from coldplate.noise.local import local_strings
from coldplate.noise.model import LayerNoise

LAYER = Layer((LayerGate((0, 1), "cz"),), (0, 1))


def known(log_gamma: float, uses: int = 1) -> Known:
    generators = local_strings(2, ((0, 1),))
    rates = np.full(len(generators), log_gamma / 2 / len(generators) / uses)
    return Known((LayerNoise.given(LAYER, generators, rates),) * uses)


@pytest.mark.parametrize(
    ("gamma", "options", "gain", "gamma_left", "scaling"),
    [
        pytest.param(2, PecOptions(), 0, 2, 4, id="all is removed where it may be"),
        pytest.param(100, PecOptions(), 0.5, 10, 100, id="auto stops at the most"),
        pytest.param(100, PecOptions(max_overhead=None), 0, 100, 10**4, id="no limit"),
        pytest.param(
            100, PecOptions(noise_gain=0), 0, 100, 100, id="a given gain wins, the shots are capped"
        ),
        pytest.param(16, PecOptions(noise_gain=0.5), 0.5, 4, 16, id="half of the noise"),
        pytest.param(16, PecOptions(noise_gain=1), 1, 1, 1, id="nothing is removed"),
        pytest.param(16, PecOptions(noise_gain=3), 3, 1, 1, id="noise is added"),
        pytest.param(16, PecOptions(max_overhead=0.5), 1, 1, 1, id="no overhead, no mitigation"),
        pytest.param(1, PecOptions(), 0, 1, 1, id="no noise"),
    ],
)
def test_gain_and_price(gamma, options, gain, gamma_left, scaling):
    found = cancel(known(math.log(gamma), uses=3), options)
    assert found.noise_gain == pytest.approx(gain)
    assert found.gamma == pytest.approx(gamma_left)
    assert found.scaling == pytest.approx(scaling)
    assert found.injection.scale == pytest.approx(gain - 1)


def test_randomizations_are_multiplied_and_rounded_up():
    assert cancel(known(math.log(1.01)), PecOptions()).randomizations(64) == math.ceil(64 * 1.01**2)
    assert cancel(known(0), PecOptions()).randomizations(64) == 64


@pytest.mark.parametrize("log_gamma", [12.0, 5000.0])
def test_more_than_a_job_can_have_is_refused_with_what_to_do(log_gamma):
    with pytest.raises(LimitExceeded, match="randomizations") as error:
        cancel(known(log_gamma), PecOptions(max_overhead=None)).randomizations(64)
    assert "max_overhead" in str(error.value.solution)


def test_an_overhead_that_no_number_can_say_is_a_word():
    assert overhead(500.0) == "infinity"
    assert known(500.0).metadata()["noise_overhead"] == "infinity"


@pytest.mark.parametrize("scale", [0.5, -1.0])
def test_paulis_are_drawn_as_often_as_rates_say(scale):
    model = known(0.4).uses[0]
    injected = Injected({LAYER: model}, scale)
    drawn = injected.draw(LAYER, 0, shape=(100, 400), rng=np.random.default_rng(1))
    assert drawn.x.shape == drawn.z.shape == (100, 400, 2)
    weights = 1 - 2 * (drawn.x[..., 0] ^ drawn.z[..., 1])  # how X on 1 and Z on 0 commute with what was drawn
    expected = math.exp(-2 * abs(scale) * 8 * model.rates[0])  # 8 of 15 strings anticommute with ZX
    assert weights.mean() == pytest.approx(expected, abs=0.02)
    assert (drawn.negative is None) == (scale > 0)
    if scale < 0:  # every Pauli that is drawn turns the sign
        signs = 1 - 2 * drawn.negative
        assert signs.mean() == pytest.approx(math.exp(2 * scale * model.rates.sum()), abs=0.02)


def test_factor_one_injects_nothing():
    assert amplify(known(0.4), 1.0) is None
    assert amplify(known(0.4), 1.5).scale == 0.5


def test_a_layer_without_a_model_gets_nothing():
    other = Layer((LayerGate((2, 3), "cz"),), (2, 3))
    rng = np.random.default_rng(1)
    assert Injected(known(0.4).models, -1.0).draw(other, 0, shape=(1, 2), rng=rng) is None
