"""Published results come out again, through the unmodified client; the same scripts draw the docs' plots."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "docs" / "published"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def figures(name: str, *arguments) -> list[dict]:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.run(*arguments)["rows"]


@pytest.fixture(scope="module")
def kicked_ising() -> list[dict]:
    return figures("kicked_ising", 128)


@pytest.fixture(scope="module")
def cancellation() -> list[dict]:
    return figures("cancellation")


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
