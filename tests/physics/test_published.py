"""Published results come out again, through the unmodified client; the same scripts draw the docs' plots."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "docs" / "published"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def figures(name: str, *arguments) -> list[dict]:
    return everything(name, *arguments)["rows"]


def everything(name: str, *arguments) -> dict:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.run(*arguments)


@pytest.fixture(scope="module")
def kicked_ising() -> list[dict]:
    return figures("kicked_ising", 128)


@pytest.fixture(scope="module")
def cancellation() -> list[dict]:
    return figures("cancellation")


@pytest.fixture(scope="module")
def trex() -> dict:
    return everything("readout", 60)


@pytest.fixture(scope="module")
def ghz() -> list[dict]:
    return figures("ghz", 2, 8, 20, 42)


def scores(rows: list[dict]) -> np.ndarray:
    return np.array([(row["mitigated"] - row["exact"]) / row["error"] for row in rows])


def column(rows: list[dict], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows])


def test_kicked_ising_returns_to_the_exact_values(kicked_ising):
    """Nature 618, 500: within error bars, at every depth and weight."""
    found = [row for row in kicked_ising if row["name"] != "mean Z"]
    assert len(found) == 6
    assert np.abs(scores(found)).max() < 3.5


def test_kicked_ising_decays_without_mitigation(kicked_ising):
    for name in ("Z62", "mean Z"):
        values = column([row for row in kicked_ising if row["name"] == name], "unmitigated")
        assert (np.diff(values) < 0).all()
        assert values[-1] < 0.7


def test_the_mean_over_the_device_comes_close(kicked_ising):
    """Its error bar is small, and with few randomizations 125 noisy extrapolations are not unbiased."""
    found = [row for row in kicked_ising if row["name"] == "mean Z"]
    left = np.abs(column(found, "mitigated") - column(found, "exact"))
    assert (left < 0.1).all()
    assert (left < 0.2 * np.abs(column(found, "unmitigated") - column(found, "exact"))).all()


def test_pec_is_right_at_every_depth_and_its_error_bars_cover(cancellation):
    """Nature Physics 19, 1116."""
    found = scores(cancellation)
    assert np.abs(found).max() < 4
    assert np.sqrt((found**2).mean()) < 1.5
    before = column(cancellation, "unmitigated") - column(cancellation, "exact")
    after = column(cancellation, "mitigated") - column(cancellation, "exact")
    assert np.sqrt((after**2).mean()) < 0.5 * np.sqrt((before**2).mean())


@pytest.mark.parametrize("qubits", [4, 10])
def test_gamma_grows_by_the_same_factor_with_every_step(cancellation, qubits):
    found = [row for row in cancellation if row["qubits"] == qubits and row["name"] == "all Z"]
    steps = column(found, "steps")
    per_step = np.log(column(found, "gamma")) / steps
    assert np.ptp(per_step[1:]) < 0.05 * per_step[-1]
    assert (column(found, "randomizations") == np.ceil(245 * column(found, "gamma") ** 2)).all()


def test_trex_is_unbiased_whatever_the_state_though_readout_errors_are_correlated(trex):
    """arXiv:2012.09738: what is left of a string is what was prepared of it."""
    rows = trex["rows"]
    away = (column(rows, "mitigated") - column(rows, "prepared")) / column(rows, "error")
    assert np.abs(away).max() < 4.5
    assert (column(rows, "unmitigated")[column(rows, "weight") >= 4] < 0.8).all()


def test_a_model_of_independent_readout_errors_is_biased_there(trex):
    heavy = [row for row in trex["rows"] if row["weight"] >= 4 and "independent" in row]
    assert (column(heavy, "independent") < 0.9).all()
    assert (np.abs(column(heavy, "mitigated") - 1) < 0.05).all()


def test_trex_takes_as_many_more_shots_as_one_over_the_damping_squared(trex):
    damping = {row["weight"]: row["damping"] for row in trex["rows"] if row["state"] == "|1...1>"}
    free = [row for row in trex["sweep"] if abs(row["exact"]) < 1e-9]
    law = np.array([damping[row["weight"]] ** -2 for row in free])
    ratio = column(free, "spread") ** 2 * column(free, "shots") / law
    assert np.abs(np.log(ratio)).max() < 5 * np.sqrt(2 / trex["seeds"])
    assert law.max() > 5


def test_trex_tells_its_spread(trex):
    ratio = column(trex["rows"], "told") / column(trex["rows"], "spread")
    assert (ratio > 0.7).all()
    assert (ratio < 1.4).all()


def test_values_between_are_mitigated_alike(trex):
    """Readout damps every value of a string by the same factor."""
    rows = trex["sweep"]
    away = column(rows, "mitigated") - column(rows, "exact")
    errors = column(rows, "spread") / np.sqrt(trex["seeds"])
    assert (np.abs(away) < 4.5 * errors + 0.01 * np.abs(column(rows, "exact"))).all()  # and of preparing it


def test_m3_restores_ghz_states(ghz):
    """PRX Quantum 2, 040326: with errors of readout alone, to what they are, for the sizes of the paper."""
    for row in ghz:
        alone, device = row["alone"], row["device"]
        assert 1 - alone["mitigated"] < 0.2 * (1 - alone["unmitigated"])
        assert device["mitigated"] > device["unmitigated"]
        if "inverted" in row:
            assert abs(row["inverted"] - alone["mitigated"]) < 4 * alone["bound"]


def test_m3_costs_less_than_the_whole_inverse_and_few_iterations(ghz):
    for row in ghz:
        assert 1 <= row["alone"]["overhead"] < 1.05 * row["overhead_whole"]
        assert (row["device"]["iterations"] or 0) < 15
    assert ghz[-1]["device"]["iterations"] > 0
    assert ghz[-1]["alone"]["overhead"] < 0.8 * ghz[-1]["overhead_whole"]
