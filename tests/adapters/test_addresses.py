"""Whose address the service is told: behind no proxy, one and two, whatever the page forges."""

import httpx2
import pytest

from tests.adapters.backends import NAMES, back_end
from tests.adapters.upstream import WIDGET, Upstream

PERSON, PROXY, OUTER = "127.0.0.7", "127.0.0.2", "203.0.113.8"
FORGED = {
    "x-forwarded-for": "10.0.0.1",
    "x-real-ip": "10.0.0.2",
    "forwarded": "for=10.0.0.3",
    "true-client-ip": "10.0.0.4",
}
SEND = {"widgetId": WIDGET, "recipient": "+79001234567", "userIp": "10.0.0.5"}

each_framework = pytest.mark.parametrize("name", NAMES)


def told(service: Upstream, url: str, peer: str, **headers: str) -> str:
    """The address that the service hears of a request that comes from ``peer``."""
    given = {**FORGED, **{name.replace("_", "-"): value for name, value in headers.items()}}
    with httpx2.Client(transport=httpx2.HTTPTransport(local_address=peer)) as page:
        answer = page.post(url + "/", json=SEND, headers=given)
    assert answer.status_code == 201, answer.text
    found: str = service.asked[-1].json()["userIp"]
    return found


@each_framework
def test_without_proxies_it_is_the_peer_whatever_is_forged(name: str, service: Upstream) -> None:
    with back_end(name, service.url) as url:
        assert told(service, url, PERSON) == PERSON
        assert told(service, url, "127.0.0.8", x_forwarded_for=f"1.1.1.1, {PROXY}") == "127.0.0.8"


@each_framework
def test_behind_proxies_it_is_the_last_that_they_do_not_trust(name: str, service: Upstream) -> None:
    with back_end(name, service.url, trusted_proxies=[PROXY, "203.0.113.0/24"]) as url:
        one = f"10.0.0.1, {OUTER[:-1]}9, 198.51.100.4"
        assert told(service, url, PROXY, x_forwarded_for=one) == "198.51.100.4"
        two = f"10.0.0.1, 198.51.100.4, {OUTER}"
        assert told(service, url, PROXY, x_forwarded_for=two) == "198.51.100.4"
        garbage = f"198.51.100.4, unknown, {OUTER}"
        assert told(service, url, PROXY, x_forwarded_for=garbage) == OUTER
        assert told(service, url, PERSON, x_forwarded_for=two) == PERSON


@each_framework
def test_a_header_that_is_sent_twice_is_read_whole(name: str, service: Upstream) -> None:
    with back_end(name, service.url, trusted_proxies=[PROXY, OUTER]) as url:
        transport = httpx2.HTTPTransport(local_address=PROXY)
        headers = [("x-forwarded-for", "10.0.0.1, 198.51.100.4"), ("x-forwarded-for", OUTER)]
        with httpx2.Client(transport=transport) as page:
            page.post(url + "/", json=SEND, headers=headers)
        assert service.asked[-1].json()["userIp"] == "198.51.100.4"


@each_framework
def test_the_application_may_find_it_in_another_way(name: str, service: Upstream) -> None:
    with back_end(name, service.url, get_client_ip=lambda request: "198.51.100.9") as url:
        assert told(service, url, PERSON) == "198.51.100.9"
