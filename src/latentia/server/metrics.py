"""What a server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from latentia.server.admission import Admission, Scope

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CALLS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counts requests by route and status, their seconds, the calls of each batch, and what waits.

    Args:
        admission: Knows what waits.
    """

    def __init__(self, admission: Admission) -> None:
        """Begin at zero."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "latentia_requests", "Requests that were answered.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "latentia_request_seconds",
            "From the headers of a request to those of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "latentia_batch_calls",
            "Calls that were answered together.",
            ["model"],
            buckets=CALLS,
            registry=self._registry,
        )
        waiting = Gauge("latentia_requests_waiting", "Requests in the house.", registry=self._registry)
        waiting.set_function(lambda: admission.requests)

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answer; what never reached a route has none."""
        route = getattr(scope.get("route"), "path", "")
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batches_of(self, model: str) -> Callable[[int], None]:
        """Return what counts the calls of each batch of a model."""
        observe: Callable[[int], None] = self._batches.labels(model).observe
        return observe

    def text(self) -> bytes:
        """Return all counts as Prometheus reads them."""
        found: bytes = generate_latest(self._registry)
        return found
