"""A provider that hangs in a real service: its messages are passed on until it is mended."""

import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.harness import BASE, CONFIG, KASKAD, Kaskad

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

SILENT_S = 10
FAILURES, OTHERS = 5, 10
CASCADE = (
    CONFIG.replace('driver = "simulator"\n', 'driver = "simulator"\noutcome = "hang"\n')
    .replace("send_timeout = 120", f"send_timeout = {SILENT_S}")
    .replace('channels = ["sms"]', 'channels = ["sms", "voice"]')
    + """
[[providers]]
id = "caller"
driver = "simulator"
delay = 0

[[channels]]
id = "voice"
type = "voice"
label = "Voice"
provider = "caller"
templates = [{{ locale = "ru", text = "{{{{ code }}}}" }}]
"""
)


def figure(kaskad: Kaskad, name: str, **labels: str) -> float | None:
    """What the figures say of the provider that hangs."""
    wanted = {"provider": "default/handset", **labels}
    families = text_string_to_metric_families(kaskad.get("/metrics").text)
    samples = [s for f in families for s in f.samples if s.name == f"kaskad_{name}"]
    return next((s.value for s in samples if s.labels == wanted), None)


def rests(kaskad: Kaskad) -> float | None:
    return figure(kaskad, "provider_resting")


def on(kaskad: Kaskad, request_id: str) -> tuple[str, str]:
    channel = kaskad.get(f"{BASE}/{request_id}/channel").json()
    return channel["type"], channel["status"]


def sends(kaskad: Kaskad, first: int, count: int) -> list[str]:
    return [kaskad.send(f"+7900123{first + n:04}") for n in range(count)]


def test_people_wait_for_a_silent_provider_only_until_it_is_known_to_be(tmp_path: Path) -> None:
    with Kaskad(tmp_path, config=CASCADE) as kaskad:
        assert rests(kaskad) is None
        began = time.monotonic()
        waited = sends(kaskad, 0, FAILURES)
        assert on(kaskad, waited[0]) == ("sms", "wait")
        kaskad.until(lambda: rests(kaskad) == 1)
        assert time.monotonic() - began > SILENT_S - 0.5
        assert all(on(kaskad, request_id)[0] == "voice" for request_id in waited)

        began = time.monotonic()
        passed_on = sends(kaskad, 100, OTHERS)
        for request_id in passed_on:
            kaskad.until(lambda x=request_id: on(kaskad, x) == ("voice", "sent"))  # type: ignore[misc]
        assert time.monotonic() - began < SILENT_S
        assert figure(kaskad, "handovers_total", outcome="resting") == OTHERS
        assert kaskad.log().count("provider rests") == 1
        story = subprocess.run(
            [KASKAD, "session", passed_on[0], "--config", str(kaskad.config)],
            env=kaskad.env,
            capture_output=True,
            check=True,
        )
        assert b"provider is resting" in story.stdout

        kaskad.config.write_text(kaskad.config.read_text().replace('outcome = "hang"\n', ""))
        command = [KASKAD, "apply", str(kaskad.config)]
        subprocess.run(command, env=kaskad.env, capture_output=True, check=True)
        kaskad.until(lambda: rests(kaskad) == 0)
        mended = kaskad.send("+79001239999")
        kaskad.until(lambda: on(kaskad, mended) == ("sms", "sent"))
        assert kaskad.log().count("provider is back") == 1
        assert "+7900123" not in kaskad.log()
