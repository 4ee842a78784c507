"""Figures are read when they are asked for, and told in Prometheus' text form."""

from __future__ import annotations

from coldplate.metrics import Gauge, Metrics


def test_figures_are_read_anew_each_time():
    queue = {"dev": 1}
    metrics = Metrics([Gauge("queued_jobs", "Jobs that wait", "backend", lambda: queue)])
    assert 'queued_jobs{backend="dev"} 1.0' in metrics.render().decode()
    queue["dev"] = 5
    assert 'queued_jobs{backend="dev"} 5.0' in metrics.render().decode()


def test_process_tells_its_memory():
    assert "process_resident_memory_bytes" in Metrics([]).render().decode()
