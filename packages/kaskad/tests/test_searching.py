"""The searcher finds what is planted, so that its silence means something."""

import base64
from pathlib import Path

import pytest

from packages.kaskad.tests.searching import Search

NUMBER, CODE = "+79001234567", "123456789"
SEARCH = Search(codes=[CODE], numbers=[NUMBER])


@pytest.mark.parametrize(
    "written",
    [
        "+79001234567",
        "79001234567",
        "89001234567",
        "9001234567",
        "+7 900 123-45-67",
        "8 (900) 123 45 67",
        "+7.900.123.45.67",
        "%2B7%20900%201234567",
        "recipient=+79001234567&a=b",
        CODE,
        "123 456 789",
        "123-456-789",
        f'{{"code":"{CODE}"}}',
        "1234 56789",
    ],
)
@pytest.mark.parametrize("before", ["", "a", "bc", "def"])
def test_a_planted_secret_is_found_however_it_is_written(written: str, before: str) -> None:
    for data in (
        f"{before}{written} and more".encode(),
        (before + written.replace(" ", "")).encode().hex().upper().encode(),
        (before + written.replace(" ", "")).encode("utf-16-le"),
    ):
        plain = all(c.isdigit() or c == "+" for c in written)
        if plain or data.startswith(f"{before}{written}".encode()):
            assert SEARCH.of("somewhere", b"\x00\xff\n" + data + b"\n\x00")


@pytest.mark.parametrize("written", [NUMBER, "89001234567", CODE])
@pytest.mark.parametrize("before", ["", "a", "bc", "def", '{"to":"'])
@pytest.mark.parametrize("after", ["", "x", "yz", '"}'])
def test_a_planted_secret_is_found_in_base64(written: str, before: str, after: str) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        data = encode(f"{before}{written}{after}".encode())
        assert SEARCH.of("somewhere", b"data: " + data)


@pytest.mark.parametrize(
    "written",
    ["+7900***4567", "+79001234568", "12345678", "2026-01-01T12:34:56.789Z", "1.23456e9", ""],
)
def test_what_is_masked_or_another_is_not_found(written: str) -> None:
    assert SEARCH.of("somewhere", written.encode()) == []


def test_a_planted_secret_is_found_in_any_file_but_those_excused(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.db-wal").write_bytes(b"\x00" * 5000 + NUMBER.encode())
    (tmp_path / "b.log").write_text(f"code {CODE}")
    (tmp_path / "c").write_text("nothing")
    assert [line.split(" in ")[0] for line in SEARCH.of_folder(tmp_path)] == [
        f"b.log: {CODE}",
        "a.db-wal: 9001234567",
    ]
    assert SEARCH.of_folder(tmp_path, but={"b.log": "planted", "a.db-wal": "planted"}) == []
