"""Whose a request is: the socket's peer, or whoever stands behind proxies that we trust."""

from ipaddress import ip_network

import pytest

from kaskad.app.addresses import NOBODY, address_subject, client_address

OURS = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))
PERSON = "203.0.113.7"


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        (PERSON, [], PERSON),
        (PERSON, ["198.51.100.1"], PERSON),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [PERSON], PERSON),
        ("10.0.0.1", [f"198.51.100.1, {PERSON}"], PERSON),
        ("10.0.0.1", [f"198.51.100.1, {PERSON},10.0.0.2 "], PERSON),
        ("10.0.0.1", ["198.51.100.1", PERSON, "10.0.0.2"], PERSON),
        ("10.0.0.1", [f"{PERSON}, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("::ffff:10.0.0.1", [PERSON], PERSON),
        ("10.0.0.1", [f"::ffff:{PERSON}"], PERSON),
        ("2001:db8:ffff::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", [f"{PERSON}:4711"], PERSON),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", [f"{PERSON}, unknown, 10.0.0.2"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [f"unknown, {PERSON}"], PERSON),
        (None, [PERSON], NOBODY),
        ("/run/socket", [PERSON], NOBODY),
    ],
)
def test_the_first_stranger_from_the_right_counts(
    peer: str | None, forwarded: list[str], expected: str
) -> None:
    assert client_address(peer, forwarded, OURS) == expected


@pytest.mark.parametrize("peer", [PERSON, "10.0.0.1", "127.0.0.1", "::1"])
def test_without_proxies_nobody_is_believed(peer: str) -> None:
    assert client_address(peer, ["198.51.100.1"], ()) == peer


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        (" 203.0.113.7 ", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:0:1:ffff::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("203.0.113", None),
        ("", None),
    ],
)
def test_limits_count_networks_of_the_new_kind(text: str, subject: str | None) -> None:
    assert address_subject(text) == subject
