"""docs/reference/metrics.md has every figure, with its type and labels."""

from datetime import timedelta

import pytest

from kaskad.core import inputs
from kaskad.core.effects import Step
from kaskad.core.session import advance
from kaskad.stores.memory import MemoryStore
from kaskad.telemetry.metrics import Metrics
from packages.kaskad.tests.core.scene import NOON, WRONG, Scene, sms
from packages.kaskad.tests.docs import markdown

ROWS = markdown.rows((markdown.REFERENCE / "metrics.md").read_text(), "metric")
SUFFIXES = ("_bucket", "_sum", "_count")


@pytest.fixture
def metrics() -> Metrics:
    """Figures after every kind of event."""
    metrics = Metrics()
    metrics.watch(MemoryStore(lambda: NOON).sizes)
    metrics.answered("send", 201, 0.1)
    metrics.handed_over("default/handset", "taken", 0.1)
    metrics.resting("default/handset", begins=True)
    metrics.dead_letter("default/handset")
    metrics.judged("altcha", "passed")
    metrics.held(1)
    metrics.lagged(0.001)
    scene = Scene(sms("first"))
    metrics.started(scene.session)
    scene.accept()
    for event in (
        inputs.CheckCode(code=WRONG),
        inputs.CheckCode(code=scene.code()),
        inputs.CheckAndComplete(),
    ):
        before = scene.session
        step: Step = advance(before, event, scene.now + timedelta(seconds=1), scene.context)
        scene.session = step.session
        metrics.happened(event, before, step)
    return metrics


def shown(metrics: Metrics) -> dict[str, tuple[str, set[str]]]:
    """What is on the page: type and labels by name."""
    found: dict[str, tuple[str, set[str]]] = {}
    for family in metrics.registry.collect():
        if not family.name.startswith("kaskad_"):
            continue
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels}
        assert family.samples, name
        found[name] = (family.type, labels - {"le"})
    return found


def test_the_table_has_every_figure_and_no_other(metrics: Metrics) -> None:
    written = {
        markdown.words(name)[0]: (kind, set(markdown.words(labels)))
        for name, kind, labels, _ in ROWS
    }
    assert written == shown(metrics)


def test_the_usual_process_figures_are_there(metrics: Metrics) -> None:
    page = metrics.render().decode()
    assert "process_cpu_seconds_total" in page
    assert "python_info" in page
