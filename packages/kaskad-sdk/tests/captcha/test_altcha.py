"""The proof of work, by itself and with the reference implementation on either side."""

import base64
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from altcha import v1 as reference
from hypothesis import given
from hypothesis import strategies as st

from kaskad_sdk.captcha import Altcha, Guard, Passed, Refused, Verdict
from tests.peers.flows import NOW, run

KEY = "a key of the tests, long enough"
SALT = bytes(range(12))
CAPTCHA = Altcha(hmac_key=KEY, max_number=500, lifetime_s=300)


def _solution(challenge: dict[str, Any]) -> dict[str, Any]:
    for number in range(challenge["maxnumber"] + 1):
        digest = sha256(f"{challenge['salt']}{number}".encode()).hexdigest()
        if digest == challenge["challenge"]:
            kept = ("algorithm", "challenge", "salt", "signature")
            return {**{name: challenge[name] for name in kept}, "number": number, "took": 12}
    raise AssertionError("no number solves it")


def _encoded(payload: object) -> str:
    return base64.b64encode(json.dumps(payload).encode()).decode()


def _verdict(token: str, captcha: Altcha = CAPTCHA, after_s: float = 0) -> Verdict:
    return run(captcha.verify(token, address="", now=NOW + timedelta(seconds=after_s)))


SOLVED = _solution(CAPTCHA.challenge(NOW, SALT))


def test_a_solved_challenge_passes_and_names_what_to_remember() -> None:
    verdict = _verdict(_encoded(SOLVED))
    assert isinstance(verdict, Passed)
    assert verdict.spend is not None
    assert verdict.spend.key == f"altcha:{SOLVED['challenge']}"
    assert verdict.spend.until == NOW + timedelta(seconds=300)


def test_challenges_differ_by_salt_and_key_and_hide_their_number() -> None:
    ours = CAPTCHA.challenge(NOW, SALT)
    assert set(ours) == {"algorithm", "challenge", "maxnumber", "salt", "signature"}
    assert ours["challenge"] != CAPTCHA.challenge(NOW, SALT[::-1])["challenge"]
    other = Altcha(hmac_key=KEY * 2, max_number=500).challenge(NOW, SALT)
    assert ours["challenge"] != other["challenge"]


def test_numbers_spread_over_the_whole_range() -> None:
    captcha = Altcha(hmac_key=KEY, max_number=9)
    numbers = {
        _solution(captcha.challenge(NOW, index.to_bytes(12)))["number"] for index in range(200)
    }
    assert numbers == set(range(10))


@pytest.mark.parametrize("after_s, passes", [(299.9, True), (300, False), (86_400, False)])
def test_a_challenge_lives_as_long_as_it_says(after_s: float, passes: bool) -> None:
    assert isinstance(_verdict(_encoded(SOLVED), after_s=after_s), Passed if passes else Refused)


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "SHA-1"},
        {"algorithm": None},
        {"challenge": "0" * 64},
        {"challenge": SOLVED["challenge"].upper()},
        {"number": SOLVED["number"] + 1},
        {"number": str(SOLVED["number"])},
        {"number": float(SOLVED["number"])},
        {"number": True},
        {"number": -1},
        {"number": 10**30},
        {"salt": ""},
        {"salt": SOLVED["salt"].replace("expires=1", "expires=9")},
        {"salt": SOLVED["salt"].rstrip("&")},
        {"salt": SOLVED["salt"] + "expires=99999999999&"},
        {"signature": "0" * 64},
        {"signature": "я"},
        {"signature": "\ud800"},
        {"signature": None},
        {"signature": SOLVED["signature"].upper()},
    ],
    ids=repr,
)
def test_nothing_of_a_payload_may_be_changed(change: dict[str, Any]) -> None:
    assert isinstance(_verdict(_encoded({**SOLVED, **change})), Refused)


def test_digits_of_the_number_cannot_be_moved_into_the_expiry() -> None:
    digits = str(SOLVED["number"])
    for cut in range(1, len(digits)):
        stretched = SOLVED["salt"].rstrip("&") + digits[:cut]
        for salt in (stretched, stretched + "&", SOLVED["salt"] + digits[:cut]):
            spliced = {**SOLVED, "salt": salt, "number": int(digits[cut:])}
            assert isinstance(_verdict(_encoded(spliced)), Refused)


@pytest.mark.parametrize(
    "token",
    ["", "x", "e30=", "W10=", "bnVsbA==", "=" * 8, "я", "x" * 9000, _encoded("[" * 3000)],
    ids=lambda token: token[:12],
)
def test_what_is_no_payload_is_refused(token: str) -> None:
    assert isinstance(_verdict(token), Refused)


@given(st.binary(max_size=200))
def test_no_payload_breaks_it(noise: bytes) -> None:
    assert isinstance(_verdict(base64.b64encode(noise).decode()), Refused)


@given(st.text(max_size=50))
def test_no_text_breaks_it(noise: str) -> None:
    assert isinstance(_verdict(noise), Refused)


def test_a_challenge_of_another_key_is_refused() -> None:
    foreign = Altcha(hmac_key="another key of somebody else", max_number=500)
    assert isinstance(_verdict(_encoded(_solution(foreign.challenge(NOW, SALT)))), Refused)


def test_more_work_than_is_asked_for_now_is_not_taken() -> None:
    """A lower ``max_number`` after a restart refuses challenges that were drawn before."""
    number = SOLVED["number"]
    assert number > 1
    same = Altcha(hmac_key=KEY, max_number=number)
    less = Altcha(hmac_key=KEY, max_number=number - 1)
    assert isinstance(_verdict(_encoded(SOLVED), same), Passed)
    assert isinstance(_verdict(_encoded(SOLVED), less), Refused)


def test_a_challenge_that_others_signed_with_our_key_must_be_delimited() -> None:
    """Libraries that do not end the salt share keys with us now and then."""
    for end, passes in (("&", True), ("", False), ("&a=b&", False)):
        salt = f"{SALT.hex()}?expires={int(NOW.timestamp()) + 60}{end}"
        challenge = sha256(f"{salt}7".encode()).hexdigest()
        signature = hmac.new(KEY.encode(), challenge.encode(), "sha256").hexdigest()
        payload = {"algorithm": "SHA-256", "challenge": challenge, "number": 7}
        token = _encoded({**payload, "salt": salt, "signature": signature})
        assert isinstance(_verdict(token), Passed if passes else Refused)


def test_of_fifty_at_once_with_one_solution_one_passes() -> None:
    guard = Guard(CAPTCHA)
    token = _encoded(SOLVED)

    def admit(index: int) -> Verdict:
        address = f"198.51.100.{index}"
        return run(guard.admit(token, address=address, now=NOW))

    with ThreadPoolExecutor(16) as pool:
        verdicts = list(pool.map(admit, range(50)))
    assert sum(isinstance(verdict, Passed) for verdict in verdicts) == 1


def test_the_same_solution_in_another_encoding_is_used_too() -> None:
    guard = Guard(CAPTCHA)
    assert isinstance(run(guard.admit(_encoded(SOLVED), address="", now=NOW)), Passed)
    reordered = dict(reversed(SOLVED.items())) | {"took": 1, "more": "fields"}
    assert isinstance(run(guard.admit(_encoded(reordered), address="", now=NOW)), Refused)


@pytest.mark.parametrize("key", ["", "short", b"x" * 15])
def test_a_key_that_can_be_guessed_is_refused(key: str | bytes) -> None:
    with pytest.raises(ValueError):
        Altcha(hmac_key=key)


def test_a_key_that_is_missing_is_refused_by_name() -> None:
    key: Any = None  # a variable of the environment that nobody has set
    with pytest.raises(TypeError, match=r"^hmac_key is a str or bytes, not NoneType"):
        Altcha(hmac_key=key)


@pytest.mark.parametrize("settings", [{"max_number": 0}, {"lifetime_s": 0}])
def test_settings_that_cannot_work_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Altcha(hmac_key=KEY, **settings)


def test_a_salt_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError):
        CAPTCHA.challenge(NOW, b"x" * 11)


def test_the_key_is_in_no_repr() -> None:
    assert KEY not in repr(CAPTCHA)


# --- the reference implementation, version 1 of the protocol ------------------------------


def test_the_reference_solves_our_challenges_and_accepts_them_under_our_key() -> None:
    challenge = CAPTCHA.challenge(NOW, SALT)
    solved = reference.solve_challenge(
        str(challenge["challenge"]), str(challenge["salt"]), "SHA-256", 500, 0
    )
    assert solved is not None
    payload = reference.Payload(
        "SHA-256",
        str(challenge["challenge"]),
        solved.number,
        str(challenge["salt"]),
        str(challenge["signature"]),
    )
    accepted, problem = reference.verify_solution(payload, KEY, check_expires=False)
    assert (accepted, problem) == (True, None)
    assert isinstance(_verdict(payload.to_base64()), Passed)


def test_we_accept_challenges_of_the_reference_under_our_key() -> None:
    options = reference.ChallengeOptions(
        hmac_key=KEY, max_number=500, expires=NOW + timedelta(seconds=60)
    )
    challenge = reference.create_challenge(options)
    theirs = {
        "algorithm": challenge.algorithm,
        "challenge": challenge.challenge,
        "salt": challenge.salt,
        "signature": challenge.signature,
        "maxnumber": 500,
    }
    token = _encoded(_solution(theirs))
    assert isinstance(_verdict(token), Passed)
    assert isinstance(_verdict(token, after_s=60), Refused)
