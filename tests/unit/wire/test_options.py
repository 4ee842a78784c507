"""Options on the wire become what the engines are asked for."""

from __future__ import annotations

import pytest

from coldplate.engine.options import Twirling
from coldplate.mitigation.trex import TrexOptions
from coldplate.wire.options import estimator_options, sampler_options


def test_nothing_given_is_the_official_default():
    options = estimator_options({})
    assert options.trex == TrexOptions()
    assert options.twirling == Twirling(measure=True)
    assert options.default_precision == 0.015625
    assert sampler_options({}).default_shots == 4096
    assert not sampler_options({}).twirling.measure


def test_level_0_neither_twirls_nor_mitigates():
    options = estimator_options({"resilience_level": 0})
    assert options.trex is None
    assert not options.twirling.measure


def test_readout_mitigation_turns_twirling_on_and_says_so():
    given = {"twirling": {"enable_measure": False}, "resilience": {"measure_mitigation": True}}
    options = estimator_options({"options": given})
    assert options.twirling.measure
    assert options.metadata["twirling"]["enable_measure"] is True


@pytest.mark.parametrize(
    ("given", "seed"),
    [
        ({}, None),
        ({"seed_estimator": 0, "simulator": {"seed_simulator": 5}}, 0),
        ({"simulator": {"seed_simulator": 5}}, 5),
    ],
)
def test_the_estimators_own_seed_comes_first(given, seed):
    assert estimator_options({"options": given}).seed == seed


def test_everything_about_execution_arrives():
    options = sampler_options(
        {
            "options": {
                "execution": {"init_qubits": False, "rep_delay": 1e-4, "meas_type": "kerneled"},
                "simulator": {"basis_gates": ["cz", "cz"], "coupling_map": [[0, 1]]},
                "experimental": {"method": "stabilizer"},
            }
        }
    )
    execution = options.execution
    assert (execution.init_qubits, execution.rep_delay_s) == (False, 1e-4)
    assert (execution.meas_level, execution.method) == ("kerneled", "stabilizer")
    assert execution.basis_gates == {"cz"}
    assert execution.coupling == {(0, 1)}


def test_metadata_repeat_the_options_as_the_service_does():
    metadata = estimator_options({"options": {"twirling": {"num_randomizations": 8}}}).metadata
    assert metadata["twirling"] == {
        "enable_gates": False,
        "enable_measure": True,
        "num_randomizations": 8,
        "shots_per_randomization": "auto",
        "interleave_randomizations": True,
        "strategy": "active-accum",
    }
    assert metadata["resilience"] == {
        "measure_mitigation": True,
        "zne_mitigation": False,
        "pec_mitigation": False,
    }
    assert metadata["dynamical_decoupling"]["enable"] is False
