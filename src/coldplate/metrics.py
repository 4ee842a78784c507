"""Metrics: figures about this server, in Prometheus' text form. They name no user, job or instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Gauge:
    """A figure that is read when it is asked for: one value for each value of its label."""

    name: str
    meaning: str
    label: str
    read: Callable[[], Mapping[str, float]]


class Metrics:
    """The figures of one server, and of its process."""

    def __init__(self, gauges: Iterable[Gauge]):
        self._gauges = tuple(gauges)
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def collect(self) -> Iterator[Metric]:
        """Every gauge, read now; the registry calls it."""
        for gauge in self._gauges:
            family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=[gauge.label])
            for label, value in gauge.read().items():
                family.add_metric([label], value)
            yield family

    def render(self) -> bytes:
        """The text that a Prometheus server reads."""
        return generate_latest(self._registry)
