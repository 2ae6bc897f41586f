"""What the service counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counters of one process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        names = ["route", "method", "status"]
        self._requests = Counter("anode_requests", "Requests", names, registry=registry)
        self._seconds = Histogram(
            "anode_request_seconds", "Time of a request", ["route"],
            buckets=BUCKETS, registry=registry,
        )  # fmt: skip
        self._events = Counter(
            "anode_events", "Events, with a score or without", ["scored"], registry=registry
        )
        self._ready = Gauge("anode_ready", "1 once the fits are in memory", registry=registry)
        self._in_flight = Gauge("anode_in_flight", "Requests at work", registry=registry)

    def began(self) -> None:
        """A request has come."""
        self._in_flight.inc()

    def ended(self, route: str, method: str, status: int, seconds: float) -> None:
        """It has been answered."""
        self._in_flight.dec()
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def scored(self, n_scored: int, n_events: int) -> None:
        """So many of some events have got a score."""
        self._events.labels("yes").inc(n_scored)
        self._events.labels("no").inc(n_events - n_scored)

    def ready(self) -> None:
        """The fits are in memory."""
        self._ready.set(1)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
