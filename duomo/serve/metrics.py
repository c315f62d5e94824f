"""Metrics: what Prometheus reads. No label comes from a client: routes are those of the table."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SECONDS = (0.01, 0.03, 0.1, 0.2, 0.3, 1, 3, 10, 30, 100)


@dataclass(frozen=True)
class Metrics:
    """Counters of one server, in a registry of its own."""

    registry: Any
    requests: Any
    seconds: Any
    bytes_held: Any

    def count(self, route: str, status: int, seconds: float) -> None:
        """A request that is over."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route, str(status)).observe(seconds)

    def text(self, queues: Mapping[str, Mapping[str, float]], held: int) -> bytes:
        """Everything, with what the queues of the open models tell of themselves and the bytes that these take."""
        from prometheus_client import generate_latest
        from prometheus_client.metrics_core import GaugeMetricFamily

        def collected() -> Iterator[Any]:
            gauges = sorted({name for told in queues.values() for name in told})
            for gauge in gauges:
                family = GaugeMetricFamily(f"duomo_queue_{gauge}", f"{gauge} of a model's queue", labels=["model"])
                for model, told in queues.items():
                    if gauge in told:
                        family.add_metric([model], told[gauge])
                yield family
            yield GaugeMetricFamily("duomo_models_bytes", "bytes of the models that are open, weights and caches", held)

        return generate_latest(self.registry) + generate_latest(_Once(collected()))


@dataclass(frozen=True)
class _Once:
    """What `generate_latest` wants of a registry: families, once."""

    families: Iterable[Any]

    def collect(self) -> Iterable[Any]:
        return self.families


def metrics() -> Metrics:
    """New counters."""
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    registry, told = CollectorRegistry(), "seconds from a request's head to the end of its answer"
    return Metrics(
        registry,
        Counter("duomo_requests", "requests that are over", ["route", "status"], registry=registry),
        Histogram("duomo_request_seconds", told, ["route", "status"], buckets=SECONDS, registry=registry),
        Gauge("duomo_body_bytes_held", "bytes of bodies in memory", registry=registry),
    )
