"""Who stands behind the proxies: nobody chooses his own address."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad_sdk.addresses import address_subject, client_address, plain_address, trusted_networks

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.1")
CLIENT = "203.0.113.7"


@pytest.mark.parametrize(
    "peer, header, expected",
    [
        # no proxy: nobody's header counts
        (CLIENT, [], CLIENT),
        (CLIENT, ["1.1.1.1"], CLIENT),
        (CLIENT, ["10.0.0.1, 10.0.0.2"], CLIENT),
        # one proxy: the last entry is its own
        ("10.0.0.1", [CLIENT], CLIENT),
        ("10.0.0.1", [f"1.1.1.1, {CLIENT}"], CLIENT),
        ("10.0.0.1", ["1.1.1.1", CLIENT], CLIENT),
        ("10.0.0.1", [f"10.0.0.9, 1.1.1.1, {CLIENT}"], CLIENT),
        # two proxies
        ("10.0.0.1", [f"1.1.1.1, {CLIENT}, 192.0.2.1"], CLIENT),
        ("10.0.0.1", [f"1.1.1.1, {CLIENT}", "2001:db8:ffff::1"], CLIENT),
        # all are proxies: the farthest
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # forms of addresses
        ("10.0.0.1", [f"{CLIENT}:5060"], CLIENT),
        ("10.0.0.1", ["[2001:db8::5]:443"], "2001:db8::5"),
        ("::ffff:10.0.0.1", [f"::ffff:{CLIENT}"], CLIENT),
        ("10.0.0.1:9999", [CLIENT], CLIENT),
        # garbage ends the chain at the last one known
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", [f"{CLIENT}, "], "10.0.0.1"),
        ("10.0.0.1", [f"{CLIENT}, _hidden, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["\x00", "é"], "10.0.0.1"),
        ("", [CLIENT], ""),
        ("testclient", [CLIENT], "testclient"),
    ],
)
def test_the_first_untrusted_from_the_right_is_the_client(
    peer: str, header: list[str], expected: str
) -> None:
    assert client_address(peer, header, PROXIES) == expected


def test_a_thousand_forged_headers_are_one_client() -> None:
    found = {
        address_subject(
            client_address("10.0.0.1", [f"{ip_address(index * 4_000_037)}, {CLIENT}"], PROXIES)
        )
        for index in range(1, 1001)
    }
    assert found == {CLIENT}


def test_a_thousand_forged_headers_without_a_proxy_are_one_client() -> None:
    found = {client_address(CLIENT, [f"1.2.{n // 250}.{n % 250}"]) for n in range(1000)}
    assert found == {CLIENT}


FORGED = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.ip_addresses().map(str),
        st.sampled_from(["10.0.0.5", "192.0.2.1", "", ",", "[", "]:", ":::", "%", "*"]),
    ),
    max_size=8,
)


@given(FORGED, st.sampled_from([0, 1, 2]))
def test_whatever_a_client_writes_its_address_stays(forged: list[str], proxies: int) -> None:
    header = [*forged, CLIENT] if proxies else forged
    chain = header + ["192.0.2.1"] * (proxies - 1)
    peer = "10.0.0.1" if proxies else CLIENT
    assert client_address(peer, chain, PROXIES) == CLIENT
    assert client_address(peer, [", ".join(chain)], PROXIES) == CLIENT


@given(st.text(max_size=60), FORGED)
def test_garbage_falls_back_and_never_fails(peer: str, forged: list[str]) -> None:
    found = client_address(peer, forged, PROXIES)
    assert plain_address(found) is not None or found == peer


def test_an_endless_header_is_read_from_its_end_only() -> None:
    endless = ",".join(["10.0.0.2"] * 200_000) + f", {CLIENT}, 10.0.0.3"
    assert client_address("10.0.0.1", [endless], PROXIES) == CLIENT


@pytest.mark.parametrize("proxies", [["*"], ["0.0.0.0/0"], ["::/0"], ["10.0.0.1", " * "]])
def test_trusting_everybody_is_refused(proxies: list[str]) -> None:
    with pytest.raises(ValueError, match="trust everybody"):
        client_address(CLIENT, [], proxies)


@pytest.mark.parametrize("proxies", [["proxy.example"], [""], ["10.0.0.0/33"]])
def test_what_is_no_network_is_refused(proxies: list[str]) -> None:
    with pytest.raises(ValueError):
        trusted_networks(proxies)


def test_one_string_is_not_a_list_of_proxies() -> None:
    with pytest.raises(ValueError, match="a list"):
        trusted_networks("10.0.0.1")


@pytest.mark.parametrize(
    "text, subject",
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", None),
        ("localhost", None),
    ],
)
def test_addresses_count_by_what_one_person_has(text: str, subject: str | None) -> None:
    assert address_subject(text) == subject
