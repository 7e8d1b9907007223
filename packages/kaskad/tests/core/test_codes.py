"""Codes: their distribution, their forms, and how typed ones are compared."""

import hmac
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kaskad.core import inputs
from kaskad.core.codes import (
    Keyring,
    Mac,
    allowed_tries,
    clean,
    digest,
    digits,
    is_code,
    matches,
    set_size,
)
from kaskad.core.model import Code, TestRecipient
from packages.kaskad.tests.core.scene import KEYS

LENGTHS = range(4, 11)


def code(number: int = 1, length: int = 6, *, beautify: bool = False, key: str = "") -> Code:
    return Code(number=number, key_id=key or KEYS.current, length=length, beautify=beautify)


def drawn(code: Code, session: str = "s", keys: Keyring = KEYS) -> str:
    found = digits(code, session, keys)
    assert found is not None
    return found


@example(key=b"k" * 64, text="a whole block")
@given(key=st.binary(min_size=1, max_size=200), text=st.text(max_size=200))
def test_a_mac_is_the_one_of_the_standard(key: bytes, text: str) -> None:
    mac = Mac(key)
    expected = hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")
    assert mac(text) == mac(text) == expected


def chi_square(values: Iterable[int], bins: int) -> float:
    """How far the counts are from even ones, in standard deviations of the statistic."""
    counts = Counter(values)
    assert set(counts) <= set(range(bins))
    expected = counts.total() / bins
    statistic = sum((counts[b] - expected) ** 2 / expected for b in range(bins))
    return float((statistic - (bins - 1)) / (2 * (bins - 1)) ** 0.5)


# --- distribution


def hold_uniform(count: int) -> None:
    values = [int(drawn(code(), f"session-{i}")) for i in range(count)]
    assert abs(chi_square(values, 10**6)) < 4
    assert abs(chi_square((v // 1000 for v in values), 1000)) < 4
    assert abs(chi_square((v % 1000 for v in values), 1000)) < 4
    for place in range(6):
        assert abs(chi_square((v // 10**place % 10 for v in values), 10)) < 4


def test_codes_are_uniform() -> None:
    hold_uniform(200_000)


@pytest.mark.soak
def test_a_million_codes_are_uniform() -> None:
    hold_uniform(10**6)


def test_the_statistic_sees_a_small_bias() -> None:
    values = [int(drawn(code(), f"session-{i}")) for i in range(10**5)]
    assert abs(chi_square((v % 10 for v in values), 10)) < 4
    assert chi_square((v % 10 if v % 50 else 7 for v in values), 10) > 4


@pytest.mark.parametrize("length", LENGTHS)
def test_codes_of_every_length_keep_their_leading_zeros(length: int) -> None:
    found = [drawn(code(n, length)) for n in range(1, 3001)]
    assert all(len(c) == length and c.isascii() and c.isdecimal() for c in found)
    assert 200 < sum(c.startswith("0") for c in found) < 400
    assert abs(chi_square((int(c[0]) for c in found), 10)) < 4


# --- derivation


def test_a_code_follows_from_key_session_number_and_length() -> None:
    key = b"k" * 32
    mac = hmac.new(key, b"code\x1fs\x1f3\x1f6", sha256).digest()
    assert drawn(code(3)) == f"{int.from_bytes(mac, 'big') % 10**6:06}"


def test_each_part_of_the_derivation_matters() -> None:
    assert drawn(code()) == drawn(code())
    others = [
        drawn(code(2)),
        drawn(code(), "another session"),
        drawn(code(length=8))[:6],
        drawn(code(length=8))[2:],
        digits(code(key=Keyring([b"x" * 32]).current), "s", Keyring([b"x" * 32])),
    ]
    assert drawn(code()) not in others


def test_keys_have_ids_and_rotate_with_an_overlap() -> None:
    old, new = Keyring([b"o" * 32]), Keyring([b"n" * 32, b"o" * 32])
    assert new.current != old.current
    known = new.key(old.current)
    assert known is not None
    assert known("text") == Mac(b"o" * 32)("text")
    assert old.key(new.current) is None
    made = code(key=old.current)
    assert matches(drawn(made, keys=old), made, "s", new)
    assert not matches(drawn(made, keys=old), made, "s", Keyring([b"n" * 32]))
    assert digits(made, "s", Keyring([b"n" * 32])) is None


def test_a_keyring_does_not_show_its_keys() -> None:
    assert repr(Keyring([b"secret" * 6])) == f"Keyring({Keyring([b'secret' * 6]).current})"


def test_keyed_look_ups_depend_on_key_purpose_and_parts() -> None:
    macs = {
        KEYS.mac("a", "b"),
        KEYS.mac("a", "c"),
        KEYS.mac("b", "b"),
        KEYS.mac("a", "b", ""),
        Keyring([b"n" * 32, b"k" * 32]).mac("a", "b"),
    }
    assert len(macs) == 5
    assert KEYS.mac("a", "b") == KEYS.mac("a", "b")


# --- readable sets


@pytest.mark.parametrize(
    ("length", "size"),
    [(4, 190), (5, 1900), (6, 1900), (7, 19000), (8, 19900), (9, 199000), (10, 199000)],
)
def test_readable_codes_repeat_or_mirror_their_half(length: int, size: int) -> None:
    half = (length + 1) // 2
    heads = [f"{value:0{half}}" for value in range(10**half)]
    repeated = {(head * 2)[:length] for head in heads}
    mirrored = {head + head[: length - half][::-1] for head in heads}
    assert set_size(length, beautify=True) == len(repeated | mirrored) == size
    if length <= 8:
        found = {drawn(code(n, length, beautify=True)) for n in range(1, 4001)}
        assert found <= repeated | mirrored
        assert found & (repeated - mirrored)
        assert found & (mirrored - repeated)


def test_readable_codes_are_uniform_over_their_set() -> None:
    members: dict[str, int] = {}
    found = (drawn(code(n, 4, beautify=True)) for n in range(1, 38001))
    values = [members.setdefault(member, len(members)) for member in found]
    assert len(members) == 190
    assert abs(chi_square(values, 190)) < 4


@pytest.mark.parametrize("length", LENGTHS)
def test_a_plain_set_has_every_number_of_its_length(length: int) -> None:
    assert set_size(length, beautify=False) == 10**length


@pytest.mark.parametrize(
    ("tries", "length", "beautify", "allowed"),
    [
        (5, 4, False, 3),
        (5, 5, False, 3),
        (2, 5, False, 2),
        (5, 6, False, 5),
        (9, 10, False, 9),
        (5, 6, True, 3),
        (1, 6, True, 1),
        (5, 10, True, 3),
    ],
)
def test_small_sets_have_at_most_three_tries(
    tries: int, length: int, beautify: bool, allowed: int
) -> None:
    assert allowed_tries(tries, length, beautify=beautify) == allowed


# --- typed codes


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("123456", "123456"),
        (" 123 456\n", "123456"),
        ("123-456", "123456"),
        ("123\u2013456", "123456"),
        ("123\u2014456", "123456"),
        ("123\u2212456", "123456"),
        ("12\u00a034\u200956", "123456"),
        ("\u0661\u0662\u0663\u0664\u0665\u0666", "123456"),
        ("\uff11\uff12\uff13\uff14\uff15\uff16", "123456"),
        ("\u0967\u0968\u0969456", "123456"),
        ("12345\u00b3", "12345\u00b3"),
        ("12_34", "12_34"),
        ("1.5", "1.5"),
        ("+123", "+123"),
        ("", ""),
        ("- -", ""),
        ("\U0001f600", "\U0001f600"),
        ("null", "null"),
    ],
)
def test_a_typed_code_is_cleaned_of_what_people_add(typed: str, meant: str) -> None:
    assert clean(typed) == meant


def test_a_code_matches_however_it_is_spaced() -> None:
    made = code()
    right = drawn(made)
    arabic = "".join(chr(0x660 + int(c)) for c in right)
    for typed in (right, f" {right[:3]} {right[3:]} ", f"{right[:3]}-{right[3:]}", arabic):
        assert matches(typed, made, "s", KEYS)


def test_a_code_matches_nothing_else() -> None:
    made = code()
    right = drawn(made)
    for typed in (right[:-1], right + "0", "0" + right, right[::-1] + "x", "", "x" * 6):
        assert not matches(typed, made, "s", KEYS)


def test_a_number_of_another_length_with_the_same_value_does_not_match() -> None:
    made = next(code(n) for n in range(1, 999) if drawn(code(n)).startswith("0"))
    assert not matches(drawn(made).lstrip("0"), made, "s", KEYS)
    assert not matches("0" + drawn(made), made, "s", KEYS)


surrogates = st.text(st.characters(exclude_categories=()), max_size=40)


@given(surrogates | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
def test_no_text_raises_and_none_but_the_code_matches(typed: str) -> None:
    made = code(length=10)
    chosen = Code(number=1, key_id=KEYS.current, length=4, digest=b"d" * 32)
    assert matches(typed, made, "s", KEYS) is (clean(typed) == drawn(made))
    assert matches(typed, chosen, "s", KEYS) is False
    assert clean(clean(typed)) == clean(typed)


@pytest.mark.parametrize("typed", ["", "\ud800", "\udfff" * 9, "\0", "\U0010ffff", "7" * 10**6])
def test_odd_text_is_an_answer(typed: str) -> None:
    assert matches(typed, code(), "s", KEYS) is False


@given(st.text(min_size=1), st.text(min_size=1), st.integers(1, 9), st.integers(6, 10))
def test_a_code_of_one_session_is_not_that_of_another(
    one: str, other: str, number: int, length: int
) -> None:
    made = code(number, 10)
    if one != other:
        assert not matches(drawn(made, one), made, other, KEYS)
        kept = digest(drawn(made, one), one, KEYS, KEYS.current)
        assert kept != digest(drawn(made, one), other, KEYS, KEYS.current)
    assert len(drawn(code(number, length), one)) == length


def test_no_code_of_a_thousand_sessions_confirms_another() -> None:
    """Two of a million may be the same digits; ten digits leave that out."""
    sessions = [f"session-{n}" for n in range(1000)]
    found = {drawn(code(length=10), session) for session in sessions}
    assert len(found) == 1000


# --- codes that are not derived


def test_a_chosen_code_matches_by_its_digest() -> None:
    kept = digest("4821", "s", KEYS, KEYS.current)
    chosen = Code(number=1, key_id=KEYS.current, length=4, digest=kept)
    assert matches("48 21", chosen, "s", KEYS)
    assert not matches("4822", chosen, "s", KEYS)
    assert not matches("4821", chosen, "another", KEYS)
    assert digits(chosen, "s", KEYS) is None


def test_a_chosen_code_is_dead_without_its_key() -> None:
    kept = digest("4821", "s", KEYS, KEYS.current)
    chosen = Code(number=1, key_id=KEYS.current, length=4, digest=kept)
    assert not matches("4821", chosen, "s", Keyring([b"n" * 32]))
    assert digest("4821", "s", Keyring([b"n" * 32]), KEYS.current) is None


def test_what_carries_digits_does_not_show_them() -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)
    carriers = (
        inputs.Accepted(launch=1, code="4821"),
        inputs.CheckCode(code="4821"),
        TestRecipient(number="+79001234567", code="4821", until=until),
    )
    for carrier in carriers:
        assert "4821" not in repr(carrier)
        assert "900123" not in repr(carrier)


# --- what a provider calls a code


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("1234", True),
        ("12 34-56", True),
        ("0000000000", True),
        ("١٢٣٤", True),
        ("", False),
        (" - ", False),
        ("123", False),
        ("12345678901", False),
        ("12a4", False),
        ("½½½½", False),
    ],
)
def test_a_code_is_something_that_a_person_can_type(text: str, is_one: bool) -> None:
    assert is_code(text) is is_one
