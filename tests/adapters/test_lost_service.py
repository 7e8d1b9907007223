"""No service: the page is told so in the service's own form."""

import httpx2
import pytest

from tests.adapters.backends import NAMES, back_end
from tests.adapters.upstream import REQUEST_ID, WIDGET
from tests.peers.ports import free_port


@pytest.mark.parametrize("name", NAMES)
def test_a_lost_service_is_unavailable(name: str) -> None:
    with back_end(name, f"http://127.0.0.1:{free_port()}") as url:
        send = httpx2.post(f"{url}/", json={"widgetId": WIDGET, "recipient": "+79001234567"})
        held = httpx2.get(f"{url}/longPolling/{REQUEST_ID}/channel")
    for answer in (send, held):
        assert answer.status_code == 503
        assert answer.json().keys() >= {"type", "message", "httpStatus"}
        assert answer.json()["httpStatus"] == 503
