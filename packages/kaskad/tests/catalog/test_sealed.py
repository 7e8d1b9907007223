"""A sealed value opens with its key, in its place, unchanged; and in no other way."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.stores.sealed import Place, Sealer, SealError
from kaskad.testing import FakeEntropy

OLD, NEW = b"o" * 32, b"n" * 32
PLACE = Place(table="providers", column="settings", row="smsc", tenant="default")


def sealer(*keys: bytes) -> Sealer:
    return Sealer(keys, FakeEntropy())


@given(st.binary(max_size=200))
def test_what_was_sealed_opens(plain: bytes) -> None:
    seals = sealer(NEW)
    sealed = seals.seal(plain, PLACE)
    assert seals.open(sealed, PLACE) == plain
    assert len(plain) < 4 or plain not in sealed


def test_the_same_value_never_looks_the_same() -> None:
    seals = sealer(NEW)
    assert seals.seal(b"x", PLACE) != seals.seal(b"x", PLACE)


@pytest.mark.parametrize("field", ["table", "column", "row", "tenant"])
def test_a_value_that_was_moved_does_not_open(field: str) -> None:
    seals = sealer(NEW)
    sealed = seals.seal(b"secret", PLACE)
    with pytest.raises(SealError, match="changed or moved"):
        seals.open(sealed, msgspec.structs.replace(PLACE, **{field: "other"}))


def test_places_do_not_run_into_each_other() -> None:
    seals = sealer(NEW)
    sealed = seals.seal(b"secret", Place(table="t", column="c", row="a", tenant="b c"))
    with pytest.raises(SealError):
        seals.open(sealed, Place(table="t", column="c", row="a b", tenant="c"))


def test_a_value_that_was_changed_does_not_open() -> None:
    seals = sealer(NEW)
    sealed = seals.seal(b"secret", PLACE)
    for index in range(len(sealed)):
        flipped = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        with pytest.raises(SealError):
            seals.open(flipped, PLACE)
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            seals.open(sealed[:length], PLACE)


def test_keys_rotate() -> None:
    sealed = sealer(OLD).seal(b"secret", PLACE)
    both = sealer(NEW, OLD)
    assert both.open(sealed, PLACE) == b"secret"
    with pytest.raises(SealError, match="a key that is not configured"):
        sealer(NEW).open(sealed, PLACE)
    assert sealer(NEW).open(both.seal(b"secret", PLACE), PLACE) == b"secret"


def test_an_index_finds_without_telling() -> None:
    index = sealer(NEW).index("number", "default", "+79990000001")
    assert index == sealer(NEW, OLD).index("number", "default", "+79990000001")
    others = [
        sealer(OLD).index("number", "default", "+79990000001"),
        sealer(NEW).index("number", "other", "+79990000001"),
        sealer(NEW).index("code", "default", "+79990000001"),
        sealer(NEW).index("number", "default+7", "9990000001"),
    ]
    assert index not in others
    assert b"9990000001" not in index


def test_a_sealer_does_not_show_its_keys() -> None:
    assert "nnn" not in repr(sealer(NEW))
