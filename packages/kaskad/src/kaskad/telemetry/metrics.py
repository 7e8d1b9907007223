"""Figures in Prometheus' format."""

from collections.abc import Callable, Mapping
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from kaskad.core.effects import Step
from kaskad.core.errors import KaskadError
from kaskad.core.inputs import CheckCode, Input
from kaskad.core.model import Session, State

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def _size(sizes: Callable[[], Mapping[str, int]], kind: str) -> float:
    return sizes()[kind]


class Metrics:
    """:class:`kaskad.app.ports.Telemetry` that counts."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # noise that doubles the page
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._sessions = self._counter("sessions", "Verifications begun", "widget")
        self._launches = self._counter("launches", "Channels started", "channel", "type")
        self._checks = self._counter("checks", "Codes checked", "result")
        self._confirmed = self._counter("confirmed", "Sessions confirmed", "type")
        self._completed = self._counter("completed", "Verdicts collected", "widget")
        self._handed = self._counter("handovers", "Answers of providers", "provider", "outcome")
        self._requests = self._counter("requests", "Calls answered", "call", "status")
        self._delay = self._histogram("handover_seconds", "From due to the answer", "provider")
        self._duration = self._histogram("request_seconds", "Time to answer a call", "call")
        self._held = Gauge("kaskad_held_polls", "Calls held now", registry=self.registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"kaskad_{name}", what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str, *labels: str) -> Histogram:
        return Histogram(f"kaskad_{name}", what, labels, buckets=_SECONDS, registry=self.registry)

    def watch(self, sizes: Callable[[], Mapping[str, int]]) -> None:
        """Show the sizes of a store whenever the figures are read."""
        for kind in sizes():
            gauge = Gauge(f"kaskad_store_{kind}", f"Records: {kind}", registry=self.registry)
            gauge.set_function(partial(_size, sizes, kind))

    def started(self, session: Session) -> None:
        """A session has begun."""
        self._sessions.labels(session.widget).inc()
        self._launched(session, 0)

    def happened(self, event: Input, before: Session, step: Step) -> None:
        """An input has changed a session."""
        after = step.session
        self._launched(after, len(before.launches))
        if isinstance(event, CheckCode):
            refusal = step.answer.type if isinstance(step.answer, KaskadError) else "success"
            self._checks.labels(refusal).inc()
        if before.confirmed_at is None and after.confirmed_at is not None:
            self._confirmed.labels(after.launch.type).inc()
        if before.state is State.CONFIRMED and after.state is State.CLOSED and step.answer is True:
            self._completed.labels(after.widget).inc()

    def _launched(self, session: Session, known: int) -> None:
        for launch in session.launches[known:]:
            self._launches.labels(launch.channel, launch.type).inc()

    def handed_over(self, lane: str, outcome: str, seconds: float) -> None:
        """A driver has answered."""
        self._handed.labels(lane, outcome).inc()
        self._delay.labels(lane).observe(max(0.0, seconds))

    def answered(self, call: str, status: int, seconds: float) -> None:
        """A call was answered."""
        self._requests.labels(call, status).inc()
        self._duration.labels(call).observe(seconds)

    def held(self, change: int) -> None:
        """So many more, or fewer, calls are held."""
        self._held.inc(change)

    def render(self) -> bytes:
        """The figures as text."""
        return generate_latest(self.registry)
