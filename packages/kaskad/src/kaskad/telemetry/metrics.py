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

_STATUSES = {status: str(status) for status in range(100, 600)}
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
    """How long something took, by one label or none."""

    def __init__(self, name: str, what: str, label: str = "") -> None:
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
        labels = [self.label] if self.label else []
        family = HistogramMetricFamily(f"kaskad_{self.name}", self.what, labels=labels)
        for label, buckets in self.buckets.items():
            values = [label] if self.label else []
            family.add_metric(values, list(_cumulated(buckets)), self.sums[label])
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
        self._letters = Count("dead_letters", "Messages not sent by our fault", "provider")
        self._captchas = Count("captchas", "Tokens of captchas judged", "provider", "finding")
        self._requests = Count("requests", "Calls answered", "call", "status")
        self._delay = Durations("handover_seconds", "From due to the answer", "provider")
        self._duration = Durations("request_seconds", "Time to answer a call", "call")
        self._lag = Durations("event_loop_lag_seconds", "How late the event loop was")
        self._held = 0
        self._resting: dict[str, bool] = {}
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
        yield self._rests()
        for kind, size in self._sizes().items():
            yield GaugeMetricFamily(f"kaskad_store_{kind}", f"Records: {kind}", value=size)

    def _rests(self) -> Metric:
        what = "Whether a provider rests"
        family = GaugeMetricFamily("kaskad_provider_resting", what, labels=["provider"])
        for lane, rests in self._resting.items():
            family.add_metric([lane], int(rests))
        return family

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

    def passed_over(self, lane: str) -> None:
        """A message was not handed to a provider that rests."""
        self._handed.add(lane, "resting")

    def resting(self, lane: str, *, begins: bool) -> None:
        """A provider begins to rest, or is back."""
        self._resting[lane] = begins

    def dead_letter(self, lane: str) -> None:
        """A job could not be carried out."""
        self._letters.add(lane)

    def answered(self, call: str, status: int, seconds: float) -> None:
        """A call was answered."""
        self._requests.add(call, _STATUSES.get(status) or str(status))
        self._duration.add(call, seconds)

    def judged(self, provider: str, finding: str) -> None:
        """A captcha's token was judged."""
        self._captchas.add(provider, finding)

    def held(self, change: int) -> None:
        """So many more, or fewer, calls are held."""
        self._held += change

    def lagged(self, seconds: float) -> None:
        """The event loop was so late."""
        self._lag.add("", seconds)

    def render(self) -> bytes:
        """The figures as text."""
        return generate_latest(self.registry)
