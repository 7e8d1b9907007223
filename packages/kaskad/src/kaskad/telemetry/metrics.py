"""Figures in Prometheus' format.

Counting is on the path of every call, reading happens a few times a minute:
so counts are plain numbers here, and become metrics when somebody reads them.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from kaskad.core.effects import Step
from kaskad.core.errors import KaskadError
from kaskad.core.inputs import CheckCode, Input
from kaskad.core.model import Session, State

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

Labels = tuple[str, ...]


class Count:
    """How often something happened, by labels."""

    def __init__(self, name: str, what: str, *labels: str) -> None:
        self.name, self.what, self.labels = name, what, labels
        self.counts: dict[Labels, int] = defaultdict(int)

    def add(self, *labels: str) -> None:
        """Once more."""
        self.counts[labels] += 1

    def metric(self) -> Metric:
        """As Prometheus sees it."""
        family = CounterMetricFamily(f"kaskad_{self.name}", self.what, labels=self.labels)
        for labels, number in self.counts.items():
            family.add_metric(labels, number)
        return family


class Durations:
    """How long something took, by one label."""

    def __init__(self, name: str, what: str, label: str) -> None:
        self.name, self.what, self.label = name, what, label
        self.buckets: dict[str, list[int]] = {}
        self.sums: dict[str, float] = defaultdict(float)

    def add(self, label: str, seconds: float) -> None:
        """One that took so long."""
        buckets = self.buckets.get(label)
        if buckets is None:
            buckets = self.buckets[label] = [0] * (len(_SECONDS) + 1)
        buckets[bisect_left(_SECONDS, seconds)] += 1
        self.sums[label] += seconds

    def metric(self) -> Metric:
        """As Prometheus sees it."""
        family = HistogramMetricFamily(f"kaskad_{self.name}", self.what, labels=[self.label])
        for label, buckets in self.buckets.items():
            family.add_metric([label], list(_cumulated(buckets)), self.sums[label])
        return family


def _cumulated(buckets: list[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, number in zip((*map(str, _SECONDS), "+Inf"), buckets, strict=True):
        total += number
        yield bound, total


class Metrics(Collector):
    """:class:`kaskad.app.ports.Telemetry` that counts."""

    def __init__(self) -> None:
        self._sessions = Count("sessions", "Verifications begun", "widget")
        self._launches = Count("launches", "Channels started", "channel", "type")
        self._checks = Count("checks", "Codes checked", "result")
        self._confirmed = Count("confirmed", "Sessions confirmed", "type")
        self._completed = Count("completed", "Verdicts collected", "widget")
        self._handed = Count("handovers", "Answers of providers", "provider", "outcome")
        self._requests = Count("requests", "Calls answered", "call", "status")
        self._delay = Durations("handover_seconds", "From due to the answer", "provider")
        self._duration = Durations("request_seconds", "Time to answer a call", "call")
        self._held = 0
        self._sizes: Callable[[], Mapping[str, int]] = dict
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self)

    def watch(self, sizes: Callable[[], Mapping[str, int]]) -> None:
        """Show the sizes of a store whenever the figures are read."""
        self._sizes = sizes

    def collect(self) -> Iterator[Metric]:
        """Everything, as Prometheus sees it."""
        for figure in vars(self).values():
            if isinstance(figure, Count | Durations):
                yield figure.metric()
        yield GaugeMetricFamily("kaskad_held_polls", "Calls held now", value=self._held)
        for kind, size in self._sizes().items():
            yield GaugeMetricFamily(f"kaskad_store_{kind}", f"Records: {kind}", value=size)

    def started(self, session: Session) -> None:
        """A session has begun."""
        self._sessions.add(session.widget)
        self._launched(session, 0)

    def happened(self, event: Input, before: Session, step: Step) -> None:
        """An input has changed a session."""
        after = step.session
        if len(after.launches) > len(before.launches):
            self._launched(after, len(before.launches))
        if isinstance(event, CheckCode):
            refusal = step.answer.type if isinstance(step.answer, KaskadError) else "success"
            self._checks.add(refusal)
        if before.confirmed_at is None and after.confirmed_at is not None:
            self._confirmed.add(after.launch.type.value)
        if before.state is State.CONFIRMED and after.state is State.CLOSED and step.answer is True:
            self._completed.add(after.widget)

    def _launched(self, session: Session, known: int) -> None:
        for launch in session.launches[known:]:
            self._launches.add(launch.channel, launch.type.value)

    def handed_over(self, lane: str, outcome: str, seconds: float) -> None:
        """A driver has answered."""
        self._handed.add(lane, outcome)
        self._delay.add(lane, max(0.0, seconds))

    def answered(self, call: str, status: int, seconds: float) -> None:
        """A call was answered."""
        self._requests.add(call, str(status))
        self._duration.add(call, seconds)

    def held(self, change: int) -> None:
        """So many more, or fewer, calls are held."""
        self._held += change

    def render(self) -> bytes:
        """The figures as text."""
        return generate_latest(self.registry)
