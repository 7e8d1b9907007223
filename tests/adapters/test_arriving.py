"""The parts that all adapters stand on, by themselves."""

import logging
from ipaddress import ip_address
from typing import Any, NamedTuple

import pytest

from kaskad_sdk.addresses import plain_address
from kaskad_sdk.contrib import _arriving
from kaskad_sdk.contrib._arriving import address_reader, below, below_any, proxies_of, wsgi_path


class Seen(NamedTuple):
    peer: str
    forwarded_for: list[str]


def read(peer: str, *forwarded_for: str, trusted: list[str]) -> str:
    reader = address_reader(_seen, trusted_proxies=trusted, get_client_ip=None)
    return reader(Seen(peer, list(forwarded_for)))


def _seen(request: Seen) -> tuple[str, list[str]]:
    return request.peer, request.forwarded_for


@pytest.mark.parametrize(
    ("forwarded_for", "trusted", "address"),
    [
        (["10.0.0.1, 198.51.100.4"], ["unix"], "198.51.100.4"),
        (["10.0.0.1", "198.51.100.4"], ["unix"], "198.51.100.4"),
        (["10.0.0.1, 198.51.100.4, 203.0.113.8"], ["unix", "203.0.113.8"], "198.51.100.4"),
        (["198.51.100.4"], ["unix"], "198.51.100.4"),
        ([], ["unix"], ""),
        ([""], ["unix"], ""),
        (["198.51.100.4"], [], ""),
        (["198.51.100.4"], ["203.0.113.8"], ""),
    ],
)
def test_behind_a_unix_socket_the_proxy_has_no_address(
    forwarded_for: list[str], trusted: list[str], address: str
) -> None:
    assert read("", *forwarded_for, trusted=trusted) == address


def test_unix_trusts_nobody_who_has_an_address() -> None:
    assert read("203.0.113.8", "198.51.100.4", trusted=["unix"]) == "203.0.113.8"


def test_an_unknown_address_is_told_to_the_operator_once(caplog: pytest.LogCaptureFixture) -> None:
    _arriving._on_unix_socket.cache_clear()
    with caplog.at_level(logging.WARNING):
        read("", trusted=["unix"])
        assert caplog.records == []
        for _ in range(3):
            read("", trusted=[])
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("198.51.100.4", "198.51.100.4"),
        (ip_address("2001:db8::1"), "2001:db8::1"),
        (None, ""),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_what_a_function_of_the_application_finds_is_text(
    given: Any, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    _arriving._nothing_found.cache_clear()
    reader = address_reader(_seen, trusted_proxies=(), get_client_ip=lambda _: given)
    with caplog.at_level(logging.WARNING):
        assert [reader(Seen("203.0.113.8", [])) for _ in range(3)] == [address] * 3
    assert len(caplog.records) == (plain_address(address) is None)


def test_a_function_that_has_to_be_awaited_is_refused() -> None:
    async def found(_: Seen) -> str:
        return "198.51.100.4"

    wrong: Any = found
    with pytest.raises(ValueError, match="get_client_ip"):
        address_reader(_seen, trusted_proxies=(), get_client_ip=wrong)


@pytest.mark.parametrize("proxies", [["*"], ["unix", "*"], ["socket"], "unix", "10.0.0.1"])
def test_what_is_no_proxy_is_refused(proxies: list[str]) -> None:
    with pytest.raises(ValueError):
        proxies_of(proxies)


@pytest.mark.parametrize(
    ("raw", "segments", "path"),
    [
        ("/auth/otp", 0, ""),
        ("/auth/otp/", 0, ""),
        ("/auth/otp/7/channel", 2, "/7/channel"),
        ("/auth/otp/7/channel/", 2, "/7/channel/"),
        ("/api/v2/auth/otp/7/channel", 2, "/7/channel"),
        ("/%61uth/otp/7/channel", 2, "/7/channel"),
        ("/auth/otp/7%2Fchannel", 2, "/7%2Fchannel"),
        ("/auth/otp/%D1%8F/channel", 2, "/%D1%8F/channel"),
        ("/auth/otp/%FF/channel", 2, "/%FF/channel"),
        ("/7/channel", 2, "/7/channel"),
    ],
)
def test_the_end_of_a_path_stays_as_it_was_sent(raw: str, segments: int, path: str) -> None:
    assert below(raw, segments) == path


def test_the_rest_of_a_route_tells_how_much_is_below() -> None:
    assert below_any("/auth/otp/7/channel", "7/channel") == "/7/channel"
    assert below_any("/auth/otp/7/channel", "/7/channel") == "/7/channel"
    assert below_any("/auth/otp//channel", "/channel") == "/channel"
    assert below_any("/auth/otp/", "") == ""


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"REQUEST_URI": "/otp/7%2Fchannel?since=1"}, "/otp/7%2Fchannel"),
        ({"RAW_URI": "/otp/7%2Fchannel"}, "/otp/7%2Fchannel"),
        ({"REQUEST_URI": "http://127.0.0.1/otp/7"}, "/otp/7/%D1%8F"),
        ({}, "/otp/7/%D1%8F"),
    ],
)
def test_a_wsgi_path_is_raw_where_the_server_tells(environ: dict[str, str], path: str) -> None:
    assert wsgi_path(environ, "/otp/7/я") == path
